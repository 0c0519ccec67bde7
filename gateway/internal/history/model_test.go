package history

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stompgw/stompgw/bus"
)

// model is what a store must agree with: everything that one destination has had, in order, and what of it a log has lost.
type model struct {
	*writer
	t      *testing.T
	random *rand.Rand
	logs   [3]bus.Position // the last of each
	all    []told
	cuts   []bus.Position // where logs went on that had lost their end
	open   []*trip
}

// told is a message, and where one was told to stand behind it.
type told struct {
	number uint64
	at     bus.Position
	place  Place
	lost   bool // its log has lost it
	missed bool // this node never had it, and was told so
}

// trip is one who reads.
type trip struct {
	c    *Cursor[note]
	next int // of model.all: the first that has to come, unless he is told that some are lost
	from int // and the first that did not exist when he began
}

// step does something of all that may happen, in no order that anybody would think of.
func (m *model) step() {
	switch m.random.IntN(20) {
	default:
		m.publish(m.random.IntN(len(m.logs)))
	case 0:
		m.cut(m.random.IntN(len(m.logs)))
	case 1:
		time.Sleep(time.Duration(m.random.IntN(40)) * time.Second)
		m.store.Sweep()
	case 2:
		m.store.SetLimit(m.random.IntN(30) * (entrySize + 100))
		m.store.SetLimit(1 << 20)
	case 3:
		log := m.logs[m.random.IntN(len(m.logs))]
		m.store.Hole([]string{"", m.name}[m.random.IntN(2)], bus.Position{Log: log.Log, Offset: log.Offset - min(log.Offset, uint64(m.random.IntN(5)))})
	case 4, 5:
		m.resume()
	case 11:
		m.miss(m.random.IntN(len(m.logs)))
	case 6:
		m.last()
	case 7, 8, 9, 10:
		if len(m.open) > 0 {
			i := m.random.IntN(len(m.open))
			if m.read(m.open[i]) {
				m.open = slices.Delete(m.open, i, i+1)
			}
		}
	}
}

func (m *model) publish(log int) {
	m.logs[log].Offset += 1 + uint64(m.random.IntN(3))
	m.append(bus.Mark{At: m.logs[log]})
	place, ok := ParsePlace(m.placed[len(m.placed)-1])
	if !ok {
		m.t.Fatalf("nobody is told where he stands behind %d", m.number)
	}
	m.all = append(m.all, told{number: m.number, at: m.logs[log], place: place})
}

// cut has a log lose its end, and something come in the place of that.
func (m *model) cut(log int) {
	back := uint64(m.random.IntN(6))
	if m.logs[log].Offset <= back {
		return
	}
	m.logs[log].Offset -= back
	m.logs[log].Term++
	m.publish(log)
	m.cuts = append(m.cuts, m.logs[log])
	for i := range m.all[:len(m.all)-1] {
		at := m.all[i].at
		m.all[i].lost = m.all[i].lost || at.Log == m.logs[log].Log && at.Offset >= m.logs[log].Offset
	}
}

// miss has a message not come, and the store told. Of a log that nothing has come from it is the bus that knows.
func (m *model) miss(log int) {
	if m.logs[log].Offset == 0 {
		return
	}
	m.number++
	m.logs[log].Offset++
	m.store.Hole([]string{"", m.name}[m.random.IntN(2)], m.logs[log])
	m.all = append(m.all, told{number: m.number, at: m.logs[log], missed: true})
}

// resume has somebody come back who was told where he stands behind some message.
func (m *model) resume() {
	if len(m.all) == 0 {
		return
	}
	i := m.random.IntN(len(m.all))
	if m.all[i].missed {
		return
	}
	for _, cut := range m.cuts {
		if at := of(m.all[i].place.After, cut.Log); at >= 0 && m.all[i].place.After[at].Offset >= cut.Offset && m.all[i].place.After[at].Term < cut.Term {
			return // the bus refutes it
		}
	}
	c, n, whole := m.after(m.all[i].place)
	if !whole {
		return // which it may always say, though not without need: TestFloors
	}
	want := 0
	for _, one := range m.all[i+1:] {
		if !one.lost {
			want++
		}
	}
	if n != want {
		m.t.Fatalf("behind %d of %d come %d, it says %d and that it is whole", m.all[i].number, len(m.all), want, n)
	}
	m.open = append(m.open, &trip{c: c, next: i + 1, from: len(m.all)})
}

func (m *model) last() {
	c, n := m.store.Last(m.name, 1+m.random.IntN(20), nil)
	at := len(m.all)
	for left := n; left > 0; {
		at--
		if !m.all[at].lost && !m.all[at].missed {
			left--
		}
	}
	m.open = append(m.open, &trip{c: c, next: at, from: len(m.all)})
}

// read reads the next message, and reports whether it has come to the end.
func (m *model) read(tr *trip) (ended bool) {
	message, _, lost, ok := tr.c.Next()
	if !ok { // what has a higher number than Latest comes live
		for _, one := range m.all[tr.next:] {
			if !one.lost && !one.missed && one.number <= tr.c.Latest() && !lost {
				m.t.Fatalf("it ends before %d, goes on live behind %d, and nothing is told to be lost", one.number, tr.c.Latest())
			}
		}
		return true
	}
	for m.all[tr.next].number != message.number {
		if one := m.all[tr.next]; !one.lost && !lost && !(one.missed && tr.next < tr.from) {
			m.t.Fatalf("%d comes, where %d should, and nothing is told to be lost", message.number, m.all[tr.next].number)
		}
		if tr.next++; tr.next == len(m.all) {
			m.t.Fatalf("%d comes twice, or out of order", message.number)
		}
	}
	tr.next++
	return false
}

// TestModel: whatever happens in whatever order, who is told that it is whole gets all that came after his place, once and in order, or
// is told that some of it was lost.
func TestModel(t *testing.T) {
	for seed := range uint64(300) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := &model{writer: newWriter(1<<20, Limits{Size: 30, TTL: time.Minute}), t: t, random: rand.New(rand.NewPCG(1, seed))}
				for i := range m.logs {
					m.logs[i] = bus.Position{Log: uint64(i + 7), Term: 1}
				}
				for range 400 {
					m.step()
				}
				for _, tr := range m.open {
					for !m.read(tr) {
					}
				}
			})
		})
	}
}
