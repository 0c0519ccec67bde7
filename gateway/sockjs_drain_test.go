package gateway_test

import (
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/gateway"
)

// TestSockJSDrain holds what clients see when their node stops, and that none of them keeps it.
func TestSockJSDrain(t *testing.T) {
	t.Parallel()
	eachSocket(t, func(t *testing.T, start startFunc) {
		for _, w := range []way{first, later} {
			for _, tr := range allTransports() {
				t.Run(string(w)+" "+tr.name, func(t *testing.T) { testSockJSDrain(t, start, w, tr) })
			}
		}
	})
}

const goingAway = `c[1001,"the node is stopping, connect again"]`

func testSockJSDrain(t *testing.T, start startFunc, w way, tr transport) {
	n := start(t, sockJS(), gateway.WithDrain(time.Hour), gateway.WithParting(100*time.Millisecond))
	b := n.browser(t, w)
	s, silent, echo := b.session(tr, "/stomp"), b.session(tr, "/stomp"), b.session(tr, "/echo")
	b.session(tr, "/close")
	c := newClient(t, s).connect()
	var poll *pending
	if tr.method != "" && !tr.streams {
		poll = b.parked(tr, s.path) // the others are between two polls
	}
	stopped := n.stopping()
	if poll != nil {
		poll.want(tr, goingAway)
	} else {
		c.wantCloseFrame(goingAway)
		silent.wantLast(goingAway)
		echo.wantLast(`c[1001,"the node is stopping"]`)
	}
	b.close()
	<-stopped
	if f := n.Figures(); f.Sessions != 0 || f.Connections != 0 || len(n.sessions.Sessions()) != 0 {
		t.Errorf("left: %+v", f)
	}
}

// TestSockJSDrainIsSpread holds that a client which has a receiver beside its session counts once.
func TestSockJSDrainIsSpread(t *testing.T) {
	inBubble(t, false, func(t *testing.T, b *bubble) {
		clients := 30 * runtime.GOMAXPROCS(0) // of each loop three times what goes in any case
		for range clients {
			newClient(t, b.browser(t, kept).session(xhrStreaming(), "/stomp")).connect()
		}
		b.Drain()
		time.Sleep(50 * time.Millisecond) // between the two groups
		if left := b.Sessions(); left < clients/4 || left > clients*3/4 {
			t.Errorf("of %d sessions, %d are left when half of them should be", clients, left)
		}
	}, sockJS(), gateway.WithDrain(200*time.Millisecond))
}

// wantLast reads to the close frame.
func (s *sock) wantLast(want string) {
	s.t.Helper()
	for {
		switch got, err := s.frame(); {
		case err != nil:
			s.t.Fatal(err)
		case got == want:
			return
		case strings.HasPrefix(got, "c"):
			s.t.Fatalf("closed with %q, want %q", got, want)
		}
	}
}

// TestSockJSDrainDoor holds what the ports of a node do that stops, while the client of a session over HTTP
// has not been told: its requests are served on new connections, and all others are refused.
func TestSockJSDrainDoor(t *testing.T) {
	t.Parallel()
	eachSocket(t, func(t *testing.T, start startFunc) {
		for _, w := range []way{first, kept} {
			t.Run(string(w), func(t *testing.T) { testSockJSDrainDoor(t, start, w) })
		}
	})
}

func testSockJSDrainDoor(t *testing.T, start startFunc, w way) {
	n := start(t, sockJS(), pages(), gateway.WithParting(patience))
	b := n.browser(t, w)
	s := b.session(xhrPolling(), "/stomp")
	newClient(t, s).connect()
	b.get("/page").wantStatus(200).text()
	stopped := n.stopping()
	bustest.Eventually(t, "the session is over", func() bool { return len(n.sessions.Sessions()) == 0 })
	bustest.Eventually(t, "the port for plain STOMP is closed", func() bool { return !n.listens(n.tcp) })
	upgrade := []string{"Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="}
	for _, a := range []*answer{
		b.get("/page"), b.get("/page"), b.get("/stomp"), b.get("/stomp/info"), b.get("/stomp/nowhere"),
		b.get("/stomp", upgrade...), b.get(s.path+"/websocket", upgrade...),
		b.post(newPath("/stomp")+"/xhr", ""), b.post(newPath("/stomp")+"/xhr_send", `["x"]`),
	} {
		if a.wantIn(503, "try another"); !a.Close {
			t.Error("the refusal does not say that the connection closes")
		}
	}
	for _, a := range []*answer{
		b.ask("OPTIONS", s.path+"/xhr_send", "").want(204, ""),
		b.post(s.path+"/xhr_send", `["x"]`).want(404, "there is no such session\n"), // it is over
		b.post(s.path+"/xhr", "").want(200, goingAway+"\n"),
	} {
		if !a.Close {
			t.Error("an answer does not say that the connection closes")
		}
	}
	b.close()
	<-stopped
	if n.listens(n.web) {
		t.Error("the HTTP port is still open")
	}
}

// TestSockJSDrainPaused holds that a post which waits for the bus when the node stops is not said to be taken.
func TestSockJSDrainPaused(t *testing.T) {
	t.Parallel()
	n, bus := startTap(t, sockJS(), gateway.WithParting(patience))
	b := n.browser(t, first)
	s := b.session(xhrPolling(), "/stomp")
	newClient(t, s).connect()
	bus.set(true, false)
	post := b.begin("POST", s.path+"/xhr_send", encode("SEND\ndestination:/topic/x\n\nhello\x00"))
	<-bus.asked
	stopped := n.stopping()
	if <-post.done; post.err != nil {
		t.Fatal(post.err)
	}
	post.answer.want(404, "there is no such session\n")
	s.want(goingAway)
	b.close()
	<-stopped
}

func (n *node) listens(address string) bool {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

// TestSockJSDrainPosts holds that no SEND of a session over HTTP is lost while its node stops, and each comes on a
// connection of its own: it is published, or the session was over.
func TestSockJSDrainPosts(t *testing.T) {
	t.Parallel()
	eachSocket(t, func(t *testing.T, start startFunc) {
		n := start(t, sockJS(), gateway.WithDrain(300*time.Millisecond), gateway.WithParting(patience))
		const sessions = 40
		var accepted atomic.Int64
		var ready, done sync.WaitGroup
		for range sessions {
			s := n.browser(t, first).session(xhrPolling(), "/stomp")
			newClient(t, s).connect()
			ready.Add(1)
			done.Go(func() { accepted.Add(int64(s.sendToTheEnd(ready.Done))) })
		}
		ready.Wait()
		n.stop()
		done.Wait()
		if published := n.Figures().Published; published != uint64(accepted.Load()) {
			t.Errorf("%d SENDs were accepted, and %d published", accepted.Load(), published)
		}
	})
}

// sendToTheEnd sends until the session is over, and returns how many SENDs were accepted. It calls
// begun after the first.
func (s *sock) sendToTheEnd(begun func()) (accepted int) {
	begun = sync.OnceFunc(begun)
	defer begun()
	for {
		switch err := s.trySay(encode("SEND\ndestination:/topic/x\n\nhello\x00")); err {
		case nil:
			accepted++
			begun()
			s.close() // its connections
		case errGone:
			if got, err := s.frame(); got != goingAway || err != nil {
				s.t.Errorf("the session is gone, and its client is told %q, %v", got, err)
			}
			return accepted
		default:
			s.t.Errorf("after %d SENDs: %v", accepted, err)
			return accepted
		}
	}
}
