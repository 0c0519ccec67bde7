package kafkabus

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/bustest/servers"
)

// TestCloseEndsReceive: whatever the bus is about when it is closed, it leaves no connection that
// Close would have to wait for until it has been idle for minutes.
func TestCloseEndsReceive(t *testing.T) {
	f := servers.Fake(t, 3)
	if err := f.CreateTopic("stompgw", 12, nil); err != nil {
		t.Fatal(err)
	}
	for i := range 40 {
		b, err := New(Config{Brokers: f.Addrs}, "1/a", slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- b.Receive(context.Background(), func() {}, func(bus.Envelope) {}) }()
		time.Sleep(time.Duration(i) * 10 * time.Millisecond) // so that it is closed in every state
		if err := b.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}
