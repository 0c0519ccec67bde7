package gateway_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stompgw/stompgw/gateway"
)

// TestSockJSDrain holds what clients see when their node stops, and that none of them keeps it.
func TestSockJSDrain(t *testing.T) {
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
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		n.stop()
	}()
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

// A client that is between two polls when its node stops is told by the next one.
func TestSockJSDrainBetweenPolls(t *testing.T) {
	eachSocket(t, func(t *testing.T, start startFunc) {
		for _, tr := range polling() {
			t.Run(tr.name, func(t *testing.T) {
				n := start(t, sockJS(), gateway.WithDrain(0), gateway.WithParting(patience))
				b := n.browser(t, kept)
				s := b.session(tr, "/stomp")
				newClient(t, s).connect()
				stopped := make(chan struct{})
				go func() {
					defer close(stopped)
					n.stop()
				}()
				eventually(t, "the session is over", func() bool { return len(n.sessions.Sessions()) == 0 })
				s.want(goingAway)
				b.close()
				<-stopped
			})
		}
	})
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

// A node that drains makes no new sessions.
func TestSockJSWhileDraining(t *testing.T) {
	n := start(t, sockJS())
	last := n.session(t) // does not answer, so the node waits for it
	b := n.browser(t, first)
	var conns []*raw
	for range 3 {
		c := b.fresh()
		b.askRaw(c, request("GET", "/echo", "")).want(200, "Welcome to SockJS!\n")
		conns = append(conns, c)
	}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		n.stop()
	}()
	last.wantCode(1001)
	for i, tr := range append(polling(), xhrStreaming()) {
		a := b.askRaw(conns[i], request(tr.method, newPath("/stomp")+tr.receive, ""))
		if a.StatusCode == 200 {
			a.wantFrame(tr, goingAway)
			continue
		}
		a.wantStatus(503)
	}
	last.write(closeFrame(1001, ""))
	last.wantEOF()
	last.conn.Close()
	<-stopped
}
