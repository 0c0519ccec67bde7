package policy

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// base is a set of rules without a fault, for tests that add one.
func base() Rules {
	return Rules{
		Prefixes:         DefaultPrefixes(),
		ErrorDestination: "/session/queue/request-error",
		Channels:         []Channel{{Match: "/topic/{room}", Subscribe: "true"}},
		Routes:           []Route{{Match: "/app/topic/{channel}", Allow: "true", Publish: "/topic/{channel}"}},
	}
}

func mustNew(t testing.TB, r Rules) *Catalogue {
	t.Helper()
	c, err := New(r)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestRuleErrors(t *testing.T) {
	channel := func(ch Channel) func(*Rules) { return func(r *Rules) { r.Channels = append(r.Channels, ch) } }
	route := func(rt Route) func(*Rules) { return func(r *Rules) { r.Routes = append(r.Routes, rt) } }
	for _, test := range []struct {
		name string
		add  func(*Rules)
		want string
	}{
		{"match is missing", channel(Channel{}), `channels[1].match: "" does not begin with a slash`},
		{"channel of the application", channel(Channel{Match: "/app/a", Subscribe: "true"}), `channels[1].match: "/app/a" is under the application prefix /app, which nobody receives: write a route`},
		{"subscribe is no permission", channel(Channel{Match: "/topic/a", Subscribe: "yes"}), `channels[1].subscribe: undeclared reference to 'yes' (line 1, column 1)`},
		{"send is no permission", channel(Channel{Match: "/topic/a", Send: "True"}), `channels[1].send: undeclared reference to 'True' (line 1, column 1)`},
		{"subscribe is too long", channel(Channel{Match: "/topic/a", Subscribe: `"` + strings.Repeat("안", 4095) + `"`}), `channels[1].subscribe: is 4097 characters long: an expression may have 4096`},
		{"patterns of the session", channel(Channel{Match: "/session/queue/{a}", Patterns: true}), `channels[1].patterns: "/session/queue/{a}" is under the session prefix /session, where messages reach subscriptions by name alone`},
		{"patterns of members", channel(Channel{Match: "/member/{a}/x", Patterns: true}), `channels[1].patterns: "/member/{a}/x" is under the member prefix /member, where messages reach subscriptions by name alone`},
		{"nobody's destinations", channel(Channel{Match: "/member"}), `channels[1].match: "/member" names no member: write it like /member/42/queue/x`},
		{"a member misspelt", channel(Channel{Match: "/member/a:b c/x"}), `channels[1].match: "a:b c" names no member: write a:b%20c`},
		{"history without a size", channel(Channel{Match: "/topic/a", History: History{TTL: time.Minute}}), `channels[1].history.size: 0 is not possible: want 1 to 10000 messages of each destination, and a ttl`},
		{"history of too much", channel(Channel{Match: "/topic/a", History: History{10_001, time.Minute}}), `channels[1].history.size: 10001 is not possible: want 1 to 10000 messages of each destination, and a ttl`},
		{"history without a ttl", channel(Channel{Match: "/topic/a", History: History{Size: 1}}), `channels[1].history.ttl: 0s is not possible: want a size, and a ttl of 1s to 24h`},
		{"history of too long", channel(Channel{Match: "/topic/a", History: History{1, 24*time.Hour + 1}}), `channels[1].history.ttl: 24h0m0.000000001s is not possible: want a size, and a ttl of 1s to 24h`},
		{"history of a session", channel(Channel{Match: "/session/queue/{a}", History: History{1, time.Minute}}), `channels[1].history: "/session/queue/{a}" matches destinations under the session prefix /session, which end with their session, so nobody could come back to them: write a rule for what has a history`},
		{"history of all", channel(Channel{Match: "/**", History: History{1, time.Minute}}), `channels[1].history: "/**" matches destinations under the session prefix /session, which end with their session, so nobody could come back to them: write a rule for what has a history`},
		{"history of errors", func(r *Rules) {
			r.ErrorDestination = "/errors"
			r.Channels = append(r.Channels, Channel{Match: "/errors", History: History{1, time.Minute}})
		}, `channels[1].history: "/errors" matches the error destination /errors, where each client hears of its own frames: write a rule for what has a history`},
		{"presence of a session", channel(Channel{Match: "/session/queue/{a}", Presence: PresenceMembers}), `channels[1].presence: "/session/queue/{a}" is under the session prefix /session, where a session is alone: leave it out`},
		{"presence of members", channel(Channel{Match: "/member/{a}/**", Presence: PresenceCount}), `channels[1].presence: "/member/{a}/**" is under the member prefix /member, where a member is alone: leave it out`},
		{"presence of errors", func(r *Rules) {
			r.ErrorDestination = "/errors"
			r.Channels = append(r.Channels, Channel{Match: "/errors", Presence: PresenceMembers})
		}, `channels[1].presence: "/errors" is the error destination, where each client hears of its own frames: leave it out`},
		{"info without presence", channel(Channel{Match: "/topic/a", PresenceInfo: "{}"}), `channels[1].presence_info: is shown to nobody: it needs presence: true`},
		{"info of a number", channel(Channel{Match: "/topic/a", Presence: PresenceCount, PresenceInfo: "{}"}), `channels[1].presence_info: is shown to nobody, as presence: count says how many there are and not who: want presence: true, or leave it out`},
		{"info that is no map", channel(Channel{Match: "/topic/a", Presence: PresenceMembers, PresenceInfo: `"x"`}), `channels[1].presence_info: is a text: want a map with keys of text, such as {"name": claims.name} (line 1, column 1)`},
		{"info of numbers", channel(Channel{Match: "/topic/a", Presence: PresenceMembers, PresenceInfo: `{1: "x"}`}), `channels[1].presence_info: is a map(int, string): want a map with keys of text, such as {"name": claims.name} (line 1, column 1)`},
		{"info of a frame", channel(Channel{Match: "/topic/a", Presence: PresenceMembers, PresenceInfo: `{"a": headers["x"]}`}), `channels[1].presence_info: what is shown of who is present can depend on claims, session, vars and destination, not on the headers or the body of a frame (line 1, column 7)`},
		{"info of a body", channel(Channel{Match: "/topic/a", Presence: PresenceMembers, PresenceInfo: `{"a": body}`}), `channels[1].presence_info: undeclared reference to 'body'; what is shown of who is present can depend on claims, session, vars and destination, not on the headers or the body of a frame (line 1, column 7)`},
		{"presence of no room", channel(Channel{Match: "/presence", Subscribe: "true"}), `channels[1].match: "/presence" is under the presence prefix /presence, where the gateway alone tells who is there: write it like /presence/topic/{room}, with a room's name behind the prefix`},
		{"presence of presence", channel(Channel{Match: "/presence/presence/topic/a"}), `channels[1].match: "/presence/presence/topic/a" is under the presence prefix /presence, where the gateway alone tells who is there: write it like /presence/topic/{room}, with a room's name behind the prefix`},
		{"presence of a session's own", channel(Channel{Match: "/presence/session/queue/a"}), `channels[1].match: "/presence/session/queue/a" is under the presence prefix /presence, where the gateway alone tells who is there: write it like /presence/topic/{room}, with a room's name behind the prefix`},
		{"send below presence", channel(Channel{Match: "/presence/topic/{a}", Send: "true"}), `channels[1].send: "/presence/topic/{a}" is under the presence prefix /presence, where the gateway alone tells who is there: leave it out`},
		{"patterns below presence", channel(Channel{Match: "/presence/topic/{a}", Patterns: true}), `channels[1].patterns: "/presence/topic/{a}" is under the presence prefix /presence, where the gateway alone tells who is there: leave it out, as nobody subscribes to that by pattern`},
		{"history below presence", channel(Channel{Match: "/presence/topic/{a}", History: History{1, time.Minute}}), `channels[1].history: "/presence/topic/{a}" is under the presence prefix /presence, where the gateway alone tells who is there: leave it out`},
		{"presence below presence", channel(Channel{Match: "/presence/topic/{a}", Presence: PresenceCount}), `channels[1].presence: "/presence/topic/{a}" is under the presence prefix /presence, where the gateway alone tells who is there: leave it out here, and say it of the room`},
		{"info below presence", channel(Channel{Match: "/presence/topic/{a}", PresenceInfo: "{}"}), `channels[1].presence_info: "/presence/topic/{a}" is under the presence prefix /presence, where the gateway alone tells who is there: leave it out here, and say it of the room`},
		{"publish who is there", route(Route{Match: "/app/a/{b}", Publish: "/presence/{b}"}), `routes[1].publish: "/presence/{b}" is under the presence prefix /presence, where the gateway alone tells who is there`},
		{"publish to the nodes", route(Route{Match: "/app/a", Publish: "$presence/topic/a"}), `routes[1].publish: "$presence/topic/a" does not begin with a slash`},
		{"channel of the nodes", channel(Channel{Match: "$presence/{a}"}), `channels[1].match: "$presence/{a}" does not begin with a slash`},
		{"publish to nobody", route(Route{Match: "/app/a", Publish: "/member"}), `routes[1].publish: "/member" names no member: write it like /member/42/queue/x`},
		{"publish to a member misspelt", route(Route{Match: "/app/a", Publish: "/member/%2f/x"}), `routes[1].publish: "%2f" names no member: write %2F`},
		{"route without match", route(Route{Publish: "/topic/a"}), `routes[1].match: "" does not begin with a slash`},
		{"route elsewhere", route(Route{Match: "/application/a", Publish: "/topic/a"}), `routes[1].match: "/application/a" is not under the application prefix /app`},
		{"allow is no permission", route(Route{Match: "/app/a", Allow: "1", Publish: "/topic/a"}), `routes[1].allow: is a whole number: want true or false, such as "ROLE_ADMIN" in claims.rl (line 1, column 1)`},
		{"publish is missing", route(Route{Match: "/app/a"}), `routes[1]: has no publish and no to: say where the message goes, to subscribers or to a backend`},
		{"publish to the application", route(Route{Match: "/app/{a}", Publish: "/app/{a}/b"}), `routes[1].publish: "/app/{a}/b" is under the application prefix /app, which nobody receives`},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := base()
			test.add(&r)
			c, err := New(r)
			var fault *RuleError
			if !errors.As(err, &fault) || err.Error() != test.want {
				t.Fatalf("got error %v\nwant %s", err, test.want)
			}
			if c != nil {
				t.Error("a catalogue came with the error")
			}
			if path, _, _ := strings.Cut(test.want, ": "); fault.Path != path {
				t.Errorf("path %q, want %q", fault.Path, path)
			}
		})
	}
}

func TestNew(t *testing.T) {
	for _, ch := range []Channel{
		{Match: "/topic"},
		{Match: "/topic/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}", Subscribe: "true", Send: "false"},
		{Match: "/topic/*/room-?*/**", Patterns: true},
		{Match: "/**", Patterns: true, Subscribe: "\n claims.mu == 42\n"},
		{Match: "/application/a"}, // begins like /app and is not below it
		{Match: "/queue/\u00e9t\u00e9 2:3"},
		{Match: "/topic/{a}/**", History: History{1, time.Second}},
		{Match: "/member/{a}/**", History: History{10_000, 24 * time.Hour}},
		{Match: "/**", Presence: PresenceMembers, PresenceInfo: `has(claims.name) ? {"name": claims.name, "of": vars, "in": [destination, session.node]} : {}`},
		{Match: "/topic/a", Presence: PresenceMembers, PresenceInfo: "claims.shown"},
		{Match: "/presence/**", Subscribe: "true", Send: "false"},
		{Match: "/presences", Send: "true", Presence: PresenceCount},
	} {
		r := base()
		r.Channels = append(r.Channels, ch)
		if _, err := New(r); err != nil {
			t.Errorf("%s: %v", ch.Match, err)
		}
	}
}
