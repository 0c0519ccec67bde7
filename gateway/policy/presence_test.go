package policy

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/gateway/destination"
)

// rooms has rules for presence beside those for everything.
func rooms(t testing.TB) *Catalogue {
	return mustNew(t, Rules{
		Prefixes:         DefaultPrefixes(),
		ErrorDestination: "/queue/errors",
		Channels: []Channel{
			{Match: "/topic/quiet"},
			{Match: "/topic/{room}", Subscribe: "true", Presence: PresenceMembers, PresenceInfo: `{"name": claims.name, "room": vars.room, "at": destination}`},
			{Match: "/topic/count/{room}", Subscribe: "true", Presence: PresenceCount},
			{Match: "/topic/of/{member}", Subscribe: "string(claims.mu) == vars.member", Presence: PresenceMembers, PresenceInfo: "claims.shown"},
			{Match: "/topic/plain/**", Subscribe: "true"},
			{Match: "/topic/headers/{a}", Subscribe: `headers["k"] == destination`, Presence: PresenceMembers},
			{Match: "/presence/topic/staff", Subscribe: `claims.mu == 1 && vars == {}`},
			{Match: "/presence/topic/count/{n}", Subscribe: `destination == "/presence/topic/count/" + vars.n && vars.n != "secret"`},
			{Match: "/presence/topic/plain/**", Subscribe: "true"},
			{Match: "/**", Subscribe: "true", Send: "true", Patterns: true, Presence: PresenceMembers},
		},
		Routes: []Route{{Match: "/app/any/{a}/{b}/{c}", Allow: "true", Publish: "/{a}/{b}/{c}"}},
	})
}

// TestSubscribePresence: who may subscribe to a room may see who is there, unless a rule for that says no.
func TestSubscribePresence(t *testing.T) {
	c := rooms(t)
	one := map[string]any{"mu": int64(1)}
	for _, test := range []struct {
		name   string
		claims map[string]any
		want   Code
		grant  Grant
		rule   string // that says no
	}{
		{"/presence/topic/a", nil, 0, Grant{Rule: "channels[1]", Room: "/topic/a", Presence: PresenceMembers}, ""},
		{"/presence/topic/count/a", nil, 0, Grant{Rule: "channels[2]", Room: "/topic/count/a", Presence: PresenceCount}, ""},
		{"/presence/topic/of/1", one, 0, Grant{Rule: "channels[3]", Room: "/topic/of/1", Presence: PresenceMembers, Login: true}, ""},
		{"/presence/topic/staff", one, 0, Grant{Rule: "channels[1]", Room: "/topic/staff", Presence: PresenceMembers, Login: true}, ""},
		{"/presence/queue/x", nil, 0, Grant{Rule: "channels[9]", Room: "/queue/x", Presence: PresenceMembers}, ""},
		{"/presence/topic/of/1", nil, CodeLogin, Grant{}, "channels[3]"},
		{"/presence/topic/of/2", one, CodeNotAllowed, Grant{}, "channels[3]"},
		{"/presence/topic/staff", nil, CodeLogin, Grant{}, "channels[6]"},
		{"/presence/topic/count/secret", nil, CodeNotAllowed, Grant{}, "channels[7]"},
		{"/presence/topic/headers/a", nil, 0, Grant{Rule: "channels[5]", Room: "/topic/headers/a", Presence: PresenceMembers}, ""},
		{"/presence/topic/headers/b", nil, CodeNotAllowed, Grant{}, "channels[5]"},

		{"/presence/topic/quiet", nil, CodeNoRule, Grant{}, "channels[0]"},
		{"/presence/topic/plain/a", nil, CodeNoRule, Grant{}, "channels[4]"},
		{"/presence", nil, CodeNoRule, Grant{}, ""},
		{"/presence/", nil, CodeNoRule, Grant{}, ""},
		{"/presence//topic/a", nil, CodeNoRule, Grant{}, ""},
		{"/presence/topic/a/", nil, CodeNoRule, Grant{}, ""},
		{"/presence/presence", nil, CodeNoRule, Grant{}, ""},
		{"/presence/presence/topic/a", nil, CodeNoRule, Grant{}, ""},
		{"/presence/session", nil, CodeNoRule, Grant{}, ""},
		{"/presence/session/queue/a", nil, CodeNoRule, Grant{}, ""},
		{"/presence/member/queue/a", nil, CodeNoRule, Grant{}, ""},
		{"/presence/member/7/queue/a", nil, CodeNoRule, Grant{}, ""},
		{"/presence/app/topic/a", nil, CodeNoRule, Grant{}, ""},
		{"/presence/queue/errors", nil, CodeNoRule, Grant{}, ""},
		{"/presence/*", nil, CodePattern, Grant{}, ""},
		{"/presence/**", nil, CodePattern, Grant{}, ""},
		{"/presence/topic/{room}", nil, CodePattern, Grant{}, ""},
		{"/presence/session/?", nil, CodePattern, Grant{}, ""},

		{"/topic/a", nil, 0, Grant{Rule: "channels[1]", Destination: "/topic/a", Presence: PresenceMembers}, ""},
		{"/topic/plain/a", nil, 0, Grant{Rule: "channels[4]", Destination: "/topic/plain/a"}, ""},
		{"/session/queue/a", nil, 0, Grant{Rule: "channels[9]", Destination: "/session/queue/a"}, ""}, // a wide rule makes no room of it
		{"/queue/errors", nil, 0, Grant{Destination: "/queue/errors"}, ""},
		{"/**", nil, 0, Grant{Rule: "channels[9]", Destination: "/**"}, ""},
		{"/presence*/**", nil, 0, Grant{Rule: "channels[9]", Destination: "/presence*/**"}, ""},
		{"/presences/topic/a", nil, 0, Grant{Rule: "channels[9]", Destination: "/presences/topic/a", Presence: PresenceMembers}, ""},
		{"$presence/topic/a", nil, CodeNoRule, Grant{}, ""},
		{"$presence", nil, CodeNoRule, Grant{}, ""},
		{"$presence/*", nil, CodePattern, Grant{}, ""},
		{"$presence/**", nil, CodePattern, Grant{}, ""},
		{"$*/**", nil, CodePattern, Grant{}, ""},
	} {
		r := Request{Destination: test.name, Claims: test.claims, Headers: []bus.Header{{Name: "k", Value: "/topic/headers/a"}}}
		got, refusal := c.JudgeSubscribe(&r)
		if test.want == 0 && test.grant.Destination == "" {
			test.grant.Destination = test.name
		}
		if codeOf(refusal) != test.want || got != test.grant {
			t.Errorf("SUBSCRIBE %s of %v: code %d, %+v\nwant %d, %+v", test.name, test.claims, codeOf(refusal), got, test.want, test.grant)
		} else if refusal != nil && refusal.Rule != test.rule {
			t.Errorf("SUBSCRIBE %s: refused by %q, want %q", test.name, refusal.Rule, test.rule)
		}
	}
}

// TestPresenceOf: it is what Room undoes, for all that may be rooms.
func TestPresenceOf(t *testing.T) {
	c := rooms(t)
	for room, want := range map[string]string{
		"/topic/a": "/presence/topic/a", "/topic/plain/a": "/presence/topic/plain/a", "/presence/topic/a": "", "/presence": "", "": "", "/member/7/x": "", "/session/x": "",
		"/app/x": "", "/queue/errors": "",
	} {
		if got := c.PresenceOf(room); got != want || got != "" && c.Room(got) != room {
			t.Errorf("PresenceOf(%q) is %q, want %q", room, got, want)
		}
	}
	without := DefaultPrefixes()
	without.Presence = ""
	off := mustNew(t, Rules{Prefixes: without, Channels: []Channel{{Match: "/topic/{room}", Subscribe: "true", Presence: PresenceMembers}}})
	if got := off.PresenceOf("/topic/a"); got != "" {
		t.Errorf("without a prefix it is %q", got)
	}
}

// isOfNodes reports whether a destination is one by which nodes tell each other who is where. It has no slash in front, and no rule is about
// such.
func isOfNodes(name string) bool { return destination.IsUnder(name, "$presence") }

// TestNobodyTells: whatever the rules say, nothing is published below the prefix, nor to the nodes' own destinations, and nothing is kept of them.
func TestNobodyTells(t *testing.T) {
	c := rooms(t)
	for name, want := range map[string]Code{
		"/presence/topic/a": CodeNoRule, "/presence": CodeNoRule, "/presence/": CodeNoRule, "$presence": CodeNoRule, "$presence/topic/a": CodeNoRule,
		"/app/any/presence/topic/a": CodeDestination, "/app/any/$presence/topic/a": 0, // which is /$presence/topic/a
		"/topic/quiet": CodeNotAllowed, "/topic/x/y": 0,
	} {
		target, refusal := c.JudgeSend(&Request{Destination: name})
		if codeOf(refusal) != want || isOfNodes(target.Destination) {
			t.Errorf("SEND to %s: code %d, %+v, want %d", name, codeOf(refusal), target, want)
		}
	}
	kept := base()
	kept.ErrorDestination, kept.Prefixes.User = "", "/else/where"
	kept.Channels = []Channel{{Match: "/{a}/topic/{b}", Subscribe: "true", History: History{1, maxTTL}}}
	c = mustNew(t, kept)
	for _, name := range []string{"/presence/topic/a", "$presence/topic/a"} {
		if _, _, ok := c.History(name); ok || c.HasChannel(name) {
			t.Errorf("%s has a channel, or a history", name)
		}
	}
}

// TestPresencePrefix: it may have several segments, and there may be none.
func TestPresencePrefix(t *testing.T) {
	r := base()
	r.Channels[0].Presence = PresenceMembers
	r.Prefixes.Presence = "/who/is"
	c := mustNew(t, r)
	if given, refusal := c.JudgeSubscribe(&Request{Destination: "/who/is/topic/a"}); refusal != nil || given.Room != "/topic/a" {
		t.Errorf("%+v, %+v", given, refusal)
	}
	r.Prefixes.Presence = ""
	r.Channels = append(r.Channels, Channel{Match: "/presence/**", Subscribe: "true", Send: "true", Patterns: true, Presence: PresenceCount})
	without := mustNew(t, r)
	for _, name := range []string{"/presence/topic/a", "/presence", "/topic/a", ""} {
		if without.IsPresence(name) || without.Room(name) != "" {
			t.Errorf("%q tells of a room", name)
		}
	}
	if given, refusal := without.JudgeSubscribe(&Request{Destination: "/presence/topic/a"}); refusal != nil || given.Presence != PresenceCount || given.Room != "" {
		t.Errorf("without the prefix: %+v, %+v", given, refusal)
	}
	if without.Agrees(c) || !c.Agrees(c) {
		t.Error("rules agree of which one has no prefix for presence")
	}
}

// TestPresenceInfo: the rule's expression is all that is shown.
func TestPresenceInfo(t *testing.T) {
	c := rooms(t)
	for _, test := range []struct {
		name   string
		claims map[string]any
		want   string // or else in the error
	}{
		{"/topic/a", map[string]any{"name": "Bob \u2028", "mail": "b@example.com"}, "{\"at\":\"/topic/a\",\"name\":\"Bob \u2028\",\"room\":\"a\"}"},
		{"/topic/a", map[string]any{"mail": "b@example.com"}, "channels[1].presence_info: no such key"},
		{"/topic/a", map[string]any{"name": strings.Repeat("x", 980)}, fmt.Sprintf(`{"at":"/topic/a","name":"%s","room":"a"}`, strings.Repeat("x", 980))},
		{"/topic/a", map[string]any{"name": strings.Repeat("x", maxInfo)}, "channels[1].presence_info: the result is too large"},
		{"/topic/a", map[string]any{"name": "\xff"}, "channels[1].presence_info: the result holds text that is not UTF-8"},
		{"/topic/a", nil, "channels[1].presence_info: no such key"},
		{"/topic/of/1", map[string]any{"shown": map[string]any{"age": int64(7)}}, `{"age":7}`},
		{"/topic/of/1", map[string]any{"shown": map[string]any{}}, ""},
		{"/topic/of/1", map[string]any{"shown": []any{}}, "channels[3].presence_info: the result is no map with keys of text"},
		{"/topic/of/1", map[string]any{"shown": "text"}, "channels[3].presence_info: the result is no map with keys of text"},
		{"/topic/count/a", map[string]any{"name": "x"}, ""},
		{"/elsewhere", nil, ""},
		{"$presence", nil, ""},
	} {
		got, err := c.PresenceInfo(&Request{Destination: test.name, Claims: test.claims})
		if err != nil {
			if got != nil || test.want == "" || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "example.com") {
				t.Errorf("%s of %.40v: %q, %v; want %q", test.name, test.claims, got, err, test.want)
			}
		} else if string(got) != test.want {
			t.Errorf("%s of %.40v: %s, want %s", test.name, test.claims, got, test.want)
		}
	}
}

// TestRoomless: a rule below the prefix that has nothing to take from is told, and no other.
func TestRoomless(t *testing.T) {
	if got := rooms(t).Roomless(); got != nil { // the last rule is for everything
		t.Errorf("got %v", got)
	}
	c := mustNew(t, Rules{Prefixes: DefaultPrefixes(), Channels: []Channel{
		{Match: "/topic/a/{x}", Presence: PresenceMembers},
		{Match: "/topic/b/{x}"},
		{Match: "/presence/topic/a/**"},
		{Match: "/presence/**"},
		{Match: "/presence/{x}/a/b"},
		{Match: "/presence/topic/b/**"},
		{Match: "/presence/topic/a"},
		{Match: "/presence/queue/{x}"},
	}})
	if want, got := []string{"channels[5]", "channels[7]"}, c.Roomless(); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestPresenceWords: settings have three words, and no others.
func TestPresenceWords(t *testing.T) {
	for _, word := range []string{"false", "true", "count"} {
		var p Presence
		if err := p.UnmarshalText([]byte(word)); err != nil || p.String() != word {
			t.Errorf("%s becomes %s, %v", word, p, err)
		}
	}
	for _, word := range []string{"", "True", "yes", "counts", "0"} {
		p := PresenceCount
		if err := p.UnmarshalText([]byte(word)); err == nil || p != PresenceCount {
			t.Errorf("%q becomes %s, %v", word, p, err)
		}
	}
}

// FuzzPresence holds that of all that a client can name, it sees who is in a room only where it may subscribe to that, and that nothing is
// published where the gateway tells it.
func FuzzPresence(f *testing.F) {
	for _, seed := range []string{"/presence/topic/a", "/presence", "/presence/", "/presence//topic/a", "/presence/*", "/**", "/presence/presence/topic/a", "/presence/topic/of/7", "/presence/member/7/x", "/app/any/presence/x/y", "$presence/topic/a", "x"} {
		f.Add(seed)
	}
	c := rooms(f)
	f.Fuzz(func(t *testing.T, name string) {
		given, refusal := c.JudgeSubscribe(&Request{Destination: name})
		if refusal == nil && c.IsPresence(name) {
			room, no := c.JudgeSubscribe(&Request{Destination: given.Room})
			if no != nil || room.Presence == PresenceNone || room.Room != "" || "/presence"+given.Room != name || given.Destination != name {
				t.Errorf("SUBSCRIBE to %q sees %+v, and the room is %+v, %+v", name, given, room, no)
			}
		}
		if refusal == nil && (isOfNodes(given.Destination) || given.Room != "" && !c.IsPresence(name)) {
			t.Errorf("SUBSCRIBE to %q is one to %+v", name, given)
		}
		if target, refusal := c.JudgeSend(&Request{Destination: name}); refusal == nil && (c.IsPresence(target.Destination) || isOfNodes(target.Destination)) {
			t.Errorf("SEND to %q goes to %q", name, target.Destination)
		}
	})
}

// TestNeverRooms: what is never a room is none for who subscribes to it either, even by a channel for everything.
func TestNeverRooms(t *testing.T) {
	c, err := New(Rules{Prefixes: DefaultPrefixes(), ErrorDestination: "/queue/errors", Channels: []Channel{{Match: "/**", Subscribe: "true", Presence: PresenceMembers}}})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]Presence{
		"/topic/a": PresenceMembers, "/app/a": PresenceNone, "/session/queue/a": PresenceNone, "/queue/errors": PresenceNone, "/queue/a": PresenceMembers,
	} {
		given, refusal := c.JudgeSubscribe(&Request{Destination: name})
		if refusal != nil || given.Presence != want || c.HasPresence(name) != (want != PresenceNone) || (c.Room("/presence"+name) != "") != (want != PresenceNone) {
			t.Errorf("%s: %v, %v; %v, %q", name, given, refusal, c.HasPresence(name), c.Room("/presence"+name))
		}
	}
}
