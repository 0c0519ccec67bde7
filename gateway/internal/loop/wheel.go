package loop

import (
	"math"
	"time"
)

// tick is the grain of all timers: none fires early, and none much more than a tick late.
const tick = 100 * time.Millisecond

// slots times tick is the wheel's horizon; a later deadline waits in the last slot before it and is
// placed again from there.
const slots = 512

// farthest is the longest time a timer is set for. It keeps ticks, which end after 13 years, from
// overflowing.
const farthest = 365 * 24 * time.Hour

// forever is a time that does not come.
const forever = time.Duration(math.MaxInt64)

// wheel holds one deadline for each connection that wants one, in a list for each tick.
type wheel struct {
	slots [slots]*Conn
	at    uint32 // the last tick that has fired
	count int
}

// deadline is a connection's place in the wheel. due is 0 when it has none.
type deadline struct {
	next, prev *Conn
	due        uint32
	slot       uint16
}

// set fires c at tick due, or at the next one if that has gone by. It replaces an earlier deadline.
func (w *wheel) set(c *Conn, due uint32) {
	w.unset(c)
	c.timer.due = max(due, w.at+1)
	w.link(c)
	w.count++
}

func (w *wheel) unset(c *Conn) {
	if c.timer.due == 0 {
		return
	}
	w.unlink(c)
	c.timer.due = 0
	w.count--
}

func (w *wheel) link(c *Conn) {
	t := &c.timer
	t.slot = uint16(min(t.due, w.at+slots-1) % slots)
	t.prev, t.next = nil, w.slots[t.slot]
	if t.next != nil {
		t.next.timer.prev = c
	}
	w.slots[t.slot] = c
}

func (w *wheel) unlink(c *Conn) {
	t := &c.timer
	if t.next != nil {
		t.next.timer.prev = t.prev
	}
	if t.prev != nil {
		t.prev.timer.next = t.next
	} else {
		w.slots[t.slot] = t.next
	}
	t.next, t.prev = nil, nil
}

// advance fires what is due up to tick now. Nothing that fire sets comes into the slot being
// emptied: it is due a tick later at least, and at most slots-1 ticks.
func (w *wheel) advance(now uint32, fire func(*Conn)) {
	for w.count > 0 && w.at < now {
		w.at++
		for c := w.slots[w.at%slots]; c != nil; c = w.slots[w.at%slots] {
			w.unlink(c)
			if c.timer.due > w.at {
				w.link(c) // it was beyond the horizon
				continue
			}
			c.timer.due = 0
			w.count--
			fire(c)
		}
	}
	w.at = max(w.at, now)
}

// until is how long the wheel can be left alone at time now, -1 for ever.
func (w *wheel) until(now time.Duration) time.Duration {
	if w.count == 0 {
		return -1
	}
	due := w.at + 1
	for w.slots[due%slots] == nil {
		due++
	}
	return max(time.Duration(due)*tick-now, 0)
}
