package servers

import (
	"context"
	"crypto/tls"
	"slices"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"
	"go.uber.org/goleak"
)

var shared Shared

func TestMain(m *testing.M) { goleak.VerifyTestMain(shared.Main(m)) }

func TestKafka(t *testing.T) {
	b := Kafka(t)
	b.CreateTopic(t, "orders", 1, "retention.ms=3600000")
	write(t, b.Addr, "orders", "from kafka-go")
	b.Produce(t, "orders", []string{"from the console"})
	want := []string{"from kafka-go", "from the console"}
	wantRecords(t, "the console", b.Consume(t, "orders", 2), want)
	wantRecords(t, "kafka-go", read(t, b.Addr, "orders", 2), want)

	b.Stop(t)
	if b.Running() {
		t.Error("it runs after Stop")
	}
	b.Start(t)
	write(t, b.Addr, "orders", "after a stop")
	b.Kill()
	b.Start(t)
	write(t, b.Addr, "orders", "after a kill")
	wantRecords(t, "kafka-go", read(t, b.Addr, "orders", 4), append(want, "after a stop", "after a kill"))

	AddPartitions(t, b.Addr, "orders", 3)
	if n := partitions(t, b.Addr, "orders"); n != 3 {
		t.Errorf("%d partitions, want 3", n)
	}
	b.DeleteTopic(t, "orders")
	b.CreateTopic(t, "orders", 2)
	if n := partitions(t, b.Addr, "orders"); n != 2 {
		t.Errorf("%d partitions of the new topic, want 2", n)
	}
}

func TestSharedKafka(t *testing.T) {
	if b := shared.Kafka(t); b != shared.Kafka(t) {
		t.Error("two brokers")
	}
}

func TestSecureKafka(t *testing.T) {
	b := Kafka(t, Secure())
	b.CreateTopic(t, "orders", 1)
	scram256, err := scram.Mechanism(scram.SHA256, User, Password)
	if err != nil {
		t.Fatal(err)
	}
	scram512, err := scram.Mechanism(scram.SHA512, User, Password)
	if err != nil {
		t.Fatal(err)
	}
	trust := &tls.Config{RootCAs: b.CA}
	for _, test := range []struct {
		name, addr string
		tls        *tls.Config
		sasl       sasl.Mechanism
		ok         bool
	}{
		{"TLS", b.TLSAddr, trust, nil, true},
		{"TLS of somebody else", b.TLSAddr, &tls.Config{}, nil, false},
		{"PLAIN", b.SASLAddr, nil, plain.Mechanism{Username: User, Password: Password}, true},
		{"PLAIN with a wrong password", b.SASLAddr, nil, plain.Mechanism{Username: User, Password: "wrong"}, false},
		{"SCRAM-SHA-256", b.SASLAddr, nil, scram256, true},
		{"SCRAM-SHA-512 over TLS", b.BothAddr, trust, scram512, true},
		{"no SASL", b.BothAddr, trust, nil, false},
	} {
		d := kafka.Dialer{Timeout: patience, TLS: test.tls, SASLMechanism: test.sasl}
		conn, err := d.DialLeader(t.Context(), "tcp", test.addr, "orders", 0)
		if (err == nil) != test.ok {
			t.Errorf("%s: %v", test.name, err)
		}
		if err == nil {
			conn.Close()
		}
	}
}

func TestFake(t *testing.T) {
	f := Fake(t, 3)
	if err := f.CreateTopic("orders", 1, nil); err != nil {
		t.Fatal(err)
	}
	write(t, f.Addrs[0], "orders", "before")
	f.Stop()
	f.Start(t)
	write(t, f.Addrs[0], "orders", "after")
	wantRecords(t, "kafka-go", read(t, f.Addrs[2], "orders", 2), []string{"before", "after"})
	AddPartitions(t, f.Addrs[0], "orders", 4)
	if n := partitions(t, f.Addrs[1], "orders"); n != 4 {
		t.Errorf("%d partitions, want 4", n)
	}
}

// TestJars fetches the jars if they are not there; `make install` runs it for that.
func TestJars(t *testing.T) {
	if dir := Jars(t); dir == "" {
		t.Error("no folder")
	}
}

func TestNATS(t *testing.T)  { killAndStart(t, NATS(t, 0)) }
func TestRedis(t *testing.T) { killAndStart(t, Redis(t)) }

func killAndStart(t *testing.T, p *Process) {
	for _, end := range []func(){p.Kill, func() { p.Stop(t) }} {
		end()
		if err := p.Answers(t.Context()); err == nil {
			t.Error("it answers after its end")
		}
		p.Start(t)
	}
}

func write(t *testing.T, addr, topic, value string) {
	t.Helper()
	conn, err := kafka.DialLeader(t.Context(), "tcp", addr, topic, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.WriteMessages(kafka.Message{Value: []byte(value)}); err != nil {
		t.Fatal(err)
	}
}

// read returns the values of the first count records of partition 0.
func read(t *testing.T, addr, topic string, count int) (values []string) {
	t.Helper()
	conn, err := kafka.DialLeader(t.Context(), "tcp", addr, topic, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for range count {
		if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		m, err := conn.ReadMessage(1 << 20)
		if err != nil {
			t.Fatal(err)
		}
		values = append(values, string(m.Value))
	}
	return values
}

func partitions(t *testing.T, addr, topic string) (n int) {
	t.Helper()
	ask(t, addr, "metadata", func(ctx context.Context, c *kafka.Client) error {
		r, err := c.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{topic}})
		if err != nil {
			return err
		}
		n = len(r.Topics[0].Partitions)
		return r.Topics[0].Error
	})
	return n
}

func wantRecords(t *testing.T, by string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("read by %s: %q, want %q", by, got, want)
	}
}

// TestFreePort: no port comes twice while its test runs, bound or not.
func TestFreePort(t *testing.T) {
	seen := map[int]bool{}
	for range 300 { // of 12,000: by chance alone one would come twice
		port := FreePort(t)
		if seen[port] {
			t.Fatalf("port %d is given twice", port)
		}
		seen[port] = true
	}
}
