package loop

import "sync/atomic"

// table holds a loop's connections, each in a slot whose number comes back with its events.
type table struct {
	slots []*Conn
	free  []uint32
	gen   uint32
	len   atomic.Int64
}

func (t *table) add(c *Conn) {
	if n := len(t.free); n > 0 {
		c.slot, t.free = t.free[n-1], t.free[:n-1]
	} else {
		c.slot = uint32(len(t.slots))
		t.slots = append(t.slots, nil)
	}
	t.gen++
	c.gen = t.gen
	t.slots[c.slot] = c
	t.len.Add(1)
}

func (t *table) remove(c *Conn) {
	t.slots[c.slot] = nil
	t.free = append(t.free, c.slot)
	t.len.Add(-1)
}

// get returns the connection that an event is for, nil if it has gone.
func (t *table) get(slot, gen uint32) *Conn {
	if int(slot) < len(t.slots) {
		if c := t.slots[slot]; c != nil && c.gen == gen {
			return c
		}
	}
	return nil
}

func (t *table) all() []*Conn {
	list := make([]*Conn, 0, t.len.Load())
	for _, c := range t.slots {
		if c != nil {
			list = append(list, c)
		}
	}
	return list
}
