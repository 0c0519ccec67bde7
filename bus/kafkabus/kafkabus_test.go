package kafkabus

import (
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/bus/bustest/servers"
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
