package kafkabus

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/stompgw/stompgw/bus"
)

// TestPublishPartitionOf: keys go where Java's producer puts them. The hashes are those of the tests of
// Kafka's own org.apache.kafka.common.utils.Utils.murmur2.
func TestPublishPartitionOf(t *testing.T) {
	for key, hash := range map[string]int32{
		"21":                         -973932308,
		"foobar":                     -790332482,
		"a-little-bit-long-string":   -985981536,
		"a-little-bit-longer-string": -1486304829,
		"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
		"abc": 479470107,
	} {
		for _, n := range []int{1, 2, 3, 12, 64, 1000} {
			partitions := make([]int, n)
			for i := range partitions {
				partitions[i] = i
			}
			if got, want := partitionOf([]byte(key), partitions), int(hash&0x7fffffff)%n; got != want {
				t.Errorf("%s is put into partition %d of %d, want %d", key, got, n, want)
			}
		}
	}
}

// TestPublishKey: an individual envelope goes by its principal, any other by its destination.
func TestPublishKey(t *testing.T) {
	onBench(t, Config{}, nil, func(t *testing.T, b *bench) {
		b.view(12)
		var partitions []int
		for i := range b.cfg.Partitions {
			partitions = append(partitions, i)
		}
		want := make(map[string]bool)
		for i := range 50 {
			e := bus.Envelope{Destination: "/topic/" + strconv.Itoa(i)}
			key := e.Destination
			if i%2 == 0 {
				e.Principal = "1/a/s/" + strconv.Itoa(i)
				key = e.Principal
			}
			want[fmt.Sprint(partitionOf([]byte(key), partitions), key)] = true
			must(t, b.publish(e, func(error) {}))
		}
		for _, w := range b.sent() {
			for _, e := range w.entries {
				if !want[fmt.Sprint(w.partition, e.key)] || e.node != "1/a" {
					t.Errorf("%+v was written to partition %d", e, w.partition)
				}
				delete(want, fmt.Sprint(w.partition, e.key))
			}
		}
		if len(want) > 0 {
			t.Errorf("not written: %v", want)
		}
	})
}

// destinations returns one destination for each of n partitions.
func destinations(n int) []string {
	found, partitions := make([]string, n), make([]int, n)
	for i := range partitions {
		partitions[i] = i
	}
	for i, left := 0, n; left > 0; i++ {
		d := "/topic/" + strconv.Itoa(i)
		if at := partitionOf([]byte(d), partitions); found[at] == "" {
			found[at] = d
			left--
		}
	}
	return found
}

// TestPublishFull: a partition takes so many envelopes and its share of bytes, whatever the others hold;
// whoever hears a done finds room.
func TestPublishFull(t *testing.T) {
	for _, test := range []struct {
		name string
		cfg  Config
		body string
	}{
		{"envelopes", Config{Queue: 3}, "x"},
		{"bytes", Config{Bytes: 2 * 4000}, strings.Repeat("x", 1100)},
	} {
		t.Run(test.name, func(t *testing.T) {
			onBench(t, test.cfg, nil, func(t *testing.T, b *bench) {
				release := b.hold()
				b.view(2)
				to := destinations(2)
				for i := range 3 {
					b.wantSend(nil, to[0], fmt.Sprint(i, test.body))
				}
				b.wantSend(bus.ErrFull, to[0], "one too many"+test.body)
				b.wantSend(nil, to[1], "elsewhere")
				if got := b.outstanding(); got != 4 {
					t.Errorf("%d are outstanding, want 4", got)
				}
				release()
				b.wantAnswers(nil, "elsewhere")
				again := make(chan error, 9)
				for range 3 {
					err := b.publish(bus.Envelope{Destination: to[0], Body: []byte(test.body)}, func(error) {
						again <- b.publish(bus.Envelope{Destination: to[0], Body: []byte(test.body)}, func(error) {})
					})
					must(t, err)
				}
				for range 3 {
					if err := <-again; err != nil {
						t.Errorf("from within a done: %v", err)
					}
				}
				synctest.Wait()
				if got := b.outstanding(); got != 0 {
					t.Errorf("%d are outstanding, want 0", got)
				}
			})
		})
	}
}

// TestPublishLarge: one envelope always passes, even if it is larger than the bound on bytes.
func TestPublishLarge(t *testing.T) {
	onBench(t, Config{Bytes: 100}, nil, func(t *testing.T, b *bench) {
		release := b.hold()
		b.view(4)
		large := strings.Repeat("x", 1000)
		b.must(large)
		b.wantSend(bus.ErrFull, "/topic/x", "small")
		release()
		b.wantAnswers(nil, large)
	})
}

// TestPublishDown: Publish refuses for as long as the leader has owed an answer for Silence, in the
// partition concerned, and Healthy says so.
func TestPublishDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hold := make(chan struct{})
		b := newBench(t, Config{}, func(ctx context.Context, w sending) verdict {
			if w.partition == 1 {
				return verdict{append: true}
			}
			select {
			case <-hold:
				return verdict{append: true}
			default:
				return verdict{lost: io.EOF}
			}
		})
		b.view(2)
		to := destinations(2)
		b.wantSend(nil, to[0], "a")
		time.Sleep(5*time.Second - 1)
		b.wantSend(nil, to[0], "b")
		if err := b.healthy(); err != nil {
			t.Errorf("just before: %v", err)
		}
		time.Sleep(time.Nanosecond)
		b.wantSend(bus.ErrDown, to[0], "c")
		err := b.healthy()
		if want := "kafkabus: nobody:1 has taken nothing for partition 0 of topic stompgw for 5s: EOF"; err == nil || err.Error() != want {
			t.Errorf("after 5s: %v, want %s", err, want)
		}
		b.wantSend(nil, to[1], "d")
		time.Sleep(2 * time.Second)
		close(hold)
		time.Sleep(lastPause)
		b.wantAnswers(nil, "a", "b", "d")
		b.wantSend(nil, to[0], "e")
		if err := b.healthy(); err != nil {
			t.Errorf("after an answer: %v", err)
		}
		for _, line := range []string{"partition takes no envelopes, still retrying", "partition takes envelopes again"} {
			if got := strings.Count(b.logged.String(), line); got != 1 {
				t.Errorf("%q is logged %d times:\n%s", line, got, b.logged)
			}
		}
	})
}

// TestPublishDownByTail: what the tail sees of the leader counts too.
func TestPublishDownByTail(t *testing.T) {
	onBench(t, Config{}, nil, func(t *testing.T, b *bench) {
		b.silence = func(partition int) time.Duration { return time.Duration(partition) * 5 * time.Second }
		b.view(2)
		to := destinations(2)
		b.wantSend(nil, to[0], "a")
		b.wantSend(bus.ErrDown, to[1], "b")
	})
}

// TestPublishBeforeView: what is published before the partitions are known waits, and goes in order.
func TestPublishBeforeView(t *testing.T) {
	onBench(t, Config{Queue: 4}, nil, func(t *testing.T, b *bench) {
		b.noTopic(kafka.UnknownTopicOrPartition)
		b.must("a", "b", "c", "d")
		b.wantSend(bus.ErrFull, "/topic/x", "e")
		time.Sleep(3 * time.Second)
		b.view(3)
		b.must("f")
		b.wantAnswers(nil, "a", "b", "c", "d", "f")
		if got := b.appended(); got != "[1:a 2:b 3:c 4:d 5:f]" {
			t.Errorf("the log is %s", got)
		}
	})
}

// TestPublishNoView: without a view for Silence, Publish refuses; what waits is given up at the deadline.
func TestPublishNoView(t *testing.T) {
	onBench(t, Config{}, nil, func(t *testing.T, b *bench) {
		time.Sleep(time.Second)
		b.must("a")
		time.Sleep(4 * time.Second)
		b.wantSend(bus.ErrDown, "/topic/x", "b")
		time.Sleep(26*time.Second + expiryInterval)
		b.wantAnswers(bus.ErrDown, "a")
		b.view(1)
		b.must("c")
		b.wantAnswers(nil, "c")
		b.wantAttempts("[1:c]")
	})
}

// TestPublishMorePartitions: keys may move, and what waits where they were goes there.
func TestPublishMorePartitions(t *testing.T) {
	onBench(t, Config{}, nil, func(t *testing.T, b *bench) {
		b.view(1)
		b.must("a")
		b.wantAnswers(nil, "a")
		b.view(8)
		for i, d := range destinations(8) {
			b.wantSend(nil, d, strconv.Itoa(i))
		}
		for i := range 8 {
			b.wantAnswers(nil, strconv.Itoa(i))
		}
		for _, w := range b.sent()[1:] {
			if got := w.entries[0].body; got != strconv.Itoa(w.partition) {
				t.Errorf("%s is in partition %d", got, w.partition)
			}
		}
	})
}

// TestPublishFewerPartitions: what waits for a partition that is gone goes elsewhere, what was being
// written there is given up at its deadline, and numbers go on when the partition comes back.
func TestPublishFewerPartitions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gone := false
		b := newBench(t, Config{}, func(ctx context.Context, w sending) verdict {
			if gone && w.partition > 0 {
				return verdict{code: kafka.UnknownTopicOrPartition}
			}
			return verdict{append: true}
		})
		b.view(2)
		to := destinations(2)
		b.wantSend(nil, to[1], "before")
		b.wantAnswers(nil, "before")
		gone = true
		for _, body := range []string{"stuck", "waits 1", "waits 2"} {
			b.wantSend(nil, to[1], body)
			synctest.Wait()
		}
		b.view(1)
		b.wantAnswers(nil, "waits 1", "waits 2")
		time.Sleep(31 * time.Second)
		b.wantAnswers(bus.ErrDown, "stuck")
		gone = false
		b.view(2)
		b.wantSend(nil, to[1], "after")
		b.wantAnswers(nil, "after")
		if got := b.attempts(); got[len(got)-1] != "[3:after]" {
			t.Errorf("the last attempt is %s, want [3:after]", got[len(got)-1])
		}
	})
}

// TestPublishEnd: when run ends, all that is left hears ErrUnknown once, wherever it is, and Publish refuses.
func TestPublishEnd(t *testing.T) {
	for _, partitions := range []int{0, 1, 2} {
		t.Run(strconv.Itoa(partitions), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				judge, _ := holding()
				b := newBench(t, Config{}, judge)
				if partitions > 0 {
					b.view(partitions)
				}
				b.must("a")
				synctest.Wait()
				b.must("b", "c")
				b.end()
				b.wantAnswers(bus.ErrUnknown, "a", "b", "c")
				b.wantSend(bus.ErrClosed, "/topic/x", "d")
				if got := b.outstanding(); got != 0 {
					t.Errorf("%d are outstanding", got)
				}
				<-b.close()
			})
		})
	}
}

// TestPublishEndUnsent: so does what could not even be sent: run may have ended just before.
func TestPublishEndUnsent(t *testing.T) {
	onBench(t, Config{}, always(verdict{lost: refusedDial, unread: true}), func(t *testing.T, b *bench) {
		b.view(1)
		b.must("a")
		time.Sleep(time.Second)
		b.end()
		b.wantAnswers(bus.ErrUnknown, "a")
	})
}

// TestPublishClose: close refuses, and tells when the last done was run.
func TestPublishClose(t *testing.T) {
	onBench(t, Config{}, nil, func(t *testing.T, b *bench) {
		release := b.hold()
		b.view(1)
		b.must("a")
		idle := b.close()
		b.wantSend(bus.ErrClosed, "/topic/x", "b")
		synctest.Wait()
		select {
		case <-idle:
			t.Error("idle before the answer")
		default:
		}
		release()
		<-idle
		b.wantAnswers(nil, "a")
	})
}

// TestPublishContent: what the format can't hold is refused.
func TestPublishContent(t *testing.T) {
	onBench(t, Config{Envelope: JSON}, nil, func(t *testing.T, b *bench) {
		b.view(1)
		b.wantSend(bus.ErrContent, "/topic/x", "\xff")
		b.must("text")
		b.wantAnswers(nil, "text")
	})
}

// TestPublishDoneOnce has publishers, failures, changing partitions and a close come together.
func TestPublishDoneOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		var mu sync.Mutex
		b := newBench(t, Config{Queue: 50}, func(_ context.Context, w sending) verdict {
			if w.entries == nil {
				return verdict{}
			}
			mu.Lock()
			n++
			kind := n % 5
			mu.Unlock()
			switch kind {
			case 0:
				return verdict{lost: io.EOF, append: true}
			case 1:
				return verdict{code: kafka.NotLeaderForPartition}
			case 2:
				time.Sleep(time.Millisecond)
			}
			return verdict{append: true}
		})
		accepted := make(map[string]bool)
		var wg sync.WaitGroup
		for p := range 4 {
			wg.Go(func() {
				for i := range 500 {
					body := fmt.Sprint(p, "-", i)
					if b.sendTo("/topic/"+strconv.Itoa(i%20), body) == nil {
						mu.Lock()
						accepted[body] = true
						mu.Unlock()
					}
					time.Sleep(time.Millisecond)
				}
			})
		}
		for _, partitions := range []int{3, 8, 2, 8} {
			b.view(partitions)
			time.Sleep(100 * time.Millisecond)
		}
		wg.Wait()
		<-b.close()
		synctest.Wait()
		if len(b.answers) != len(accepted) || len(accepted) < 500 {
			t.Errorf("%d were accepted and %d answered", len(accepted), len(b.answers))
		}
		for body := range accepted {
			b.wantAnswers(nil, body)
		}
		checkNumbers(t, b.leader.log)
	})
}

// checkNumbers reports records of a log that a reader would not deliver once, in the order of seq.
func checkNumbers(t *testing.T, log []entry) {
	t.Helper()
	last := make(map[int]uint64)
	seen := make(map[string]bool)
	for _, e := range log {
		if e.seq <= last[e.partition] {
			if !seen[e.body] {
				t.Errorf("%s in partition %d would be dropped, and was not there before", e, e.partition)
			}
			continue
		}
		if seen[e.body] {
			t.Errorf("%s would be delivered twice", e)
		}
		seen[e.body] = true
		last[e.partition] = e.seq
	}
}

// TestPublishAllocs: what Publish allocates is the key, and now and then a longer queue.
func TestPublishAllocs(t *testing.T) {
	c, err := newCluster(Config{Brokers: []string{"nobody:1"}}, []string{"stompgw"})
	must(t, err)
	p := newProducer(c, Config{Queue: 1 << 20}.withDefaults(), "1/a", slog.New(slog.DiscardHandler))
	p.arrange(12, func(*lane) {})
	for _, l := range p.lanes {
		l.queue = slices.Grow(l.queue, 2000)
	}
	e, done := bus.Envelope{Destination: "/topic/some.chat.room.or.other", Body: make([]byte, 200)}, func(error) {}
	got := testing.AllocsPerRun(1000, func() {
		must(t, p.publish(e, done))
	})
	if got > 1 {
		t.Errorf("%.1f allocations", got)
	}
}
