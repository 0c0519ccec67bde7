package policy

import (
	"testing"

	"github.com/stompgw/stompgw/bus"
)

// BenchmarkJudge is what a rule costs the loop for each SEND.
func BenchmarkJudge(b *testing.B) {
	r := &Request{
		Destination: "/topic/chat/42",
		Headers:     []bus.Header{{Name: "content-type", Value: "text/plain"}, {Name: "x-kind", Value: "a"}},
		Claims:      map[string]any{"mu": int64(42), "rl": []any{"ROLE_USER", "ROLE_ADMIN"}, "exp": int64(1)},
		Member:      "42", From: newAsker(),
	}
	for _, test := range []struct{ name, send string }{
		{"literal", `true`},
		{"role", `"ROLE_ADMIN" in claims.rl`},
		{"own", `vars.id == string(claims.mu)`},
		{"header", `headers["x-kind"] == "a"`},
		{"session", `session.member == 42`},
		{"regexp", `vars.id.matches("^[0-9]+$")`},
		{"all", `has(claims.mu) && claims.rl.exists(r, r == "ROLE_ADMIN") && vars.room == "chat" && destination != ""`},
	} {
		b.Run(test.name, func(b *testing.B) {
			c := mustNew(b, Rules{Prefixes: DefaultPrefixes(), Channels: []Channel{{Match: "/topic/{room}/{id}", Send: test.send}}})
			b.ReportAllocs()
			for b.Loop() {
				if _, refusal := c.JudgeSend(r); refusal != nil {
					b.Fatal(refusal.Reason)
				}
			}
		})
	}
}

// BenchmarkJudgeHostile is the longest that a client can make a permission take, for each of the
// ways to spend its cost.
func BenchmarkJudgeHostile(b *testing.B) {
	long := make([]any, 2000)
	for i := range long {
		long[i] = int64(i)
	}
	text := make([]byte, 8<<10)
	for i := range text {
		text[i] = 'a'
	}
	r := &Request{
		Destination: "/topic/chat/42", Headers: []bus.Header{{Name: "x", Value: string(text)}}, Claims: map[string]any{"rl": long},
	}
	for _, test := range []struct{ name, send string }{
		{"loops", `claims.rl.exists(a, claims.rl.exists(b, a + b < 0))`},
		{"in", `claims.rl.exists(a, -1 in claims.rl)`},
		{"text", `claims.rl.exists(a, headers.x.contains("b"))`},
		{"join", `claims.rl.exists(a, headers.x + headers.x == "")`},
		{"regexp", `headers.x.matches("^(a?){120}b")`},
		{"map", `claims.rl.map(a, claims.rl.map(b, b)) == []`},
		{"vars", `claims.rl.exists(a, size(vars) == 0 || size(headers) == 0)`},
	} {
		b.Run(test.name, func(b *testing.B) {
			c := mustNew(b, Rules{Prefixes: DefaultPrefixes(), Channels: []Channel{{Match: "/topic/{room}/{id}", Send: test.send}}})
			b.ReportAllocs()
			for b.Loop() {
				if _, refusal := c.JudgeSend(r); refusal == nil {
					b.Fatal("allowed")
				}
			}
		})
	}
}
