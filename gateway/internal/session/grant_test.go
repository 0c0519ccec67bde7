package session

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/gateway/policy"
)

// TestMemberOfSubscription: session.member is whose token has made the subscription, whenever it is
// judged.
func TestMemberOfSubscription(t *testing.T) {
	r := newLoginRig(t, func(h *Host) {
		h.Rules = mustRules(t, policy.Channel{Match: "/topic/bobs", Subscribe: "session.member == 'bob'"})
	})
	p := r.member(r.of(42, time.Hour))
	p.subscribes(r.of("bob", time.Hour), "/topic/bobs", "/topic/*")
	p.subscribes("", "/topic/**")
	p.feed(subscribeAs("mine", "/topic/bobs", ""))
	p.wantCode(policy.CodeNotAllowed)
	for _, member := range []any{"nobody else", "bob", 42} {
		p.ask(sendAs("/topic/open/a", r.of(member, 2*time.Hour), "perhaps a renewal"))
		p.wantReceived("/topic/bobs", "/topic/bobs", "/topic/*")
	}
}

// TestHeadersOfSubscriptions: what came with a SUBSCRIBE is kept where a rule may ask for it again,
// and no more than may wait for a client.
func TestHeadersOfSubscriptions(t *testing.T) {
	subscribe := func(id string) string {
		return "SUBSCRIBE\nid:" + id + "\ndestination:/topic/a\nreceipt:" + id + "\nx-big:" + strings.Repeat("x", 4000) + "\n\n^@"
	}
	kept := func(p *peer) (n int) {
		p.do(func() {
			for _, sub := range p.s.subs {
				if sub.grant != nil {
					n += len(sub.grant.headers)
				}
			}
		})
		return n
	}
	t.Run("no rule asks", func(t *testing.T) {
		r := newLoginRig(t, func(h *Host) {
			h.Outbound = 10_000
			h.Rules = mustRules(t, policy.Channel{Match: "/topic/a", Subscribe: "true", Send: "'x-big' in headers"})
		})
		p := r.connect("1.2").errors()
		for _, id := range []string{"1", "2", "3", "4"} {
			p.feed(subscribe(id))
			p.want(receipt(id))
		}
		if n := kept(p); n != 0 {
			t.Errorf("%d headers are kept", n)
		}
	})
	t.Run("a rule asks", func(t *testing.T) {
		r := newLoginRig(t, func(h *Host) {
			h.Outbound = 10_000
			h.Rules = mustRules(t, policy.Channel{Match: "/topic/a", Subscribe: "'x-big' in headers"})
		})
		p := r.connect("1.2").errors()
		for _, id := range []string{"1", "2"} {
			p.feed(subscribe(id))
			p.want(receipt(id))
		}
		p.feed(subscribe("3"))
		if got := p.wantRefusal("too_many"); !strings.Contains(got, `"receiptId":"3"`) {
			t.Errorf("got %s", got)
		}
		if n := kept(p); n != 2 {
			t.Errorf("%d headers are kept, want 2", n)
		}
		p.feed(unsubscribe("1") + subscribe("3"))
		p.want(receipt("un1"), receipt("3"))
		p.do(func() {
			r.host.Reload(mustRules(t, policy.Channel{Match: "/topic/a", Subscribe: "headers['x-big'] != ''"}), func(int) {})
		})
		p.wantReceived("/topic/a", "2", "3")
	})
}

// TestVerdicts: what rules say of destinations is remembered once for all subscriptions by pattern of
// a login, and not for ever.
func TestVerdicts(t *testing.T) {
	r := newLoginRig(t)
	p := r.member(r.of(42, time.Hour))
	p.subscribes("", "/topic/**", "/topic/*/*")
	p.subscribes(r.of("bob", time.Hour), "/topic/open/**")
	sent := 0
	for _, step := range []struct{ send, least, most int }{{10, 10, 10}, {maxVerdicts - 11, maxVerdicts - 1, maxVerdicts - 1}, {10, 1, 10}} {
		for range step.send {
			sent++
			for range 2 { // the same again is known
				r.bus.Deliver(bus.Envelope{Destination: fmt.Sprintf("/topic/open/%d", sent)})
			}
		}
		p.do(func() {
			if n := len(p.s.work.verdicts); n != 2 {
				t.Errorf("of %d logins something is remembered, want 2", n)
			}
			for guest, known := range p.s.work.verdicts {
				if n := len(known); n < step.least || n > step.most {
					t.Errorf("after %d destinations %d verdicts are remembered, of a guest: %v; want %d to %d", sent, n, guest != nil, step.least, step.most)
				}
			}
		})
	}
	if got, want := len(p.read()), sent*2*3; got != want {
		t.Errorf("%d messages came, want %d", got, want)
	}
}

// TestVerdictsOfGuests: of a guest on whom no subscription depends any more, nothing is kept once
// another comes.
func TestVerdictsOfGuests(t *testing.T) {
	r := newLoginRig(t)
	p := r.member(r.of(42, time.Hour))
	for i := range 5 {
		p.subscribes(r.of(fmt.Sprint("guest ", i), time.Hour), "/topic/**")
		p.wantReceived("/topic/open/a", "/topic/**")
		p.feed("UNSUBSCRIBE\nid:/topic/**\n\n^@")
		p.want()
	}
	p.do(func() {
		if guests, known := len(p.s.work.guests), len(p.s.work.verdicts); guests != 1 || known != 1 {
			t.Errorf("%d guests are kept, and verdicts of %d; want 1 and 1", guests, known)
		}
	})
}
