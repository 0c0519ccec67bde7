package presence

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/bus/membus"
)

// testBus is a node's bus that does what a test says.
type testBus struct {
	*membus.Bus
	mu         sync.Mutex
	drop       func(e bus.Envelope) bool
	refuse     error
	healthy    error
	reconnects uint64
	refused    int
}

// Publish implements bus.Bus.
func (b *testBus) Publish(e bus.Envelope, done func(error)) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.refuse != nil {
		b.refused++
		return b.refuse
	}
	return b.Bus.Publish(e, done)
}

// Receive implements bus.Bus.
func (b *testBus) Receive(ctx context.Context, ready func(), deliver func(bus.Envelope)) error {
	return b.Bus.Receive(ctx, ready, func(e bus.Envelope) {
		b.mu.Lock()
		drop := b.drop != nil && b.drop(e)
		b.mu.Unlock()
		if !drop {
			deliver(e)
		}
	})
}

// Healthy implements bus.Bus.
func (b *testBus) Healthy() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.healthy
}

// Figures implements bus.Measured.
func (b *testBus) Figures() bus.Figures {
	b.mu.Lock()
	defer b.mu.Unlock()
	return bus.Figures{Reconnects: b.reconnects}
}

func (b *testBus) set(change func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change()
}

// onTestBus starts two nodes, with a viewer on the second one, who has seen member 7 on the first.
func onTestBus(t *testing.T, c *cluster) (one, two *node, w *watcher, buses []*testBus) {
	t.Helper()
	c.wrap = func(b *membus.Bus, _ string) bus.Bus {
		buses = append(buses, &testBus{Bus: b})
		return buses[len(buses)-1]
	}
	one, two = c.start(), c.start()
	one.come(1, "7")
	w = two.view(0, false)
	pass(2 * time.Second)
	w.want("here 7 1+0")
	return one, two, w, buses
}

func all(bus.Envelope) bool { return true }

// TestLastChangeLost: where the last change is lost nothing follows that would tell, but the digest does.
func TestLastChangeLost(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		one, two, w, buses := onTestBus(t, c)
		buses[1].set(func() { buses[1].drop = all })
		one.come(2, "8")
		pass(500 * time.Millisecond)
		buses[1].set(func() { buses[1].drop = nil })
		pass(300 * time.Millisecond)
		w.want()
		pass(10 * time.Second)
		w.want("joined 8 2+0")
		if f := two.Figures(); f.Gaps != 1 {
			t.Errorf("figures %+v", f)
		}
		asked := two.Figures().Asked
		one.come(3, "9") // all is well again, and nobody is asked
		one.leave(1, "7")
		one.leave(2, "8")
		one.leave(3, "9")
		pass(30 * time.Second)
		w.want("left 7,8 0+0")
		if f := two.Figures(); f.Asked != asked || f.Gaps != 1 {
			t.Errorf("figures %+v", f)
		}
	})
}

// TestGap: a lost change shows at the next one.
func TestGap(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		one, two, w, buses := onTestBus(t, c)
		buses[1].set(func() { buses[1].drop = all })
		one.come(2, "8")
		pass(500 * time.Millisecond)
		buses[1].set(func() { buses[1].drop = nil })
		one.come(3, "9")
		pass(500 * time.Millisecond)
		w.want("joined 8,9 3+0")
		if f := two.Figures(); f.Gaps != 1 {
			t.Errorf("figures %+v", f)
		}
	})
}

// TestReconnect: a bus that says that it has lost something is not believed to have brought the rest.
func TestReconnect(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		one, _, w, buses := onTestBus(t, c)
		buses[1].set(func() { buses[1].drop = all })
		one.come(2, "8")
		pass(30 * time.Second) // no digest tells of it any more
		buses[1].set(func() { buses[1].drop = nil })
		pass(10 * time.Second)
		w.want()
		buses[1].set(func() { buses[1].reconnects++ })
		pass(3 * time.Second)
		w.want("joined 8 2+0")
	})
}

// TestBusAway: viewers are told, and get everything anew.
func TestBusAway(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		one, _, w, buses := onTestBus(t, c)
		buses[1].set(func() { buses[1].drop, buses[1].healthy = all, errors.New("away") })
		one.come(2, "8")
		pass(30 * time.Second)
		w.want("paused  0+0")
		buses[1].set(func() { buses[1].drop, buses[1].healthy = nil, nil })
		pass(3 * time.Second)
		w.want("here 7,8 2+0")
	})
}

// TestNoHistory: that the bus has lost the past is nothing to presence.
func TestNoHistory(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		one, _, w, buses := onTestBus(t, c)
		for _, b := range buses {
			b.set(func() { b.healthy = fmt.Errorf("%w: no JetStream", bus.ErrHistory) })
		}
		one.come(2, "8")
		pass(30 * time.Second)
		w.want("joined 8 2+0")
	})
}

// TestBusFull: what the bus does not take is told later, and what has changed back by then never.
func TestBusFull(t *testing.T) {
	for _, refuse := range []error{bus.ErrFull, bus.ErrDown} {
		inBubble(t, func(t *testing.T, c *cluster) {
			one, two, w, buses := onTestBus(t, c)
			buses[0].set(func() { buses[0].refuse = refuse })
			one.come(2, "8")
			one.come(3, "9")
			pass(5 * time.Second)
			one.leave(3, "9")
			one.come(4, "")
			pass(5 * time.Second)
			w.want()
			if buses[0].refused == 0 {
				t.Error("nothing was tried")
			}
			buses[0].set(func() { buses[0].refuse = nil })
			pass(time.Second)
			w.want("joined 8 2+1")
			if f := two.Figures(); f.Gaps != 0 {
				t.Errorf("figures %+v", f)
			}
		})
	}
}

// TestStopWhileFull: a node does not wait for ever to tell who has left with it.
func TestStopWhileFull(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		one, _, _, buses := onTestBus(t, c)
		buses[0].set(func() { buses[0].refuse = bus.ErrFull })
		one.leave(1, "7")
		began := time.Now()
		one.stop()
		if took := time.Since(began); took > 2*parting {
			t.Errorf("it took %v", took)
		}
	})
}

// TestNewNode: what a node tells before it is in the list of nodes is made good when it is, and counts as ignored where it never will be.
func TestNewNode(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		one, two, w, buses := onTestBus(t, c)
		c.set(func() { delete(c.nodes, one.name.String()) })
		pass(10 * time.Second)
		w.want("left 7 0+0")
		one.come(2, "8")
		pass(time.Second)
		one.come(3, "9")
		pass(2 * time.Second)
		w.want()
		c.set(func() { c.nodes[one.name.String()] = one })
		pass(2 * time.Second)
		w.want("joined 7,8,9 3+0")
		if f := two.Figures(); f.Ignored != 0 {
			t.Errorf("figures %+v", f)
		}
		for i := range 2 * maxStrangers { // of another cluster on the same bus
			buses[0].Publish(bus.Envelope{Destination: "$presence", Body: fmt.Appendf(nil, `{"node":"1/%d","rooms":{}}`, i)}, ignore)
		}
		pass(2 * listDoubt)
		if f := two.Figures(); f.Ignored != 2*maxStrangers {
			t.Errorf("figures %+v", f)
		}
	})
}

// TestForged: what no node tells is counted and left out, and what only looks like it does not stay.
func TestForged(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		one, two, w, _ := onTestBus(t, c)
		forger := c.bus.Bus("forger")
		defer forger.Close(context.Background())
		forge := func(destination, body string) {
			body = strings.ReplaceAll(body, "$one", one.name.String())
			if err := forger.Publish(bus.Envelope{Destination: destination, Body: []byte(body)}, func(error) {}); err != nil {
				t.Fatal(err)
			}
		}
		room := "$presence" + lobby
		for _, body := range []string{``, `{}`, `{"node":"1/x","from":0,"to":5,"count":0,"anonymous":0}`, `{"node":"$one","from":5,"to":5,"count":0,"anonymous":0}`} {
			forge(room, body)
		}
		forge("$presence", `{"node":"$one","rooms":{"x":1}}`)
		pass(5 * time.Second)
		w.want()
		if f := two.Figures(); f.Ignored != 4 || f.Gaps != 0 {
			t.Errorf("figures %+v", f)
		}
		forge(room, `{"node":"$one","from":0,"to":4611686018427387904,"count":1,"anonymous":0,"changes":[{"member":666,"sessions":1,"since":1}]}`)
		pass(time.Second)
		w.want("joined 666 2+0")
		one.come(2, "8") // dropped, as it seems old
		pass(15 * time.Second)
		w.want("joined 8 3+0", "left 666 2+0")
		if f := two.Figures(); f.Ignored != 5 { // the other one may have been a new node
			t.Errorf("figures %+v", f)
		}
	})
}

// TestWatches: where the bus brings only what is asked for, it is asked for a room that is viewed, and for the digests. While it does
// not bring them viewers know that, and it is asked again.
func TestWatches(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		b := bustest.NewFakeNarrower()
		c.wrap = func(*membus.Bus, string) bus.Bus { return b }
		one := c.start()
		one.come(1, "7")
		pass(time.Second)
		b.WantCalls(t)
		w := one.view(0, false)
		pass(time.Second)
		room := "$presence" + lobby
		b.WantCalls(t, "watch $presence", "watch "+room)
		w.want()
		b.Watcher("$presence")(nil)
		b.Watcher(room)(errors.New("no"))
		pass(900 * time.Millisecond)
		w.want("paused  0+0")
		b.WantCalls(t)
		pass(time.Second)
		b.WantCalls(t, "watch "+room)
		refused := b.Watcher(room)
		b.Watcher(room)(nil)
		pass(time.Second)
		w.want("here 7 1+0")
		b.Watcher(room)(errors.New("taken back"))
		pass(500 * time.Millisecond)
		w.want("paused  0+0")
		pass(time.Second)
		b.WantCalls(t, "watch "+room)
		b.Watcher(room)(nil)
		refused(errors.New("late")) // of a watch that is no more
		pass(time.Second)
		w.want("here 7 1+0")
		w.end()
		pass(20 * time.Second)
		b.WantCalls(t, "unwatch "+room, "unwatch $presence")
	})
}

// TestLateWatch: a view does not wait for the bus for ever.
func TestLateWatch(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		b := bustest.NewFakeNarrower()
		c.wrap = func(*membus.Bus, string) bus.Bus { return b }
		one := c.start()
		w := one.view(0, false)
		pass(4 * time.Second)
		w.want("paused  0+0")
		b.Watcher("$presence")(nil)
		b.Watcher("$presence" + lobby)(nil)
		pass(time.Second)
		w.want("here  0+0")
	})
}

// TestLostBeforeSilence: a node that the bus has left alone for long tells then what numbers it has, as what it told last may be lost. Those who
// look elsewhere have noticed nothing.
func TestLostBeforeSilence(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		one, _, w, buses := onTestBus(t, c)
		buses[1].set(func() { buses[1].drop = all })
		one.come(2, "8")
		pass(500 * time.Millisecond)
		buses[1].set(func() { buses[1].drop = nil })
		buses[0].set(func() { buses[0].refuse, buses[0].healthy = bus.ErrDown, errors.New("away") })
		pass(time.Minute)
		w.want()
		buses[0].set(func() { buses[0].refuse, buses[0].healthy = nil, nil })
		pass(10 * time.Second)
		w.want("joined 8 2+0")
	})
}

// TestRoomBeyondBus: a room whose name the bus can't carry is not looked at: its viewers would wait for ever.
func TestRoomBeyondBus(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		b := bustest.NewFakeNarrower()
		c.wrap = func(*membus.Bus, string) bus.Bus { return b }
		w := c.start().view(0, false)
		pass(time.Second)
		b.Watcher("$presence")(nil)
		b.Watcher("$presence" + lobby)(fmt.Errorf("%w: too long", bus.ErrDestination))
		pass(time.Second)
		w.want()
		if len(w.told) != 1 || !errors.Is(w.told[0], bus.ErrDestination) {
			t.Errorf("told %v", w.told)
		}
	})
}
