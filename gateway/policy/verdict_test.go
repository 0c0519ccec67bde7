package policy

import (
	"fmt"
	"testing"

	"github.com/stompgw/stompgw/bus"
)

// TestVerdict: it says what JudgeSubscribe and JudgeSend do, and which field of which rule decides.
func TestVerdict(t *testing.T) {
	c := mustNew(t, Rules{
		Prefixes: DefaultPrefixes(), ErrorDestination: "/session/queue/request-error",
		Where: func(rule string) string { return "prod.yaml, " + rule },
		Channels: []Channel{
			{Match: "/topic/news", Subscribe: `session.transport == "websocket"`, Send: `headers["k"] == "v"`, Patterns: true},
			{Match: "/topic/{room}", Subscribe: "claims.mu == 42"},
			{Match: "/queue/{room}", Subscribe: "true", Presence: PresenceMembers},
			{Match: "/presence/queue/b", Subscribe: "vars == {'a': 'b'}"},
		},
		Routes: []Route{{Match: "/app/{room}", Allow: "true", Publish: "/topic/{room}"}, {Match: "/app/me/{x}", Allow: "claims.mu == 42", Publish: "/session/{x}"}},
	})
	trial := func(destination string, claims map[string]any) *Request {
		r := NewTrial([]bus.Header{{Name: "k", Value: "v"}, {Name: "authorization", Value: "x"}})
		if r.Destination, r.Claims = destination, claims; len(r.Headers) != 1 {
			t.Errorf("rules see %v", r.Headers)
		}
		return r
	}
	for _, tt := range []struct {
		send        bool
		destination string
		claims      map[string]any
		code        Code
		want        string
	}{
		{false, "/topic/news", nil, 0, `channels[0] (prod.yaml, channels[0]) /topic/news subscribe session.transport == "websocket" -> `},
		{true, "/topic/news", nil, 0, `channels[0] (prod.yaml, channels[0]) /topic/news send headers["k"] == "v" -> /topic/news`},
		{false, "/topic/a", nil, CodeLogin, `channels[1] (prod.yaml, channels[1]) /topic/{room} subscribe claims.mu == 42 -> `},
		{false, "/topic/a", map[string]any{"mu": int64(42)}, 0, `channels[1] (prod.yaml, channels[1]) /topic/{room} subscribe claims.mu == 42 -> `},
		{true, "/topic/a", nil, CodeNotAllowed, `channels[1] (prod.yaml, channels[1]) /topic/{room} send  -> `},
		{false, "/topic/*", nil, CodePattern, `channels[1] (prod.yaml, channels[1]) /topic/{room} patterns  -> `},
		{false, "/topic/**", nil, CodePattern, ` ()    -> `},
		{false, "/presence/topic/a", nil, CodeNoRule, `channels[1] (prod.yaml, channels[1]) /topic/{room} presence  -> `},
		{false, "/presence/queue/a", nil, 0, `channels[2] (prod.yaml, channels[2]) /queue/{room} subscribe true -> `},
		{false, "/presence/queue/b", nil, CodeNotAllowed, `channels[3] (prod.yaml, channels[3]) /presence/queue/b subscribe vars == {'a': 'b'} -> `},
		{false, "/elsewhere", nil, CodeNoRule, ` ()    -> `},
		{false, "/session/queue/request-error", nil, 0, ` ()    -> `},
		{true, "/app/a", nil, 0, `routes[0] (prod.yaml, routes[0]) /app/{room} allow true -> /topic/a`},
		{true, "/app/me/a", nil, CodeLogin, `routes[1] (prod.yaml, routes[1]) /app/me/{x} allow claims.mu == 42 -> `},
	} {
		test := c.TestSubscribe
		if tt.send {
			test = c.TestSend
		}
		v := test(trial(tt.destination, tt.claims))
		got := fmt.Sprintf("%s (%s) %s %s %s -> %s", v.Rule, v.Where, v.Match, v.Field, v.Expression, v.Target.Destination)
		if got != tt.want || codeOf(v.Refusal) != tt.code {
			t.Errorf("%s: code %d, %s\nwant %d, %s", tt.destination, codeOf(v.Refusal), got, tt.code, tt.want)
		}
	}
}
