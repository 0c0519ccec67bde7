package gateway_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stompgw/stompgw/gateway"
	"github.com/stompgw/stompgw/gateway/policy"
)

// TestLimits: what is over a limit is refused, or dropped, and all else arrives; a member who connects again, on whatever loop, goes on
// with what was left, until other rules come.
func TestLimits(t *testing.T) {
	eachSocket(t, func(t *testing.T, start startFunc) {
		n := start(t, withAuth(t))
		limited := func(over policy.Over) policy.Limits {
			return policy.Limits{Rate: policy.Rate{Times: 1, Per: time.Hour}, Burst: 2, Over: over}
		}
		r := policy.Rules{
			Channels: []policy.Channel{
				{Match: "/topic/a", Subscribe: "true", Send: "true", Limits: limited(policy.OverRefuse)},
				{Match: "/topic/b", Send: "true", Limits: limited(policy.OverDrop)},
			},
		}
		setRules := func() {
			t.Helper()
			done := make(chan int, 1)
			if err := n.SetRules(compile(t, r), func(ended int) { done <- ended }); err != nil {
				t.Fatal(err)
			}
			<-done
		}
		setRules()
		token := tokenOf(t, 42, time.Hour)
		connect := func() *client {
			c := n.dialTCP(t)
			c.send("CONNECT\naccept-version:1.2\nAuthorization:Bearer " + token + "\n\n^@")
			c.expect("CONNECTED")
			c.subscribe("e", "/session/queue/request-error")
			return c
		}
		send := func(body string) string { return "SEND\ndestination:/topic/a\n\n" + body + "^@" }
		wantRefused := func(c *client) {
			t.Helper()
			if got := c.expect("MESSAGE", "subscription:e"); !strings.Contains(got, `"errorCode":23,`) || !strings.Contains(got, `"retryAfterMs":3`) {
				t.Fatalf("got %s", got)
			}
		}
		reader := n.dialTCP(t).connect()
		reader.subscribe("1", "/topic/a")
		before := n.Figures()
		c := connect()
		c.send(send("1") + send("2") + send("over") + strings.Repeat("SEND\ndestination:/topic/b\n\n^@", 3))
		wantRefused(c)
		c.ask("DISCONNECT\nreceipt:bye\n\n^@")
		c = connect()
		c.send(send("over"))
		wantRefused(c)
		for _, body := range []string{"1", "2"} {
			reader.expect("MESSAGE", body)
		}
		wantAdded(t, before, n.Figures(), gateway.Figures{
			Frames: 2*2 + 6 + 1 + 1, Published: 2 + 2, Delivered: 2 + 2, Dropped: 1, Refused: map[policy.Code]uint64{policy.CodeRate: 2},
		})
		if over := n.Figures().Exceeded; over["channel"] != 3 || over["session"] != 0 || over["node"] != 0 {
			t.Errorf("over limits: %v", over)
		}
		r.Channels[0].Limits = policy.Limits{}
		setRules()
		c.send(send("3"))
		reader.expect("MESSAGE", "3")
	})
}
