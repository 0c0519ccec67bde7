package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/bus/membus"
	"github.com/stompgw/stompgw/gateway"
	"github.com/stompgw/stompgw/gateway/policy"
	"github.com/stompgw/stompgw/gateway/registry"
)

// TestLive: of sessions over all loops, each is found once, and who has subscribed to something too.
func TestLive(t *testing.T) {
	n := start(t)
	var ids []registry.SessionID
	var rooms [3][]registry.SessionID
	for i := range 30 {
		c := n.dialTCP(t)
		ids = append(ids, c.connectID())
		c.subscribe("1", fmt.Sprint("/topic/", i%3))
		rooms[i%3] = append(rooms[i%3], ids[i])
	}
	live, err := n.Live(t.Context(), append([]registry.SessionID{1, 1 << 50}, ids...))
	if err != nil || len(live) != len(ids) {
		t.Fatalf("%d sessions, %v", len(live), err)
	}
	for _, l := range live {
		if i := slices.Index(ids, l.ID); i < 0 || !slices.Equal(l.Subscriptions, []string{fmt.Sprint("/topic/", i%3)}) {
			t.Errorf("session %d: %+v", i, l)
		}
	}
	for i, want := range append(rooms[:], nil) {
		slices.Sort(want)
		if got, err := n.Subscribers(t.Context(), fmt.Sprint("/topic/", i)); err != nil || !slices.Equal(got, want) {
			t.Errorf("room %d: %v, %v, want %v", i, got, err, want)
		}
	}
	n.mustKick(t, gateway.Kick{}, ids...)
	if f := n.Figures(); f.Sessions != 0 || f.Kicked != uint64(len(ids)) {
		t.Errorf("figures %+v", f)
	}
}

// TestSubscribersOfHistory: who has subscribed to a destination with history is found like others.
func TestSubscribersOfHistory(t *testing.T) {
	n := start(t)
	c := n.dialTCP(t)
	id := c.connectID()
	c.subscribe("1", keptRoom)
	if got, err := n.Subscribers(t.Context(), keptRoom); err != nil || !slices.Equal(got, []registry.SessionID{id}) {
		t.Errorf("%v, %v, want session %d", got, err, id)
	}
}

// TestLiveQueued: what a receiver of SockJS has and its client does not take counts as waiting.
func TestLiveQueued(t *testing.T) {
	t.Parallel()
	const size = 32 << 20 // more than the kernel takes
	n := start(t, sockJS(func(s *gateway.SockJS) { s.StreamLimit = 1 << 30 }),
		gateway.WithLimits(gateway.Limits{Message: size, Outbound: 2 * size, Connections: 100, ConnectTimeout: patience}))
	c, writer := n.dialSock(t, xhrStreaming()), n.dialTCP(t).connect()
	id := c.connectID()
	c.subscribe("1", "/topic/a")
	writer.ask("SEND\ndestination:/topic/a\nreceipt:r\n\n" + strings.Repeat("x", size) + "^@")
	bustest.Eventually(t, "the rest waits", func() bool {
		live, err := n.Live(t.Context(), []registry.SessionID{id})
		if err != nil || len(live) != 1 {
			t.Fatalf("%+v, %v", live, err)
		}
		return live[0].Queued > 1<<20 && live[0].Queued <= size+1000
	})
	c.conn.Close()
}

// operate is all that waits for loops.
func operate(ctx context.Context, g *gateway.Gateway) (errs []error) {
	ids := []registry.SessionID{1, 2, 3, 4, 5, 6, 7, 8}
	_, live := g.Live(ctx, ids)
	_, subscribers := g.Subscribers(ctx, "/topic/a")
	_, kick := g.Kick(ctx, ids, gateway.Kick{})
	_, end := g.EndSubscriptions(ctx, ids, "/topic/a", "")
	_, _, destinations := g.Destinations(ctx, "", "", 10)
	return []error{live, subscribers, kick, end, destinations}
}

// TestOperateNotRunning: a node has no sessions before Run and after it, and can't be drained then.
func TestOperateNotRunning(t *testing.T) {
	want := func(g *gateway.Gateway) {
		t.Helper()
		for i, err := range operate(t.Context(), g) {
			if !errors.Is(err, gateway.ErrNotRunning) {
				t.Errorf("%d: %v", i, err)
			}
		}
	}
	b := membus.NewCluster().Bus("n")
	defer b.Close(context.Background())
	g := newGateway(t, b)
	want(g)
	g.Block(map[string]time.Time{"42": time.Now().Add(time.Hour)})
	if g.Drain(); g.Draining() {
		t.Error("it drains")
	}
	n := start(t)
	if n.Draining() {
		t.Error("it drains from the start")
	}
	n.stop()
	want(n.Gateway)
}

// stuckBook is a registry that holds up the loop of one session.
type stuckBook struct {
	*registry.Memory
	held, let chan struct{}
}

func (b stuckBook) Add(s registry.Session) {
	if b.Memory.Add(s); len(b.Sessions()) == 2 {
		close(b.held)
		<-b.let
	}
}

// unseen is a context whose end shows to those alone who ask.
type unseen struct{ context.Context }

func (unseen) Done() <-chan struct{} { return nil }

// TestOperateWaits: the end of ctx is the end of waiting for a loop, and what the others know is told.
// A kick that its caller has given up does not happen later.
func TestOperateWaits(t *testing.T) {
	b := membus.NewCluster().Bus("n")
	defer b.Close(context.Background())
	book := stuckBook{registry.NewMemory(), make(chan struct{}), make(chan struct{})}
	g, err := gateway.New(registry.NewNode(time.Now()), b, book, rules(t), gateway.WithDrain(0))
	if err != nil {
		t.Fatal(err)
	}
	ln := listen(t)
	ended := make(chan error, 1)
	go func() { ended <- g.Run(context.Background(), gateway.Listener{Listener: ln, STOMP: true}) }()
	dial := func() *client {
		conn, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		return newClient(t, conn)
	}
	one, stuck := dial(), dial()
	id := one.connectID()
	stuck.send("CONNECT\naccept-version:1.2\n\n^@")
	<-book.held
	ids := []registry.SessionID{id, id + 1, id + 2, id + 3} // on all loops
	bustest.Eventually(t, "what the other loop knows is told", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		live, err := g.Live(ctx, ids)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("Live: %v", err)
		}
		return runtime.GOMAXPROCS(0) == 1 || len(live) == 1 && live[0].ID == id
	})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for i, err := range operate(ctx, g) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%d: %v", i, err)
		}
	}
	if _, err := g.Kick(ctx, ids, gateway.Kick{}); !errors.Is(err, context.Canceled) {
		t.Errorf("Kick: %v", err)
	}
	close(book.let)
	stuck.expect("CONNECTED")
	one.wantAlive()
	stuck.wantAlive()
	if _, err := g.Kick(unseen{ctx}, ids, gateway.Kick{}); !errors.Is(err, context.Canceled) {
		t.Errorf("Kick, of which the loops have told first: %v", err)
	}
	if n := g.Figures().Kicked; n != 0 {
		t.Errorf("%d were kicked", n)
	}
	one.conn.Close()
	stuck.conn.Close()
	if g.Drain(); !g.Draining() {
		t.Error("it does not drain")
	}
	if err := <-ended; err != nil {
		t.Errorf("Run: %v", err)
	}
}

// TestOperateWhileStopping: whoever asks a node that stops gets an answer.
func TestOperateWhileStopping(t *testing.T) {
	for range 20 {
		n := start(t)
		for range 10 {
			n.dialTCP(t).connect().conn.Close()
		}
		var wg sync.WaitGroup
		asking := make(chan struct{}, 4)
		for range cap(asking) {
			wg.Go(func() {
				for first := true; ; first = false {
					errs := operate(t.Context(), n.Gateway)
					for _, err := range errs {
						if err != nil && !errors.Is(err, gateway.ErrNotRunning) {
							t.Errorf("got %v", err)
						}
					}
					if first {
						asking <- struct{}{}
					}
					if errs[0] != nil {
						return
					}
				}
			})
		}
		for range cap(asking) {
			<-asking
		}
		n.stop()
		wg.Wait()
	}
}

// inWords is a destination for comparisons: name, pattern, subscribers, and of rooms members and anonymous.
func inWords(d registry.Destination) string {
	text := fmt.Sprint(d.Name, " ", d.Pattern, " ", d.Subscribers)
	for _, n := range []*int{d.Members, d.Anonymous} {
		if n != nil {
			text += fmt.Sprint(" ", *n)
		}
	}
	return "{" + text + "}"
}

// TestAddPresent: rooms have numbers of who is there, and what is none has not.
func TestAddPresent(t *testing.T) {
	page := []registry.Destination{{Name: "/topic/a", Subscribers: 1}, {Name: "/topic/b", Subscribers: 2}, {Name: "/topic/c", Subscribers: 3}}
	gateway.AddPresent(page, []registry.Present{{Destination: "/topic/c", Count: 2, Anonymous: 1}, {Destination: "/topic/b"}, {Destination: "/topic/d", Count: 9}})
	if got := inWords(page[0]) + inWords(page[1]) + inWords(page[2]); got != "{/topic/a false 1}{/topic/b false 2 0 0}{/topic/c false 3 2 1}" {
		t.Errorf("got %s", got)
	}
}

// TestDestinations: of all loops each name comes once, with its number, and page after page comes to an end.
func TestDestinations(t *testing.T) {
	n := start(t)
	n.mustSetRules(t, compile(t, policy.Rules{
		Channels: []policy.Channel{{Match: "/topic/**", Subscribe: "true", Patterns: true}, {Match: "/session/queue/own", Subscribe: "true"}},
	}))
	for i := range 20 {
		c := n.dialTCP(t)
		c.connect()
		c.subscribe("1", fmt.Sprint("/topic/", i%5))
		c.subscribe("2", "/topic/x/**")
		c.subscribe("3", "/session/queue/own")
	}
	var got []string
	after := ""
	for {
		page, next, err := n.Destinations(t.Context(), "", after, 2)
		if err != nil || len(page) > 2 {
			t.Fatal(page, err)
		}
		for _, d := range page {
			got = append(got, inWords(d))
		}
		if after = next; next == "" {
			break
		}
	}
	const want = "[{/topic/0 false 4} {/topic/1 false 4} {/topic/2 false 4} {/topic/3 false 4} {/topic/4 false 4} {/topic/x/** true 20}]"
	if fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s", got, want)
	}
	page, next, err := n.Destinations(t.Context(), "/topic/?", "/topic/2", 100)
	if len(page) != 2 || inWords(page[0])+inWords(page[1]) != "{/topic/3 false 4}{/topic/4 false 4}" || next != "" || err != nil {
		t.Errorf("%v, %q, %v", page, next, err)
	}
	for _, bad := range []struct {
		match string
		most  int
	}{{"topic", 1}, {"/topic/{x}", 1}, {"/topic//a", 1}, {"/" + strings.Repeat("a", 300), 1}, {"", 0}, {"", gateway.MaxDestinations + 1}} {
		if _, _, err := n.Destinations(t.Context(), bad.match, "", bad.most); err == nil || len(err.Error()) > 500 {
			t.Errorf("%.50q and %d are taken: %v", bad.match, bad.most, err)
		}
	}
}

// TestEndSubscriptions over all loops. A reason that can't be told ends nothing.
func TestEndSubscriptions(t *testing.T) {
	n := start(t)
	var ids []registry.SessionID
	var clients []*client
	for i := range 8 {
		c := n.dialTCP(t)
		ids = append(ids, c.connectID())
		c.subscribe("err", "/session/queue/request-error")
		if i%2 == 0 {
			c.subscribe("1", "/topic/a")
		}
		clients = append(clients, c)
	}
	if _, err := n.EndSubscriptions(t.Context(), ids, "/topic/a", "a\nb"); err == nil {
		t.Error("two lines can be told")
	}
	ended, err := n.EndSubscriptions(t.Context(), ids, "/topic/a", "")
	slices.Sort(ended)
	want := []registry.SessionID{ids[0], ids[2], ids[4], ids[6]}
	if slices.Sort(want); err != nil || !slices.Equal(ended, want) {
		t.Errorf("%v, %v, want %v", ended, err, want)
	}
	for i, c := range clients {
		if i%2 == 0 {
			c.expect("MESSAGE", `{"clientRequestCode":null,"errorCode":18,"errorMessage":"The subscription was ended by an operator","error":"subscription_ended","retryable":false,"destination":"/topic/a"}`)
		}
		c.wantAlive()
	}
	if again, err := n.EndSubscriptions(t.Context(), ids, "/topic/a", ""); err != nil || len(again) > 0 {
		t.Errorf("%v, %v: want none again", again, err)
	}
}

// TestBlock: who is blocked can't connect, until the block is taken back.
func TestBlock(t *testing.T) {
	n := startMembers(t)
	token := tokenOf(t, 42, time.Hour)
	n.Block(map[string]time.Time{"42": time.Now().Add(time.Hour)})
	c := n.dialTCP(t)
	c.send("CONNECT\naccept-version:1.2\nAuthorization:Bearer " + token + "\n\n^@")
	c.expect("ERROR", "error-code:16")
	if f := n.Figures(); f.Blocked != 1 || f.Sessions != 0 {
		t.Errorf("figures %+v", f)
	}
	n.Block(nil)
	n.dialTCP(t).logIn(token)
}
