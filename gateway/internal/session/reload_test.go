package session

import (
	"strings"
	"testing"

	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/gateway/policy"
)

// TestReloadWhileEntering: a SUBSCRIBE that new rules refuse while it waits for the bus has that as
// its one answer.
func TestReloadWhileEntering(t *testing.T) {
	for _, end := range []string{"", "DISCONNECT"} {
		t.Run(end, func(t *testing.T) {
			b := bustest.NewFake()
			b.Late = true
			r := newRigOn(t, b, b)
			p := r.connect("1.2", "heart-beat:0,0")
			p.feed("SUBSCRIBE\nid:err\ndestination:/session/queue/request-error\nreceipt:err\n\n^@" +
				subscribe("kept", "/topic/kept") + subscribe("left", "/topic/a") + unsubscribe("left") +
				subscribeAs("1", "/topic/a", "") + subscribeAs("2", "/session/queue/x", ""))
			p.want(receipt("unleft"))
			rules := compile(t, policy.Rules{
				Channels: []policy.Channel{{Match: "/topic/kept", Subscribe: "true"}},
			})
			ended := 0
			r.do(func() { r.host.Reload(rules, func(n int) { ended = n }) })
			if ended != 2 {
				t.Errorf("%d subscriptions ended, want 2", ended)
			}
			got := p.read()
			for i, want := range []string{`"receiptId":"1","destination":"/topic/a"`, `"receiptId":"2","destination":"/session/queue/x"`} {
				if len(got) != 2 || !strings.Contains(got[i], `{"clientRequestCode":"SUBSCRIBE","errorCode":3,`) || !strings.Contains(got[i], want) {
					t.Fatalf("got %q, want two refusals, one with %s", got, want)
				}
			}
			answers := []string{receipt("err"), receipt("kept"), receipt("left")}
			if end != "" {
				p.feed("DISCONNECT\nreceipt:bye\n\n^@")
				answers = append(answers, receipt("bye"))
			}
			p.want()
			b.Ready()
			p.until("answered", func() bool { return len(p.conn.out) >= len(answers) })
			got = p.read()
			for _, want := range answers {
				if strings.Count(strings.Join(got, ""), want) != 1 {
					t.Errorf("got %q, want %q in it once", got, want)
				}
			}
			if len(got) != len(answers) {
				t.Errorf("got %q, want no more than %q", got, answers)
			}
		})
	}
}
