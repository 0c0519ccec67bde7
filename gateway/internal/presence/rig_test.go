package presence

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/membus"
	"github.com/stompgw/stompgw/gateway/internal/loop"
	"github.com/stompgw/stompgw/gateway/internal/router"
	"github.com/stompgw/stompgw/gateway/internal/tcp"
	"github.com/stompgw/stompgw/gateway/policy"
	"github.com/stompgw/stompgw/gateway/registry"
	"github.com/stompgw/stompgw/gateway/stomp"
)

const lobby = "/topic/lobby"

var errTooMany = errors.New("too many")

// cluster is nodes that share a bus, and what stands for Redis.
type cluster struct {
	t    testing.TB
	bus  *membus.Cluster
	wrap func(*membus.Bus, string) bus.Bus // nil for none

	mu      sync.Mutex
	nodes   map[string]*node
	away    error           // Redis does not answer
	silent  map[string]bool // nodes that don't
	asked   map[string]int  // questions to each node
	slowest time.Duration   // that an answer takes
}

func newCluster(t testing.TB) *cluster {
	return &cluster{t: t, bus: membus.NewCluster(), nodes: map[string]*node{}, silent: map[string]bool{}, asked: map[string]int{}}
}

// node is a node without clients.
type node struct {
	*Presence
	cluster *cluster
	name    registry.Node
	loops   []*loop.Loop
	router  *router.Router
	stop    func() // as a process that ends in order
	members map[string]int
}

// Nodes implements Peers.
func (c *cluster) Nodes(context.Context) ([]string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Collect(maps.Keys(c.nodes)), c.away
}

// Present implements Peers.
func (c *cluster) Present(ctx context.Context, name string, rooms []string) ([]registry.Present, error) {
	c.mu.Lock()
	n, silent, slow := c.nodes[name], c.silent[name], c.slowest
	c.asked[name]++
	err := c.away
	c.mu.Unlock()
	if n == nil || silent || err != nil {
		select {
		case <-time.After(2 * time.Second):
		case <-ctx.Done():
		}
		return nil, errors.New("silent")
	}
	list := n.Presence.Present(rooms, false)
	if slow > 0 {
		select {
		case <-time.After(slow):
		case <-ctx.Done():
		}
	}
	return list, nil
}

func (c *cluster) set(change func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change()
}

// start runs a node until it is stopped, or the test ends.
func (c *cluster) start(change ...func(*Options)) *node {
	c.t.Helper()
	n := &node{cluster: c, name: registry.NewNode(time.Now()), members: map[string]int{}}
	rules, err := policy.New(policy.Rules{Prefixes: policy.DefaultPrefixes(), ErrorDestination: "/session/queue/errors"})
	if err != nil {
		c.t.Fatal(err)
	}
	for range 2 {
		n.loops = append(n.loops, loop.NewPortable(1<<20))
	}
	inner := c.bus.Bus(n.name.String())
	var b bus.Bus = inner
	if c.wrap != nil {
		b = c.wrap(inner, n.name.String())
	}
	n.router = router.New(n.name, b, rules, n.loops, slog.New(slog.DiscardHandler))
	o := Options{Node: n.name, Bus: b, Router: n.router, Peers: c, Grace: 5 * time.Second, Limit: 1000, Message: 64 << 10, TooMany: errTooMany}
	for _, f := range change {
		f(&o)
	}
	n.Presence = New(o)
	n.router.TakePresence(n.Deliver)
	loops, endLoops := context.WithCancel(context.Background())
	late, end := context.WithCancel(context.Background())
	var wg, after sync.WaitGroup
	for _, l := range n.loops {
		wg.Go(func() { l.Run(loops) })
	}
	wg.Go(func() { n.router.Run(loops) })
	after.Go(func() { n.Run(late) })
	n.stop = sync.OnceFunc(func() {
		c.set(func() { delete(c.nodes, n.name.String()) })
		endLoops()
		wg.Wait()
		end()
		after.Wait()
		inner.Close(context.Background())
	})
	c.t.Cleanup(n.stop)
	c.set(func() { c.nodes[n.name.String()] = n })
	return n
}

// do runs fn on loop i, and returns when it has run.
func (n *node) do(i int, fn func(l *router.Local)) {
	done := make(chan struct{})
	if n.loops[i].Post(func() { fn(n.router.Local(i)); close(done) }) {
		<-done
	}
}

// come has a session of a member come, of whom his name is shown.
func (n *node) come(id int, member string) {
	n.Come(lobby, registry.SessionID(id), member, infoOf(member), false)
}
func (n *node) leave(id int, member string) { n.Go(lobby, registry.SessionID(id), member) }

func infoOf(member string) []byte {
	if member == "" {
		return nil
	}
	return fmt.Appendf(nil, `{"name":"n%s"}`, strings.Trim(member, `"`))
}

// watcher is a viewer, and the picture that a page would have.
type watcher struct {
	router.Subscription
	t    testing.TB
	node *node
	loop int

	mu        sync.Mutex
	log       []string // what came, in short
	people    map[string]string
	count     int
	anonymous int
	paused    bool
	begun     bool
	told      []error
	ended     []error
}

func (n *node) view(i int, counts bool) *watcher { return n.viewOf(i, lobby, counts) }

func (n *node) viewOf(i int, room string, counts bool) *watcher {
	w := &watcher{t: n.cluster.t, node: n, loop: i, people: map[string]string{}}
	w.Subscription = router.Subscription{ID: "1", Destination: "/presence" + room, Version: stomp.V12, Framing: tcp.Framing{}, Outlet: w}
	n.do(i, func(l *router.Local) {
		n.View(l, &w.Subscription, room, counts, func(err error) { w.note(func() { w.told = append(w.told, err) }) },
			func(err error) { w.note(func() { w.ended = append(w.ended, err) }) })
	})
	return w
}

func (w *watcher) end() {
	w.node.do(w.loop, func(l *router.Local) { w.node.Unview(l, &w.Subscription) })
}

func (w *watcher) note(fn func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	fn()
}

// since returns what came since it was asked last.
func (w *watcher) since() (log []string) {
	w.note(func() { log, w.log = w.log, nil })
	return log
}

func (w *watcher) want(log ...string) {
	w.t.Helper()
	if got := w.since(); !slices.Equal(got, log) {
		w.t.Errorf("got  %q\nwant %q", got, log)
	}
}

// Deliver implements router.Outlet: it goes by what it reads as a page would, and holds that to its promises.
func (w *watcher) Deliver(_ *router.Subscription, _ uint64, packed []byte) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	head, body, _ := bytes.Cut(packed, []byte("\n\n"))
	if !bytes.Contains(head, []byte("destination:"+w.Destination+"\n")) || !bytes.Contains(head, []byte("content-type:application/json")) {
		w.t.Errorf("a head %q", head)
	}
	var r report
	if err := json.Unmarshal(bytes.TrimRight(body, "\x00\n"), &r); err != nil {
		w.t.Fatalf("%v: %q", err, body)
	}
	if len(w.told) != 1 || w.told[0] != nil {
		w.t.Errorf("%s came to who was told %v", r.Type, w.told)
	}
	w.apply(&r)
	var who []string
	for _, m := range r.Members {
		who = append(who, string(m.Member))
	}
	w.log = append(w.log, fmt.Sprintf("%s %s %d+%d", r.Type, strings.Join(who, ","), r.Count, r.Anonymous))
	return true
}

func (w *watcher) apply(r *report) {
	switch r.Type {
	case "paused":
		w.paused = true
		return
	case "here":
		if r.Part <= 1 {
			w.people = map[string]string{}
		}
		w.begun, w.paused = true, false
	case "count":
		w.paused = false
	}
	for _, m := range r.Members {
		member := string(m.Member)
		_, here := w.people[member]
		if here != (r.Type == "changed" || r.Type == "left") {
			w.t.Errorf("%s of %s, who is here: %v", r.Type, member, here)
		}
		if r.Type == "left" {
			delete(w.people, member)
			continue
		}
		w.people[member] = string(m.Info)
	}
	w.count, w.anonymous = r.Count, r.Anonymous
	if w.begun && r.Part == r.Parts && w.count != len(w.people) {
		w.t.Errorf("%s counts %d of %d", r.Type, w.count, len(w.people))
	}
}

// Admits, Missed and Ended implement router.Outlet.
func (w *watcher) Admits(*router.Subscription, string) bool { return false }
func (w *watcher) Missed(*router.Subscription, uint32)      { w.t.Error("missed") }
func (w *watcher) Ended(*router.Subscription)               { w.t.Error("ended by the bus") }
