package origin

import (
	"strings"
	"testing"
)

// TestCheck holds that a pattern which could never match is refused, with what would be right.
func TestCheck(t *testing.T) {
	for pattern, want := range map[string]string{
		"https://app.example.com":  "",
		"https://*.example.com:81": "",
		"http://[::1]:13001":       "",
		"http://[::1]:*":           "",
		"http://localhost:*":       "",
		"https://localhost:65535":  "",
		"capacitor://localhost":    "",
		"*":                        "",
		"null":                     "",
		"app.example.com":          "scheme://host",
		"*://example.com":          "like https://",
		"file://":                  "scheme://host",
		"file:///page.html":        "scheme://host",
		"https://":                 "scheme://host",
		"":                         "scheme://host",
		"https://app.example.com/": "write https://app.example.com",
		"https://a.com/x,y":        "several origins: write each",
		"https://a.com,b.com":      "several origins: write each",
		"https://a.com;b":          "several origins: write each",
		"https://a.com?x":          "write https://a.com",
		"https://bob@a.com":        "without the user",
		"https://bücher.example":   "xn--",
		"https://*.*.example.com":  "several origins",
		"https://*.example.com:*":  "one of them out",
		"https://example.com:abc":  "like https://",
		"https://example.com:":     "no port from 1",
		"https://example.com::*":   "no port from 1",
		"https://example.com:0":    "no port from 1",
		"https://example.com:0443": "no port from 1",
		"https://x:99999":          "no port from 1",
		"https://x:-1":             "like https://",
		"https://x y":              "like https://",
	} {
		t.Run(pattern, func(t *testing.T) {
			if err := Check(pattern); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want %q", err, want)
			}
		})
	}
}

// TestMatch holds whose pages may connect: those of the server itself, which has the given host, and those that
// the patterns, separated by spaces, let in.
func TestMatch(t *testing.T) {
	const app, sub, port = "https://app.example.com", "https://*.example.com", "https://*.example.com:8443"
	for _, c := range []struct {
		name     string
		patterns string
		origin   string
		host     string
		want     bool
	}{
		{"same", "", "http://example.com:13001", "example.com:13001", true},
		{"same at port 80", "", "http://example.com", "example.com", true},
		{"same at port 80, said", "", "http://example.com", "example.com:80", true},
		{"same at port 443", "", "https://example.com", "example.com", true},
		{"same at port 443, said", "", "https://example.com", "example.com:443", true},
		{"same in another case", "", "https://Example.COM", "eXample.com", true},
		{"same at an IPv4 address", "", "http://127.0.0.1:13001", "127.0.0.1:13001", true},
		{"same at an IPv6 address", "", "http://[::1]:13001", "[::1]:13001", true},
		{"same at an IPv6 address and port 80", "", "http://[::1]", "[::1]", true},
		{"another host", "", "https://evil.com", "example.com", false},
		{"another port", "", "http://example.com:13002", "example.com:13001", false},
		{"another port than 80", "", "http://example.com", "example.com:8080", false},
		{"port of the other scheme", "", "https://example.com", "example.com:80", false},
		{"another IPv6 address", "", "http://[::2]:13001", "[::1]:13001", false},
		{"host before", "", "https://example.com.evil.com", "example.com", false},
		{"host behind", "", "https://evilexample.com", "example.com", false},
		{"subdomain", "", "https://a.example.com", "example.com", false},
		{"user before the host", "", "https://evil.com@example.com", "example.com", false},
		{"host as user", "", "https://example.com@evil.com", "example.com", false},
		{"host in the path", "", "https://evil.com/example.com", "example.com", false},
		{"with a path", "", "https://example.com/", "example.com", false},
		{"with a query", "", "https://example.com?x", "example.com", false},
		{"without a scheme", "", "example.com", "example.com", false},
		{"scheme without a port", "", "file://example.com", "example.com", false},
		{"null", "", "null", "example.com", false},
		{"null at a host of that name", "", "null", "null", false},
		{"disk", "", "file://", "example.com", false},
		{"not a URL", "", "https://%zz", "example.com", false},
		{"two origins", "", "https://example.com https://evil.com", "example.com", false},

		{"listed", app, "https://app.example.com", "", true},
		{"listed with its port", app + ":443", "https://app.example.com", "", true},
		{"listed in another case", "HTTPS://App.example.COM", "https://app.example.com", "", true},
		{"second of a list", "https://a.com " + app, "https://app.example.com", "", true},
		{"other scheme that is listed", "capacitor://localhost", "capacitor://localhost", "", true},
		{"same, beside a list", app, "https://example.com", "example.com", true},
		{"not on the list", app, "https://api.example.com", "", false},
		{"listed for another scheme", app, "http://app.example.com", "", false},
		{"listed for another port", app, "https://app.example.com:8443", "", false},
		{"listed, with a suffix", app, "https://app.example.com.evil.com", "", false},
		{"listed, as user", app, "https://app.example.com@evil.com", "", false},
		{"listed, after a user", app, "https://evil@app.example.com", "", false},
		{"null beside a list", app, "null", "", false},

		{"wildcard", sub, "https://a.example.com", "", true},
		{"wildcard over two labels", sub, "https://a.b.example.com", "", true},
		{"wildcard in a label", "https://pr-*.example.com", "https://pr-17.example.com", "", true},
		{"wildcard with a port", port, "https://a.example.com:8443", "", true},
		{"wildcard for nothing", sub, "https://.example.com", "", false},
		{"wildcard for no label", sub, "https://example.com", "", false},
		{"wildcard, another port", sub, "https://a.example.com:8443", "", false},
		{"wildcard, no port", port, "https://a.example.com", "", false},
		{"wildcard, another scheme", sub, "http://a.example.com", "", false},
		{"wildcard, host before", sub, "https://a.example.com.evil.com", "", false},
		{"wildcard, host behind", sub, "https://evilexample.com", "", false},
		{"wildcard, query", sub, "https://evil.com?.example.com", "", false},
		{"wildcard, fragment", sub, "https://evil.com#.example.com", "", false},
		{"wildcard, path", sub, "https://evil.com/.example.com", "", false},
		{"wildcard, backslash", sub, `https://evil.com\.example.com`, "", false},
		{"wildcard, user", sub, "https://evil.com@a.example.com", "", false},
		{"wildcard, port and host", sub, "https://evil.com:443.example.com", "", false},
		{"wildcard, escaped slash", sub, "https://evil.com%2f.example.com", "", false},
		{"wildcard, tab", sub, "https://evil.com\t.example.com", "", false},
		{"wildcard, overlapping", "https://ab*ba.com", "https://aba.com", "", false},

		{"any port", "http://localhost:*", "http://localhost:5173", "", true},
		{"any port, the scheme's own", "http://localhost:*", "http://localhost", "", true},
		{"any port of an IPv6 address", "http://[::1]:*", "http://[::1]:5173", "", true},
		{"any port, another scheme", "http://localhost:*", "https://localhost:5173", "", false},
		{"any port, another host", "http://localhost:*", "http://localhost.evil.com:5173", "", false},
		{"any port, a port that is none", "http://localhost:*", "http://localhost:*", "", false},
		{"any port, user", "http://localhost:*", "http://localhost:5173@evil.com", "", false},

		{"null, listed", "null", "null", "", true},
		{"null, listed, and another", "null", "https://evil.com", "", false},
		{"null, listed, and disk", "null", "file://", "", false},

		{"all", "*", "https://evil.com", "", true},
		{"all, null", "*", "null", "", true},
		{"all, disk", "*", "file://", "", true},
		{"all, beside others", app + " *", "https://evil.com", "", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			list, err := Parse(strings.Fields(c.patterns))
			if err != nil {
				t.Fatal(err)
			}
			if got := IsSame(c.origin, c.host) || list.Match(c.origin); got != c.want {
				t.Errorf("%q may connect to %q: %v", c.origin, c.host, got)
			}
		})
	}
}
