package policy

import (
	"strconv"
	"testing"
)

// members is a catalogue in which each member has a channel of its own beside open ones.
func members(t testing.TB) *Catalogue {
	own := `vars.member == string(claims.mu)`
	return mustNew(t, Rules{
		Prefixes:         DefaultPrefixes(),
		ErrorDestination: "/session/queue/request-error",
		Channels: []Channel{
			{Match: "/topic/member/{member}", Subscribe: own, Send: own, Patterns: true},
			{Match: "/topic/member/{member}/*", Subscribe: own, Patterns: true},
			{Match: "/topic/closed/{a}", Subscribe: "true"},
			{Match: "/topic/closed/**", Subscribe: "true", Patterns: true},
			{Match: "/topic/p/**", Subscribe: "true", Patterns: true},
			{Match: "/topic/room-*/{part}", Subscribe: `"ROLE_ADMIN" in claims.rl`, Patterns: true},
			{Match: "/topic/by/{kind}/{id}", Subscribe: `vars.kind == "open" || vars.id == "1"`, Patterns: true},
			{Match: "/topic/never/*", Patterns: true},
			{Match: "/topic/**", Subscribe: `session.transport == "websocket"`, Patterns: true},
			{Match: "/session/**", Subscribe: "true"},
			{Match: "/**", Subscribe: "true", Patterns: true},
		},
	})
}

// TestJudgePattern: the first rule decides that is about all that the pattern means; and a message
// still has to pass the first rule of its own destination.
func TestJudgePattern(t *testing.T) {
	c := members(t)
	claims := map[string]any{"mu": int64(42), "rl": []any{"ROLE_ADMIN"}}
	for _, test := range []struct {
		pattern string
		claims  map[string]any
		want    Code
		rule    string
		login   bool
	}{
		{"/topic/p/*", nil, 0, "channels[4]", false},
		{"/topic/p/**", nil, 0, "channels[4]", false},
		{"/topic/p/a/x?/**", nil, 0, "channels[4]", false},
		{"/topic/*", nil, 0, "channels[8]", false},
		{"/topic/**", nil, 0, "channels[8]", false},
		{"/**", nil, 0, "channels[10]", false},
		{"/*/p/*", nil, 0, "channels[10]", false},

		{"/topic/member/42/*", claims, 0, "channels[1]", true},
		{"/topic/member/43/*", claims, CodeNotAllowed, "channels[1]", false},
		{"/topic/member/42/*", nil, CodeLogin, "channels[1]", false},
		{"/topic/member/*", claims, CodeNotAllowed, "channels[0]", false},
		{"/topic/member/4*", claims, CodeNotAllowed, "channels[0]", false},
		{"/topic/member/??", claims, CodeNotAllowed, "channels[0]", false},
		{"/topic/member/*/*", claims, CodeNotAllowed, "channels[1]", false},
		{"/topic/member/*", nil, CodeLogin, "channels[0]", false},

		{"/topic/closed/*", nil, CodePattern, "channels[2]", false},
		{"/topic/closed/**", nil, 0, "channels[3]", false},
		{"/topic/room-*/x", claims, 0, "channels[5]", true},
		{"/topic/room-*/x", nil, CodeLogin, "channels[5]", false},
		{"/topic/room-1/*", claims, 0, "channels[5]", true},
		{"/topic/by/open/*", nil, 0, "channels[6]", false},
		{"/topic/by/*/1", nil, 0, "channels[6]", false},
		{"/topic/by/*/2", nil, CodeNotAllowed, "channels[6]", false},
		{"/topic/by/shut/*", nil, CodeNotAllowed, "channels[6]", false},
		{"/topic/never/*", claims, CodeNotAllowed, "channels[7]", false},

		{"/session/queue/*", nil, CodePattern, "channels[9]", false},
		{"/session/**", nil, CodePattern, "channels[9]", false},
		{"/topic/{a}", nil, CodePattern, "", false},
		{"/topic/*/", nil, CodePattern, "", false},
		{"/topic//*", nil, CodePattern, "", false},
		{"*", nil, CodePattern, "", false},
		{"/**/a/**/b/**", nil, CodePattern, "", false},
	} {
		grant, r := c.JudgeSubscribe(&Request{Destination: test.pattern, Claims: test.claims, Member: "42", From: newAsker()})
		if codeOf(r) != test.want {
			t.Errorf("%s: code %d, want %d", test.pattern, codeOf(r), test.want)
			continue
		}
		if got := (Grant{Rule: test.rule, Destination: test.pattern, Login: test.login}); r == nil && grant != got {
			t.Errorf("%s: %+v, want %+v", test.pattern, grant, got)
		}
		if r != nil && r.Rule != test.rule {
			t.Errorf("%s: refused by %q, want %q", test.pattern, r.Rule, test.rule)
		}
	}
	c = mustNew(t, Rules{Prefixes: DefaultPrefixes(), Channels: []Channel{{Match: "/**", Subscribe: "true", Patterns: true}}})
	if r := subscribe(c, "/session/queue/*"); codeOf(r) != CodePattern || r.Rule != "channels[0]" {
		t.Errorf("of the session, by a channel of everything: %+v", r)
	}
	c = mustNew(t, base())
	if r := subscribe(c, "/topic/*"); codeOf(r) != CodePattern || r.Rule != "channels[0]" {
		t.Errorf("of a channel that says nothing of patterns: %+v", r)
	}
	if r := subscribe(c, "/queue/*"); codeOf(r) != CodePattern || r.Rule != "" {
		t.Errorf("of no channel: %+v", r)
	}
}

// TestNeighbour: a subscriber by an open pattern receives nothing that the destination's own rule
// keeps for somebody else.
func TestNeighbour(t *testing.T) {
	c := members(t)
	for _, test := range []struct {
		destination string
		claims      map[string]any
		want        Code
	}{
		{"/topic/member/43", map[string]any{"mu": int64(42)}, CodeNotAllowed},
		{"/topic/member/42", map[string]any{"mu": int64(42)}, 0},
		{"/topic/member/42", map[string]any{"mu": "42"}, 0}, // string makes the same of both: the rule says so
		{"/topic/member/42", nil, CodeLogin},
		{"/topic/member/042", map[string]any{"mu": int64(42)}, CodeNotAllowed},
		{"/topic/member/42/", map[string]any{"mu": int64(42)}, CodeNoRule},
		{"/topic/member//42", map[string]any{"mu": int64(42)}, CodeNoRule},
		{"/topic/Member/42", nil, 0}, // names are compared letter by letter: this is a channel of "/topic/**"
	} {
		_, r := c.JudgeSubscribe(&Request{Destination: test.destination, Claims: test.claims, Member: "", From: newAsker()})
		if codeOf(r) != test.want {
			t.Errorf("%s of %v: code %d, want %d", test.destination, test.claims, codeOf(r), test.want)
		}
	}
}

// FuzzNeighbour holds that of all that a client can name, a destination or a pattern, none opens the
// channel of another member, to receive or to send.
func FuzzNeighbour(f *testing.F) {
	for _, seed := range []string{"/topic/member/43", "/topic/member/*", "/topic/member/4?", "/topic/member/**", "/topic/**/43", "/topic/member/42", "/**", "/topic/member/{member}", "/topic/member//43", "/topic/member/43/x", "/topic/member/42/*", ""} {
		f.Add(seed, int64(42))
	}
	c := mustNew(f, Rules{Prefixes: DefaultPrefixes(), Channels: []Channel{
		{Match: "/topic/member/{member}", Subscribe: `vars.member == string(claims.mu)`, Send: `vars.member == string(claims.mu)`, Patterns: true},
	}})
	f.Fuzz(func(t *testing.T, destination string, member int64) {
		r := &Request{Destination: destination, Claims: map[string]any{"mu": member}}
		own := destination == "/topic/member/"+strconv.FormatInt(member, 10)
		if _, refused := c.JudgeSubscribe(r); (refused == nil) != own {
			t.Errorf("SUBSCRIBE of %d to %q: %+v", member, destination, refused)
		}
		if _, refused := c.JudgeSend(r); (refused == nil) != own {
			t.Errorf("SEND of %d to %q: %+v", member, destination, refused)
		}
		r.Claims = nil
		if _, refused := c.JudgeSubscribe(r); refused == nil {
			t.Errorf("SUBSCRIBE of nobody to %q", destination)
		}
	})
}
