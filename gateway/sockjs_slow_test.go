package gateway_test

import (
	"fmt"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stompgw/stompgw/gateway"
)

// heap is what the program holds, in bytes.
func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}

// TestSockJSSlowReader: over limits.outbound a session is closed, whether it polls too seldom or its
// stream is not read. It is told so if it comes back, and its memory is given back.
func TestSockJSSlowReader(t *testing.T) {
	t.Parallel()
	const outbound = 128 << 10
	for _, tr := range append(polling(), xhrStreaming()) {
		t.Run(tr.name, func(t *testing.T) {
			n := start(t, sockJS(), gateway.WithLimits(gateway.Limits{
				Message: 64 << 10, Outbound: outbound, Connections: 1000, ConnectTimeout: patience}))
			s := n.browser(t, first).session(tr, "/stomp")
			c := newClient(t, s).connect()
			c.subscribe("0", "/topic/flood")
			if tr.streams {
				s.in.conn.conn.(*net.TCPConn).SetReadBuffer(16 << 10)
			}
			writer := n.dialTCP(t).connect()
			flood := "SEND\ndestination:/topic/flood\nreceipt:r\n\n" + strings.Repeat("x", 60<<10) + "^@"
			for sent := 0; len(n.sessions.Sessions()) == 2; sent++ {
				if sent > 1000 {
					t.Fatal("the session goes on")
				}
				writer.ask(flood)
			}
			writer.wantAlive()
			if got := n.Figures(); got.SlowCloses != 1 || got.Sessions != 1 {
				t.Errorf("figures %+v", got)
			}
			messages, told := 0, false
			for {
				frame, err := c.read()
				if err != nil {
					if tr.streams && !told && isClosed(err) && s.end == "" {
						return // reset: its last word could not leave
					}
					break
				}
				if told = strings.HasPrefix(frame, "ERROR\nmessage:the client reads too slowly"); told {
					break
				}
				messages++
			}
			if !told {
				t.Fatalf("%d messages came, and no ERROR", messages)
			}
			if !tr.streams && messages > outbound/(60<<10)+1 {
				t.Errorf("%d messages of 60 KiB had waited", messages)
			}
			c.wantCloseFrame(`c[1008,"too slow"]`)
		})
	}
}

// A message that alone is more than a receiver's answer may have is delivered all the same.
func TestSockJSLargeMessage(t *testing.T) {
	t.Parallel()
	n := start(t, sockJS(func(s *gateway.SockJS) { s.StreamLimit = 1000 }), gateway.WithLimits(gateway.Limits{
		Message: 1 << 20, Outbound: 4 << 20, Connections: 1000, ConnectTimeout: patience}))
	body := strings.Repeat("\u2028", 1<<16) // six octets each on the wire
	for _, tr := range allTransports() {
		t.Run(tr.name, func(t *testing.T) {
			c := n.dialSock(t, tr).connect()
			c.subscribe("0", "/topic/large")
			writer := n.dialTCP(t).connect()
			for range 2 {
				writer.ask("SEND\ndestination:/topic/large\nreceipt:r\n\n" + body + "^@")
				if got := c.expect("MESSAGE"); !strings.HasSuffix(got, "\n\n"+body) {
					t.Errorf("got %d bytes: %.200q", len(got), got)
				}
			}
		})
	}
}

// TestSockJSReconnect: an answer that streams ends at its limit, and nothing is lost or doubled
// between it and the next, while a publisher goes on.
func TestSockJSReconnect(t *testing.T) {
	t.Parallel()
	const messages, limit = 1000, 2000
	eachSocket(t, func(t *testing.T, start startFunc) {
		n := start(t, sockJS(func(s *gateway.SockJS) { s.StreamLimit = limit }))
		for _, w := range []way{first, later, kept} {
			for _, tr := range overHTTP() {
				t.Run(string(w)+" "+tr.name, func(t *testing.T) {
					s := n.browser(t, w).session(tr, "/stomp")
					c := newClient(t, s).connect()
					c.subscribe("0", "/topic/"+tr.name)
					writer := n.dialTCP(t).connect()
					done := make(chan struct{})
					go func() {
						defer close(done)
						for i := range messages {
							fmt.Fprintf(writer.conn, "SEND\ndestination:/topic/%s\n\n%d\x00", tr.name, i)
							if i%50 == 49 {
								time.Sleep(time.Millisecond) // some of them come between answers
							}
						}
					}()
					before := s.answers
					for i := range messages {
						if frame := c.expect("MESSAGE"); !strings.HasSuffix(frame, fmt.Sprintf("\n\n%d", i)) {
							t.Fatalf("message %d is %q", i, frame)
						}
					}
					<-done
					c.wantAlive()
					if got := s.answers - before; tr.streams && got < 3 {
						t.Errorf("%d messages in %d answers", messages, got)
					}
				})
			}
		}
	})
}

// TestSockJSManyPollers has 5,000 sessions that wait at once, and looks at what one costs.
func TestSockJSManyPollers(t *testing.T) {
	const sessions, most = 5000, 64 << 10                                      // bytes of one, its client's included
	n := start(t, sockJS(func(s *gateway.SockJS) { s.Heartbeat = time.Hour })) // a poll that waits long ends with one
	subscriber, browsers := n.browser(t, kept), []*browser{n.browser(t, first), n.browser(t, later)}
	before := heap()
	polls := make([]*pending, sessions)
	inParallel(t, sessions, func(i int) (err error) {
		polls[i], err = subscriber.waitingPoll(browsers[i%2])
		return err
	})
	if got := len(n.sessions.Sessions()); got != sessions {
		t.Fatalf("the registry has %d sessions", got)
	}
	if after := heap(); after > before && (after-before)/sessions > most {
		t.Errorf("a session takes %d bytes", (after-before)/sessions)
	}
	writer := n.dialTCP(t).connect()
	writer.send("SEND\ndestination:/topic/all\n\nhello^@")
	inParallel(t, sessions, func(i int) error {
		<-polls[i].done
		if polls[i].err != nil {
			return polls[i].err
		}
		got, err := polls[i].answer.rest()
		if !strings.HasPrefix(got, `a["MESSAGE\n`) || !strings.HasSuffix(got, `\n\nhello\u0000"]`+"\n") {
			return fmt.Errorf("got %q, %v", got, err)
		}
		return nil
	})
}

// waitingPoll subscribes, and polls by another browser.
func (b *browser) waitingPoll(by *browser) (*pending, error) {
	s := &sock{browser: b, transport: xhrPolling(), path: newPath("/stomp")}
	if frame, err := s.frame(); frame != "o" {
		return nil, fmt.Errorf("got %q, %w", frame, err)
	}
	if err := s.trySay(encode(connectFrame, "SUBSCRIBE\nid:0\ndestination:/topic/all\nreceipt:s\n\n\x00")); err != nil {
		return nil, err
	}
	for c := (&client{t: b.t, conn: s}); ; {
		frame, err := c.read()
		if err != nil {
			return nil, err
		}
		if strings.HasPrefix(frame, "RECEIPT\n") {
			return by.begin("POST", s.path+"/xhr", ""), nil
		}
	}
}

// inParallel runs fn for each number under n, some at a time.
func inParallel(t testing.TB, n int, fn func(i int) error) {
	t.Helper()
	var wg sync.WaitGroup
	places, errs := make(chan struct{}, 32), make(chan error, n)
	for i := range n {
		places <- struct{}{}
		wg.Go(func() {
			if err := fn(i); err != nil {
				errs <- fmt.Errorf("%d: %w", i, err)
			}
			<-places
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		t.Fatal(err)
	}
}
