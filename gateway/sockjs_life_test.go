package gateway_test

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/gateway"
)

// shortly makes a session time out while a test waits.
func shortly(d time.Duration) gateway.Option {
	return sockJS(func(s *gateway.SockJS) { s.SessionTimeout = d })
}

// wantNothingLeft waits until the node is as it was before its first client.
func (n *node) wantNothingLeft(t testing.TB) {
	t.Helper()
	var f gateway.Figures
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if f = n.Figures(); len(n.sessions.Sessions()) == 0 && f.Sessions == 0 && f.Connections == 0 {
			return
		}
	}
	t.Fatalf("left: %d sessions, %d connections, %d entries in the registry", f.Sessions, f.Connections, len(n.sessions.Sessions()))
}

// TestSockJSAbandoned holds that a session whose client has gone ends, and gives everything back.
func TestSockJSAbandoned(t *testing.T) {
	inBubble(t, false, func(t *testing.T, b *bubble) {
		browser := b.browser(t, kept)
		var left []*sock
		for _, tr := range overHTTP() {
			s := browser.session(tr, "/stomp")
			newClient(t, s).connect().subscribe("0", "/topic/a")
			left = append(left, s, browser.session(tr, "/stomp"), browser.session(tr, "/close"))
		}
		browser.close()
		time.Sleep(time.Minute)
		b.wantNothingLeft(t)
		for _, s := range left {
			browser.post(s.path+"/xhr_send", `["a"]`).wantStatus(404).text()
			browser.post(s.path+"/xhr", "").want(200, "o\n") // the id is free
		}
	}, shortly(5*time.Second))
}

// TestSockJSNotAbandoned holds that a receiver keeps a session for as long as it is open, and that
// posts alone do not.
func TestSockJSNotAbandoned(t *testing.T) {
	inBubble(t, false, func(t *testing.T, b *bubble) {
		for _, tr := range streaming() {
			s := b.browser(t, kept).session(tr, "/echo")
			for range 3 { // heart-beats, which are longer apart than the time-out
				s.want("h")
			}
			s.say(`["a"]`)
			s.want(`a["a"]`)
		}
		s := b.browser(t, kept).session(xhrPolling(), "/echo")
		time.Sleep(4 * time.Second)
		s.say(`["a"]`)
		time.Sleep(2 * time.Second)
		if err := s.trySay(`["a"]`); err != errGone {
			t.Errorf("posts keep the session: %v", err)
		}
	}, shortly(5*time.Second))
}

// TestSockJSClosedStays holds that a closed session tells so for as long as its time-out, from the last answer
// on, and then is forgotten.
func TestSockJSClosedStays(t *testing.T) {
	inBubble(t, false, func(t *testing.T, b *bubble) {
		browser := b.browser(t, kept)
		s := browser.session(xhrPolling(), "/stomp")
		newClient(t, s).connect().send("DISCONNECT\n\n^@")
		for range 3 {
			for _, tr := range overHTTP() {
				time.Sleep(4 * time.Second) // it is not in a hurry to ask
				browser.ask(tr.method, s.path+tr.receive, "").wantFrame(tr, `c[1000,""]`)
			}
			browser.post(s.path+"/xhr_send", `["a"]`).wantStatus(404).text()
		}
		time.Sleep(6 * time.Second)
		browser.post(s.path+"/xhr", "").want(200, "o\n") // another one of that id
	}, shortly(5*time.Second))
}

// TestSockJSCut holds that a cut receiver ends the session: what was on its way to the client may be
// lost, and only a new session can tell.
func TestSockJSCut(t *testing.T) {
	t.Parallel()
	eachSocket(t, func(t *testing.T, start startFunc) {
		n := start(t, sockJS())
		for _, w := range []way{first, later, kept} {
			for _, tr := range overHTTP() {
				for name, cut := range cuts() {
					t.Run(string(w)+" "+tr.name+" "+name, func(t *testing.T) {
						b := n.browser(t, w)
						s := b.session(tr, "/stomp")
						c := newClient(t, s).connect()
						c.subscribe("0", "/topic/cut")
						if tr.streams {
							cut(s.in.conn.conn)
						} else {
							cut(b.parked(tr, s.path).conn.conn)
						}
						bustest.Eventually(t, "the session ends", func() bool { return len(n.sessions.Sessions()) == 0 && n.Sessions() == 0 })
						b.ask(tr.method, s.path+tr.receive, "").wantFrame(tr, interrupted)
						b.post(s.path+"/xhr_send", `["a"]`).wantStatus(404).text()
					})
				}
			}
		}
	})
}

// "Handling close"
func TestSockJSHandlingClose(t *testing.T) {
	t.Parallel()
	const goAway = `c[3000,"Go away!"]`
	eachWay(t, func(t *testing.T, open func(testing.TB) *browser) {
		for _, tr := range overHTTP() {
			t.Run("close frame "+tr.name, func(t *testing.T) {
				b := open(t)
				s := b.session(tr, "/close")
				for range 3 {
					s.want(goAway)
					if s.streams {
						if more, err := s.in.rest(); more != "" || err != nil {
							t.Fatalf("after the close frame: %q, %v", more, err)
						}
						s.in = nil
					}
				}
				for _, other := range overHTTP() { // whoever asks
					b.ask(other.method, s.path+other.receive, "").wantFrame(other, goAway)
				}
			})
			t.Run("close request "+tr.name, func(t *testing.T) {
				b := open(t)
				s := b.session(tr, "/echo")
				if !s.streams {
					p := b.parked(tr, s.path)
					for _, other := range overHTTP() {
						b.ask(other.method, s.path+other.receive, "").wantFrame(other, stillOpen)
					}
					s.say(`["a"]`)
					p.want(tr, `a["a"]`)
					s.say(`["b"]`)
					s.want(`a["b"]`)
					return
				}
				for _, other := range overHTTP() {
					b.ask(other.method, s.path+other.receive, "").wantFrame(other, stillOpen)
				}
				s.say(`["a"]`)
				s.want(`a["a"]`)
			})
		}
	})
}

// cuts are the ways in which a client goes.
func cuts() map[string]func(net.Conn) {
	return map[string]func(net.Conn){
		"close":      func(c net.Conn) { c.Close() },
		"reset":      func(c net.Conn) { c.(*net.TCPConn).SetLinger(0); c.Close() },
		"half-close": func(c net.Conn) { c.(*net.TCPConn).CloseWrite() },
	}
}

// wantInterrupted asks until the node has noticed that the receiver is gone. Then each answer says
// so.
func (b *browser) wantInterrupted(s *sock) {
	b.t.Helper()
	ask := &sock{browser: b, transport: xhrPolling(), path: s.path}
	bustest.Eventually(b.t, "the node notices that the receiver is gone", func() bool {
		got, err := ask.frame()
		if err != nil || got != stillOpen && got != interrupted {
			b.t.Fatalf("got %q, %v", got, err)
		}
		return got == interrupted
	})
	for _, tr := range overHTTP() {
		b.ask(tr.method, s.path+tr.receive, "").wantFrame(tr, interrupted)
	}
}

// TestSockJSStress has many clients do anything to few sessions at the same time: each answer is one
// that the protocol knows, and nothing is left.
func TestSockJSStress(t *testing.T) {
	t.Parallel()
	eachSocket(t, func(t *testing.T, start startFunc) {
		n := start(t, shortly(20*time.Millisecond))
		var ids []string
		for range 6 {
			ids = append(ids, newPath("/stomp"), newPath("/echo"), newPath("/close"))
		}
		var wg sync.WaitGroup
		for worker := range 12 {
			wg.Go(func() {
				b := n.browser(t, []way{first, later, kept}[worker%3])
				for range 60 {
					if err := b.mischief(ids[rand.N(len(ids))]); err != nil {
						t.Error(err)
						return
					}
				}
				b.close()
			})
		}
		wg.Wait()
		n.wantNothingLeft(t)
	})
}

// mischief does something to a session.
func (b *browser) mischief(path string) error {
	all := overHTTP()
	tr := all[rand.N(len(all))]
	switch rand.N(4) {
	case 0: // messages
		a, err := b.try("POST", path+"/xhr_send", encode("\n", connectFrame)[:rand.N(20)]+`"]`)
		if err != nil {
			return err
		}
		if _, err := a.rest(); err != nil || a.StatusCode != 204 && a.StatusCode != 404 && a.StatusCode != 500 {
			return fmt.Errorf("a post: %s, %v", a.Status, err)
		}
		return nil
	case 1: // a receiver that goes at once, or soon
		p := b.begin(tr.method, path+tr.receive, "")
		if p.conn == nil {
			return p.err
		}
		time.Sleep(rand.N(2 * time.Millisecond))
		return p.conn.conn.Close()
	}
	p := b.begin(tr.method, path+tr.receive, "")
	if p.conn == nil {
		return p.err
	}
	p.conn.conn.SetReadDeadline(time.Now().Add(rand.N(30 * time.Millisecond)))
	<-p.done
	defer p.conn.conn.Close()
	if p.err != nil {
		return timedOut(p.err)
	}
	s := &sock{browser: &browser{t: b.t}, transport: tr, in: p.answer}
	if err := s.begun(); err != nil {
		return timedOut(err)
	}
	frame, err := tr.next(s.in.lines)
	if err == nil && frame != "o" && frame != "h" && !strings.HasPrefix(frame, "a[") && !strings.HasPrefix(frame, "c[") {
		return fmt.Errorf("got %q", frame)
	}
	return timedOut(err)
}

// timedOut lets time-outs pass.
func timedOut(err error) error {
	if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
		return nil
	}
	return err
}

// First requests for a session that come together make one of it: one gets the open frame.
func TestSockJSTwoFirst(t *testing.T) {
	t.Parallel()
	n := start(t, sockJS())
	for range 20 {
		path, told := newPath("/echo"), map[string]int{}
		var asked []*pending
		for _, w := range []way{first, later, first, later} {
			asked = append(asked, n.browser(t, w).begin("POST", path+"/xhr_streaming", ""))
		}
		for _, p := range asked {
			if <-p.done; p.err != nil {
				t.Fatal(p.err)
			}
			s := &sock{browser: &browser{t: t}, transport: xhrStreaming(), in: p.answer}
			s.begin()
			frame, err := s.next(s.in.lines)
			if told[frame]++; err != nil {
				t.Fatal(err)
			}
		}
		if told["o"] != 1 || told[stillOpen] != 3 {
			t.Fatalf("told %v", told)
		}
	}
}

// TestSockJSConnectionLimit holds that sessions count as connections, also between polls.
func TestSockJSConnectionLimit(t *testing.T) {
	const limit = 6
	n := start(t, sockJS(), gateway.WithLimits(gateway.Limits{Message: 64 << 10, Outbound: 1 << 20, Connections: limit, ConnectTimeout: patience}))
	b, other := n.browser(t, kept), n.browser(t, kept)
	other.get("/echo").wantStatus(200).text() // its connection is there already
	var sessions []*sock
	for {
		s := &sock{browser: other, transport: xhrPolling(), path: newPath("/echo")}
		a := b.post(s.path+"/xhr", "")
		if a.StatusCode == http.StatusServiceUnavailable {
			break
		}
		a.wantFrame(s.transport, "o")
		if sessions = append(sessions, s); len(sessions) > limit {
			t.Fatalf("%d sessions have begun, %d is the limit", len(sessions), limit)
		}
	}
	for _, s := range sessions {
		s.say(`["a"]`)
		s.want(`a["a"]`)
	}
}
