package kafkabus

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"go.uber.org/goleak"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/bus/bustest/servers"
	"github.com/stompgw/stompgw/bus/kafkabus/internal/form"
	"github.com/stompgw/stompgw/bus/kafkabus/internal/wire"
)

var (
	_ bus.Bus      = (*Bus)(nil)
	_ bus.Recaller = (*Bus)(nil)
	_ bus.Adviser  = (*Bus)(nil)
	_ bus.Measured = (*Bus)(nil)
	_ bus.Living   = (*Bus)(nil)
)

// shared is a real Kafka. Starting one takes seconds, and only TestMain sees the end of all tests.
var shared servers.Shared

func TestMain(m *testing.M) { goleak.VerifyTestMain(shared.Main(m)) }

// topics makes clusters on the brokers at addrs, each with a topic of its own, which its nodes create.
func topics(addrs []string, envelope Format, partitions int) func(t *testing.T) bustest.Cluster {
	var number atomic.Int64
	number.Store(time.Now().UnixNano()) // brokers may be those of an earlier run
	return func(t *testing.T) bustest.Cluster {
		cfg := Config{
			Brokers:    addrs,
			Topic:      fmt.Sprintf("%s.%d", strings.NewReplacer("/", ".").Replace(t.Name()), number.Add(1)),
			Envelope:   envelope,
			Create:     true,
			Partitions: partitions,
			Queue:      512,
		}
		return func(t *testing.T, node string) bus.Bus {
			b, err := New(cfg, node, slog.New(slog.DiscardHandler))
			must(t, err)
			return b
		}
	}
}

func TestBusOnFake(t *testing.T) {
	bustest.Run(t, topics(servers.Fake(t, 3).Addrs, Headers, 12))
}

func TestBusOnFakeWithOnePartition(t *testing.T) {
	bustest.Run(t, topics(servers.Fake(t, 1).Addrs, Headers, 1))
}

func TestBusOnKafka(t *testing.T) {
	bustest.Run(t, topics([]string{shared.Kafka(t).Addr}, Headers, 12))
}

// TestCloseEndsReceive: whatever the bus is about when it is closed, it leaves no connection that
// Close would have to wait for until it has been idle for minutes.
func TestCloseEndsReceive(t *testing.T) {
	f := servers.Fake(t, 3)
	must(t, f.CreateTopic("stompgw", 12, nil))
	for i := range 40 {
		b, err := New(Config{Brokers: f.Addrs}, "1/a", slog.New(slog.DiscardHandler))
		must(t, err)
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

// The log is all that an operator sees of a node that has been given a wrong address.
func TestLogOfBrokersThatDoNotAnswer(t *testing.T) {
	fake := servers.Fake(t, 1)
	fake.Stop()
	lines, log := io.Pipe()
	b, err := New(Config{Brokers: fake.Addrs, Create: true}, "1/a", slog.New(slog.NewTextHandler(log, nil)))
	must(t, err)
	await(t, lines, `msg="bus unreachable, still retrying" err="kafkabus: none of `+fake.Addrs[0]+" answers: ")
	fake.Start(t)
	await(t, lines, `msg="bus connected" brokers=1`)
	go io.Copy(io.Discard, lines) // until the pipe is closed below
	if err := b.Close(t.Context()); err != nil {
		t.Error(err)
	}
	log.Close()
}

// await reads until text has come.
func await(t *testing.T, r io.Reader, text string) {
	t.Helper()
	var read strings.Builder
	for b := make([]byte, 4096); !strings.Contains(read.String(), text); {
		n, err := r.Read(b)
		if err != nil {
			t.Fatalf("the log ended with %v before %q:\n%s", err, text, read.String())
		}
		read.Write(b[:n])
	}
}

// TestSkips: what can't be understood is counted, told where it stands, and keeps nothing behind it
// from being delivered. A record with a million headers is not even read.
func TestSkips(t *testing.T) {
	crowd := make([]kafka.Header, wire.MaxHeaders+1)
	crowd[0] = kafka.Header{Key: form.DestinationHeader, Value: []byte("/topic/x")}
	records := text("neither form", "crowded", "most", "last")
	records[1].Headers, records[2].Headers, records[3].Headers = crowd, crowd[:wire.MaxHeaders], crowd[:1]
	var logged bytes.Buffer
	b, got := &Bus{log: slog.New(slog.NewTextHandler(&logged, nil))}, ""
	d := newDelivery(0, 4)
	d.fetcher.tail.handle = func(rec *wire.Record, p *partition) {
		if e, ok := b.envelope(rec, p); ok {
			got += e.Destination + " " + string(e.Body) + ";"
		}
	}
	if err := d.deliver(written(t, 0, 0, records...), d.fetcher); err != nil || got != "/topic/x most;/topic/x last;" {
		t.Errorf("got %s, %v", got, err)
	}
	if said := `it can't be understood" topic=a partition=0 offset=0`; b.skipped.Load() != 2 || !strings.Contains(logged.String(), said) {
		t.Errorf("%d skipped, want 2; the log: %s", b.skipped.Load(), &logged)
	}
}
