package session

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/gateway/policy"
)

// recaller is a bus that answers what it is asked about the past when a test says so.
type recaller struct {
	*bustest.Fake
	said bus.Recalled // to all; the test's goroutine sets it

	mu    sync.Mutex
	asked []func(bus.Recalled)
	wish  bus.Wish // the last
}

// Remember implements bus.Recaller.
func (b *recaller) Remember(bus.Keep) {}

// Recall implements bus.Recaller.
func (b *recaller) Recall(_ string, w bus.Wish, done func(bus.Recalled)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wish = w
	b.asked = append(b.asked, done)
}

// waiting is how many have no answer.
func (b *recaller) waiting() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.asked)
}

// answer answers the first of them.
func (b *recaller) answer(r *rig) {
	b.mu.Lock()
	done := b.asked[0]
	b.asked = b.asked[1:]
	b.mu.Unlock()
	done(b.said)
	r.do(func() {})
}

// newRecallRig is a rig where all of /topic/kept has history.
func newRecallRig(t *testing.T, configure ...func(*Host)) (*rig, *recaller) {
	b := &recaller{Fake: bustest.NewFake()}
	r := newRigWith(t, b.Fake, b, policy.Rules{
		Channels: []policy.Channel{{Match: "/topic/kept/{n}", Subscribe: "true", History: policy.History{Size: 10, TTL: time.Minute}}},
	}, configure...)
	r.router.Remember(r.host.Rules, 1<<20)
	return r, b
}

// kept are SUBSCRIBEs from one number up to another.
func kept(from, to int) (frames string) {
	for n := from; n <= to; n++ {
		frames += fmt.Sprintf("SUBSCRIBE\nid:%d\ndestination:/topic/kept/%d\nresume:x\nreceipt:%d\n\n^@", n, n, n)
	}
	return frames
}

// TestRecallsOfOneSession: a client that asks for more of the past than the bus brings is not read on, also where it has unsubscribed
// meanwhile; nothing of it is lost, and others are served.
func TestRecallsOfOneSession(t *testing.T) {
	r, b := newRecallRig(t)
	p, other := r.connect("1.2"), r.connect("1.2")
	p.feed(kept(1, 60) + "UNSUBSCRIBE\nid:7\n\n^@" + kept(61, 150))
	if n := b.waiting(); n != maxRecalls || !p.conn.paused {
		t.Fatalf("%d wait, paused: %v", n, p.conn.paused)
	}
	other.feed(kept(1, 1))
	if n := b.waiting(); n != maxRecalls+1 || other.conn.paused {
		t.Errorf("with another session %d wait, paused: %v", n, other.conn.paused)
	}
	for b.waiting() > 0 {
		if b.answer(r); b.waiting() > maxRecalls+1 {
			t.Fatalf("%d wait", b.waiting())
		}
	}
	if got := p.read(); len(got) != 150 || p.conn.paused {
		t.Errorf("%d answers, paused: %v", len(got), p.conn.paused)
	}
	other.wantOne("RECEIPT")
}

// TestAway: for how long a client says that it has heard nothing the bus hears, if that is a number; a large one counts as a year.
func TestAway(t *testing.T) {
	r, b := newRecallRig(t)
	for text, want := range map[string]time.Duration{
		"3000": 3 * time.Second, "0": 0, "-1": 0, "x": 0, "": 0, "9223372036854775807": maxAway, "9223372036854775808": 0,
	} {
		r.connect("1.2").feed("SUBSCRIBE\nid:0\ndestination:/topic/kept/1\nresume:x\naway:" + text + "\n\n^@")
		b.mu.Lock()
		if b.wish.Away != want {
			t.Errorf("away:%s is %s, want %s", text, b.wish.Away, want)
		}
		b.wish = bus.Wish{Away: -1}
		b.mu.Unlock()
	}
}

// TestRenewalOfMany: subscriptions that go on after their login was renewed take turns, and each does.
func TestRenewalOfMany(t *testing.T) {
	r, b := newRecallRig(t)
	p := r.connect("1.2").errors()
	p.feed(kept(1, 150))
	for b.waiting() > 0 {
		b.answer(r)
	}
	p.read()
	suspend := func(suspended bool) {
		p.do(func() {
			for _, sub := range p.s.subs {
				sub.suspend(suspended)
			}
		})
	}
	suspend(true)
	suspend(false)
	suspend(true) // those that were to go on in their turn are not, until it is renewed again
	suspend(false)
	if n := b.waiting(); n != maxRecalls {
		t.Errorf("%d wait", n)
	}
	for b.waiting() > 0 {
		if b.answer(r); b.waiting() > maxRecalls {
			t.Fatalf("%d wait", b.waiting())
		}
	}
	holes := p.read() // as the bus says that it knows none of the places
	if len(holes) != 150 || !strings.Contains(holes[0], `"errorCode":20`) {
		t.Errorf("%d were told", len(holes))
	}
}
