package policy

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stompgw/stompgw/bus"
)

// asker is a session of the tests, which counts how often it is asked.
type asker struct {
	session Session
	asked   int
}

func (a *asker) Describe() Session { a.asked++; return a.session }

func newAsker() *asker {
	return &asker{session: Session{Key: "n_1", Principal: "n/1/now", Node: "n", Transport: "websocket", Version: "1.2", Remote: "10.0.0.1:99"}}
}

// permit is the code with which a SUBSCRIBE and a SEND to /topic/{room}/{id} are answered, 0 for yes.
func permit(t testing.TB, expression string, r Request) (Code, error) {
	t.Helper()
	c := mustNew(t, Rules{Prefixes: DefaultPrefixes(), Channels: []Channel{{Match: "/topic/{room}/{id}", Subscribe: expression, Send: expression}}})
	_, subscribed := c.JudgeSubscribe(&r)
	_, sent := c.JudgeSend(&r)
	if codeOf(subscribed) != codeOf(sent) {
		t.Fatalf("%s: SUBSCRIBE is answered with %d, SEND with %d", expression, codeOf(subscribed), codeOf(sent))
	}
	if subscribed == nil {
		return 0, nil
	}
	if subscribed.Rule != "channels[0]" {
		t.Errorf("%s: refused by %q", expression, subscribed.Rule)
	}
	return subscribed.Code, subscribed.Reason
}

func TestPermissions(t *testing.T) {
	member := map[string]any{"mu": int64(42), "rl": []any{"ROLE_USER", "ROLE_ADMIN"}, "big": uint64(1 << 63), "f": 1.5, "o": map[string]any{"a": nil}}
	anonymous := map[string]any(nil)
	const login, no = CodeLogin, CodeNotAllowed
	for _, test := range []struct {
		name, expression string
		claims           map[string]any
		want             Code
		reason           string
	}{
		{"a role", `"ROLE_ADMIN" in claims.rl`, member, 0, ""},
		{"no such role", `"ROLE_ROOT" in claims.rl`, member, no, ""},
		{"part of a role", `"ROLE_" in claims.rl`, member, no, ""},
		{"a role of nobody", `"ROLE_ADMIN" in claims.rl`, anonymous, login, "channels[0].subscribe: no such key, line 1 column 23"},
		{"own channel", `vars.id == string(claims.mu)`, member, 0, ""},
		{"own channel of nobody", `vars.id == string(claims.mu)`, anonymous, login, "channels[0].subscribe: no such key, line 1 column 25"},
		{"a member that is a number", `claims.mu == 42`, member, 0, ""},
		{"the number is not the text", `claims.mu == "42"`, member, no, ""},
		{"the text is not the number", `claims.mu == 42`, map[string]any{"mu": "42"}, no, ""},
		{"null is no member", `claims.mu == 42`, map[string]any{"mu": nil}, no, ""},
		{"anybody who is logged in", `has(claims.mu)`, member, 0, ""},
		{"nobody is not logged in", `has(claims.mu)`, anonymous, login, ""},
		{"nobody has no claims", `size(claims) == 0`, anonymous, 0, ""},
		{"what JSON has", `claims.big == 9223372036854775808u && claims.f == 1.5 && claims.o.a == null`, member, 0, ""},
		{"claims by name", `claims["mu"] == 42`, member, 0, ""},
		{"a claim that there is not", `claims.admin`, member, no, "channels[0].subscribe: no such key, line 1 column 7"},
		{"a claim that is no bool", `claims.mu`, member, no, "channels[0].subscribe: the result is neither true nor false"},
		{"a bool of the token", `claims.ok`, map[string]any{"ok": true}, 0, ""},
		{"text is no true", `claims.ok`, map[string]any{"ok": "true"}, no, "channels[0].subscribe: the result is neither true nor false"},
		{"a failure behind what decides", `true || claims.admin`, anonymous, 0, ""},

		{"variables", `vars.room == "chat" && vars["id"] == "42" && size(vars) == 2`, anonymous, 0, ""},
		{"destination", `destination == "/topic/chat/42"`, anonymous, 0, ""},
		{"headers, of repeated ones the first", `headers["x-a"] == "first"`, anonymous, 0, ""},
		{"a header is not the other", `headers["X-A"] == "first"`, anonymous, no, "channels[0].subscribe: no such key, line 1 column 8"},
		{"no rule for nobody", `vars.room == "other"`, anonymous, no, ""},
		{"the session", `session.key == "n_1" && session.principal == "n/1/now" && session.node == "n" && session.transport == "websocket" && session.version == "1.2" && session.remote.startsWith("10.")`, anonymous, 0, ""},
		{"the session says no", `session.transport == "tcp"`, anonymous, no, ""},
		{"the session's member", `session.member == 42`, member, 0, ""},
		{"the session's member says no", `session.member == 43`, member, no, ""},
		{"the session's member says no to nobody", `session.member == 43`, anonymous, login, ""},
		{"the session's member in text", `session.member == "42"`, member, no, ""},

		{"a loop", `claims.rl.exists(r, r == "ROLE_" + "ADMIN")`, member, 0, ""},
		{"a regular expression", `vars.id.matches("^[0-9]+$")`, anonymous, 0, ""},
		{"blanks around", " \n true \n", anonymous, 0, ""},
		{"a division", `1 / (claims.mu - 42) == 0`, member, no, "channels[0].subscribe: division by zero, line 1 column 3"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, reason := permit(t, test.expression, Request{
				Destination: "/topic/chat/42",
				Headers:     []bus.Header{{Name: "x-a", Value: "first"}, {Name: "x-a", Value: "second"}},
				Claims:      test.claims,
				Member:      "42", From: newAsker(),
			})
			if got != test.want {
				t.Errorf("code %d (%v), want %d", got, reason, test.want)
			}
			if fmt.Sprint(reason) != test.reason && (reason != nil || test.reason != "") {
				t.Errorf("reason %v, want %q", reason, test.reason)
			}
		})
	}
}

// TestSessionMember: members are compared as JSON, so 42 is not "42".
func TestSessionMember(t *testing.T) {
	for _, test := range []struct{ member, is string }{
		{`42`, `session.member == 42`},
		{`-9223372036854775808`, `session.member == -9223372036854775808`},
		{`"42"`, `session.member == "42"`},
		{`"b\u00f6\"b"`, `session.member == 'bö"b'`},
		{``, `session.member == null`},
	} {
		if got, reason := permit(t, test.is, Request{Destination: "/topic/a/b", Member: test.member, From: newAsker()}); got != 0 {
			t.Errorf("%s of member %s: code %d, %v", test.is, test.member, got, reason)
		}
	}
	if got, _ := permit(t, `session.member == null && session.key == ""`, Request{Destination: "/topic/a/b"}); got != 0 {
		t.Errorf("without a session: code %d", got)
	}
}

// TestLogin: which rules depend on who is logged in.
func TestLogin(t *testing.T) {
	for expression, want := range map[string]bool{
		`true`:                                false,
		`vars.id == "42"`:                     false,
		`session.key != ""`:                   false,
		`headers["claims"] == "member"`:       false,
		`[1].exists(r, r == 1)`:               false,
		`session.member == null`:              true,
		`!has(claims.mu)`:                     true,
		`size(claims) == 0`:                   true,
		`.claims == {}`:                       true,
		`[1].all(r, r == 1 && claims == {})`:  true,
		`true || "ROLE_ADMIN" in claims["a"]`: true,
	} {
		c := mustNew(t, Rules{Prefixes: DefaultPrefixes(), Channels: []Channel{{Match: "/topic"}, {Match: "/topic/{id}", Subscribe: expression}}})
		grant, r := c.JudgeSubscribe(&Request{Destination: "/topic/42", Headers: []bus.Header{{Name: "claims", Value: "member"}}, Member: "", From: newAsker()})
		if r != nil || grant != (Grant{Rule: "channels[1]", Destination: "/topic/42", Login: want}) {
			t.Errorf("%s: %+v, %+v", expression, grant, r)
		}
		path := ""
		if want {
			path = "channels[1].subscribe"
		}
		if (c.LoginRule() != "") != want || c.LoginRule() != path {
			t.Errorf("%s: LoginRule says %q", expression, c.LoginRule())
		}
	}
}

// TestOutside: who asks outside of a session is told no by every rule that looks at one, or at headers, whatever it would make of none.
func TestOutside(t *testing.T) {
	for expression, want := range map[string]Code{
		"true": 0, "destination != ''": 0, "claims.mu == 7": 0, "session.member == 7": 0, "vars.room == 'a'": 0, "!('x' in headers) || claims.mu == 7": CodeNotAllowed,
		"session.key == ''": CodeNotAllowed, "session.transport != 'tcp'": CodeNotAllowed, "headers == {}": CodeNotAllowed,
	} {
		c := mustNew(t, Rules{Prefixes: DefaultPrefixes(), Channels: []Channel{{Match: "/topic/{room}", Subscribe: expression, Presence: PresenceMembers}}})
		for _, destination := range []string{"/topic/a", c.PresenceOf("/topic/a")} {
			r := Request{Destination: destination, Member: "7", Claims: map[string]any{"mu": int64(7)}, Outside: true}
			if _, refusal := c.JudgeSubscribe(&r); (refusal == nil) != (want == 0) || refusal != nil && refusal.Code != want {
				t.Errorf("%s of %s: %v, want code %d", expression, destination, refusal, want)
			}
		}
	}
}

func TestLoginRule(t *testing.T) {
	channel := Channel{Match: "/topic/{a}", Subscribe: "true", Send: "true"}
	route := Route{Match: "/app/a", Allow: "true", Publish: "/topic/a", Body: "body", Headers: `{"a": text}`}
	for want, change := range map[string]func(){
		"":                  func() {},
		"channels[0].send":  func() { channel.Send = `claims.a` },
		"routes[0].allow":   func() { channel.Send, route.Allow = "", `claims.a` },
		"routes[0].body":    func() { channel.Send, route.Allow, route.Body = "", "", `claims.a` },
		"routes[0].headers": func() { channel.Send, route.Allow, route.Body, route.Headers = "", "", "", `{"a": claims.a}` },
	} {
		was, wasRoute := channel, route
		change()
		c := mustNew(t, Rules{Prefixes: DefaultPrefixes(), Channels: []Channel{channel}, Routes: []Route{route}})
		if got := c.LoginRule(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		channel, route = was, wasRoute
	}
}

// TestSessionIsAskedOnce, and only where a rule names it.
func TestSessionIsAskedOnce(t *testing.T) {
	for expression, want := range map[string]int{
		`true`: 0, `size(claims) == 0`: 0, `session.key == session.node || session.key != session.remote`: 1,
	} {
		c := mustNew(t, Rules{Prefixes: DefaultPrefixes(), Channels: []Channel{{Match: "/topic/{id}", Subscribe: expression}}})
		from := newAsker()
		if _, r := c.JudgeSubscribe(&Request{Destination: "/topic/42", From: from}); r != nil || from.asked != want {
			t.Errorf("%s: asked %d times, %v", expression, from.asked, r)
		}
	}
}

// TestLiteralPermissionAllocs: what is written out costs a match and no more.
func TestLiteralPermissionAllocs(t *testing.T) {
	c := catalogue(t)
	r := &Request{Destination: "/topic/chat", Headers: sent(), Claims: map[string]any{}, Member: "42", From: newAsker()}
	if n := testing.AllocsPerRun(100, func() {
		_, refused := c.JudgeSubscribe(r)
		_, refused2 := c.JudgeSend(&Request{Destination: r.Destination, Headers: r.Headers, Claims: r.Claims, From: r.From})
		if refused != nil || refused2 != nil {
			t.Error("refused")
		}
	}); n > 0 {
		t.Errorf("judging allocates %v times", n)
	}
}

// TestAtOnce: loops judge and rewrite by the same rule at the same time, also one that fails; the race detector
// looks on.
func TestAtOnce(t *testing.T) {
	for _, expression := range []string{`"a" in claims.rl && vars.id == "b"`, `claims.rl`, `-claims.rl == 1`, `claims.rl.exists(x, x == headers.a)`, `session.member == 42`} {
		c := mustNew(t, Rules{Prefixes: DefaultPrefixes(), Channels: []Channel{{Match: "/topic/{id}", Subscribe: expression}}})
		atOnce(func(i int) {
			c.JudgeSubscribe(&Request{Destination: "/topic/b", Claims: []map[string]any{nil, {"rl": []any{"a"}}, {"rl": int64(1)}}[i%3], Member: "42", From: newAsker()})
		})
	}
	for _, body := range []string{`{"content": body.chat}`, `-body`, `body + 1`, `string(timestamp(body))`, `!body`, `body.map(x, x)`} {
		w := rewriteOf(t, body, `{"x-room": vars.room}`)
		atOnce(func(i int) { apply(w, []string{`{"chat":"a"}`, `1`, `"a"`, `9223372036854775807`, `true`, `x`}[i%6]) })
	}
}

func atOnce(do func(i int)) {
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 200 {
				do(i)
			}
		})
	}
	wg.Wait()
}

// TestCostOfPermissions: what a client brings can't hold up the loop.
func TestCostOfPermissions(t *testing.T) {
	long := slices.Repeat([]any{int64(1)}, 200)
	text := strings.Repeat("a", 8000)
	for _, expression := range []string{
		`claims.rl.exists(a, claims.rl.exists(b, a + b < 0))`,
		`claims.rl.exists(a, -1 in claims.rl)`,
		`claims.rl.exists(a, claims.t + claims.t == "")`,
		`claims.rl.exists(a, claims.t < claims.t)`,
		`claims.rl.exists(a, claims.t > claims.t)`,
		`claims.rl.exists(a, !(claims.t <= claims.t))`,
		`claims.rl.exists(a, !(claims.t >= claims.t))`,
		`claims.rl.exists(a, bytes(claims.t) == b"")`,
	} {
		got, reason := permit(t, expression, Request{
			Destination: "/topic/a/b", Claims: map[string]any{"rl": long, "t": text},
		})
		if got != CodeNotAllowed || fmt.Sprint(reason) != "channels[0].subscribe: it costs too much to evaluate" {
			t.Errorf("%s: code %d, %v", expression, got, reason)
		}
	}
}
