//go:build unix

package kafkabus

import (
	"context"
	"fmt"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stompgw/stompgw/bus"
)

// BenchmarkReadBack measures how long a node is not ready, as it reads back 1 M records with bodies of 300 bytes in 12
// partitions of the real Kafka, which has them in its memory, and what CPU that costs the node. The command is
//
//	go test -run xxx -bench ReadBack -benchtime 3x ./bus/kafkabus
func BenchmarkReadBack(b *testing.B) {
	const records = 1_000_000
	cfg := Config{Brokers: []string{shared.Kafka(b).Addr}, Topic: fmt.Sprintf("past.%d", time.Now().UnixNano()), Create: true}
	writer, err := New(cfg, "1/writer", discard)
	must(b, err)
	publish(b, writer, destinations(12), make([]byte, 300), records)
	must(b, writer.Close(context.Background()))
	keep := bus.Keep{Patterns: []string{"/**"}, Has: func(string) bool { return true }, Size: 100, Age: time.Hour, Bytes: 2 * records * recordBytes}
	var cpu, wall time.Duration
	for b.Loop() {
		wall += readBack(b, cfg, keep, records, &cpu)
	}
	b.ReportMetric(float64(wall.Milliseconds())/float64(b.N), "ms/readback")
	b.ReportMetric(float64(cpu.Nanoseconds())/float64(b.N*records), "cpu-ns/record")
}

// readBack starts a node and returns how long it took until it was ready with all records, and adds the CPU of that.
func readBack(b *testing.B, cfg Config, keep bus.Keep, records int64, cpu *time.Duration) time.Duration {
	begun, used := time.Now(), processTime(b)
	n, err := New(cfg, "1/reader", discard)
	must(b, err)
	n.Remember(keep)
	var got atomic.Int64
	var took time.Duration
	ctx, cancel := context.WithCancel(context.Background())
	ready := func() { took = time.Since(begun); cancel() }
	n.Receive(ctx, ready, func(bus.Envelope) { got.Add(1) })
	*cpu += processTime(b) - used
	must(b, n.Close(context.Background()))
	if got.Load() != records {
		b.Errorf("%d of %d records were read back", got.Load(), records)
	}
	return took
}

// processTime returns the CPU that this process has used.
func processTime(b *testing.B) time.Duration {
	var use syscall.Rusage
	must(b, syscall.Getrusage(syscall.RUSAGE_SELF, &use))
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}
