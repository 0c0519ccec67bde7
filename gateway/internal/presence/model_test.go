package presence

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/membus"
	"github.com/stompgw/stompgw/gateway/registry"
)

// weather is how the bus does: while it is bad, what nodes tell each other is lost, doubled and comes in another order.
type weather struct {
	mu     sync.Mutex
	random *rand.Rand
	bad    bool
	full   bool // it takes nothing
	dead   map[string]bool
	held   map[*roughBus][]bus.Envelope
}

// roughBus is a node's bus in the weather.
type roughBus struct {
	*membus.Bus
	w    *weather
	name string
}

// Publish implements bus.Bus.
func (b *roughBus) Publish(e bus.Envelope, done func(error)) error {
	b.w.mu.Lock()
	full, dead := b.w.full && b.w.random.IntN(3) > 0, b.w.dead[b.name]
	b.w.mu.Unlock()
	switch {
	case full:
		return bus.ErrFull
	case dead:
		return nil
	}
	return b.Bus.Publish(e, done)
}

// Receive implements bus.Bus.
func (b *roughBus) Receive(ctx context.Context, ready func(), deliver func(bus.Envelope)) error {
	return b.Bus.Receive(ctx, ready, func(e bus.Envelope) {
		for _, e := range b.w.pass(b, e) {
			deliver(e)
		}
	})
}

// pass returns what comes instead of an envelope.
func (w *weather) pass(b *roughBus, e bus.Envelope) (list []bus.Envelope) {
	w.mu.Lock()
	defer w.mu.Unlock()
	held := w.held[b]
	if !w.bad {
		w.held[b] = nil
		return append(held, e)
	}
	switch w.random.IntN(8) {
	case 0, 1:
		return nil
	case 2:
		return []bus.Envelope{e, e}
	case 3, 4:
		w.held[b] = append(held, e)
		return nil
	case 5:
		w.held[b] = nil
		return append([]bus.Envelope{e}, held...)
	}
	return []bus.Envelope{e}
}

// world is a cluster, and who is where in it.
type world struct {
	*cluster
	t       *testing.T
	weather *weather
	random  *rand.Rand
	alive   []*node
	stays   map[abode]int
	viewers map[*watcher]string // the room
	next    int
	limit   int // members that are listed
}

// abode is a session's stay.
type abode struct {
	node   *node
	room   string
	id     int
	member string
}

// TestModel: nodes, sessions and viewers come and go, the bus loses, doubles and reorders, answers come late and Redis is away; when all is
// quiet, every viewer's picture is the truth.
func TestModel(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				random := rand.New(rand.NewPCG(seed, 17))
				w := &world{cluster: newCluster(t), t: t, random: random, stays: map[abode]int{}, viewers: map[*watcher]string{}}
				w.weather = &weather{random: rand.New(rand.NewPCG(seed, 18)), dead: map[string]bool{}, held: map[*roughBus][]bus.Envelope{}}
				w.wrap = func(b *membus.Bus, name string) bus.Bus { return &roughBus{Bus: b, w: w.weather, name: name} }
				if w.limit = 1000; seed%3 == 0 {
					w.limit = 4
				}
				for range 3 {
					w.begin()
				}
				for range 12 {
					w.episode()
					w.quiet()
				}
				for at := range w.stays {
					w.leave(at)
				}
				w.quiet()
				for v := range w.viewers {
					if len(v.people) != 0 || v.anonymous != 0 {
						t.Errorf("left are %v and %d", v.people, v.anonymous)
					}
				}
			})
		})
	}
}

func (w *world) begin() {
	w.alive = append(w.alive, w.start(func(o *Options) { o.Limit = w.limit }))
	synctest.Wait()
}

// episode is some seconds in which anything may happen.
func (w *world) episode() {
	w.weather.mu.Lock()
	w.weather.bad, w.weather.full = w.random.IntN(2) == 0, w.random.IntN(3) == 0
	w.weather.mu.Unlock()
	w.set(func() { w.slowest = time.Duration(w.random.IntN(3)) * 300 * time.Millisecond })
	for range 80 {
		w.step()
		time.Sleep(time.Duration(w.random.IntN(150)) * time.Millisecond)
	}
	w.weather.mu.Lock()
	w.weather.bad, w.weather.full = false, false
	w.weather.mu.Unlock()
	w.set(func() { w.away = nil; clear(w.silent) })
}

func (w *world) step() {
	n := w.alive[w.random.IntN(len(w.alive))]
	room := []string{lobby, "/topic/b"}[w.random.IntN(2)]
	switch w.random.IntN(40) {
	default:
		w.come(n, room)
	case 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14:
		for at := range w.stays {
			w.leave(at)
			break
		}
	case 15, 16, 17:
		w.viewers[n.viewOf(w.random.IntN(2), room, w.random.IntN(3) == 0)] = room
	case 18:
		for v := range w.viewers {
			v.end()
			delete(w.viewers, v)
			break
		}
	case 19:
		w.set(func() { w.silent[n.name.String()] = true })
	case 20:
		w.set(func() { clear(w.silent) })
	case 21:
		w.set(func() { w.away = errors.New("away") })
	case 22, 23:
		w.set(func() { w.away = nil })
	case 24:
		if w.random.IntN(3) == 0 {
			w.lose(n)
		}
	}
}

func (w *world) come(n *node, room string) {
	w.next++
	at := abode{n, room, w.next % 50, []string{"", "1", "2", "3", "4", `"x"`, `"y"`}[w.random.IntN(7)]}
	w.stays[at]++
	n.Come(room, registry.SessionID(at.id), at.member, fmt.Appendf(nil, `{"n":%d}`, w.next), false)
}

func (w *world) leave(at abode) {
	for range w.stays[at] {
		at.node.Go(at.room, registry.SessionID(at.id), at.member)
	}
	delete(w.stays, at)
}

// lose has a node end, at once or in order, and another one begin.
func (w *world) lose(n *node) {
	if w.random.IntN(2) == 0 { // what it would tell in the end is lost
		w.weather.mu.Lock()
		w.weather.dead[n.name.String()] = true
		w.weather.mu.Unlock()
	}
	for i, have := range w.alive {
		if have == n {
			w.alive = append(w.alive[:i], w.alive[i+1:]...)
			break
		}
	}
	for v := range w.viewers { // they go with it
		if v.node == n {
			delete(w.viewers, v)
		}
	}
	maps.DeleteFunc(w.stays, func(at abode, _ int) bool { return at.node == n })
	n.stop()
	w.begin()
}

// quiet lets everything settle, and holds pictures against the truth.
func (w *world) quiet() {
	w.t.Helper()
	pass(40 * time.Second)
	for v, room := range w.viewers {
		people, count, anonymous := w.truth(room)
		v.mu.Lock()
		switch {
		case len(v.ended) == 1, len(v.told) == 1 && v.told[0] != nil:
			delete(w.viewers, v)
			if w.limit == 1000 {
				w.t.Errorf("refused: %v, %v", v.told, v.ended)
			}
		case len(v.told) != 1 || v.paused:
			w.t.Errorf("told %v, paused %v", v.told, v.paused)
		case v.anonymous != anonymous || v.count != count || v.begun && !maps.Equal(v.people, people):
			w.t.Errorf("%s shows %v of %d+%d\nwant %v of %d+%d", room, v.people, v.count, v.anonymous, people, count, anonymous)
		}
		v.mu.Unlock()
	}
	if w.t.Failed() {
		w.t.FailNow()
	}
}

// truth is what the books of all nodes say.
func (w *world) truth(room string) (people map[string]string, count, anonymous int) {
	people = map[string]string{}
	many := false
	newest, of := map[string]int64{}, map[string]string{}
	for _, n := range w.alive {
		for _, p := range n.Presence.Present([]string{room}, false) {
			anonymous += p.Anonymous
			count += p.Count
			many = many || p.Many
			for _, who := range p.Members {
				m, name := string(who.Member), n.name.String()
				if who.Since > newest[m] || who.Since == newest[m] && strings.Compare(name, of[m]) > 0 {
					newest[m], of[m], people[m] = who.Since, name, string(who.Info)
				}
			}
		}
	}
	if !many {
		count = len(people)
	}
	return people, count, anonymous
}
