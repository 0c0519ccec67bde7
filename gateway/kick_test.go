package gateway_test

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stompgw/stompgw/gateway"
	"github.com/stompgw/stompgw/gateway/internal/ws"
	"github.com/stompgw/stompgw/gateway/policy"
	"github.com/stompgw/stompgw/gateway/registry"
)

// connectID is connect, and returns which session it is.
func (c *client) connectID() registry.SessionID {
	c.t.Helper()
	c.send("CONNECT\naccept-version:1.2\n\n^@")
	_, key, _ := strings.Cut(header(c.t, c.expect("CONNECTED"), "session"), "_")
	id, err := registry.ParseSessionID(key)
	if err != nil {
		c.t.Fatal(err)
	}
	return id
}

// mustKick ends sessions that all are there.
func (n *node) mustKick(t testing.TB, k gateway.Kick, ids ...registry.SessionID) {
	t.Helper()
	had, err := n.Kick(t.Context(), ids, k)
	slices.Sort(had)
	if slices.Sort(ids); err != nil || !slices.Equal(had, ids) {
		t.Fatalf("kicked %v, %v, want %v", had, err, ids)
	}
}

// TestKick: over each transport the client reads why, and its connection closes; the others stay.
func TestKick(t *testing.T) {
	t.Parallel()
	eachSocket(t, func(t *testing.T, start startFunc) {
		eachTransport(t, func(t *testing.T, dial func(*node) *client) {
			n := start(t)
			c, other := dial(n), dial(n)
			id, otherID := c.connectID(), other.connectID()
			c.subscribe("1", "/topic/a")
			other.subscribe("1", "/topic/a")
			n.mustKick(t, gateway.Kick{Reason: "back at 9:00"}, id)
			c.expect("ERROR", `message:back at 9\c00`, "error-code:15", "content-type:text/plain")
			if _, sockJS := c.conn.(*sock); sockJS {
				c.wantCloseFrame(`c[1008,"kicked"]`)
			} else {
				c.wantClosed()
			}
			other.send("SEND\ndestination:/topic/a\n\nx^@")
			other.expect("MESSAGE", "x")
			if got := n.sessions.Sessions(); len(got) != 1 || got[0].ID != otherID || n.Sessions() != 1 || n.Figures().Kicked != 1 {
				t.Errorf("the book has %v; figures %+v", got, n.Figures())
			}
			if had, err := n.Kick(t.Context(), []registry.SessionID{id, 1 << 40}, gateway.Kick{}); len(had) != 0 || err != nil {
				t.Errorf("of sessions that are gone, %v, %v", had, err)
			}
		})
	})
}

// TestKickClosesWebSocket: the Close frame says that it was by policy.
func TestKickClosesWebSocket(t *testing.T) {
	n := start(t)
	c := n.session(t)
	n.mustKick(t, gateway.Kick{}, n.sessions.Sessions()[0].ID)
	c.wantMessage("ERROR\nmessage:The session was ended by an operator\nerror-code:15\n")
	c.wantClosing(1008, "")
}

// TestKickBetweenPolls: who polls is told by the poll that waits, or by the next; who never comes back
// is forgotten.
func TestKickBetweenPolls(t *testing.T) {
	t.Parallel()
	for _, tr := range polling() {
		t.Run(tr.name, func(t *testing.T) {
			n := start(t, sockJS())
			b := n.browser(t, kept)
			s := b.session(tr, "/stomp")
			id := newClient(t, s).connectID()
			poll := b.parked(tr, s.path)
			n.mustKick(t, gateway.Kick{Reason: "why"}, id)
			<-poll.done
			body, err := poll.answer.rest()
			if err != nil || !strings.Contains(body, "ERROR") || !strings.Contains(body, "message:why") {
				t.Errorf("got %.300q, %v", body, err)
			}
			s.want(`c[1008,"kicked"]`)
		})
	}
	t.Run("never", func(t *testing.T) {
		n := start(t, sockJS(func(s *gateway.SockJS) { s.SessionTimeout = 500 * time.Millisecond }))
		b := n.browser(t, kept)
		for had := []registry.SessionID(nil); len(had) == 0; { // it may have been forgotten before
			b.session(xhrPolling(), "/stomp").say(encode(connectFrame))
			eventually(t, "it is there, or gone", func() bool { return len(n.sessions.Sessions()) > 0 || n.Figures().Connections <= 1 })
			for _, s := range n.sessions.Sessions() {
				had, _ = n.Kick(t.Context(), []registry.SessionID{s.ID}, gateway.Kick{})
			}
		}
		b.close()
		eventually(t, "nothing of it is left", func() bool { return n.Figures().Connections == 0 })
	})
}

// TestKickSlow: a client that does not read, and has much waiting, is gone for the node at once. If it
// begins to read, the reason is the last that it gets; if not, what it holds is given back soon.
func TestKickSlow(t *testing.T) {
	t.Parallel()
	for _, reads := range []bool{true, false} {
		for name, dial := range map[string]func(t testing.TB, n *node) *client{
			"tcp":                func(t testing.TB, n *node) *client { return n.dialTCP(t) },
			"websocket":          func(t testing.TB, n *node) *client { return n.dialWS(t) },
			xhrStreaming().name:  func(t testing.TB, n *node) *client { return n.dialSock(t, xhrStreaming()) },
			sockWebSocket().name: func(t testing.TB, n *node) *client { return n.dialSock(t, sockWebSocket()) },
		} {
			t.Run(fmt.Sprintf("%s/reads=%v", name, reads), func(t *testing.T) {
				t.Parallel()
				n := start(t, sockJS(func(s *gateway.SockJS) { s.SessionTimeout, s.StreamLimit = time.Second, 1<<30 }),
					quick(func(p *ws.Periods) { p.Close = time.Second }),
					gateway.WithLimits(gateway.Limits{Message: 64 << 10, Outbound: 64 << 20, Connections: 1000, ConnectTimeout: patience}))
				testKickSlow(t, n, dial(t, n), reads)
			})
		}
	}
}

func testKickSlow(t *testing.T, n *node, slow *client, reads bool) {
	writer := n.dialTCP(t).connect()
	id := slow.connectID()
	slow.subscribe("1", "/topic/flood")
	much := 100 << 10
	if !reads {
		much = 16 << 20 // more than the system ever takes: an answer that it has taken is over, and its connection kept
	}
	for queued := 0; queued < much; {
		writer.ask("SEND\ndestination:/topic/flood\nreceipt:r\n\n" + strings.Repeat("x", 60<<10) + "^@")
		live, err := n.Live(t.Context(), []registry.SessionID{id})
		if err != nil || len(live) != 1 || !slices.Equal(live[0].Subscriptions, []string{"/topic/flood"}) {
			t.Fatalf("%+v, %v", live, err)
		}
		queued = live[0].Queued
	}
	n.mustKick(t, gateway.Kick{Reason: "why"}, id)
	if got := len(n.sessions.Sessions()); got != 1 {
		t.Errorf("the book has %d sessions", got)
	}
	writer.wantAlive()
	if s, ok := slow.conn.(*sock); ok {
		s.closeIdle()
	}
	for reads {
		frame, err := slow.read()
		if err != nil && !isClosed(err) { // a reset is for who takes too long
			t.Fatal(err)
		}
		if reads = err == nil && !strings.HasPrefix(frame, "ERROR\nmessage:why\n"); !reads {
			slow.conn.Close()
		}
	}
	eventually(t, "its connection is gone", func() bool { return n.Figures().Connections == 1 })
	writer.wantAlive()
}

// closeIdle closes the connections that wait for a request of the browser.
func (b *browser) closeIdle() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.idle {
		c.conn.Close()
	}
	b.idle = nil
}

// TestKickFanOut: while messages go to a room, half of those in it are kicked. They have read all that
// came before, in order, and the others read everything.
func TestKickFanOut(t *testing.T) {
	t.Parallel()
	const readers, messages = 40, 400
	n := start(t)
	var clients []*client
	var ids []registry.SessionID
	for i := range readers {
		c := n.dialTCP(t)
		if i%4 < 2 {
			c = n.dialWS(t)
		}
		ids = append(ids, c.connectID())
		c.subscribe("0", "/topic/room")
		clients = append(clients, c)
	}
	var wg sync.WaitGroup
	for i, c := range clients {
		wg.Go(func() {
			for m := range messages {
				frame, err := c.read()
				if i%2 == 1 && err == nil && strings.HasPrefix(frame, "ERROR\nmessage:why\n") {
					c.wantClosed()
					return
				}
				if err != nil || !strings.HasSuffix(frame, fmt.Sprintf("\n\n%d", m)) {
					t.Errorf("reader %d, message %d: got %q, %v", i, m, frame, err)
					return
				}
			}
			if i%2 == 1 {
				c.expect("ERROR", "message:why")
			}
		})
	}
	writer := n.dialTCP(t).connect()
	for m := range messages {
		writer.ask(fmt.Sprintf("SEND\ndestination:/topic/room\nreceipt:r\n\n%d^@", m))
		if i := m / 10; m%10 == 9 && i < readers && i%2 == 1 {
			wg.Go(func() { n.mustKick(t, gateway.Kick{Reason: "why"}, ids[i]) })
		}
	}
	wg.Wait()
	if f := n.Figures(); f.Kicked != readers/2 || f.Sessions != readers/2+1 {
		t.Errorf("figures %+v", f)
	}
}

// TestKickSays: what a client is told has to be one line that people can read.
func TestKickSays(t *testing.T) {
	n := start(t)
	for _, test := range []struct {
		kick gateway.Kick
		line string // of the ERROR; empty if the kick is not taken
		code int
	}{
		{gateway.Kick{}, "message:The session was ended by an operator", 15},
		{gateway.Kick{Code: policy.CodeSessions}, "message:This member has too many sessions", 17},
		{gateway.Kick{Code: 1001, Reason: "our own"}, "message:our own", 1001},
		{gateway.Kick{Reason: strings.Repeat("ü", 100)}, "message:" + strings.Repeat("ü", 100), 15},
		{gateway.Kick{Reason: strings.Repeat("ü", 100) + "x"}, "", 0},
		{gateway.Kick{Reason: "two\nlines"}, "", 0},
		{gateway.Kick{Reason: "two\rlines"}, "", 0},
		{gateway.Kick{Reason: "a\x00b"}, "", 0},
		{gateway.Kick{Reason: "a\tb"}, "", 0},
		{gateway.Kick{Reason: "a\u2028b"}, "", 0},
		{gateway.Kick{Reason: "a\xffb"}, "", 0},
		{gateway.Kick{Reason: " "}, "", 0},
		{gateway.Kick{Code: 1001}, "", 0},
		{gateway.Kick{Code: -1, Reason: "x"}, "", 0},
	} {
		c := n.dialTCP(t)
		id := c.connectID()
		had, err := n.Kick(t.Context(), []registry.SessionID{id}, test.kick)
		if taken := test.line != ""; taken != (err == nil) || taken != (len(had) == 1) {
			t.Errorf("%+v: %v, %v", test.kick, had, err)
			continue
		}
		if test.line == "" {
			c.wantAlive()
			c.conn.Close()
			continue
		}
		c.expect("ERROR", test.line, fmt.Sprint("error-code:", test.code))
	}
}

// BenchmarkKickSockets kicks 2,000 sessions with sockets, and measures the turns of the loops, writing
// included: what else a loop has to do waits for one of them. They are reported beside those of loops
// that have nothing to do.
func BenchmarkKickSockets(b *testing.B) {
	const sessions = 2000
	n := start(b)
	var quiet, kicking []time.Duration
	for b.Loop() {
		b.StopTimer()
		ids := make([]registry.SessionID, sessions)
		conns := make([]net.Conn, sessions)
		inParallel(b, sessions, func(i int) error {
			c := n.dialTCP(b)
			ids[i], conns[i] = c.connectID(), c.conn
			c.subscribe("1", "/topic/a")
			return nil
		})
		stop := n.WatchTurns()
		time.Sleep(20 * time.Millisecond) // about as long as the kick
		quiet = append(quiet, stop()...)
		stop = n.WatchTurns()
		b.StartTimer()
		_, err := n.Kick(context.Background(), ids, gateway.Kick{})
		b.StopTimer()
		if kicking = append(kicking, stop()...); err != nil {
			b.Fatal(err)
		}
		for _, c := range conns {
			c.Close()
		}
		b.StartTimer()
	}
	for name, turns := range map[string][]time.Duration{"quiet": quiet, "kicking": kicking} {
		slices.Sort(turns)
		for _, p := range []float64{0.5, 0.99, 1} {
			at := turns[int(p*float64(len(turns)-1))]
			b.ReportMetric(float64(at.Microseconds())/1000, fmt.Sprintf("ms-%s-p%g", name, 100*p))
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*sessions), "ns/session")
}
