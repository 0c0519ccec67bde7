package loop

import (
	"math/rand/v2"
	"testing"
	"time"
)

func TestWheel(t *testing.T) {
	for _, test := range []struct {
		name string
		at   uint32 // the tick when it is set
		due  uint32
		want uint32 // the tick when it fires
	}{
		{"next tick", 0, 1, 1},
		{"this tick is over", 5, 5, 6},
		{"in the past", 900, 3, 901},
		{"last slot", 0, slots - 1, slots - 1},
		{"a whole round", 0, slots, slots},
		{"a round and one", 7, 8 + slots, 8 + slots},
		{"many rounds", 3, 10*slots + 4, 10*slots + 4},
	} {
		t.Run(test.name, func(t *testing.T) {
			var w wheel
			c := &Conn{}
			w.advance(test.at, nil)
			w.set(c, test.due)
			w.advance(test.want-1, func(*Conn) { t.Errorf("fired at %d, want %d", w.at, test.want) })
			fired := 0
			w.advance(test.want, func(*Conn) { fired++ })
			w.advance(test.want+3*slots, func(*Conn) { fired++ })
			if fired != 1 || w.count != 0 {
				t.Errorf("fired %d times, %d are left; want once and none", fired, w.count)
			}
		})
	}
}

// TestWheelAgainstModel sets, unsets and advances by chance, from within fire too, and compares with
// a list of what is due.
func TestWheelAgainstModel(t *testing.T) {
	for seed := range uint64(50) {
		m := &wheelModel{t: t, dice: dice(seed), due: map[*Conn]uint32{}}
		for range 40 {
			m.conns = append(m.conns, &Conn{})
		}
		for range 500 {
			m.step()
		}
	}
}

type wheelModel struct {
	t     *testing.T
	dice  *rand.Rand
	conns []*Conn
	wheel wheel
	now   uint32
	due   map[*Conn]uint32 // what the wheel should hold
}

func (m *wheelModel) step() {
	switch m.dice.IntN(4) {
	case 0, 1:
		m.change()
	case 2:
		m.advance([]uint32{0, 1, 2, 100, slots - 1, slots, 3 * slots}[m.dice.IntN(7)])
	case 3:
		m.checkUntil()
	}
	if m.wheel.count != len(m.due) {
		m.t.Fatalf("the wheel holds %d deadlines, want %d", m.wheel.count, len(m.due))
	}
}

// change sets or unsets one connection.
func (m *wheelModel) change() {
	c := m.conns[m.dice.IntN(len(m.conns))]
	if m.dice.IntN(4) == 0 {
		m.wheel.unset(c)
		delete(m.due, c)
		return
	}
	due := m.wheel.at + m.dice.Uint32N(1+[]uint32{1, 20, slots, 5 * slots}[m.dice.IntN(4)])
	m.wheel.set(c, due)
	m.due[c] = max(due, m.wheel.at+1)
}

func (m *wheelModel) advance(by uint32) {
	m.now += by
	m.wheel.advance(m.now, func(c *Conn) {
		if due, ok := m.due[c]; !ok || due != m.wheel.at {
			m.t.Fatalf("fired at %d what is due at %d", m.wheel.at, due)
		}
		delete(m.due, c)
		if m.dice.IntN(2) == 0 {
			m.change()
		}
	})
	for _, due := range m.due {
		if due <= m.now {
			m.t.Fatalf("what was due at %d has not fired at %d", due, m.now)
		}
	}
}

// checkUntil wants the wheel to be left alone until the first deadline, but for those that wait
// beyond the horizon, which want a look on the way.
func (m *wheelModel) checkUntil() {
	now := time.Duration(m.now)*tick + time.Duration(m.dice.Int64N(int64(tick)))
	want, far := forever, false
	for c, due := range m.due {
		want = min(want, time.Duration(due)*tick-now)
		far = far || due >= m.now+slots || uint32(c.timer.slot) != due%slots
	}
	got := m.wheel.until(now)
	if want == forever && got != -1 || want != forever && (got < 0 || got > want || got < want && !far) {
		m.t.Fatalf("the wheel can be left alone for %v, want %v", got, want)
	}
}

func TestUntilOverdue(t *testing.T) {
	var w wheel
	w.set(&Conn{}, 3)
	if got := w.until(10 * tick); got != 0 {
		t.Errorf("a deadline of the past is due in %v, want now", got)
	}
}
