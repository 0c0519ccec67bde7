package gateway_test

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stompgw/stompgw/gateway"
	"github.com/stompgw/stompgw/gateway/internal/ws"
)

// rawOf returns the WebSocket that c is, or is carried by; nil for none.
func rawOf(c *client) *raw {
	switch c := c.conn.(type) {
	case *webSocket:
		return c.raw
	case *sock:
		return c.ws
	}
	return nil
}

// eachEntrance runs a test on virtual time for each transport, and those with a socket of their own over TLS too.
func eachEntrance(t *testing.T, test func(t *testing.T, b *bubble, e entrance), opts ...gateway.Option) {
	for _, e := range entrances(allTransports()...) {
		t.Run(e.name, func(t *testing.T) {
			inBubble(t, false, func(t *testing.T, b *bubble) { test(t, b, e) }, opts...)
		})
	}
	for _, e := range entrances() {
		t.Run(e.name+" over TLS", func(t *testing.T) {
			inBubble(t, true, func(t *testing.T, b *bubble) { test(t, b, e) }, opts...)
		})
	}
}

// heard is what a client got, and when.
type heard struct {
	mu  sync.Mutex
	all []beat
	err error // why it gets no more
}

type beat struct {
	at     time.Time
	octets string
}

// listen reads c until it ends.
func listenTo(c io.Reader) *heard {
	h := &heard{}
	go func() {
		buf := make([]byte, 64<<10)
		for {
			n, err := c.Read(buf)
			h.mu.Lock()
			if n > 0 {
				h.all = append(h.all, beat{time.Now(), string(buf[:n])})
			}
			h.err = err
			h.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return h
}

// take returns what has been heard since it was asked last.
func (h *heard) take() []beat {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := h.all
	h.all = nil
	return all
}

// wantEvery holds that STOMP octets came at least once a period until now, and end-of-lines
// not much oftener.
func (h *heard) wantEvery(t *testing.T, since time.Time, period time.Duration) {
	t.Helper()
	last, lines := since, 0
	began := since
	for _, b := range append(h.take(), beat{at: time.Now()}) {
		if gap := b.at.Sub(last); gap > period {
			t.Errorf("nothing for %s (from %s to %s), agreed is %s", gap, last.Sub(began), b.at.Sub(began), period)
		}
		last = b.at
		if b.octets == "\n" {
			lines++
		}
	}
	if most := int(time.Since(began)/(period/2)) + 1; lines > most {
		t.Errorf("%d end-of-lines in %s, where %s is agreed", lines, time.Since(began), period)
	}
}

// mix is what goes on beside STOMP.
type mix struct {
	name   string
	pings  time.Duration                       // between two of the server, and SockJS's own heart-beats
	client func(c *raw, over <-chan time.Time) // on a WebSocket; nil for nothing
}

func mixes() []mix {
	every := func(d time.Duration, frames ...string) func(*raw, <-chan time.Time) {
		return func(c *raw, over <-chan time.Time) {
			tick := time.NewTicker(d)
			defer tick.Stop()
			for i := 0; ; i++ {
				c.write(frames[i%len(frames)])
				select {
				case <-tick.C:
				case <-over:
					return
				}
			}
		}
	}
	return []mix{
		{"quiet", time.Hour, nil},
		{"pings of the server", 700 * time.Millisecond, nil},
		{"slow pings of the server", 25 * time.Second, nil},
		{"pings of the client", time.Hour, every(500*time.Millisecond, frame(ping, "?"))},
		{"pongs of the client", time.Hour, every(300*time.Millisecond, frame(pong, ""))},
		{"everything", 900 * time.Millisecond, every(310*time.Millisecond, frame(ping, "1"), frame(pong, "2"), frame(ping, ""))},
	}
}

// Only STOMP's octets are the heart-beats that the server has promised ("Heart-beating"), on every
// transport, whatever else goes over it.
func TestServerKeepsItsBeats(t *testing.T) {
	t.Parallel()
	for _, m := range mixes() {
		t.Run(m.name, func(t *testing.T) {
			s := gateway.DefaultSockJS()
			s.Heartbeat = m.pings
			eachEntrance(t, func(t *testing.T, b *bubble, e entrance) {
				for _, period := range []time.Duration{time.Second, 2 * time.Second, 10 * time.Second, 30 * time.Second} {
					c := e.dial(t, b.node)
					ws := rawOf(c)
					if ws == nil && m.client != nil {
						return // what goes on in no WebSocket other mixes have
					}
					c.send(fmt.Sprintf("CONNECT\naccept-version:1.2\nheart-beat:0,%d\n\n^@", period.Milliseconds()))
					h := listenTo(c.conn)
					began := time.Now()
					var beside sync.WaitGroup
					if m.client != nil {
						beside.Go(func() { m.client(ws, time.After(20*period)) })
					}
					time.Sleep(20 * period)
					h.wantEvery(t, began, period)
					beside.Wait()
				}
			}, gateway.WithPeriods(ws.DefaultPeriods().WithPing(m.pings)), gateway.WithSockJS(&s), gateway.WithHeartBeat(time.Second, 0))
		})
	}
}

// What is sent for itself is a heart-beat, and no other is sent.
func TestMessagesAreBeats(t *testing.T) {
	const period = 3 * time.Second
	eachEntrance(t, func(t *testing.T, b *bubble, e entrance) {
		c := e.dial(t, b.node)
		c.send("CONNECT\naccept-version:1.2\nheart-beat:0,3000\n\n^@SUBSCRIBE\nid:0\ndestination:/topic/a\n\n^@")
		h := listenTo(c.conn)
		began := time.Now()
		for range 30 {
			time.Sleep(period / 3)
			c.send("SEND\ndestination:/topic/a\n\nx^@")
		}
		time.Sleep(period / 3)
		messages := 0
		for _, beat := range h.take() {
			messages += strings.Count(beat.octets, "MESSAGE\n")
			if beat.octets == "\n" {
				t.Errorf("an end-of-line after %s", beat.at.Sub(began))
			}
		}
		if messages != 30 {
			t.Errorf("%d MESSAGEs, want 30", messages)
		}
	}, gateway.WithHeartBeat(time.Second, 0))
}

// A client keeps its session by its own end-of-lines, and is told when it goes silent.
func TestClientKeepsItsBeats(t *testing.T) {
	const period = 10 * time.Second
	quiet := gateway.DefaultSockJS() // or answers to what the server says would be signs of life
	quiet.Heartbeat = time.Hour
	eachEntrance(t, func(t *testing.T, b *bubble, e entrance) {
		c := e.dial(t, b.node)
		c.send("CONNECT\naccept-version:1.2\nheart-beat:10000,0\n\n^@")
		h := listenTo(c.conn)
		for range 20 {
			time.Sleep(2 * period)
			c.send("\n")
		}
		if b.Sessions() != 1 {
			t.Fatalf("%d sessions, got %v", b.Sessions(), h.take())
		}
		time.Sleep(3*period + time.Second)
		const want = "ERROR\nmessage:no heart-beat came within 30s, which is 3 times the agreed period\n"
		if all := h.take(); len(all) == 0 || !strings.HasPrefix(all[len(all)-1].octets, want) || b.Sessions() != 0 {
			t.Fatalf("got %v, and %d sessions are left", all, b.Sessions())
		}
		time.Sleep(time.Minute) // until a poll has asked
		h.take()
		if s, ok := c.conn.(*sock); ok && s.end != `c[1008,"no heart-beat"]` {
			t.Errorf("closed with %q", s.end)
		}
	}, gateway.WithPeriods(ws.DefaultPeriods().WithPing(time.Hour)), gateway.WithSockJS(&quiet))
}

// A page that hangs keeps its connection: the browser answers pings. The node gives it up, and counts
// neither what else it is sent, nor time in which the node itself was stopped.
func TestHungClient(t *testing.T) {
	s := gateway.DefaultSockJS()
	eachEntrance(t, func(t *testing.T, b *bubble, e entrance) {
		if !strings.HasSuffix(e.name, "polling") && !strings.Contains(e.name, "websocket") {
			return // nothing shows that the connection lives
		}
		for i, lost := range []time.Duration{0, 8 * time.Hour} {
			c := e.dial(t, b.node)
			c.send("CONNECT\naccept-version:1.2\nheart-beat:10000,0\n\n^@")
			h := listenTo(c.conn)
			began := time.Now()
			if lost > 0 {
				time.Sleep(5 * time.Minute)
				b.Stop(lost)
			}
			time.Sleep(20 * time.Minute)
			all := h.take()
			last := all[len(all)-1]
			const want = "ERROR\nmessage:no heart-beat came within 10m0s, but signs that the connection lives\n"
			if after := last.at.Sub(began) - lost; !strings.HasPrefix(last.octets, want) || after < 10*time.Minute || after > 10*time.Minute+time.Second {
				t.Errorf("after %s: %q", after, last.octets)
			}
			if h.err != io.EOF {
				t.Errorf("then %v", h.err)
			}
			if n := b.Figures(); n.Sessions != 0 || n.HungCloses != uint64(i+1) {
				t.Errorf("%d sessions, %d hung", n.Sessions, n.HungCloses)
			}
		}
	}, gateway.WithSockJS(&s))
}

// TestConnectTimeout: who does not say CONNECT is told, and its connection closed.
func TestConnectTimeout(t *testing.T) {
	eachEntrance(t, func(t *testing.T, b *bubble, e entrance) {
		c := e.dial(t, b.node)
		c.send("\n\nCONNECT\naccept-ver")
		began := time.Now()
		c.wantFault("no CONNECT came within 10s")
		if d := time.Since(began); d < 10*time.Second || d > 11*time.Second {
			t.Errorf("after %s", d)
		}
		if s, ok := c.conn.(*sock); ok && s.end != `c[1008,"no CONNECT"]` {
			t.Errorf("closed with %s", s.end)
		}
	})
}
