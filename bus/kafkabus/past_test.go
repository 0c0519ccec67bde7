package kafkabus

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stompgw/stompgw/bus"
)

// TestPast: a node reads back what has history, and nothing else, before it is ready; what comes then is live. A
// message has one position on all nodes.
func TestPast(t *testing.T) {
	forEachKafka(t, 4, nil, func(t *testing.T, addrs []string, topic string) {
		cfg := Config{Brokers: addrs, Topic: topic}
		a := newNode(t, cfg, kept(time.Hour))
		a.send("/topic/kept/x", "1", "2")
		a.send("/topic/other", "3")
		answer := make(chan error, 1)
		must(t, a.Publish(bus.Envelope{Destination: "/topic/kept/x", Principal: "1/a/s/1", Body: []byte("4")}, func(err error) { answer <- err }))
		must(t, <-answer)
		a.send("/topic/kept/y", "5")
		a.want("1 2 3 4 5")
		b := newNode(t, cfg, kept(time.Hour))
		b.want("p1 p2 p5")
		a.send("/topic/kept/x", "6")
		a.send("/topic/other", "7")
		b.want("p1 p2 p5 6 7")
		for _, body := range []string{"1", "2", "5", "6"} {
			if at := a.position(body); b.position(body) != at || at.Log == 0 || at.Term == 0 {
				t.Errorf("%s is at %v on one node, at %v on the other", body, at, b.position(body))
			}
		}
		for _, d := range b.got {
			if marked := strings.HasPrefix(d.destination, "/topic/kept/"); d.marked != marked {
				t.Errorf("%+v: marked is %t", d, d.marked)
			}
			if now := time.Now().UnixMilli(); d.marked && (d.mark.Published > now || d.mark.Published < now-60_000) {
				t.Errorf("%s was published at %d, and now it is %d", d.body, d.mark.Published, now)
			}
		}
		b.wantLogged(`msg="the past has been read back" records=5`)
		if got := b.Figures(); got.Repeated+got.Skipped+got.Gaps > 0 {
			t.Errorf("figures %+v", got)
		}
		b.wantRecall("what the other has told", true, "/topic/kept/x", a.position("1"))
		b.wantRecall("the last one", true, "/topic/kept/x", a.position("6"))
	})
}

// TestWithoutPast: without a Keep nothing is marked, nothing is read back, and nobody stands anywhere.
func TestWithoutPast(t *testing.T) {
	f := fake(t, 1, "stompgw", 2)
	cfg := Config{Brokers: f.Addrs}
	newNode(t, cfg, bus.Keep{}).send("/topic/kept/x", "1")
	n := newNode(t, cfg, bus.Keep{})
	n.send("/topic/kept/x", "2")
	n.want("2")
	if n.got[0].marked || strings.Contains(n.log(), "past") {
		t.Errorf("%+v; the log: %s", n.got[0], n.log())
	}
}

// TestPastTimes: the past begins with the first record that is not too old, whatever times the others have; nothing that
// young is no past at all.
func TestPastTimes(t *testing.T) {
	now := time.Now()
	for _, test := range []struct {
		name string
		ages []time.Duration
		want string
	}{
		{"as old as that", []time.Duration{time.Hour, time.Minute, 0}, "p1 p2"},
		{"an old one in the midst", []time.Duration{time.Minute, time.Hour, 0}, "p0 p1 p2"},
		{"one that is ahead", []time.Duration{time.Hour, -30 * time.Minute, time.Hour, 0}, "p1 p2 p3"},
		{"nothing that young", []time.Duration{time.Hour, time.Hour}, ""},
		{"nothing at all", nil, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			forEachKafka(t, 1, nil, func(t *testing.T, addrs []string, topic string) {
				w := newWriter(t, addrs)
				for i, age := range test.ages {
					foreign(t, w, topic, 0, "/topic/kept/x", fmt.Sprint(i), now.Add(-age))
				}
				n := newNode(t, Config{Brokers: addrs, Topic: topic}, kept(10*time.Minute))
				n.send("/topic/kept/x", "live")
				n.want(test.want + " live")
				head := n.recall("/topic/kept/x", bus.Wish{}).Head
				if len(head) != 1 || head[0].Offset != uint64(len(test.ages)+1) {
					t.Errorf("the head is %v", head)
				}
			})
		})
	}
}

// TestPastBounded: no more is read back than is kept, and that stands for a shorter time.
func TestPastBounded(t *testing.T) {
	forEachKafka(t, 2, nil, func(t *testing.T, addrs []string, topic string) {
		w, now := newWriter(t, addrs), time.Now()
		for i := range 20 {
			foreign(t, w, topic, 0, "/topic/kept/x", fmt.Sprint(i), now.Add(time.Duration(i-20)*time.Minute))
		}
		keep := kept(time.Hour)
		keep.Bytes = 2 * 5 * recordBytes
		n := newNode(t, Config{Brokers: addrs, Topic: topic}, keep)
		n.want("p15 p16 p17 p18 p19") // published 5 minutes to one minute ago
		head := n.recall("/topic/kept/x", bus.Wish{}).Head
		told := func(age time.Duration) bus.Wish { return bus.Wish{After: head, Told: now.Add(-age)} }
		destination := "/topic/kept/x"
		for _, p := range n.in.topics[0].parts { // a position that names the other partition
			if at, _ := p.head(); p.number == 1 {
				head = []bus.Position{at}
			}
		}
		n.wantWish("told within it", true, destination, told(2*time.Minute))
		n.wantWish("told before", false, destination, told(6*time.Minute))
		n.wantWish("away for less than half of it", true, destination, bus.Wish{After: head, Away: time.Minute})
		n.wantWish("away for more", false, destination, bus.Wish{After: head, Away: 3 * time.Minute})
	})
}

// TestPastRemoved: where the beginning of the log was removed, what is left of it stands for the time since the first record
// of it was published. Where nothing ever was, all is known.
func TestPastRemoved(t *testing.T) {
	f := fake(t, 1, "stompgw", 2)
	w, now := newWriter(t, f.Addrs), time.Now()
	for i := range 6 {
		foreign(t, w, "stompgw", 0, room, fmt.Sprint(i), now.Add(time.Duration(i-6)*10*time.Minute))
	}
	must(t, f.DeleteRecords("stompgw", 0, 3)) // of 30 minutes ago is the first that is left
	n := newNode(t, Config{Brokers: f.Addrs}, kept(2*time.Hour))
	n.want("p3 p4 p5")
	removed := before(before(n.position("3")))
	n.wantWish("away for less than half of it", true, room, bus.Wish{After: []bus.Position{removed}, Away: 14 * time.Minute})
	n.wantWish("away for more", false, room, bus.Wish{After: []bus.Position{removed}, Away: 16 * time.Minute})
	n.wantRecall("the last, of who never was in the other partition", true, room, n.position("5"))
}

// TestPastSince: since when what is read back is known, by what was found in a log of 100 to 199.
func TestPastSince(t *testing.T) {
	since, published := time.Now().Add(-time.Hour), time.Now().Add(-20*time.Minute).Truncate(time.Millisecond)
	for _, test := range []struct {
		name          string
		first, listed int64
		most          int64
		want          time.Time // zero: now
	}{
		{"all that is so young", 150, published.UnixMilli(), 100, since},
		{"nothing is so young", -1, -1, 100, since},
		{"no record before it is left", 100, published.UnixMilli(), 100, published},
		{"the same, of an unknown time", 100, -1, 100, time.Time{}},
		{"more than may be", 150, published.UnixMilli(), 10, time.Time{}},
	} {
		s := &sight{first: mark{100, 1}, last: mark{200, 1}, past: mark{-1, -1}, young: mark{test.first, 1}, listed: test.listed}
		begun := time.Now()
		shorter := s.beginPast(test.most, since)
		if ok := s.since.Equal(test.want) || test.want.IsZero() && !s.since.Before(begun); !ok || shorter != (test.most == 10) {
			t.Errorf("%s: since %s, shorter: %t", test.name, s.since, shorter)
		}
	}
}

// TestPastLate: a node whose past takes too long is ready without the rest of it, and tells so; what comes then is live.
func TestPastLate(t *testing.T) {
	f := fake(t, 1, "stompgw", 1)
	cfg := Config{Brokers: f.Addrs}
	a := newNode(t, cfg, kept(time.Hour))
	a.send("/topic/kept/x", "1", "2", "3", "4", "5")
	hold := make(chan struct{})
	b := startNode(t, cfg, kept(time.Hour), func(b *Bus) { b.in.past.limit = 100 * time.Millisecond }, func(e bus.Envelope) {
		if string(e.Body) == "2" {
			<-hold
		}
	})
	b.poll("for readiness to say what is left", func() bool {
		return b.isReady() || strings.Contains(errorText(b.Healthy()), "records are still to be read back")
	})
	b.poll("for the figures to say so", func() bool { return b.Figures().Past == 4 })
	b.poll("to be ready", b.isReady)
	b.wantLogged("the past could not be read back in time")
	a.send("/topic/kept/x", "6")
	a.want("1 2 3 4 5 6")
	head := b.recall("/topic/kept/x", bus.Wish{}).Head
	if want := a.position("5"); len(head) != 1 || head[0] != want {
		t.Errorf("who begins meanwhile stands at %v, want %v", head, want)
	}
	close(hold)
	b.poll("for what is live", func() bool { return strings.HasSuffix(b.bodies(), " 6") })
	b.poll("for nothing to be left", func() bool { return b.Figures().Past == 0 })
	b.wantRecall("before what was left out", true, "/topic/kept/x", a.position("5"))
}

// TestPastLeftOut: what is left out of the past is told as a hole, and positions before it are not whole.
func TestPastLeftOut(t *testing.T) {
	var holes []bus.Position
	tail := newTail(nil, discard)
	tail.hole = func(m *bus.Mark) { holes = append(holes, m.At) }
	k := kept(time.Hour)
	tail.remember(k)
	p := opened(0, 0)
	p.open(0, time.Now(), mark{10, 2})
	p.enter(0, 2)
	p.offset.Store(3)
	f := newFetcher(tail, share{})
	f.held = []*partition{p}
	tail.past.over.Store(true)
	f.choose()
	f.choose()
	if len(holes) != 1 || holes[0] != (bus.Position{Log: p.window.log, Offset: 10}) || p.offset.Load() != 10 {
		t.Errorf("holes %v, reads on at %d", holes, p.offset.Load())
	}
	if v := p.judge(at(2, 2)); v != old {
		t.Errorf("a position before it: %d", v)
	}
	if v := p.judge(at(2, 10)); v != stands {
		t.Errorf("a position behind it: %d", v)
	}
}

// TestPastRepeats: what was written twice, once in the past, comes once.
func TestPastRepeats(t *testing.T) {
	f := fake(t, 1, "stompgw", 1)
	cfg := Config{Brokers: f.Addrs}
	a := newNode(t, cfg, bus.Keep{})
	a.send("/topic/other", "1") // number 1 of the node
	a.send("/topic/kept/x", "2")
	b := newNode(t, cfg, kept(time.Hour))
	b.want("p2")
	again := newOutlet(t, cfg, nil) // its numbers begin with 1, too
	again.node = a.out.node
	for _, body := range []string{"1", "2"} {
		must(t, <-again.send("/topic/kept/x", body))
	}
	must(t, <-again.send("/topic/kept/x", "3"))
	b.want("p2 3")
	if n := b.Figures().Repeated; n != 2 {
		t.Errorf("%d were repeated, want 2", n)
	}
}

// TestRemember: what is delivered is marked from when a reload says so, and to when the next one does not; nothing is past.
// Whoever asks knows since when a destination has history: by the bus positions of before are whole, as all behind them was delivered.
func TestRemember(t *testing.T) {
	f := fake(t, 1, "stompgw", 1)
	cfg := Config{Brokers: f.Addrs}
	a, b := newNode(t, cfg, kept(time.Hour)), newNode(t, cfg, bus.Keep{})
	a.send(room, "1")
	b.want("1")
	b.Remember(kept(time.Hour))
	a.send(room, "2")
	b.want("1 2")
	b.wantRecall("before it was remembered", true, room, a.position("1"))
	more := kept(time.Hour)
	more.Has = func(d string) bool { return strings.HasPrefix(d, "/topic/") }
	b.Remember(more)
	a.send("/topic/more/x", "3")
	b.want("1 2 3")
	b.wantRecall("after a change of what has history", true, room, a.position("2"))
	b.Remember(bus.Keep{})
	a.send(room, "4")
	b.want("1 2 3 4")
	for i, marked := range []bool{false, true, true, false} {
		if b.got[i].marked != marked {
			t.Errorf("%+v, want it marked: %t", b.got[i], marked)
		}
	}
}

// TestPastEnds: a node that is closed while it reads back ends.
func TestPastEnds(t *testing.T) {
	f := fake(t, 1, "stompgw", 1)
	cfg := Config{Brokers: f.Addrs}
	a := newNode(t, cfg, bus.Keep{})
	a.send("/topic/kept/x", "1", "2", "3")
	b, err := New(cfg, "1/b", discard)
	must(t, err)
	b.Remember(kept(time.Hour))
	got := 0
	ctx, cancel := context.WithCancel(t.Context())
	b.Receive(ctx, func() { t.Error("ready") }, func(bus.Envelope) {
		got++
		cancel()
	})
	if got != 1 {
		t.Errorf("%d were delivered after the end", got)
	}
	if err := b.Close(t.Context()); err != nil {
		t.Error(err)
	}
}
