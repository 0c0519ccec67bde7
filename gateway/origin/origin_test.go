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
		"https://a.com,b.com/x":    "write https://a.com,b.com",
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
