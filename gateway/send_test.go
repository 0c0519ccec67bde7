package gateway_test

import (
	"fmt"
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
