package presence

import (
	"fmt"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/membus"
	"github.com/stompgw/stompgw/gateway/registry"
)

// countingBus counts what it takes.
type countingBus struct {
	*membus.Bus
	published atomic.Int64
}

// Publish implements bus.Bus.
func (b *countingBus) Publish(e bus.Envelope, done func(error)) error {
	err := b.Bus.Publish(e, done)
	if err == nil {
		b.published.Add(1)
	}
	return err
}

// counted starts a node whose envelopes are counted, and another one.
func counted(c *cluster) (one, two *node, published *atomic.Int64) {
	var buses []*countingBus
	c.wrap = func(b *membus.Bus, _ string) bus.Bus {
		buses = append(buses, &countingBus{Bus: b})
		return buses[len(buses)-1]
	}
	one, two = c.start(), c.start()
	return one, two, &buses[0].published
}

// TestFlapping: however often somebody comes and goes, one room is told of once in a tick.
func TestFlapping(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		one, two, published := counted(c)
		w := two.view(0, false)
		pass(time.Second)
		begin := published.Load()
		for i := range 10_000 { // in ten seconds, and not in step with the ticks
			if one.come(1, "7"); i%3 > 0 {
				one.leave(1, "7")
				one.come(1, "7")
			}
			time.Sleep(time.Millisecond)
			one.leave(1, "7")
		}
		const ticks, digests = 100, 3
		if n := published.Load() - begin; n > ticks+digests {
			t.Errorf("%d envelopes", n)
		}
		pass(10 * time.Second)
		if got := w.since(); !slices.Equal(got[len(got)-1:], []string{"left 7 0+0"}) {
			t.Errorf("told %q", got)
		}
	})
}

// TestManyRoomsAtOnce: of many rooms so many are told of in a tick, and the others in the next ones. A node that stops has no time for that.
func TestManyRoomsAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		const rooms = 2*toldAtOnce + 100
		name := func(i int) string { return fmt.Sprintf("/topic/%d", i) }
		one, two, published := counted(c)
		w := two.viewOf(0, name(rooms-1), false)
		pass(time.Second)
		w.want("here  0+0")
		move := func(move func(room string)) {
			for i := range rooms {
				move(name(i))
			}
		}
		move(func(room string) { one.Come(room, registry.SessionID(1), "7", nil, false) })
		pass(tick / 2)
		for i, want := range []int64{toldAtOnce, 2 * toldAtOnce, rooms, rooms} {
			pass(tick)
			if got := published.Load(); got != want {
				t.Errorf("after %d ticks %d envelopes; want %d", i+1, got, want)
			}
		}
		pass(tick)
		w.want("joined 7 1+0")
		begin := published.Load()
		move(func(room string) { one.Go(room, registry.SessionID(1), "7") })
		one.stop()
		if got := published.Load() - begin; got != rooms {
			t.Errorf("%d envelopes as it stops", got)
		}
	})
}

// TestLargeRoom: with 100,000 in a room nobody is listed, and the number is told at once.
func TestLargeRoom(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		one, two := c.start(), c.start()
		who, many := two.view(0, false), two.view(1, true)
		pass(time.Second)
		for i := range 50_000 {
			one.come(i, strconv.Itoa(2*i))
			two.come(i, strconv.Itoa(2*i+1))
		}
		pass(time.Second)
		if many.count != 100_000 {
			t.Errorf("%d are counted", many.count)
		}
		if len(who.ended) != 1 || who.ended[0] != errTooMany {
			t.Errorf("who sees names is told %v", who.ended)
		}
	})
}
