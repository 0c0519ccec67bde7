package router

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/gateway/internal/history"
	"github.com/stompgw/stompgw/gateway/policy"
	"github.com/stompgw/stompgw/gateway/stomp"
)

// TestLack: a broker that does not answer is told from one that says no: only the first may say something else later.
func TestLack(t *testing.T) {
	old := errors.New("it does not go back so far")
	late := fmt.Errorf("nothing came in 5s: %w", bus.ErrDown)
	for _, c := range []struct {
		want     Want
		readable bool
		recalled bus.Recalled
		lack     Lack
	}{
		{Want{}, false, bus.Recalled{}, None},
		{Want{Resume: "a"}, true, bus.Recalled{Whole: true}, None},
		{Want{Resume: "a"}, false, bus.Recalled{}, Unreadable},
		{Want{Resume: "a"}, true, bus.Recalled{}, Unknown},
		{Want{Resume: "a"}, true, bus.Recalled{Err: old}, Unknown},
		{Want{Resume: "a"}, true, bus.Recalled{Err: late}, Silent},
		{Want{Resume: "a"}, true, bus.Recalled{Err: bus.ErrClosed}, Silent},
	} {
		if got := lackOf(c.want, c.readable, c.recalled); got != c.lack {
			t.Errorf("%+v, of which the bus says %+v: %s, want %s", c.want, c.recalled, got, c.lack)
		}
	}
}

// recaller is a bus that keeps nothing.
type recaller struct{ *bustest.FakeNarrower }

func (recaller) Remember(bus.Keep) {}

func (recaller) Recall(_ string, _ bus.Wish, done func(bus.Recalled)) { go done(bus.Recalled{}) }

// ending is a bus whose log ends when it has said that all of it is there, and something comes of the next one.
type ending struct{ recaller }

func (b ending) Recall(destination string, _ bus.Wish, done func(bus.Recalled)) {
	go func() {
		for _, mark := range []*bus.Mark{{At: bus.Position{Log: 1, Offset: bus.Ended}, Hole: true}, {At: bus.Position{Log: 2, Offset: 1}}} {
			b.Deliver(bus.Envelope{Destination: destination, Watch: destination, Mark: mark})
		}
		done(bus.Recalled{Whole: true})
	}()
}

// TestEndedMeanwhile: who is about to hear that he goes on where he was hears no such thing when the log has ended by then.
func TestEndedMeanwhile(t *testing.T) {
	b := ending{recaller{bustest.NewFakeNarrower()}}
	r := newRig(t, 1, b.Fake, b)
	r.router.Remember(withHistory(t), 1<<20)
	s := r.subscribe(0, "s", "/topic/a")
	begun := make(chan Beginning, 1)
	place := history.Place{After: []bus.Position{{Log: 1, Term: 1, Offset: 7}}, Told: time.Now()}.String()
	r.do(0, func(l *Local) { l.Resume(&s.Subscription, Want{Resume: place}, func(b Beginning) { begun <- b }) })
	if got := <-begun; got.Recovered || got.Lack == None {
		t.Errorf("it begins with %+v", got)
	}
}

// withHistory are rules by which all below /topic has history.
func withHistory(t *testing.T) *policy.Catalogue {
	t.Helper()
	rules, err := policy.New(policy.Rules{Prefixes: policy.DefaultPrefixes(), Channels: []policy.Channel{
		{Match: "/topic/**", Subscribe: "true", History: policy.History{Size: 10, TTL: time.Minute}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return rules
}

// TestHoleComesFirst: who is told of a hole of a log hears of it before what lies behind it, however many destinations the log may have.
func TestHoleComesFirst(t *testing.T) {
	b := recaller{bustest.NewFakeNarrower()}
	r := newRig(t, 1, b.Fake, b)
	r.router.Remember(withHistory(t), 1<<20)
	var readers []*reader
	for i := range 20 {
		readers = append(readers, r.subscribe(0, "s", fmt.Sprint("/topic/", i)))
	}
	without := r.subscribe(0, "s", "/queue/a")
	b.Deliver(bus.Envelope{Mark: &bus.Mark{At: bus.Position{Log: 1, Offset: 7}, Hole: true}})
	for i := range readers[:10] {
		name := fmt.Sprint("/topic/", i)
		b.Deliver(bus.Envelope{Destination: name, Watch: name, Mark: &bus.Mark{At: bus.Position{Log: 1, Offset: 8 + uint64(i)}}})
	}
	for range len(readers) { // a turn for each
		r.wait()
	}
	for i, s := range readers {
		want := 1
		if i < 10 {
			want = 2
		}
		if len(s.got) != want || s.got[0] != "hole" {
			t.Errorf("%s got %q", s.Destination, s.got)
		}
	}
	if len(without.got) > 0 {
		t.Errorf("one without history got %q", without.got)
	}
}

// TestHoleComesFirstToMany: so it is for those too who don't all hear of it in one turn of the loop.
func TestHoleComesFirstToMany(t *testing.T) {
	b := recaller{bustest.NewFakeNarrower()}
	r := newRig(t, 1, b.Fake, b)
	r.router.Remember(withHistory(t), 1<<20)
	readers := []*reader{r.subscribe(0, "s", "/topic/a")}
	r.do(0, func(l *Local) {
		for range endsAtOnce + 10 {
			s := &reader{rig: r, Subscription: Subscription{ID: "s", Destination: "/topic/a", Version: stomp.V12, Framing: bare{}}}
			s.Outlet = s
			l.Subscribe(&s.Subscription, func(error) {})
			readers = append(readers, s)
		}
	})
	for offset, destination := range []string{"/topic/a", ""} {
		at := bus.Position{Log: 1, Offset: 10 * uint64(offset+1)}
		b.Deliver(bus.Envelope{Destination: destination, Mark: &bus.Mark{At: at, Hole: true}})
		at.Offset++
		b.Deliver(bus.Envelope{Destination: "/topic/a", Watch: "/topic/a", Mark: &bus.Mark{At: at}})
		r.wait()
		for i, s := range readers {
			if len(s.got) != 2 || s.got[0] != "hole" {
				t.Fatalf("number %d got %q", i, s.got)
			}
			s.got = nil
		}
	}
}

// TestStragglers: what comes of a destination after its last subscriber has gone is not kept, as nobody knows what came in between when
// somebody subscribes to it again.
func TestStragglers(t *testing.T) {
	b := recaller{bustest.NewFakeNarrower()}
	r := newRig(t, 1, b.Fake, b)
	r.router.Remember(withHistory(t), 1<<20)
	come := func(offset uint64) {
		b.Deliver(bus.Envelope{Destination: "/topic/a", Watch: "/topic/a", Mark: &bus.Mark{At: bus.Position{Log: 1, Offset: offset}}})
		r.wait()
	}
	s := r.subscribe(0, "s", "/topic/a")
	come(1)
	if f := r.router.History(); f.Messages != 1 || len(s.got) != 1 {
		t.Errorf("with a subscriber %+v is kept, and %d came", f, len(s.got))
	}
	s.unsubscribe()
	come(2)
	if f := r.router.History(); f.Rings != 0 {
		t.Errorf("without subscribers %+v is kept", f)
	}
}
