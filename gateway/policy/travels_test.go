package policy

import "testing"

// What only begins like a secret is the sender's own, and passes.
func TestHeadersThatPass(t *testing.T) {
	for _, value := range []string{"", "Bearer", "bearers of news", "eyJ", "eyJhbGci", "eyJhbGci.x", "1.2.3", "a eyJ b.c.d", "{\"a\":1}", "text/plain"} {
		if !Travels("x-own", []byte(value)) {
			t.Errorf("%q is held back", value)
		}
	}
	for _, name := range []string{"content-type", "priority", "id", "version", "message", "reply-to", "persistent", "X-Authorization-Id", "token-count", "x-positions", "position",
		"stomp", "x-stomp-member", "stomp.member", "stomp_member", "s", "ſ", "\xc5"} {
		if !Travels(name, []byte("value")) {
			t.Errorf("%s is held back", name)
		}
	}
	for _, name := range []string{"destination", "content-length", "receipt", "receipt-id", "transaction", "ack", "subscription", "message-id",
		"x-position", "X-Position", "x-POSITION", "x-poſition", " x-position",
		"stomp-", "stomp-member", "Stomp-Member", "STOMP-MEMBER", "sToMp-x", "stomp-principal", "stomp-session", "stomp-destination", "\tstomp-member ", "ſtomp-member"} {
		if Travels(name, []byte("value")) {
			t.Errorf("%s, which MESSAGE has of its own, passes", name)
		}
	}
}

func TestSecretsStayBehind(t *testing.T) {
	const jwt = "eyJhbGciOiJIUzI1NiJ9.eyJtdSI6NDJ9.c2ln"
	for _, h := range [][2]string{
		{"Set-Cookie", "sid=1"}, {"COOKIE2", "a"}, {" cookie ", "a"}, {"X-Api-Key", "a"}, {"password", "a"},
		{jwt, "v"}, {"x", jwt}, {"x", "token=" + jwt + ",z"}, {"content-type", jwt},
		{"x", "Bearer_" + jwt}, {"x", "a.b." + jwt + ".c"}, {"x", "eyAiYWxnIjoi.e30.c2ln"}, {"x", "ewogICJhbGci.e30.c2ln"}, {"x", "ewkiYWxnIjoi.e30."},
		{"X-Access_Token", "a"}, {"token", "a"}, {"id_token", "a"},
		{"x", "Bearer secret"}, {"x", `"Bearer secret"`}, {"x", "Authorization: Bearer secret"}, {"x", "a BEARER\tsecret"},
		{"content-type", "Bearer secret"},
	} {
		if Travels(h[0], []byte(h[1])) {
			t.Errorf("%s: %s travels", h[0], h[1])
		}
	}
}

// FuzzTravels holds that no way of writing a token gets it past the gateway.
func FuzzTravels(f *testing.F) {
	const token = "eyJhbGciOiJIUzI1NiJ9.eyJtdSI6NDJ9.c2ln"
	f.Add("", "")
	f.Add("Token ", ";x")
	f.Add("a=", "&b")
	f.Add("Bearer\t", " ")
	f.Fuzz(func(t *testing.T, before, after string) {
		if Travels("x-own", []byte(before+token+after)) {
			t.Errorf("%q passes", before+token+after)
		}
	})
}
