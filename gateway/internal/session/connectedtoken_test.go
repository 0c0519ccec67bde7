package session

import (
	"strings"
	"testing"
	"time"
)

// TestConnectedToken holds what CONNECTED says of the token: whose the session is, or that it is nobody's and whether
// a new token would do. Why is for the log.
func TestConnectedToken(t *testing.T) {
	r := newLoginRig(t)
	for _, tt := range []struct {
		name, authorization string
		want, log           string // lines of CONNECTED; of the log, empty for none
	}{
		{"no token", "", "", ""},
		{"a number", "Bearer " + r.of(42, time.Hour), "member:42\n", ""},
		{"a text", "Bearer " + r.of("bob:\\n x", time.Hour), "member:bob:\\n x\n", ""},
		{"a text of digits", "Bearer " + r.of("42", time.Hour), "member:42\n", ""},
		{"a member with a line feed", "Bearer " + r.of("bob\nserver:x", time.Hour), "", ""},
		{"a member with a carriage return", "Bearer " + r.of("bob\r", time.Hour), "", ""},
		{"a member with a NUL", "Bearer " + r.of("bob\x00", time.Hour), "", ""},
		{"within the leeway", "Bearer " + r.of(42, -time.Second), "member:42\n", ""},
		{"expired", "Bearer " + r.of(42, -time.Hour), "token:expired\n", "expiry: the token expired"},
		{"expired, of another key", "Bearer " + changed(r.of(42, -time.Hour)), "token:refused\n", "signature: "},
		{"of another key", "Bearer " + changed(r.of(42, time.Hour)), "token:refused\n", "signature: "},
		{"without a time", "Bearer " + r.of(42, time.Hour, "exp", ""), "token:refused\n", "expiry: the claim"},
		{"no JWT", "Bearer aa", "token:refused\n", "form: "},
		{"no bearer", "Basic Ym9iOmJvYg==", "token:refused\n", "not the word Bearer"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r.host.Lines = new(Lines) // as if a second had passed
			before := len(r.logs.String())
			p := r.accept()
			authorization := ""
			if tt.authorization != "" {
				authorization = "Authorization:" + tt.authorization + "\n"
			}
			p.ask("CONNECT\naccept-version:1.2\nheart-beat:0,0\n" + authorization + "\n^@")
			frame := p.wantOne("CONNECTED", "server:stompgw/test")
			if _, rest, _ := strings.Cut(frame, "\nserver:stompgw/test\n"); rest != tt.want+"\n" {
				t.Errorf("CONNECTED ends in %q, want %q", rest, tt.want)
			}
			var told []string
			for line := range strings.Lines(r.logs.String()[before:]) {
				if strings.Contains(line, "level=INFO") {
					told = append(told, line)
				}
			}
			switch log := strings.Join(told, ""); {
			case (tt.log != "") != (len(told) == 1), !strings.Contains(log, tt.log):
				t.Errorf("the log says %q, want %q", log, tt.log)
			case tt.log != "" && !strings.Contains(log, "remote="+p.conn.Remote().String()+" "):
				t.Errorf("the log does not say where the client is: %q", log)
			case strings.Contains(log, "eyJ"):
				t.Errorf("a token is in the log: %q", log)
			}
			p.errors()
			p.want() // nothing that was not asked for
		})
	}
}

// Where nobody's tokens are taken, a client that brings one is told.
func TestConnectedTokenWithoutIssuer(t *testing.T) {
	r := newRig(t)
	for range 2 {
		p := r.accept()
		p.feed("CONNECT\naccept-version:1.2\nAuthorization:Bearer aa\n\n^@")
		p.wantOne("CONNECTED", "token:refused")
		p.feed("SEND\ndestination:/topic/a\nAuthorization:Bearer aa\n\n^@")
		p.want()
	}
	if log := r.logs.String(); strings.Count(log, "level=INFO") != 1 || !strings.Contains(log, "no issuer is configured") {
		t.Errorf("the log says %s", log)
	}
}

// changed is a token with another signature.
func changed(token string) string {
	i := len(token) - 10
	c := "A"
	if token[i] == 'A' {
		c = "B"
	}
	return token[:i] + c + token[i+1:]
}
