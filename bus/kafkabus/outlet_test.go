package kafkabus

import (
	"errors"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/bustest/servers"
)

// outlet is a producer on real connections.
type outlet struct {
	*producer
	t *testing.T
}

// newOutlet returns a producer that the test's end closes. wrap, if set, changes its connections.
func newOutlet(t *testing.T, cfg Config, wrap func(net.Conn) net.Conn) *outlet {
	t.Helper()
	cfg = cfg.withDefaults()
	w := newWork(t, cfg, wrap, cfg.Topic)
	p := newProducer(w.cluster, cfg, "1/a", slog.New(slog.DiscardHandler))
	w.start(p.run)
	return &outlet{p, t}
}

// crowd publishes envelopes as clients do that wait when the bus is full, and knows the answers.
type crowd struct {
	*outlet
	to int // how many; their bodies are the numbers from 0 on

	mu      sync.Mutex
	answers map[string][]error
	taken   []string // those whose answer is nil
	room    chan struct{}
	pending sync.WaitGroup
}

// publishing has envelopes published while f runs, at least so many and until f returns.
func (o *outlet) publishing(least int, f func(c *crowd)) *crowd {
	c := &crowd{outlet: o, answers: make(map[string][]error), room: make(chan struct{}, 1)}
	var over atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		for c.to < least || !over.Load() {
			c.publishNext()
		}
	})
	f(c)
	over.Store(true)
	wg.Wait()
	c.pending.Wait()
	<-o.close()
	return c
}

func (c *crowd) publishNext() {
	body := strconv.Itoa(c.to)
	e := bus.Envelope{Destination: "/topic/" + strconv.Itoa(c.to%20), Body: []byte(body)}
	c.pending.Add(1)
	err := c.publish(e, func(err error) { c.hear(body, err) })
	if err != nil {
		c.pending.Done()
	}
	switch {
	case err == nil:
		c.to++
		if c.to%50 == 0 {
			time.Sleep(5 * time.Millisecond) // so that the clients are there for as long as f runs
		}
	case errors.Is(err, bus.ErrFull):
		<-c.room
	default:
		if !c.t.Failed() { // the first one tells enough
			c.t.Errorf("publish %s: %v", body, err)
		}
		c.to++
	}
}

func (c *crowd) hear(body string, err error) {
	c.mu.Lock()
	c.answers[body] = append(c.answers[body], err)
	if err == nil {
		c.taken = append(c.taken, body)
	}
	c.mu.Unlock()
	c.pending.Done()
	select {
	case c.room <- struct{}{}:
	default:
	}
}

// more waits until the broker has taken some more, and returns how many it had taken before.
func (c *crowd) more() (before int) {
	c.t.Helper()
	taken := func() int {
		c.mu.Lock()
		defer c.mu.Unlock()
		return len(c.taken)
	}
	before = taken()
	poll(c.t, "for the broker to take more", func() bool { return taken() >= before+100 })
	return before
}

// silent waits until a leader has owed an answer for that long.
func (o *outlet) silent(d time.Duration) {
	o.t.Helper()
	poll(o.t, "for an outage", func() bool {
		o.mu.RLock()
		defer o.mu.RUnlock()
		return slices.ContainsFunc(o.lanes, func(l *lane) bool {
			silence, _ := l.pulse.silence()
			return silence > d
		})
	})
}

// partitioned waits until the outlet knows that there are so many partitions.
func (o *outlet) partitioned(n int) {
	o.t.Helper()
	poll(o.t, "for the partitions", func() bool {
		o.mu.RLock()
		defer o.mu.RUnlock()
		return len(o.partitions) == n
	})
}

// check reports answers other than one nil for each envelope, and what a reader does not get once, in order.
// It returns all that came. moved says that keys did, so that nothing has an order of its own.
func (c *crowd) check(r *reading, moved bool) (log []entry) {
	c.t.Helper()
	for i := range c.to {
		if got := c.answers[strconv.Itoa(i)]; len(got) != 1 || got[0] != nil {
			c.t.Fatalf("the answers to %d are %v, want one nil", i, got)
		}
	}
	log = r.each(c.to)
	checkNumbers(c.t, log)
	last, next := make(map[string]int), make(map[int]int64)
	for _, e := range log {
		if e.offset != next[e.partition] {
			c.t.Fatalf("partition %d: offset %d comes after %d", e.partition, e.offset, next[e.partition]-1)
		}
		next[e.partition]++
	}
	for _, e := range firsts(log) {
		n, _ := strconv.Atoi(e.body)
		if before, ok := last[e.key]; ok && n < before && !moved {
			c.t.Fatalf("%s: %d comes after %d", e.key, n, before)
		}
		last[e.key] = n
	}
	if f := r.figures(); f.Gaps+f.Missed+f.Skipped > 0 {
		c.t.Errorf("figures %+v", f)
	}
	return log
}

// firsts returns what is left of a log when repeated records are dropped.
func firsts(log []entry) (left []entry) {
	last := make(map[int]uint64)
	for _, e := range log {
		if e.seq > last[e.partition] {
			left = append(left, e)
			last[e.partition] = e.seq
		}
	}
	return left
}

// seeded returns fake brokers with a topic of 12 partitions.
func seeded(t *testing.T) (*servers.FakeCluster, Config) {
	t.Helper()
	f := servers.Fake(t, 3, kfake.SeedTopics(12, "stompgw"))
	return f, Config{Brokers: f.Addrs, Queue: 256}
}

// send publishes body, and returns what hears the answer.
func (o *outlet) send(destination, body string) <-chan error {
	o.t.Helper()
	answer := make(chan error, 1)
	if err := o.publish(bus.Envelope{Destination: destination, Body: []byte(body)}, func(err error) { answer <- err }); err != nil {
		o.t.Errorf("publish %s: %v", body, err)
		answer <- err
	}
	return answer
}

// insist publishes body, and tries until the broker has it.
func (o *outlet) insist(body string) {
	o.t.Helper()
	poll(o.t, "for it to be taken", func() bool {
		answer := make(chan error, 1)
		err := o.publish(bus.Envelope{Destination: "/topic/x", Body: []byte(body)}, func(err error) { answer <- err })
		return err == nil && <-answer == nil
	})
}
