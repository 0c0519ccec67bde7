package config

import "testing"

// TestInbox: messages to a member go where the member of that issuer hears them, and to nobody else.
func TestInbox(t *testing.T) {
	const (
		main    = "jwt: {secret_file: secret}"
		several = "auth: {jwt: {issuer: a, secret_file: secret}, issuers: [{issuer: b, name: x, secret_file: account}, {issuer: c, secret_file: nkey}]}"
	)
	for _, c := range []struct{ text, issuer, member, want string }{
		{"auth: {" + main + "}", "", "7", "/member/7"},
		{"auth: {" + main + "}", "", `"7"`, "/member/%37"},
		{"auth: {" + main + "}", "", `"a/b"`, "/member/a%2Fb"},
		{"auth: {" + main + "}", "x", "7", ""},
		{"auth: {" + main + "}\nprefixes: {member: /people}", "", "7", "/people/7"},
		{"auth: {" + main + "}\nprefixes: {member: ''}", "", "7", ""},
		{"log: {level: info}", "", "7", ""},
		{several, "", "7", "/member/7"},
		{several, "x", "7", "/member/x:7"},
		{several, "b", "7", ""},
		{"auth: {issuers: [{issuer: b, secret_file: account}, {issuer: c, secret_file: nkey}]}", "", "7", ""},
	} {
		cfg, err := load(t, c.text)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := cfg.Inbox(c.issuer, c.member); got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%s: %q %s is %q, %v; want %q", c.text, c.issuer, c.member, got, err, c.want)
		}
	}
}
