package session

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/gateway/policy"
)

func newNarrowRig(t *testing.T) (*rig, *bustest.FakeNarrower) {
	b := bustest.NewFakeNarrower()
	return newRigOn(t, b.Fake, b), b
}

// watched tells how the last watch of a destination has turned out.
func (r *rig) watched(b *bustest.FakeNarrower, destination string, err error) {
	b.Watcher(destination)(err)
	r.do(func() {})
}

func subscribe(id, destination string) string {
	return "SUBSCRIBE\nid:" + id + "\ndestination:" + destination + "\nreceipt:" + id + "\n\n^@"
}

func unsubscribe(id string) string { return "UNSUBSCRIBE\nid:" + id + "\nreceipt:un" + id + "\n\n^@" }

// TestReceiptOfSubscribe: it says that what is published from now on arrives, so it waits for the
// bus; those that come when the bus brings the destination already need not.
func TestReceiptOfSubscribe(t *testing.T) {
	r, b := newNarrowRig(t)
	p, q := r.connect("1.2"), r.connect("1.2")
	p.feed(subscribe("1", "/topic/a") + subscribe("2", "/topic/a"))
	q.feed(subscribe("3", "/topic/a") + "SUBSCRIBE\nid:4\ndestination:/topic/a\n\n^@")
	p.want()
	q.want()
	b.WantCalls(t, "watch /topic/a")
	r.watched(b, "/topic/a", nil)
	p.want(receipt("1"), receipt("2"))
	q.want(receipt("3"))
	p.feed(subscribe("5", "/topic/a"))
	p.want(receipt("5"))
	b.WantCalls(t)
}

// TestWatchIsCounted: the bus is asked once for each destination, and told when nobody wants it
// any more.
func TestWatchIsCounted(t *testing.T) {
	r, b := newNarrowRig(t)
	p, q := r.connect("1.2"), r.connect("1.2")
	p.feed(subscribe("1", "/topic/a") + subscribe("2", "/topic/b"))
	q.feed(subscribe("1", "/topic/a"))
	r.watched(b, "/topic/a", nil)
	r.watched(b, "/topic/b", nil)
	p.read()
	b.WantCalls(t, "watch /topic/a", "watch /topic/b")
	p.feed(unsubscribe("1"))
	p.want(receipt("un1"))
	b.WantCalls(t)
	q.do(func() { q.s.Closed(nil) })
	b.WantCalls(t, "unwatch /topic/a")
	p.feed("DISCONNECT\n\n^@")
	b.WantCalls(t, "unwatch /topic/b")
}

func TestWatchError(t *testing.T) {
	r, b := newNarrowRig(t)
	p, q := r.connect("1.2").errors(), r.connect("1.2").errors()
	p.feed(subscribe("1", "/topic/a"))
	q.feed(subscribe("2", "/topic/a"))
	r.watched(b, "/topic/a", errors.New("narrowbus: too long a subject"))
	want := `{"clientRequestCode":null,"errorCode":8,"errorMessage":"The destination is too long or can't be used","error":"destination","retryable":false,"receiptId":"1","destination":"/topic/a"}`
	if got := p.wantRefusal("destination"); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	q.wantRefusal("destination")
	b.WantCalls(t, "watch /topic/a") // a watch that does not exist is not ended
	r.deliver(bus.Envelope{Destination: "/topic/a", Watch: "/topic/a"})
	p.want()
	p.feed(subscribe("1", "/topic/a")) // the id is free again, and so is the destination
	b.WantCalls(t, "watch /topic/a")
	r.watched(b, "/topic/a", nil)
	p.want(receipt("1"))
	r.deliver(bus.Envelope{Destination: "/topic/a", Watch: "/topic/a"})
	p.wantOne("MESSAGE", "subscription:1")
	q.want()
}

// An answer of the bus may come when its subscription, or session, has gone.
func TestWatchRaces(t *testing.T) {
	t.Run("UNSUBSCRIBE before ready", func(t *testing.T) {
		r, b := newNarrowRig(t)
		p := r.connect("1.2")
		p.feed(subscribe("1", "/topic/a") + unsubscribe("1"))
		b.WantCalls(t, "watch /topic/a", "unwatch /topic/a")
		p.want(receipt("un1"), receipt("1"))
		r.watched(b, "/topic/a", nil)
		p.want()
		r.deliver(bus.Envelope{Destination: "/topic/a", Watch: "/topic/a"})
		p.want()
	})
	t.Run("UNSUBSCRIBE before an error", func(t *testing.T) {
		r, b := newNarrowRig(t)
		p := r.connect("1.2").errors()
		p.feed(subscribe("1", "/topic/a") + unsubscribe("1") + subscribe("1", "/topic/b"))
		p.want(receipt("un1"), receipt("1"))
		r.watched(b, "/topic/b", nil)
		p.want(receipt("1"))
		r.watched(b, "/topic/a", errors.New("no"))
		p.want()
		r.deliver(bus.Envelope{Destination: "/topic/b", Watch: "/topic/b"})
		p.wantOne("MESSAGE", "subscription:1") // the second of that id is not the one that failed
	})
	t.Run("SUBSCRIBE again before ready", func(t *testing.T) {
		r, b := newNarrowRig(t)
		p := r.connect("1.2")
		p.feed(subscribe("1", "/topic/a") + unsubscribe("1"))
		first := b.Watcher("/topic/a")
		p.feed(subscribe("2", "/topic/a"))
		b.WantCalls(t, "watch /topic/a", "unwatch /topic/a", "watch /topic/a")
		p.want(receipt("un1"), receipt("1"))
		first(nil)
		r.do(func() {})
		p.want() // the second waits for its own watch
		r.watched(b, "/topic/a", nil)
		p.want(receipt("2"))
	})
	t.Run("closed before ready", func(t *testing.T) {
		r, b := newNarrowRig(t)
		p := r.connect("1.2")
		p.feed(subscribe("1", "/topic/a"))
		p.do(func() { p.s.Closed(nil) })
		r.watched(b, "/topic/a", nil)
		p.want()
		b.WantCalls(t, "watch /topic/a", "unwatch /topic/a")
	})
	t.Run("closed before an error", func(t *testing.T) {
		r, b := newNarrowRig(t)
		p, q := r.connect("1.2"), r.connect("1.2").errors()
		p.feed(subscribe("1", "/topic/a"))
		q.feed(subscribe("1", "/topic/a"))
		p.do(func() { p.s.Closed(nil) })
		r.watched(b, "/topic/a", errors.New("no"))
		p.want()
		q.wantRefusal("destination")
	})
	t.Run("DISCONNECT waits for ready", func(t *testing.T) {
		r, b := newNarrowRig(t)
		p := r.connect("1.2")
		p.feed(subscribe("1", "/topic/a") + "DISCONNECT\nreceipt:bye\n\n^@")
		p.want()
		r.watched(b, "/topic/a", nil)
		p.want(receipt("1"), receipt("bye"))
		p.wantClosed(CloseNormal)
	})
}

func TestTooManySubscriptions(t *testing.T) {
	p := newRig(t).connect("1.2").errors()
	for i := range maxSubscriptions - 1 {
		p.feed(fmt.Sprintf("SUBSCRIBE\nid:%d\ndestination:/topic/%d\n\n^@", i, i))
	}
	p.want()
	p.feed(subscribe("more", "/topic/more"))
	p.wantRefusal("too_many")
	p.feed(unsubscribe("7"))
	p.want(receipt("un7"))
	p.feed(subscribe("more", "/topic/more"))
	p.want(receipt("more"))
}

// A client can't know that its SUBSCRIBE was refused, so to end that subscription is no fault.
func TestUnsubscribeUnknown(t *testing.T) {
	p := newRig(t).connect("1.2").errors()
	p.feed(subscribe("1", "/topic/closed"))
	p.wantRefusal("not_allowed")
	p.feed("UNSUBSCRIBE\nid:1\nreceipt:un1\nclient-request-code:c\n\n^@")
	want := `{"clientRequestCode":"c","errorCode":11,"errorMessage":"This session has no such subscription","error":"not_subscribed","retryable":false,"receiptId":"un1"}`
	if got := p.wantRefusal("not_subscribed"); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// STOMP 1.0 lets a client name a subscription by its destination alone.
func TestUnsubscribeByDestination(t *testing.T) {
	p := newRig(t).connect("1.0").errors()
	p.feed("SUBSCRIBE\ndestination:/topic/a\n\n^@SUBSCRIBE\nid:x\ndestination:/topic/a\n\n^@SUBSCRIBE\nid:y\ndestination:/topic/b\n\n^@")
	p.want()
	p.feed("SUBSCRIBE\ndestination:/topic/c\n\n^@UNSUBSCRIBE\ndestination:/topic/c\nreceipt:0\n\n^@")
	p.want(receipt("0"))
	messages := func(destination string) (ids []string) {
		p.deliver(bus.Envelope{Destination: destination})
		for _, frame := range p.read() {
			id := "none"
			if _, rest, ok := strings.Cut(frame, "\nsubscription:"); ok {
				id, _, _ = strings.Cut(rest, "\n")
			}
			ids = append(ids, id)
		}
		slices.Sort(ids)
		return ids
	}
	if got := messages("/topic/a"); !slices.Equal(got, []string{"none", "x"}) {
		t.Fatalf("got messages for %q", got)
	}
	p.feed("UNSUBSCRIBE\ndestination: /topic/a\nreceipt:1\n\n^@")
	p.want(receipt("1"))
	if got := messages("/topic/a"); !slices.Equal(got, []string{"x"}) {
		t.Fatalf("got messages for %q", got)
	}
	p.feed("UNSUBSCRIBE\ndestination:/topic/b\nreceipt:2\n\n^@") // the one with an id, as there is no other
	p.want(receipt("2"))
	if got := messages("/topic/b"); got != nil {
		t.Fatalf("got messages for %q", got)
	}
	p.feed("UNSUBSCRIBE\nid:x\nreceipt:3\n\n^@")
	p.want(receipt("3"))
	p.feed("UNSUBSCRIBE\ndestination:/topic/a\n\n^@")
	p.wantRefusal("not_subscribed")
}

// A message of the session itself reaches all its subscriptions of the destination, and no other.
func TestIndividualDelivery(t *testing.T) {
	r := newRig(t)
	p, q := r.connect("1.2"), r.connect("1.2")
	for _, s := range []*peer{p, q} {
		s.feed("SUBSCRIBE\nid:1\ndestination:/session/queue/x\n\n^@SUBSCRIBE\nid:2\ndestination:/session/queue/x\n\n^@" +
			"SUBSCRIBE\nid:3\ndestination:/session/queue/y\n\n^@")
	}
	for _, destination := range []string{"/queue/x", "/session/queue/x"} {
		r.deliver(bus.Envelope{Destination: destination, Principal: p.s.Principal(), Body: []byte("hello")})
		got := p.read()
		if len(got) != 2 {
			t.Fatalf("got %q", got)
		}
		wantFrame(t, got[0], "MESSAGE", "destination:/session/queue/x", "subscription:1", "hello")
		wantFrame(t, got[1], "MESSAGE", "destination:/session/queue/x", "subscription:2", "hello")
		q.want()
	}
	for _, principal := range []string{
		p.s.Principal() + "0",                                    // another connect time
		strings.TrimSuffix(p.s.Principal(), "UTC") + "_OLD",      // and zone
		r.host.Node.String() + "/" + p.s.id.String(),             // none
		r.host.Node.String() + "/zzzz/2025_02_03_T_14_05_06_789", // no id
		"1/other-node/" + p.s.id.String() + "/2025_02_03_T_14_05_06_789_UTC",
		"nonsense",
		"", // a broadcast is for nobody's session
	} {
		r.deliver(bus.Envelope{Destination: "/queue/x", Principal: principal})
		r.deliver(bus.Envelope{Destination: "/session/queue/x", Principal: principal})
	}
	p.want()
	q.want()
	r.deliver(bus.Envelope{Destination: "/queue/z", Principal: p.s.Principal()})
	p.want()
	principal := p.s.Principal()
	p.feed("DISCONNECT\n\n^@")
	r.deliver(bus.Envelope{Destination: "/queue/x", Principal: principal})
	p.want()
}

// All prefixes are configuration.
func TestPrefixes(t *testing.T) {
	b := bustest.NewFake()
	r := newRigWith(t, b, b, policy.Rules{
		Prefixes:         policy.Prefixes{App: "/in", Broker: []string{"/out"}, User: "/user"},
		ErrorDestination: "/user/queue/errors",
		Channels:         []policy.Channel{{Match: "/out/{room}", Subscribe: "true"}, {Match: "/user/queue/{name}", Subscribe: "true", Send: "true"}},
		Routes:           []policy.Route{{Match: "/in/{room}", Allow: "true", Publish: "/out/{room}"}},
	})
	p := r.connect("1.2")
	p.feed("SUBSCRIBE\nid:err\ndestination:/user/queue/errors\n\n^@SUBSCRIBE\nid:own\ndestination:/user/queue/x\n\n^@" +
		"SUBSCRIBE\nid:room\ndestination:/out/a\n\n^@")
	p.want()
	p.feed("SEND\ndestination:/in/a\n\n1^@SEND\ndestination:/user/queue/x\n\n2^@")
	for i, want := range []bus.Envelope{
		{Destination: "/out/a", Body: []byte("1")},
		{Destination: "/user/queue/x", Principal: p.s.Principal(), Body: []byte("2")},
	} {
		got := b.Taken()[i]
		if got.Destination != want.Destination || got.Principal != want.Principal || string(got.Body) != string(want.Body) {
			t.Errorf("published %+v, want %+v", got, want)
		}
		r.deliver(got)
	}
	if got := p.bodies(); !slices.Equal(got, []string{"1", "2"}) {
		t.Errorf("got %q", got)
	}
	r.deliver(bus.Envelope{Destination: "/queue/x", Principal: p.s.Principal(), Body: []byte("3")})
	p.wantOne("MESSAGE", "subscription:own", "destination:/user/queue/x", "3")
	p.feed("SEND\ndestination:/session/queue/x\n\n^@")
	p.wantOne("MESSAGE", "subscription:err", "destination:/user/queue/errors")
}

// TestSubscriptionEnded: a client whose subscription the broker ends is told so, once, and can subscribe
// again by the same id.
func TestSubscriptionEnded(t *testing.T) {
	r, b := newNarrowRig(t)
	p := r.connect("1.2", "heart-beat:0,0")
	p.feed("SUBSCRIBE\nid:err\ndestination:/session/queue/request-error\n\n^@" + subscribe("1", "/topic/a") + subscribe("2", "/topic/b"))
	r.watched(b, "/topic/a", nil)
	r.watched(b, "/topic/b", nil)
	p.read()
	r.watched(b, "/topic/a", errors.New("revoked"))
	got := p.read()
	if len(got) != 1 || !strings.Contains(got[0], `{"clientRequestCode":null,"errorCode":18,`) || !strings.Contains(got[0], `"error":"subscription_ended"`) ||
		!strings.Contains(got[0], `"destination":"/topic/a"`) || !strings.Contains(got[0], `"retryable":true`) {
		t.Fatalf("got %q, want to be told once", got)
	}
	b.WantCalls(t, "watch /topic/a", "watch /topic/b")
	for err, code := range map[error]string{
		errors.New("still so"):                      `"errorCode":8,`,
		fmt.Errorf("narrowbus: %w", bus.ErrCrowded): `"errorCode":18,`, // later, perhaps
	} {
		p.feed(subscribe("1", "/topic/a"))
		b.WantCalls(t, "watch /topic/a")
		r.watched(b, "/topic/a", err)
		if got := p.read(); len(got) != 1 || !strings.Contains(got[0], code) {
			t.Errorf("%v: got %q, want %s", err, got, code)
		}
	}
}

// TestEndedTooLate: a client is told nothing of the end of a subscription that it has left meanwhile, nor of any when its session has ended.
func TestEndedTooLate(t *testing.T) {
	for name, leave := range map[string]func(*peer){
		"unsubscribed": func(p *peer) { p.feed(unsubscribe("1")) },
		"closed":       func(p *peer) { p.do(func() { p.s.Closed(nil) }) },
	} {
		p := newRig(t).connect("1.2").errors()
		p.feed(subscribe("1", "/topic/a"))
		var sub *subscription
		p.do(func() { sub = p.s.subscribedTo("/topic/a") })
		leave(p)
		p.read()
		told := p.host.Stats.Unheard.Load()
		p.do(func() {
			sub.Ended(&sub.Subscription)
			sub.outgrown(ErrTooMany)
		})
		if got := p.read(); len(got) > 0 || p.conn.closed || p.host.Stats.Unheard.Load() != told {
			t.Errorf("%s: got %q, closed: %v", name, got, p.conn.closed)
		}
	}
}
