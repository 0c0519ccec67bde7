package kafkabus

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/bus/bustest/servers"
	"github.com/stompgw/stompgw/bus/kafkabus/internal/form"
)

var (
	_ bus.Forwarder = (*Bus)(nil)
	_ bus.Aimer     = (*Settings)(nil)
)

func TestForward(t *testing.T) {
	f := servers.Fake(t, 3)
	number := 0
	bustest.RunForwarder(t, func(t *testing.T) bustest.Backend {
		number++
		topic := "orders." + time.Duration(number).String()
		must(t, f.CreateTopic(topic, 1, nil))
		return bustest.Backend{
			Cluster: topics(f.Addrs, Headers, 3)(t), Target: bus.Target{Topic: topic, Key: "7"}, Other: bus.Target{Subject: "orders.in"},
			Read: func(next func() kafka.Message) func() ([]bus.Header, []byte) {
				return func() (headers []bus.Header, body []byte) {
					m := next()
					for _, h := range m.Headers {
						headers = append(headers, bus.Header{Name: h.Key, Value: string(h.Value)})
					}
					if string(m.Key) != "7" {
						t.Errorf("the key is %q", m.Key)
					}
					return headers, m.Value
				}
			}(reads(t, f.Addrs, topic, 0)),
		}
	})
}

// reads returns what reads a partition from its first record on.
func reads(t *testing.T, addrs []string, topic string, partition int) func() kafka.Message {
	r := kafka.NewReader(kafka.ReaderConfig{Brokers: addrs, Topic: topic, Partition: partition, MaxWait: 100 * time.Millisecond})
	t.Cleanup(func() { must(t, r.Close()) })
	return func() kafka.Message {
		m, err := r.ReadMessage(untilDeadline(t))
		must(t, err)
		return m
	}
}

// TestForwardMissing: a topic that is missing refuses what is for it alone, and says so; the node is ready. When it is made it takes what comes, by its key.
func TestForwardMissing(t *testing.T) {
	f := fake(t, 1, "stompgw", 2)
	log := new(bustest.Log)
	b, err := New(Config{Brokers: f.Addrs}, "1/a", slog.New(slog.NewTextHandler(log, nil)))
	must(t, err)
	defer b.Close(t.Context())
	must(t, b.Aim([]bus.Target{{Topic: "orders"}}))
	send := func(key string) error {
		answer := make(chan error, 1)
		if err := b.Forward(bus.Target{Topic: "orders", Key: key}, bus.Envelope{Body: []byte(key)}, func(err error) { answer <- err }); err != nil {
			return err
		}
		return <-answer
	}
	if err := send("a"); !errors.Is(err, bus.ErrDown) {
		t.Errorf("sent to a topic that is missing: %v", err)
	}
	poll(t, "for the figures to tell", func() bool { targets := b.Figures().Targets; return len(targets) == 1 && targets[0].Err != nil })
	bustest.Eventually(t, "the log tells", func() bool { return strings.Contains(log.String(), "topic=orders") })
	poll(t, "for the node to be well all the same", func() bool { return b.Healthy() == nil })
	must(t, f.CreateTopic("orders", 12, nil))
	poll(t, "for the topic to be there", func() bool { return b.Figures().Targets[0].Err == nil })
	for _, key := range []string{"a", "b"} {
		poll(t, "to be taken", func() bool { return send(key) == nil })
		partition := partitionOf([]byte(key), []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11})
		if m := reads(t, f.Addrs, "orders", partition)(); string(m.Key) != key || string(m.Value) != key || len(m.Headers) != 0 {
			t.Errorf("partition %d has %+v", partition, m)
		}
	}
	must(t, b.Aim(nil))
	if got := b.Figures().Targets; len(got) != 0 {
		t.Errorf("without routes there are the targets %v", got)
	}
}

// checkTargetDenied: a topic that the node's user may not describe, or only read, refuses what is for it alone, as one that is missing does, and is told as
// that is; the node is well, and what it may do counts as soon as it may.
func checkTargetDenied(t *testing.T, broker *servers.Broker, cfg Config) {
	for _, topic := range []string{"shut", "half"} {
		broker.CreateTopic(t, topic, 1)
	}
	broker.GrantRead(t, "half")
	log := new(bustest.Log)
	b, err := New(cfg, "1/a", slog.New(slog.NewTextHandler(log, nil)))
	must(t, err)
	defer b.Close(t.Context())
	must(t, b.Aim([]bus.Target{{Topic: "half"}, {Topic: "shut"}}))
	send := func(topic string) error {
		answer := make(chan error, 1)
		if err := b.Forward(bus.Target{Topic: topic}, bus.Envelope{Body: []byte("x")}, func(err error) { answer <- err }); err != nil {
			return err
		}
		return <-answer
	}
	lacks := func(i int) string {
		if err := b.Figures().Targets[i].Err; err != nil {
			return err.Error()
		}
		return ""
	}
	for i, topic := range []string{"half", "shut"} {
		if err := send(topic); !errors.Is(err, bus.ErrDown) {
			t.Errorf("%s: %v", topic, err)
		}
		poll(t, "for the figures to tell of "+topic, func() bool {
			return strings.Contains(lacks(i), "topic "+topic+": let this node's user describe and write it")
		})
		bustest.Eventually(t, "the log tells of "+topic, func() bool { return strings.Contains(log.String(), "topic="+topic) })
	}
	poll(t, "for the node to be well all the same", func() bool { return b.Healthy() == nil })
	answer := make(chan error, 1)
	must(t, b.Publish(bus.Envelope{Destination: "/topic/x"}, func(err error) { answer <- err }))
	must(t, <-answer)
	for i, topic := range []string{"half", "shut"} {
		broker.Grant(t, topic)
		poll(t, "for "+topic+" to take what comes", func() bool { return send(topic) == nil })
		poll(t, "for the figures to be well", func() bool { return lacks(i) == "" })
		if m := reads(t, []string{broker.Addr}, topic, 0)(); string(m.Value) != "x" {
			t.Errorf("%s has %q", topic, m.Value)
		}
	}
}

func TestCheckTarget(t *testing.T) {
	s := Settings{Config: Config{Topic: "stompgw", Sources: []Source{{Topic: "news"}}}}
	for _, test := range []struct {
		to    bus.Target
		field string // "" is possible
	}{
		{bus.Target{Topic: "orders-in"}, ""}, {bus.Target{Topic: "stompgw"}, "topic"}, {bus.Target{Topic: "news"}, "topic"},
		{bus.Target{Topic: "a b"}, "topic"}, {bus.Target{Subject: "orders.in"}, "subject"},
	} {
		if field, err := s.CheckTarget(test.to); (err != nil) != (test.field != "") || err != nil && field != test.field {
			t.Errorf("%+v: %s, %v", test.to, field, err)
		}
	}
}

// TestGuarded: no client can set a header that a Spring consumer acts on, and the gateway's own are as they are.
func TestGuarded(t *testing.T) {
	got := form.Guarded([]bus.Header{{Name: "__TypeId__", Value: "1"}, {Name: "stomp-member", Value: "7"}, {Name: "correlation-id", Value: "c"},
		{Name: "content-type", Value: "a/b"}, {Name: "traceparent", Value: "00"}, {Name: "x", Value: "2"}})
	for i, want := range []string{"stomp.__TypeId__", "stomp-member", "correlation-id", "content-type", "traceparent", "stomp.x"} {
		if got[i].Name != want {
			t.Errorf("got %s, want %s", got[i].Name, want)
		}
	}
}
