package kafkabus

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/bus/bustest/servers"
	"github.com/stompgw/stompgw/bus/kafkabus/internal/wire"
)

// TestSilentBroker: a broker that takes fetches and never answers holds up its own partitions alone,
// and health names it. When they get another leader, they go on.
func TestSilentBroker(t *testing.T) {
	f := fake(t, 3, "a", 3)
	for i := range int32(3) {
		must(t, f.MoveTopicPartition("a", i, i))
	}
	r := readFrom(t, f.Addrs, "a")
	w := newWriter(t, f.Addrs)
	brokers := f.Cluster
	brokers.ControlKey(kmsg.Fetch.Int16(), func(kmsg.Request) (kmsg.Response, error, bool) {
		brokers.KeepControl()
		return nil, nil, brokers.CurrentNode() == 1
	})
	for i := range 50 {
		for _, number := range []int{0, 2, 1} {
			w.must("a", number, strconv.Itoa(i))
		}
		r.of("a", 0, i+1)
		r.of("a", 2, i+1)
	}
	r.poll("for the silence", func() bool { return r.silence(1) > 700*time.Millisecond }) // more than a long poll
	silence := r.silence(1)                                                               // those who answer owe less, however slow the machine is
	if err := r.healthy(silence); err == nil || !strings.Contains(err.Error(), f.Addrs[1]) {
		t.Errorf("healthy says %v, want the name of the silent broker, %s", err, f.Addrs[1])
	}
	if answering := r.silence(0); answering >= silence {
		t.Errorf("a broker that answers is silent for %s, one that does not for %s", answering, silence)
	}
	must(t, f.MoveTopicPartition("a", 1, 2))
	r.of("a", 1, 1)
	w.checkAll(r, 0)
	r.poll("for health", func() bool { return r.healthy(700*time.Millisecond) == nil })
}

// TestBlockedHandle: a handle that does not return stops the partitions of its broker alone, is no
// silence of anybody, and a partition that moves away meanwhile goes on after it, in order.
func TestBlockedHandle(t *testing.T) {
	f := fake(t, 3, "a", 3)
	for i := range int32(3) {
		must(t, f.MoveTopicPartition("a", i, i))
	}
	hold, blocked := make(chan struct{}), make(chan struct{}, 100)
	var once atomic.Bool
	r := startReading(t, f.Addrs, func(rec *wire.Record) {
		if rec.Partition == 1 && once.CompareAndSwap(false, true) {
			blocked <- struct{}{}
			<-hold
		}
	}, "a")
	r.wait(r.ready, "to be ready")
	w := newWriter(t, f.Addrs)
	w.must("a", 1, "0", "1")
	r.wait(blocked, "for the handle to block")
	w.must("a", 1, "2")
	must(t, f.MoveTopicPartition("a", 1, 2))
	w.must("a", 1, "3")
	servers.AddPartitions(t, f.Addrs[0], "a", 6) // the supervisor still works
	for i := range 20 {
		for _, number := range []int{0, 2, 3, 4, 5} {
			w.must("a", number, strconv.Itoa(i))
		}
	}
	for _, number := range []int{0, 2, 3, 4, 5} {
		if f.LeaderFor("a", int32(number)) != 1 {
			r.of("a", number, 20)
		}
	}
	r.mu.Lock()
	early := len(r.got[topicPartition{"a", 1}])
	r.mu.Unlock()
	if early > 0 {
		t.Errorf("%d records of the blocked partition came", early)
	}
	if s := r.silence(1); s > maxWait+answerTimeout {
		t.Errorf("the broker is called silent for %s while the node itself is slow", s)
	}
	close(hold)
	w.checkAll(r, 0)
}

// TestEndDuringDelivery: when ctx ends no further record is handed on, though the answer holds more.
func TestEndDuringDelivery(t *testing.T) {
	f := fake(t, 1, "a", 1)
	w := newWork(t, Config{Brokers: f.Addrs}, nil, "a")
	ready, ended, handed := make(chan struct{}), make(chan struct{}), 0
	w.start(func(ctx context.Context) {
		defer close(ended)
		ctx, cancel := context.WithCancel(ctx)
		newTail(w.cluster, slog.New(slog.DiscardHandler)).run(ctx, func() { close(ready) }, func(*wire.Record, *partition) {
			handed++
			cancel()
		})
	})
	<-ready
	newWriter(t, f.Addrs).must("a", 0, "1", "2", "3")
	<-ended
	if handed != 1 {
		t.Errorf("%d records handed on, want the one during which the context ended", handed)
	}
}

// TestForeignErrors: an error that nobody expects keeps the partition from being read, alone, and
// health says which.
func TestForeignErrors(t *testing.T) {
	f := fake(t, 1, "a", 3)
	r := readFrom(t, f.Addrs, "a")
	w := newWriter(t, f.Addrs)
	foreign := f.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: "a", Partitions: []int32{1}, Err: kerr.PolicyViolation, Count: -1})
	for i := range 20 {
		for number := range 3 {
			w.must("a", number, strconv.Itoa(i))
		}
		r.of("a", 0, i+1)
		r.of("a", 2, i+1)
	}
	r.poll("for the trouble to last", func() bool { return r.silence(1) > 700*time.Millisecond }) // more than a long poll
	if err := r.healthy(r.silence(1)); err == nil || !strings.Contains(err.Error(), "partition 1") ||
		!strings.Contains(err.Error(), "Policy Violation") {
		t.Errorf("healthy says %v, want the error of partition 1", err)
	}
	foreign.Remove()
	w.checkAll(r, 0)
	r.poll("for health", func() bool { return r.healthy(700*time.Millisecond) == nil })
}

// TestThinLine: what does not come in time is asked for in smaller pieces, and then with more time, as
// a batch has no smaller pieces; and all that is undone when the line is good again.
func TestThinLine(t *testing.T) {
	f := newDelivery(0, 100).fetcher
	for f.most > leastBytes {
		most := f.most
		f.late()
		if f.most != max(most/2, leastBytes) || f.timeout != answerTimeout {
			t.Fatalf("asks for %d bytes within %s", f.most, f.timeout)
		}
	}
	for _, want := range []time.Duration{10, 20, 30, 30} {
		f.late()
		if f.most != leastBytes || f.timeout != want*time.Second {
			t.Fatalf("asks for %d bytes within %s, want %d and %ds", f.most, f.timeout, leastBytes, want)
		}
	}
	f.inTime()
	if f.most <= leastBytes || f.timeout != mostTimeout/2 {
		t.Errorf("asks for %d bytes within %s after one that came in time", f.most, f.timeout)
	}
	for range 100 {
		f.inTime()
	}
	if f.most != mostBytes || f.timeout != answerTimeout {
		t.Errorf("asks for %d bytes within %s in the end", f.most, f.timeout)
	}
}

// TestFairness: the fetch after one that brought records begins behind them, so that partitions with
// many of them do not starve the others.
func TestFairness(t *testing.T) {
	f := newDelivery(0, 100).fetcher
	for i := range 4 {
		f.held = append(f.held, newPartition("a", i, nil))
	}
	check := func(want ...int) {
		t.Helper()
		f.choose()
		var got []int
		for _, p := range f.due {
			got = append(got, p.number)
		}
		if !slices.Equal(got, want) {
			t.Errorf("asks for %v, want %v", got, want)
		}
	}
	answer := func(with ...int32) {
		var a wire.Fetch
		for i := range int32(4) {
			p := wire.Fetched{Topic: []byte("a"), Number: i, End: 100}
			if slices.Contains(with, i) {
				p.Batches = written(t, f.held[i].offset.Load(), 0, text("x")...)
			}
			a.Partitions = append(a.Partitions, p)
		}
		f.hand(&a)
	}
	check(0, 1, 2, 3)
	answer(0, 1)
	check(2, 3, 0, 1)
	answer()
	check(2, 3, 0, 1)
	f.putOff(f.held[2], kafka.LeaderNotAvailable)
	check(3, 0, 1)
	answer(1, 3)
	check(0, 1, 3)
	if next := f.choose(); next <= 0 || next > leastPause {
		t.Errorf("the next one is due in %s, want at most %s", next, leastPause)
	}
}

// TestBackoff: the pauses between attempts double, up to a bound, and an answer ends that.
func TestBackoff(t *testing.T) {
	f := newDelivery(0, 0).fetcher
	f.tail.cluster = new(cluster)
	round, cancel := context.WithCancel(t.Context())
	cancel() // so that it does not wait
	f.round = round
	for _, want := range []time.Duration{50, 100, 200, 400, 800, 1000, 1000} {
		f.failed(kafka.BrokerNotAvailable)
		if f.pause != want*time.Millisecond {
			t.Errorf("a pause of %s, want %d ms", f.pause, want)
		}
	}
	f.succeeded()
	if f.pause != 0 || f.failures != 0 {
		t.Errorf("a pause of %s after an answer", f.pause)
	}
}

// TestShares: 16 partitions that a broker leads are dealt out to four fetches, and more of them to 16 at most, evenly,
// however many brokers there are.
func TestShares(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel() // so that nobody begins to read
	for led, want := range map[int][]int{1: {1}, 12: {3, 3, 3, 3}, 20: {4, 4, 4, 4, 1, 1, 1, 1}, 64: slices.Repeat([]int{4}, 16), 128: slices.Repeat([]int{8}, 16)} {
		for _, brokers := range []int{1, 2, 3, 4, 8} {
			tl := newTail(nil, slog.New(slog.DiscardHandler))
			tl.ctx, tl.topics = ended, []*followed{{name: "a"}}
			leaders := make([]int32, led*brokers)
			for number := range leaders {
				leaders[number] = int32(number % brokers)
			}
			tl.follow(&view{topics: map[string]topicView{"a": {leaders: leaders}}})
			got := make([][]int, brokers)
			for _, p := range tl.topics[0].parts {
				s := p.share()
				got[s.broker] = append(got[s.broker], make([]int, max(0, s.number+1-len(got[s.broker])))...)
				got[s.broker][s.number]++
			}
			for broker := range got {
				if !slices.Equal(got[broker], want) {
					t.Errorf("%d partitions of broker %d of %d are dealt out as %v, want %v", led, broker, brokers, got[broker], want)
				}
			}
		}
	}
}

// TestSilenceIsToldOnce: the log tells once that a broker is silent, and once that it has answered all.
func TestSilenceIsToldOnce(t *testing.T) {
	var log bustest.Log
	c, err := newCluster(Config{Brokers: []string{"nobody:1"}}, []string{"stompgw"})
	must(t, err)
	ended, cancel := context.WithCancel(t.Context())
	cancel() // so that nobody waits
	tl := newTail(c, slog.New(slog.NewTextHandler(&log, nil)))
	tl.ctx = t.Context()
	var all []*fetcher
	for number := range maxShares {
		f := newFetcher(tl, share{broker: 7, number: number})
		f.round = ended
		all = append(all, f)
	}
	for range 2 {
		for range outageFailures + 1 {
			for _, f := range all {
				f.failed(errors.New("no answer"))
			}
		}
		for _, f := range all {
			f.succeeded()
			f.succeeded()
		}
	}
	for _, line := range []string{"a broker does not answer", "the broker answers again"} {
		if n := strings.Count(log.String(), line); n != 2 {
			t.Errorf("%d lines of %q in two outages:\n%s", n, line, &log)
		}
	}
}
