package admin_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"go.uber.org/goleak"

	"github.com/stompgw/stompgw/admin"
	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/bus/bustest/servers"
	"github.com/stompgw/stompgw/gateway"
	"github.com/stompgw/stompgw/gateway/registry"
	"github.com/stompgw/stompgw/gateway/registry/redisregistry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	// patience is how long a test waits for what must happen; it only decides when a test has hung.
	patience = 2 * time.Minute

	// impatience is how long a test waits for a node that says nothing.
	impatience = 50 * time.Millisecond
)

const (
	nodeA = "1719999999998/7c0e9d1a-0000-4000-8000-00000000000a"
	nodeB = "1719999999999/7c0e9d1a-0000-4000-8000-00000000000b"
)

// start runs something that its context ends, and waits for it at the end of the test, or earlier when
// stop is called.
func start(t *testing.T, run func(context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := run(ctx); err != nil {
			t.Error(err)
		}
	})
	stop = func() { cancel(); wg.Wait() }
	t.Cleanup(stop)
	return stop
}

// onAll runs a test on each kind of Redis and in each layout.
func onAll(t *testing.T, test func(t *testing.T, m redisregistry.Map)) {
	for _, layout := range []redisregistry.Layout{redisregistry.Hashes, redisregistry.Keys} {
		t.Run("miniredis, "+string(layout), func(t *testing.T) {
			test(t, sessionMap(t, miniature(t), layout))
		})
		t.Run("redis-server, "+string(layout), func(t *testing.T) {
			test(t, sessionMap(t, servers.Redis(t).Addr, layout))
		})
	}
}

func miniature(t *testing.T) (addr string) {
	t.Helper()
	m := miniredis.RunT(t)
	m.ClockTTL(true)
	return m.Addr()
}

// sessionMap is asked with the patience of tests.
func sessionMap(t *testing.T, addr string, layout redisregistry.Layout) redisregistry.Map {
	t.Helper()
	return connectMap(t, redisregistry.Options{Addrs: []string{addr}, Patience: patience}, layout)
}

func connectMap(t *testing.T, o redisregistry.Options, layout redisregistry.Layout) redisregistry.Map {
	t.Helper()
	client := redisregistry.NewClient(o)
	t.Cleanup(func() { client.Close() })
	return redisregistry.Map{Client: client, Layout: layout}
}

// node is one of a cluster: its entries in Redis are real, its gateway is not.
type node struct {
	name     string
	registry *redisregistry.Registry
	control  *admin.Control
	gw       *sham
	log      bustest.Log
	leave    func() // has the node answer no operator any more
}

// logLines returns the lines of a log with what, less their times.
func logLines(log *bustest.Log, what string) (found []string) {
	for line := range strings.Lines(log.String()) {
		if _, line, _ = strings.Cut(line, " "); strings.Contains(line, what) {
			found = append(found, strings.TrimSpace(line))
		}
	}
	return found
}

// sham stands for the gateway of a node.
type sham struct {
	registry *redisregistry.Registry

	mu       sync.Mutex
	sessions map[registry.SessionID][]string // their destinations
	rooms    map[string]registry.Present     // who is there; of these Destinations says how many
	kicks    []kick
	queries  []string // what was asked, in order
	blocks   []redisregistry.Block
	ready    error
	fails    error // what it answers with to everything
	drained  bool
	hang     chan struct{} // when not nil, questions wait for it to be closed
}

type kick struct {
	ids    []registry.SessionID
	how    gateway.Kick
	blocks int // that the node knew of then
}

// answer takes down a question, and does what is asked, unless it is to hang or fail.
func (g *sham) answer(ctx context.Context, what string, do func()) (err error) {
	var hang chan struct{}
	g.do(func(g *sham) {
		hang, err = g.hang, g.fails
		g.queries = append(g.queries, what)
	})
	if hang != nil {
		select {
		case <-hang:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if err == nil {
		g.do(func(*sham) { do() })
	}
	return err
}

func (g *sham) Live(ctx context.Context, ids []registry.SessionID) (found []registry.Live, err error) {
	err = g.answer(ctx, "live", func() {
		for _, id := range ids {
			if subs, ok := g.sessions[id]; ok {
				found = append(found, registry.Live{ID: id, Subscriptions: subs, Subscribed: len(subs), Queued: int(id)})
			}
		}
	})
	return found, err
}

func (g *sham) Subscribers(ctx context.Context, destination string) (found []registry.SessionID, err error) {
	err = g.answer(ctx, "subscribers", func() {
		for id, subs := range g.sessions {
			if slices.Contains(subs, destination) {
				found = append(found, id)
			}
		}
	})
	return found, err
}

func (g *sham) Kick(ctx context.Context, ids []registry.SessionID, k gateway.Kick) (kicked []registry.SessionID, err error) {
	err = g.answer(ctx, "kick", func() {
		g.kicks = append(g.kicks, kick{ids, k, len(g.blocks)})
		for _, id := range ids {
			if _, ok := g.sessions[id]; ok {
				delete(g.sessions, id)
				g.registry.Remove(id)
				kicked = append(kicked, id)
			}
		}
	})
	return kicked, err
}

func (g *sham) Destinations(ctx context.Context, match, after string, most int) (page []registry.Destination, next string, err error) {
	err = g.answer(ctx, fmt.Sprintf("%d destinations %s behind %s", most, match, after), func() {
		counts := map[string]int{}
		for _, subs := range g.sessions {
			for _, d := range subs {
				counts[d]++
			}
		}
		for _, name := range slices.Sorted(maps.Keys(counts)) {
			switch {
			case name <= after:
			case len(page) == most:
				next = page[most-1].Name
				return
			default:
				d := registry.Destination{Name: name, Subscribers: counts[name], Pattern: strings.Contains(name, "*")}
				if p, ok := g.rooms[name]; ok {
					d.Members, d.Anonymous = &p.Count, &p.Anonymous
				}
				page = append(page, d)
			}
		}
	})
	return page, next, err
}

func (g *sham) Present(ctx context.Context, rooms []string, counts bool) (found []registry.Present, err error) {
	err = g.answer(ctx, fmt.Sprintf("present %q %t", rooms, counts), func() {
		for _, room := range rooms {
			p, ok := g.rooms[room]
			if counts {
				p.Members, p.Many = nil, true
			}
			if ok {
				found = append(found, p)
			}
		}
	})
	return found, err
}

func (g *sham) EndSubscriptions(ctx context.Context, ids []registry.SessionID, destination, reason string) (ended []registry.SessionID, err error) {
	err = g.answer(ctx, "end "+destination+": "+reason, func() {
		for _, id := range ids {
			if i := slices.Index(g.sessions[id], destination); i >= 0 {
				g.sessions[id] = slices.Delete(g.sessions[id], i, i+1)
				ended = append(ended, id)
			}
		}
	})
	return ended, err
}

func (g *sham) Figures() (f gateway.Figures) {
	g.do(func(g *sham) { f = gateway.Figures{Sessions: len(g.sessions), Connections: len(g.sessions) + 100} })
	return f
}

func (g *sham) Ready() (is error) {
	g.do(func(g *sham) { is = g.ready })
	return is
}

func (g *sham) Draining() (is bool) {
	g.do(func(g *sham) { is = g.drained })
	return is
}

func (g *sham) Drain() { g.do(func(g *sham) { g.drained = true }) }

// do changes or reads what the sham has.
func (g *sham) do(f func(g *sham)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	f(g)
}

func (g *sham) asked() (is []string) {
	g.do(func(g *sham) { is = slices.Clone(g.queries) })
	return is
}

func (g *sham) ids() (is []registry.SessionID) {
	g.do(func(g *sham) { is = slices.Sorted(maps.Keys(g.sessions)) })
	return is
}

// connectedAt is when a session of the tests connected: a minute later than that of the id before.
func connectedAt(id registry.SessionID) time.Time { return time.Unix(1720000000+60*int64(id), 0).UTC() }

// has gives a node a session.
func (n *node) has(id registry.SessionID, member, transport string, destinations ...string) {
	n.gw.do(func(g *sham) { g.sessions[id] = destinations })
	n.registry.Add(registry.Session{ID: id, ConnectedAt: connectedAt(id), Member: member, Transport: transport, Version: "1.2"})
}

// onlyThere gives nodes sessions that Redis does not know, so many each, from id 0 on.
func onlyThere(each registry.SessionID, nodes ...*node) (all []admin.Session) {
	for id := range each {
		for _, n := range nodes {
			n.gw.do(func(g *sham) { g.sessions[id] = nil })
			at := connectedAt(id)
			all = append(all, admin.Session{Key: n.name + "_" + id.String(), Node: n.name, ID: id.String(), ConnectedAt: &at})
		}
	}
	return all
}

// startNode starts a node without sessions; config may be changed before.
func startNode(t *testing.T, m redisregistry.Map, name string, change ...func(*redisregistry.Config)) *node {
	t.Helper()
	n := newNode(t, m, name, change...)
	n.start(t, m)
	return n
}

// newNode makes a node that has still to be started.
func newNode(t *testing.T, m redisregistry.Map, name string, change ...func(*redisregistry.Config)) *node {
	t.Helper()
	n := &node{name: name, gw: &sham{sessions: map[registry.SessionID][]string{}}}
	cfg := redisregistry.Config{
		Host: "web-1", Address: "192.0.2.1:80", Version: "9.9", Bus: "membus", Started: time.Unix(1719999999, 0),
		Blocked: func(blocks []redisregistry.Block) { n.gw.do(func(g *sham) { g.blocks = blocks }) },
	}
	for _, c := range change {
		c(&cfg)
	}
	log := slog.New(slog.NewTextHandler(&n.log, nil))
	n.registry = redisregistry.New(m, mustNode(t, name), cfg, log)
	n.gw.registry = n.registry
	n.control = admin.NewControl(m, mustNode(t, name), n.gw, n.registry.Refresh, log)
	return n
}

func (n *node) start(t *testing.T, m redisregistry.Map) {
	t.Helper()
	start(t, n.registry.Run)
	n.leave = start(t, n.control.Run)
	awaitNode(t, m, n.name)
}

func mustNode(t *testing.T, name string) registry.Node {
	t.Helper()
	node, err := registry.ParseNode(name)
	if err != nil {
		t.Fatal(err)
	}
	return node
}

// awaitNode returns when a node is in Redis, and answers. Until then Redis may be away.
func awaitNode(t *testing.T, m redisregistry.Map, name string) {
	t.Helper()
	c := admin.NewCluster(m, impatience)
	bustest.Eventually(t, "node "+name+" is in Redis", func() bool {
		n, err := c.FindNode(t.Context(), name)
		return err == nil && n.Connections != nil
	})
}

// inRedis returns when Redis has as many sessions of live nodes.
func inRedis(t *testing.T, m redisregistry.Map, want int) {
	t.Helper()
	reader := redisregistry.NewReader(m)
	bustest.Eventually(t, "the sessions are in Redis", func() bool {
		n := 0
		for _, err := range reader.Sessions(t.Context(), redisregistry.Query{}) {
			if err != nil {
				return false
			}
			n++
		}
		return n == want
	})
}

// two is two nodes: the first has sessions 1 and 2, the second 2 and 3.
func two(t *testing.T, m redisregistry.Map) (a, b *node) {
	t.Helper()
	a, b = startNode(t, m, nodeA), startNode(t, m, nodeB)
	a.has(1, `42`, "tcp", "/topic/a", "/topic/b")
	a.has(2, `"42"`, "websocket", "/topic/a")
	b.has(2, `"bob"`, "websocket", "/topic/b")
	b.has(3, ``, "xhr-polling")
	inRedis(t, m, 4)
	return a, b
}
