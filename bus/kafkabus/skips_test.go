package kafkabus

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/segmentio/kafka-go"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/kafkabus/internal/form"
	"github.com/stompgw/stompgw/bus/kafkabus/internal/wire"
)

// TestSkips: what can't be understood is counted, told where it stands, and keeps nothing behind it
// from being delivered. A record with a million headers is not even read.
func TestSkips(t *testing.T) {
	f := fake(t, 1, "stompgw", 1)
	var logged bytes.Buffer
	b, err := New(Config{Brokers: f.Addrs}, "1/a", slog.New(slog.NewTextHandler(&logged, nil)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended, got := make(chan struct{}), make(chan error), make(chan string, 10)
	go func() {
		ended <- b.Receive(ctx, func() { close(ready) }, func(e bus.Envelope) { got <- string(e.Body) })
	}()
	<-ready

	w := newWriter(t, f.Addrs)
	destination := kafka.Header{Key: form.DestinationHeader, Value: []byte("/topic/x")}
	crowd := make([]kafka.Header, wire.MaxHeaders+1)
	crowd[0] = destination
	for _, record := range []kafka.Record{
		{Value: kafka.NewBytes([]byte("neither form"))},
		{Value: kafka.NewBytes([]byte("crowded")), Headers: crowd},
		{Value: kafka.NewBytes([]byte("most")), Headers: crowd[:wire.MaxHeaders]},
		{Value: kafka.NewBytes([]byte("last")), Headers: crowd[:1]},
	} {
		if err := w.produce("stompgw", 0, 0, record); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{"most", "last"} {
		if body := <-got; body != want {
			t.Errorf("got %q, want %q", body, want)
		}
	}
	if n := b.Figures().Skipped; n != 2 {
		t.Errorf("%d skipped, want 2", n)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := b.Close(context.Background()); err != nil {
		t.Error(err)
	}
	if text := logged.String(); strings.Count(text, "can't be understood") < 1 || !strings.Contains(text, "topic=stompgw partition=0 offset=0") {
		t.Errorf("the log is\n%s", text)
	}
}
