package kafkabus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
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
			if err != nil {
				t.Fatal(err)
			}
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

// The log is all that an operator sees of a node that has been given a wrong address.
func TestLogOfBrokersThatDoNotAnswer(t *testing.T) {
	fake := servers.Fake(t, 1)
	fake.Stop()
	lines, log := io.Pipe()
	b, err := New(Config{Brokers: fake.Addrs, Create: true}, "1/a", slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
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
	f := fake(t, 1, "stompgw", 1)
	n := openNode(t, Config{Brokers: f.Addrs})
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
		if err := w.produce("stompgw", 0, record); err != nil {
			t.Fatal(err)
		}
	}
	n.want("/topic/x", "most", "last")
	if skipped := n.Figures().Skipped; skipped != 2 {
		t.Errorf("%d skipped, want 2", skipped)
	}
	n.wantLogged(`it can't be understood" topic=stompgw partition=0 offset=0`)
}

// node is a bus at work, and what it has brought, by destination.
type node struct {
	*Bus
	t *testing.T

	mu     sync.Mutex
	got    map[string][]string
	logged bytes.Buffer
}

// openNode opens a bus that receives until the test's end, and waits until it is ready.
func openNode(t *testing.T, cfg Config) *node {
	t.Helper()
	n := &node{t: t, got: make(map[string][]string)}
	b, err := New(cfg, "1/a", slog.New(slog.NewTextHandler(n, nil)))
	if err != nil {
		t.Fatal(err)
	}
	n.Bus = b
	ctx, cancel := context.WithCancel(context.Background())
	var ready atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		_ = b.Receive(ctx, func() { ready.Store(true) }, func(e bus.Envelope) { // it returns nil
			n.mu.Lock()
			defer n.mu.Unlock()
			n.got[e.Destination] = append(n.got[e.Destination], string(e.Body))
		})
	})
	t.Cleanup(func() {
		cancel()
		wg.Wait()
		if err := b.Close(context.Background()); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("the log:\n%s", &n.logged)
		}
	})
	n.until("it is ready", ready.Load)
	return n
}

// Write keeps what the bus logs.
func (n *node) Write(p []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.logged.Write(p)
}

func (n *node) until(what string, holds func() bool) {
	n.t.Helper()
	poll(n.t, "until "+what, holds, func() any { return n.Healthy() }, func() any { return n.Figures().Sources })
}

// want waits until exactly that has arrived at a destination.
func (n *node) want(destination string, bodies ...string) {
	n.t.Helper()
	var got string
	n.until("all has arrived at "+destination, func() bool {
		n.mu.Lock()
		defer n.mu.Unlock()
		got = strings.Join(n.got[destination], " ")
		return len(n.got[destination]) >= len(bodies)
	})
	if want := strings.Join(bodies, " "); got != want {
		n.t.Errorf("at %s arrived %s, want %s", destination, got, want)
	}
}

// wantSources waits until the sources are like that: each is a topic, and a part of what is amiss.
func (n *node) wantSources(want ...string) {
	n.t.Helper()
	n.until("the sources are "+strings.Join(want, ", "), func() bool {
		for i, s := range n.Figures().Sources {
			topic, fault, amiss := strings.Cut(want[i], ": ")
			if s.Topic != topic || (s.Err != nil) != amiss || !strings.Contains(errorText(s.Err), fault) {
				return false
			}
		}
		return true
	})
}

func (n *node) wantLogged(text string) {
	n.t.Helper()
	n.until("the log has "+text, func() bool {
		n.mu.Lock()
		defer n.mu.Unlock()
		return strings.Contains(n.logged.String(), text)
	})
}

// publish publishes to /own, and tries until the broker has it.
func (n *node) publish(body string) {
	n.t.Helper()
	n.until("it is published", func() bool {
		answer := make(chan error, 1)
		err := n.Publish(bus.Envelope{Destination: "/own", Body: []byte(body)}, func(err error) { answer <- err })
		if err == nil {
			err = <-answer
		}
		if err != nil && !errors.Is(err, bus.ErrDown) {
			n.t.Fatal(err)
		}
		return err == nil
	})
}
