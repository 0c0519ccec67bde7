package gateway_test

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stompgw/stompgw/gateway"
)

// TestSockJSServeHTTP is the gateway as a handler in somebody else's server.
func TestSockJSServeHTTP(t *testing.T) {
	for name, serve := range map[string]func(http.Handler) *httptest.Server{
		"plain": httptest.NewServer,
		"TLS":   httptest.NewTLSServer,
	} {
		t.Run(name, func(t *testing.T) {
			n := start(t, sockJS(), pages())
			server := serve(n)
			defer server.Close()
			dial := func() (net.Conn, error) {
				if server.TLS == nil {
					return net.Dial("tcp", server.Listener.Addr().String())
				}
				config := server.Client().Transport.(*http.Transport).TLSClientConfig
				return n.dialTLS(t, server.Listener.Addr().String(), config).conn, nil
			}
			for _, w := range []way{first, kept} {
				for _, tr := range allTransports() {
					t.Run(string(w)+" "+tr.name, func(t *testing.T) {
						b := &browser{t: t, way: w, dial: dial}
						defer b.close()
						testSockJSEcho(t, b.session(tr, "/echo"))
						c := newClient(t, b.session(tr, "/stomp")).connect()
						c.wantAlive()
						c.send("DISCONNECT\n\n^@")
						c.wantCloseFrame(`c[1000,""]`)
					})
				}
			}
			n.stop()
			b := &browser{t: t, way: first, dial: dial}
			for _, tr := range overHTTP() {
				b.ask(tr.method, newPath("/stomp")+tr.receive, "").wantStatus(http.StatusServiceUnavailable)
			}
			b.close()
		})
	}
}

// A server that can't give its connections away can't serve what waits.
func TestSockJSNoHijack(t *testing.T) {
	n := start(t, sockJS())
	for _, tr := range overHTTP() {
		w := httptest.NewRecorder()
		n.ServeHTTP(w, httptest.NewRequest(tr.method, newPath("/stomp")+tr.receive, nil))
		if w.Code != http.StatusInternalServerError {
			t.Errorf("%s: %d %q", tr.name, w.Code, w.Body)
		}
	}
	w := httptest.NewRecorder()
	n.ServeHTTP(w, httptest.NewRequest("GET", "/stomp", nil))
	if w.Code != 200 || w.Body.String() != "Welcome to SockJS!\n" {
		t.Errorf("the greeting: %d %q", w.Code, w.Body)
	}
}

// Who knows a session's id can act as its client: nobody is told it.
func TestSockJSSecretID(t *testing.T) {
	var log lockedBuffer
	n := start(t, sockJS(), pages(), gateway.WithLogger(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))))
	for _, w := range []way{first, later} {
		b := n.browser(t, w)
		var ids []string
		for _, tr := range allTransports() {
			s := b.session(tr, "/stomp")
			ids = append(ids, s.path[strings.LastIndex(s.path, "/")+1:])
			c := newClient(t, s).connect()
			c.subscribe("e", "/session/queue/request-error")
			c.send("SEND\ndestination:/elsewhere\n\n^@")
			seen := c.expect("MESSAGE") + fmt.Sprintf("%+v", n.sessions.Sessions())
			if tr.method != "" {
				b.post(s.path+"/xhr_send", `["`).wantStatus(500).text()
				b.ask("PUT", s.path+tr.receive, "").wantStatus(405).text()
				b.post(s.path+"/xhr_send", "[]", "Origin: https://evil.com").wantForbidden()
			}
			c.send("WHAT\n\n^@")
			seen += c.expect("ERROR")
			c.wantClosed()
			seen += s.end
			if strings.Contains(seen, ids[len(ids)-1]) {
				t.Errorf("%s: %q", tr.name, seen)
			}
		}
		for _, id := range ids {
			if strings.Contains(log.String(), id) {
				t.Errorf("the log has a session id: %s", log.String())
			}
		}
	}
	if !strings.Contains(log.String(), "refused") {
		t.Error("the log has nothing at all")
	}
}

// A receiver's request may have a body, which means nothing.
func TestSockJSPollWithBody(t *testing.T) {
	eachWay(t, func(t *testing.T, open func(testing.TB) *browser) {
		b, path := open(t), newPath("/echo")
		for _, want := range []string{"o\n", "a[\"a\"]\n"} {
			b.post(path+"/xhr", `["ignored"]`).want(200, want)
			b.post(path+"/xhr_send", `["a"]`).want(204, "")
		}
		a := b.askRaw(b.fresh(), request("POST", path+"/xhr", strings.Repeat("x", 100<<10)))
		if a.StatusCode != 200 && a.StatusCode != 413 {
			t.Errorf("got %s", a.Status)
		}
	})
}

// TestSockJSPostsThatWait: with a session that waits for the bus, posts are taken or refused, and
// each that is taken counts once.
func TestSockJSPostsThatWait(t *testing.T) {
	n, bus := startTap(t, sockJS())
	reader := n.dialTCP(t).connect()
	reader.subscribe("0", "/topic/a")
	s := n.browser(t, kept).session(xhrPolling(), "/stomp")
	newClient(t, s).connect()
	bus.set(true, false)
	results := make(chan error, 30)
	post := func(body string) {
		go func() { results <- s.trySay(encode("SEND\ndestination:/topic/a\n\n" + body + "\x00")) }()
	}
	post("first")
	<-bus.asked
	for range cap(results) - 1 {
		post("later")
	}
	select { // that some are refused is no must
	case err := <-results:
		results <- err
	case <-time.After(100 * time.Millisecond):
	}
	bus.open()
	taken := 0
	for range cap(results) {
		switch err := <-results; {
		case err == nil:
			taken++
		case !strings.Contains(err.Error(), " 503 "):
			t.Error(err)
		}
	}
	if taken < 2 {
		t.Errorf("%d posts are taken", taken)
	}
	reader.expect("MESSAGE", "first")
	for range taken - 1 {
		reader.expect("MESSAGE", "later")
	}
	reader.wantAlive()
}

// TestSockJSStress has many clients do anything to few sessions at the same time: each answer is one
// that the protocol knows, and nothing is left.
func TestSockJSStress(t *testing.T) {
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
