package gateway_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/membus"
	"github.com/stompgw/stompgw/gateway"
	"github.com/stompgw/stompgw/gateway/policy"
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

// A SEND through a route reaches those who subscribe to what the route publishes to.
func TestRoute(t *testing.T) {
	t.Parallel()
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

// TestBackpressure: a full bus makes its publishers wait, and nobody else; nothing is lost or
// overtaken.
func TestBackpressure(t *testing.T) {
	t.Parallel()
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

// chatSizes go from what is evaluated on the loop to what is not, and back.
var chatSizes = [...]int{1, 60_000, 10, 20_000, 9_000, 100, 60_000, 1}

func chat(size int, header string) string {
	return "SEND\ndestination:/app/chat/room\n" + header + "\n\n{\"chat\":\"" + strings.Repeat("é", size/2) + "\"}^@"
}

// TestRewrite sends what a route rewrites, in one go: it arrives in its order, whatever of it was
// evaluated on the loop, and what comes behind is carried out behind it.
func TestRewrite(t *testing.T) {
	t.Parallel()
	eachSocket(t, func(t *testing.T, start startFunc) {
		eachTransport(t, func(t *testing.T, dial func(*node) *client) {
			n := start(t)
			reader, writer := dial(n).connect(), dial(n).connect()
			reader.subscribe("0", "/topic/room")
			writer.subscribe("err", "/session/queue/request-error")
			var all strings.Builder
			for i, size := range chatSizes {
				all.WriteString(chat(size, fmt.Sprintf("x-n:%d", i)))
			}
			all.WriteString("SEND\ndestination:/app/chat/room\nclient-request-code:bad\n\n" + strings.Repeat("x", 30_000) + "^@")
			all.WriteString(chat(30_000, "x-n:last") + "DISCONNECT\nreceipt:bye\n\n^@")
			writer.send(all.String())

			for i, size := range chatSizes {
				reader.expect("MESSAGE", fmt.Sprintf("x-n:%d", i), "x-by:room", "content-type:application/json",
					`{"content":"`+strings.Repeat("é", size/2)+`"}`)
			}
			reader.expect("MESSAGE", "x-n:last")
			writer.expect("MESSAGE", "subscription:err", `{"clientRequestCode":"bad","errorCode":13,"errorMessage":"The message's body is not what this route works on","error":"body","retryable":false,"destination":"/app/chat/room"}`)
			writer.expect("RECEIPT", "receipt-id:bye")
			if _, err := writer.read(); err == nil {
				t.Error("after DISCONNECT the connection stays")
			}
		})
	})
}

// TestDrainWhileRewriting: a node that stops waits for no more than it has begun.
func TestDrainWhileRewriting(t *testing.T) {
	t.Parallel()
	n := start(t, gateway.WithDrain(0))
	for range 20 {
		c := n.dialTCP(t).connect()
		c.send(chat(60_000, "x:y") + chat(60_000, "x:y"))
	}
	n.stop()
}

// TestRefusals: what a rule does not let pass is answered on the error channel, the connection
// stays, and there is no RECEIPT.
func TestRefusals(t *testing.T) {
	eachTransport(t, func(t *testing.T, dial func(*node) *client) {
		n := start(t)
		c := dial(n).connect()
		c.subscribe("e", "/session/queue/request-error")
		for _, test := range []struct {
			name, frame, request string
			want                 policy.Code
		}{
			{"SUBSCRIBE without a rule", "SUBSCRIBE\nid:1\ndestination:/elsewhere\nclient-request-code:SUBSCRIBE\n\n^@", `"SUBSCRIBE"`, policy.CodeNoRule},
			{"without a request code", "SUBSCRIBE\nid:1\ndestination:/elsewhere\nreceipt:no\n\n^@", `null`, policy.CodeNoRule},
			{"SUBSCRIBE against a rule", "SUBSCRIBE\nid:1\ndestination:/topic/secret/a\nreceipt:no\n\n^@", `null`, policy.CodeNotAllowed},
			{"by pattern", "SUBSCRIBE\nid:1\ndestination:/topic/*\nreceipt:no\n\n^@", `null`, policy.CodePattern},
			{"bare queue", "SUBSCRIBE\nid:1\ndestination:/queue/request-error\nreceipt:no\n\n^@", `null`, policy.CodeNoRule},
			{"SUBSCRIBE to the application", "SUBSCRIBE\nid:1\ndestination:/app/topic/a\nreceipt:no\n\n^@", `null`, policy.CodeNoRule},
			{"SEND without a rule", "SEND\ndestination:/elsewhere\nreceipt:no\nclient-request-code:SEND\n\nx^@", `"SEND"`, policy.CodeNoRule},
			{"SEND against a rule", "SEND\ndestination:/topic/secret/a\nreceipt:no\n\nx^@", `null`, policy.CodeNotAllowed},
			{"SEND to a pattern", "SEND\ndestination:/topic/*\nreceipt:no\n\nx^@", `null`, policy.CodeNoRule},
			{"SEND to a session destination without a rule", "SEND\ndestination:/session/other/x\nreceipt:no\n\nx^@", `null`, policy.CodeNoRule},
			{"UNSUBSCRIBE of what was refused", "UNSUBSCRIBE\nid:1\nreceipt:no\n\n^@", `null`, policy.CodeNotSubscribed},
		} {
			t.Run(test.name, func(t *testing.T) {
				c.send(test.frame)
				frame := c.expect("MESSAGE", "subscription:e", "destination:/session/queue/request-error", "content-type:text/plain;charset=UTF-8")
				want := fmt.Sprintf(`{"clientRequestCode":%s,"errorCode":%d,"errorMessage":%q,`, test.request, test.want, policy.Refuse(test.want).Message)
				if _, body, _ := strings.Cut(frame, "\n\n"); !strings.HasPrefix(body, want) {
					t.Errorf("got %s\nwant %s...", body, want)
				}
				c.wantAlive()
			})
		}
	})
}

// A transaction belongs to its session: another may use the same name.
func TestTransactions(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, dial func(*node) *client) {
		n := start(t)
		reader := dial(n).connect()
		reader.subscribe("0", "/topic/a")
		var writers []*client
		for w := range 2 {
			c := dial(n).connect()
			c.send("BEGIN\ntransaction:t\n\n^@")
			for i := range 50 {
				c.send(fmt.Sprintf("SEND\ndestination:/app/topic/a\ntransaction:t\nreceipt:%d\n\n%d-%d^@", i, w, i))
			}
			c.wantAlive() // so all of it has come, and no RECEIPT
			writers = append(writers, c)
		}
		reader.wantAlive() // and no MESSAGE
		writers[0].send("COMMIT\ntransaction:t\nreceipt:c\n\n^@")
		for i := range 50 {
			reader.expect("MESSAGE", fmt.Sprintf("0-%d", i))
			writers[0].expect("RECEIPT", fmt.Sprintf("receipt-id:%d", i))
		}
		writers[0].expect("RECEIPT", "receipt-id:c")
		writers[1].send("ABORT\ntransaction:t\nreceipt:a\n\n^@SEND\ndestination:/topic/a\n\noutside^@")
		writers[1].expect("RECEIPT", "receipt-id:a")
		reader.expect("MESSAGE", "outside")
	})
}

// A SEND that a rule refuses is told at once, and the COMMIT says that it was not all.
func TestTransactionRefusals(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, dial func(*node) *client) {
		n := start(t)
		c := dial(n).connect()
		c.subscribe("e", "/session/queue/request-error")
		c.subscribe("0", "/topic/a")
		c.send("BEGIN\ntransaction:t\n\n^@SEND\ndestination:/topic/a\ntransaction:t\n\none^@SEND\ndestination:/nowhere\ntransaction:t\nreceipt:2\n\ntwo^@" +
			"SEND\ndestination:/topic/a\ntransaction:t\n\nthree^@")
		if frame := c.expect("MESSAGE", "subscription:e"); !strings.Contains(frame, `"errorCode":3,`) || !strings.Contains(frame, `"receiptId":"2"`) {
			t.Errorf("got %q", frame)
		}
		c.send("COMMIT\ntransaction:t\nreceipt:c\nclient-request-code:commit\n\n^@")
		got := map[string]bool{}
		for range 3 { // the bus answers while it delivers
			frame := c.expect("MESSAGE")
			_, body, _ := strings.Cut(frame, "\n\n")
			got[body] = true
		}
		if !got["one"] || !got["three"] || !got[`{"clientRequestCode":"commit","errorCode":10,"errorMessage":"Some messages of the transaction were refused, the others published",`+
			`"error":"transaction_incomplete","retryable":false,"receiptId":"c"}`] {
			t.Errorf("got %v", got)
		}
		c.wantAlive()
	})
}

// TestIndividual: an envelope for a principal reaches that session alone, on whatever node it is,
// under the name that it has subscribed to.
func TestIndividual(t *testing.T) {
	t.Parallel()
	cluster := membus.NewCluster()
	nodes := []*node{startOn(t, cluster), startOn(t, cluster)}
	backend := cluster.Bus("backend")
	defer backend.Close(context.Background())
	publish := func(principal, destination, body string) {
		t.Helper()
		done := make(chan error, 1)
		e := bus.Envelope{Destination: destination, Principal: principal, Body: []byte(body)}
		if err := backend.Publish(e, func(err error) { done <- err }); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	type person struct {
		*client
		principal string
	}
	var people []person
	dials := []func(*node) *client{func(n *node) *client { return n.dialTCP(t) }, func(n *node) *client { return n.dialWS(t) }}
	for _, tr := range allTransports() {
		dials = append(dials, func(n *node) *client { return n.dialSock(t, tr) })
	}
	for i := range 2 * len(dials) {
		c := dials[i/2](nodes[i%2])
		c.send("CONNECT\naccept-version:1.2\n\n^@")
		p := person{c, header(t, c.expect("CONNECTED"), "user-name")}
		p.subscribe("0", "/session/queue/x")
		p.subscribe("all", "/topic/all")
		people = append(people, p)
	}
	for i, p := range people {
		publish(p.principal, "/queue/x", fmt.Sprint("short ", i))
		publish(p.principal, "/session/queue/x", fmt.Sprint("long ", i))
		publish(p.principal+"0", "/queue/x", "for a session of another time")
		publish(p.principal, "/queue/y", "to where it does not listen")
	}
	publish("", "/topic/all", "all")
	publish("", "/session/queue/x", "a broadcast is for nobody's session")
	publish("", "/queue/x", "nor this")
	publish("nonsense", "/queue/x", "nobody")
	publish("", "/topic/all", "end")
	for i, p := range people {
		p.expect("MESSAGE", "subscription:0", "destination:/session/queue/x", fmt.Sprint("short ", i))
		p.expect("MESSAGE", "subscription:0", "destination:/session/queue/x", fmt.Sprint("long ", i))
		p.expect("MESSAGE", "subscription:all", "all")
		p.expect("MESSAGE", "subscription:all", "end")
		p.wantAlive()
	}
}
