package admin_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/stompgw/stompgw/admin"
	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/bus/bustest/servers"
	"github.com/stompgw/stompgw/gateway/registry"
	"github.com/stompgw/stompgw/gateway/registry/redisregistry"
)

// askers is how many there were: each has a channel of its own.
var askers atomic.Int64

// asker publishes what it likes to a node, and hears what is answered to it.
type asker struct {
	m     redisregistry.Map
	node  string
	token string
	ps    *redis.PubSub
}

func newAsker(t *testing.T, m redisregistry.Map, node string) *asker {
	t.Helper()
	token := fmt.Sprintf("%032x", askers.Add(1))
	ps := m.Client.Redis().Subscribe(t.Context(), m.Own()+"reply:"+token)
	t.Cleanup(func() { ps.Close() })
	if _, err := ps.Receive(t.Context()); err != nil { // the confirmation
		t.Fatal(err)
	}
	return &asker{m, node, token, ps}
}

func (a *asker) publish(t *testing.T, payload string) {
	t.Helper()
	if err := a.m.Client.Redis().Publish(t.Context(), a.m.Own()+"node:"+a.node, payload).Err(); err != nil {
		t.Fatal(err)
	}
}

// hear returns the next answer.
func (a *asker) hear(t *testing.T) (answer struct {
	ID, Node, Error string
	Part, Parts     int
	Sessions        []string
}) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	m, err := a.ps.ReceiveMessage(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(m.Payload), &answer); err != nil {
		t.Fatal(err)
	}
	return answer
}

func (a *asker) request(id, op, more string) string {
	return fmt.Sprintf(`{"id":%q,"reply":%q,"op":%q%s}`, id, a.token, op, more)
}

// controlled is a node of which there is only what answers operators.
type controlled struct {
	*admin.Control
	log bustest.Log
}

// startControl starts a control with a look so often, if one is given. direct is where it is asked.
func startControl(t *testing.T, m, direct redisregistry.Map, look time.Duration) *controlled {
	t.Helper()
	c := new(controlled)
	noBlocks := func(context.Context) error { return nil }
	c.Control = admin.NewControl(m, mustNode(t, nodeA), &sham{}, noBlocks, slog.New(slog.NewTextHandler(&c.log, nil)))
	if look > 0 {
		c.SetLook(look)
	}
	start(t, c.Run)
	a := newAsker(t, direct, nodeA)
	defer a.ps.Close()
	bustest.Eventually(t, "the node listens", func() bool {
		a.publish(t, a.request(fmt.Sprint(time.Now().UnixNano()), "about", ""))
		return c.Answered() > 0
	})
	return c
}

// TestControlIgnores what is no request: it is counted, logged once, and the node answers the next.
func TestControlIgnores(t *testing.T) {
	m := sessionMap(t, miniature(t), redisregistry.Hashes)
	c := startControl(t, m, m, 0)
	a := newAsker(t, m, nodeA)
	malformed := []string{
		"", "kick", "[]", "null", `{"id":"x"}`, a.request("x", "kick", `,"sessions":["bob"]`), a.request("x", "kick", `,"force":true`),
		a.request("x", "kick", `,"reason":"secret\nlevel=ERROR msg=forged"`), a.request("x", "about", strings.Repeat(" ", 256<<10)),
	}
	for _, payload := range malformed {
		a.publish(t, payload)
	}
	a.publish(t, a.request("y", "about", ""))
	if got := a.hear(t); got.ID != "y" || got.Node != nodeA || got.Error != "" {
		t.Errorf("the first answer is %+v", got)
	}
	if n := c.Malformed(); n != uint64(len(malformed)) {
		t.Errorf("%d are counted, want %d", n, len(malformed))
	}
	if warnings := logLines(&c.log, "level=WARN"); len(warnings) != 1 || len(logLines(&c.log, "secret"))+len(logLines(&c.log, "forged")) > 0 {
		t.Errorf("the log says %q", logLines(&c.log, ""))
	}
}

// TestControlActsOnce on a request that comes several times, and answers also what it does not know or can't do.
func TestControlActsOnce(t *testing.T) {
	m := sessionMap(t, miniature(t), redisregistry.Hashes)
	n := startNode(t, m, nodeA)
	n.has(1, "", "tcp")
	a := newAsker(t, m, nodeA)
	for range 3 {
		a.publish(t, a.request("x", "kick", `,"sessions":["00000001"]`))
	}
	a.publish(t, a.request("y", "kick", `,"sessions":["00000001"]`))
	answers := map[string][]string{}
	for range 2 {
		got := a.hear(t)
		answers[got.ID] = got.Sessions
	}
	if len(answers) != 2 || len(answers["x"])+len(answers["y"]) != 1 {
		t.Errorf("the answers are %v, want one for each of two requests, and one with the session", answers)
	}
	if got := n.gw.asked(); len(got) != 2 {
		t.Errorf("the gateway was asked for %q", got)
	}
	n.gw.do(func(g *sham) { g.fails = errors.New("the node does not run") })
	for op, want := range map[string]string{"dance": `"dance"`, "live": "the node does not run", "subscribers": "the node does not run", "kick": "the node does not run"} {
		a.publish(t, a.request(op, op, ""))
		if got := a.hear(t); got.ID != op || !strings.Contains(got.Error, want) {
			t.Errorf("the answer is %+v", got)
		}
	}
}

// TestControlIsFlooded: with a gateway that hangs, requests are dropped and counted, and what comes
// later is answered when it goes on. A node ends though requests hang.
func TestControlIsFlooded(t *testing.T) {
	m := sessionMap(t, miniature(t), redisregistry.Hashes)
	n := startNode(t, m, nodeA)
	before := n.control.Answered()
	hang := make(chan struct{})
	n.gw.do(func(g *sham) { g.hang = hang })
	a := newAsker(t, m, nodeA)
	const more = 100
	const room = admin.ControlQueue + admin.ControlWorkers
	for i := range room + more {
		a.publish(t, a.request(fmt.Sprint(i), "live", ""))
		if i < admin.ControlWorkers {
			bustest.Eventually(t, "a worker has it", func() bool { return len(n.gw.asked()) == i+1 })
		}
	}
	bustest.Eventually(t, "the rest is dropped", func() bool { return n.control.Dropped() == more })
	close(hang)
	for range room {
		a.hear(t)
	}
	a.publish(t, a.request(fmt.Sprint(room), "about", "")) // its id was dropped before, and is new
	if got := a.hear(t); got.ID != fmt.Sprint(room) {
		t.Errorf("the answer is %+v", got)
	}
	bustest.Eventually(t, "all are counted", func() bool { return n.control.Answered() >= before+room+1 })

	n.gw.do(func(g *sham) { g.hang, g.queries = make(chan struct{}), nil })
	for i := range 2 * admin.ControlWorkers {
		a.publish(t, a.request("again-"+fmt.Sprint(i), "live", ""))
	}
	bustest.Eventually(t, "the workers hang", func() bool { return len(n.gw.asked()) == admin.ControlWorkers })
	n.leave()
}

// TestRedisRestarts between two calls, and is away for one.
func TestRedisRestarts(t *testing.T) {
	redis := servers.Redis(t)
	m := sessionMap(t, redis.Addr, redisregistry.Hashes)
	log := &startControl(t, m, m, 0).log
	c := admin.NewCluster(m, patience)
	if _, err := c.Drain(t.Context(), nodeA); err != nil {
		t.Fatal(err)
	}
	redis.Kill()
	if _, err := c.Drain(t.Context(), nodeA); err == nil || errors.Is(err, admin.ErrSilent) {
		t.Errorf("without Redis: %v", err)
	}
	bustest.Eventually(t, "the node says so", func() bool { return len(logLines(log, "can't reach this node")) > 0 })
	redis.Start(t)
	again := admin.NewCluster(m, time.Second) // which soon repeats what comes too early
	bustest.Eventually(t, "the node answers again", func() bool {
		_, err := again.Drain(t.Context(), nodeA)
		return err == nil
	})
	bustest.Eventually(t, "the node says so", func() bool { return len(logLines(log, "can reach this node again")) > 0 })
	if len(logLines(log, "level=WARN")) != 1 || len(logLines(log, `level=INFO msg="operators`)) != 1 {
		t.Errorf("the log says %q", logLines(log, ""))
	}
}

// TestRedisHangs: a subscription on which nothing comes any more is made again.
func TestRedisHangs(t *testing.T) {
	proxy := newProxy(t, servers.Redis(t).Addr)
	m := connectMap(t, redisregistry.Options{Addrs: []string{proxy.addr}}, redisregistry.Hashes) // with the patience of nodes
	startControl(t, m, m, 100*time.Millisecond)
	proxy.swallow() // connections stay, and carry nothing
	c := admin.NewCluster(m, time.Second)
	bustest.Eventually(t, "the node answers over a new connection", func() bool {
		_, err := c.Drain(t.Context(), nodeA)
		return err == nil
	})
}

func TestAskLive(t *testing.T) {
	onAll(t, func(t *testing.T, m redisregistry.Map) {
		a, b := two(t, m)
		c := admin.NewCluster(m, patience)
		sessions := list(t, c.Sessions(t.Context(), admin.Filter{}, ""))
		a.gw.do(func(g *sham) { delete(g.sessions, 2) }) // it has just ended
		foreign := admin.Session{Key: "1/x_uuid", Node: "1/x", ID: "uuid"}
		sessions = append(sessions, foreign)
		if err := c.AskLive(t.Context(), sessions); err != nil {
			t.Fatal(err)
		}
		want := map[string]*registry.Live{
			a1: {Subscriptions: []string{"/topic/a", "/topic/b"}, Subscribed: 2, Queued: 1},
			b2: {Subscriptions: []string{"/topic/b"}, Subscribed: 1, Queued: 2},
			b3: {Queued: 3},
		}
		for _, s := range sessions {
			w, l := want[s.Key], s.Live
			if (w == nil) != (l == nil) || w != nil && (!slices.Equal(w.Subscriptions, l.Subscriptions) || w.Subscribed != l.Subscribed || w.Queued != l.Queued) {
				t.Errorf("%s is %+v, want %+v", s.Key, l, w)
			}
		}
		if got := b.gw.asked(); !slices.Equal(got, []string{"live"}) {
			t.Errorf("node b was asked for %q", got)
		}
	})
}

// TestAskLiveOfManySessions: more than one request can name. The end of its context ends a question.
func TestAskLiveOfManySessions(t *testing.T) {
	m := sessionMap(t, miniature(t), redisregistry.Hashes)
	n := startNode(t, m, nodeA)
	sessions := onlyThere(1201, n)
	c := admin.NewCluster(m, time.Hour)
	if err := c.AskLive(t.Context(), sessions); err != nil {
		t.Fatal(err)
	}
	for id, s := range sessions {
		if s.Live == nil || s.Live.Queued != id {
			t.Fatalf("session %d is %+v", id, s.Live)
		}
	}
	if got := len(n.gw.asked()); got != 3 {
		t.Errorf("the node was asked %d times", got)
	}
	n.gw.do(func(g *sham) { g.hang = make(chan struct{}) })
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.AskLive(ctx, sessions[:1]) }()
	bustest.Eventually(t, "the node is asked", func() bool { return len(n.gw.asked()) == 4 })
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want that it was cancelled", err)
	}
}

// TestAskLiveOnce: a node that was silent is not waited for with each page.
func TestAskLiveOnce(t *testing.T) {
	m := sessionMap(t, miniature(t), redisregistry.Hashes)
	_, b := two(t, m)
	b.gw.do(func(g *sham) { g.hang = make(chan struct{}) })
	c := admin.NewCluster(m, impatience)
	ask := func() (live int) {
		sessions := list(t, c.Sessions(t.Context(), admin.Filter{}, ""))
		if err := c.AskLive(t.Context(), sessions); err != nil {
			t.Fatal(err)
		}
		for _, s := range sessions {
			if s.Live != nil {
				live++
			}
		}
		return live
	}
	bustest.Eventually(t, "the other node answers in time", func() bool {
		c.Forget()
		return ask() == 2
	})
	if got := c.Silent(); !slices.Equal(got, []string{nodeB}) {
		t.Errorf("%q are silent", got)
	}
	asked := len(b.gw.asked())
	for range 5 {
		ask()
	}
	if got := len(b.gw.asked()); got != asked {
		t.Errorf("the silent node was asked %d times more", got-asked)
	}
}
