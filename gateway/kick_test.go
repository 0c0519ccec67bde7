package gateway_test

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stompgw/stompgw/gateway"
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
		inBubble(t, false, func(t *testing.T, b *bubble) {
			browser := b.browser(t, kept)
			b.mustKick(t, gateway.Kick{}, newClient(t, browser.session(xhrPolling(), "/stomp")).connectID())
			browser.close()
			time.Sleep(time.Minute)
			b.wantNothingLeft(t)
		})
	})
}

// TestKickSays: what a client is told has to be one line that people can read.
func TestKickSays(t *testing.T) {
	n := start(t)
	for _, test := range []struct {
		kick gateway.Kick
		line string // of the ERROR
		code int
	}{
		{gateway.Kick{}, "message:The session was ended by an operator", 15},
		{gateway.Kick{Code: policy.CodeSessions}, "message:This member has too many sessions", 17},
		{gateway.Kick{Code: 1001, Reason: "our own"}, "message:our own", 1001},
		{gateway.Kick{Reason: strings.Repeat("ü", 100)}, "message:" + strings.Repeat("ü", 100), 15},
	} {
		c := n.dialTCP(t)
		n.mustKick(t, test.kick, c.connectID())
		c.expect("ERROR", test.line, fmt.Sprint("error-code:", test.code))
	}
	for _, reason := range []string{strings.Repeat("ü", 100) + "x", "two\nlines", "two\rlines", "a\x00b", "a\tb", "a\u2028b", "a\xffb", " "} {
		if err := (gateway.Kick{Reason: reason}).Check(); err == nil {
			t.Errorf("the reason %q is taken", reason)
		}
	}
	for _, k := range []gateway.Kick{{Code: 1001}, {Code: -1, Reason: "x"}} {
		if _, err := n.Kick(t.Context(), nil, k); err == nil {
			t.Errorf("%+v is taken", k)
		}
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
