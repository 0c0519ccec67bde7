package gateway_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/membus"
	"github.com/stompgw/stompgw/gateway"
	"github.com/stompgw/stompgw/gateway/registry"
)

// tapBus is a membus that shows what is published, and can be full, or hold its answers back.
type tapBus struct {
	bus.Bus
	mu    sync.Mutex
	took  []bus.Envelope
	full  bool
	hold  bool
	dones []func() // held back
	asked chan struct{}
}

// startTap runs a node over a tapBus.
func startTap(t testing.TB, opts ...gateway.Option) (*node, *tapBus) {
	name := registry.NewNode(time.Now())
	b := &tapBus{Bus: membus.NewCluster().Bus(name.String()), asked: make(chan struct{}, 1000)}
	n := startNode(t, name, b, nil, opts...)
	t.Cleanup(b.open) // before the node drains
	return n, b
}

func (b *tapBus) Publish(e bus.Envelope, done func(error)) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	select {
	case b.asked <- struct{}{}:
	default:
	}
	if b.full {
		return bus.ErrFull
	}
	b.took = append(b.took, e)
	return b.Bus.Publish(e, func(err error) {
		b.mu.Lock()
		if b.hold {
			b.dones = append(b.dones, func() { done(err) })
			b.mu.Unlock()
			return
		}
		b.mu.Unlock()
		done(err)
	})
}

// set changes whether the bus is full and whether it holds its answers back.
func (b *tapBus) set(full, hold bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.full, b.hold = full, hold
}

// open lets the bus take everything, and gives the answers that it held back.
func (b *tapBus) open() {
	b.set(false, false)
	b.mu.Lock()
	dones := b.dones
	b.dones = nil
	b.mu.Unlock()
	for _, done := range dones {
		done()
	}
}

func (b *tapBus) taken() []bus.Envelope {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]bus.Envelope(nil), b.took...)
}

// "SEND"
func TestSendFaults(t *testing.T) {
	eachTransport(t, func(t *testing.T, dial func(*node) *client) {
		n := start(t)
		for _, version := range []string{"1.0", "1.1", "1.2"} {
			for _, test := range []struct{ name, frame, message string }{
				{"no destination", "SEND\nreceipt:r\n\nbody^@", "SEND needs a destination header"},
				{"empty destination", "SEND\ndestination:\nreceipt:r\n\nbody^@", "SEND needs a destination header"},
				{"unknown transaction", "SEND\ndestination:/topic/a\ntransaction:t\nreceipt:r\n\nbody^@", "no transaction of that name has begun in this session"},
			} {
				t.Run(version+" "+test.name, func(t *testing.T) {
					c := dial(n).connectAs(version)
					c.send(test.frame)
					c.wantFault(test.message, "receipt-id:r")
				})
			}
		}
	})
}

// A SEND through a route reaches those who subscribe to what the route publishes to.
func TestRoute(t *testing.T) {
	eachTransport(t, func(t *testing.T, dial func(*node) *client) {
		n := start(t)
		c := dial(n).connect()
		c.subscribe("0", "/topic/room")
		c.subscribe("e", "/session/queue/request-error")
		c.send("SEND\ndestination:/app/topic/room\n\nrouted^@")
		c.expect("MESSAGE", "subscription:0", "destination:/topic/room", "routed")
		for _, destination := range []string{"/app/unknown", "/app", "/app/topic", "/app/topic/", "/app/topic/a/b", "/app/topic/*", "/app/topic/{channel}"} {
			c.send("SEND\ndestination:" + destination + "\n\nx^@")
			frame := c.expect("MESSAGE", "subscription:e")
			if !strings.Contains(frame, `"errorCode":3,`) {
				t.Errorf("%s: got %q", destination, frame)
			}
		}
		c.wantAlive()
	})
}

// A RECEIPT of SEND comes when the bus has the message, not before.
func TestReceiptOfSendWaits(t *testing.T) {
	eachTransport(t, func(t *testing.T, dial func(*node) *client) {
		n, b := startTap(t)
		b.set(false, true)
		c := dial(n).connect()
		c.subscribe("0", "/topic/a")
		c.send("SEND\ndestination:/topic/a\nreceipt:r\n\nx^@")
		c.expect("MESSAGE", "x") // so the bus has delivered it, and not answered
		c.wantAlive()
		b.open()
		c.expect("RECEIPT", "receipt-id:r")
	})
}

// TestBackpressure: a full bus makes its publishers wait, and nobody else; nothing is lost or
// overtaken.
func TestBackpressure(t *testing.T) {
	const messages = 500
	eachTransport(t, func(t *testing.T, dial func(*node) *client) {
		n, b := startTap(t)
		reader := dial(n).connect()
		reader.subscribe("0", "/topic/a")
		writer := dial(n).connect()
		b.set(false, true)
		writer.send("SEND\ndestination:/topic/a\n\nfirst^@")
		reader.expect("MESSAGE", "first")
		b.set(true, true)
		var frames strings.Builder
		for i := range messages {
			fmt.Fprintf(&frames, "SEND\ndestination:/topic/a\nreceipt:%d\n\n%d^@", i, i)
		}
		sent := make(chan error, 1)
		go func() { // over SockJS it waits, too
			_, err := writer.conn.Write([]byte(strings.ReplaceAll(frames.String(), "^@", "\x00")))
			sent <- err
		}()
		<-b.asked
		<-b.asked // the first of them has been refused
		reader.wantAlive()
		if n := len(b.taken()); n != 1 {
			t.Fatalf("a full bus has taken %d envelopes", n)
		}
		b.open()
		for i := range messages {
			reader.expect("MESSAGE", fmt.Sprint(i))
			writer.expect("RECEIPT", fmt.Sprint("receipt-id:", i))
		}
		if err := <-sent; err != nil {
			t.Error(err)
		}
	})
}

// TestSecrets: what proves the sender is in no MESSAGE, no envelope and no log.
func TestSecrets(t *testing.T) {
	const token = "eyJhbGciOiJIUzI1NiJ9.eyJtdSI6NDJ9.c2lnbmF0dXJl"
	const password = "hunter2"
	eachTransport(t, func(t *testing.T, dial func(*node) *client) {
		var logs lockedBuffer
		n, b := startTap(t, gateway.WithLogger(slog.New(slog.NewTextHandler(&logs, &slog.HandlerOptions{Level: slog.LevelDebug}))))
		reader := dial(n).connect()
		reader.subscribe("0", "/topic/a")
		secrets := "Authorization:Bearer " + token + "\nauthorization:Basic " + password + "\nAUTHORIZATION:" + password +
			"\nAuthoriz\\cation:Bearer " + token + "\nlogin:" + password + "\npasscode:" + password + "\nPassCode:" + password +
			"\nclient-request-code:" + password + "\ncookie:id=" + password + "\nx-custom:bearer " + password + "\nx-other:" + token +
			"\nx-query:?token=" + token + "&a=b\n"
		c := dial(n)
		c.send("CONNECT\naccept-version:1.2\nAuthorization:Bearer " + token + "\nlogin:" + password + "\npasscode:" + password + "\n\n^@")
		seen := c.expect("CONNECTED")
		c.send("SUBSCRIBE\nid:0\ndestination:/topic/a\nreceipt:s\n" + secrets + "\n^@")
		c.expect("RECEIPT")
		c.send("SEND\ndestination:/topic/a\nfoo:bar\n" + secrets + "last:1\n\nx^@")
		seen += c.expect("MESSAGE", "foo:bar", "last:1", "x") + reader.expect("MESSAGE", "foo:bar", "last:1", "x")
		c.send("SUBSCRIBE\nid:1\ndestination:/nowhere\n" + secrets + "\n^@SEND\ndestination:/nowhere\n" + secrets + "\nx^@")
		c.send("UNSUBSCRIBE\nid:0\nreceipt:u\n" + secrets + "\n^@")
		seen += c.expect("RECEIPT")
		c.send("SEND\n" + secrets + "\nx^@")
		seen += c.expect("ERROR")
		c.wantClosed()
		reader.conn.Close()
		n.stop()
		seen += fmt.Sprintf("%+v", b.taken()) + logs.String()
		for _, secret := range []string{token, password, "eyJhbGci"} {
			if strings.Contains(seen, secret) {
				t.Errorf("%q got out: %s", secret, seen)
			}
		}
		if !strings.Contains(logs.String(), "refused") {
			t.Error("the log has nothing at all")
		}
	})
}

// lockedBuffer is a log that a test can read while others write.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lockedBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}
