package kafkabus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

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
	c, err := newCluster(cfg, []string{cfg.Topic})
	if err != nil {
		t.Fatal(err)
	}
	if dial := c.transport.Dial; wrap != nil {
		c.transport.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			nc, err := dial(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return wrap(nc), nil
		}
	}
	p := newProducer(c, cfg, "1/a", slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { c.run(ctx) })
	wg.Go(func() { p.run(ctx) })
	t.Cleanup(func() {
		cancel()
		wg.Wait()
		c.close()
	})
	return &outlet{p, t}
}

// crowd publishes envelopes as clients do that wait when the bus is full, and knows the answers.
type crowd struct {
	*outlet
	from, to int // of the envelopes' numbers, which are their bodies too

	mu      sync.Mutex
	answers map[string][]error
	room    chan struct{}
	pending sync.WaitGroup
}

// publishing has envelopes published while f runs, at least so many and until f returns.
func (o *outlet) publishing(least int, f func()) *crowd {
	c := &crowd{outlet: o, answers: make(map[string][]error), room: make(chan struct{}, 1)}
	var over atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		for c.to < least || !over.Load() {
			c.publishNext()
		}
	})
	f()
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
		c.t.Errorf("publish %s: %v", body, err)
		c.to++
	}
}

func (c *crowd) hear(body string, err error) {
	c.mu.Lock()
	c.answers[body] = append(c.answers[body], err)
	c.mu.Unlock()
	c.pending.Done()
	select {
	case c.room <- struct{}{}:
	default:
	}
}

// check reports answers other than one nil for each envelope, and a log that a reader would not get
// each of them out of once, in order.
func (c *crowd) check(addr string) (log []entry) {
	c.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.to {
		if got := c.answers[strconv.Itoa(i)]; len(got) != 1 || got[0] != nil {
			c.t.Fatalf("the answers to %d are %v, want one nil", i, got)
		}
	}
	log = readLog(c.t, addr, c.cfg.Topic)
	checkNumbers(c.t, log)
	last, found := make(map[string]int), make(map[string]bool)
	for _, e := range log {
		found[e.body] = true
	}
	if len(found) != c.to {
		c.t.Errorf("the log has %d of %d envelopes", len(found), c.to)
	}
	for _, e := range firsts(log) {
		n, _ := strconv.Atoi(e.body)
		if before, ok := last[e.key]; ok && n < before {
			c.t.Fatalf("%s: %d comes after %d", e.key, n, before)
		}
		last[e.key] = n
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

// readLog returns all records of a topic, by partition.
func readLog(t *testing.T, addr, topic string) (log []entry) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := kafka.DialContext(ctx, "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	partitions, err := conn.ReadPartitions(topic)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range partitions {
		log = append(log, readPartition(ctx, t, addr, topic, p.ID)...)
	}
	return log
}

func readPartition(ctx context.Context, t *testing.T, addr, topic string, partition int) (log []entry) {
	t.Helper()
	conn, err := kafka.DialLeader(ctx, "tcp", addr, topic, partition)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	first, last, err := conn.ReadOffsets()
	if err != nil {
		t.Fatal(err)
	}
	for offset := first; offset < last; {
		batch := conn.ReadBatch(1, 64<<20)
		for offset < last {
			m, err := batch.ReadMessage()
			if err != nil {
				break // the batch ends
			}
			log = append(log, entryOf(m))
			offset = m.Offset + 1
		}
		if err := batch.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return log
}

func entryOf(m kafka.Message) entry {
	e := entry{partition: m.Partition, key: string(m.Key), body: string(m.Value)}
	for _, h := range m.Headers {
		switch h.Key {
		case nodeHeader:
			e.node = string(h.Value)
		case seqHeader:
			e.seq, _ = strconv.ParseUint(string(h.Value), 10, 64)
		}
	}
	return e
}

// seeded returns fake brokers with a topic of 12 partitions.
func seeded(t *testing.T) (*servers.FakeCluster, Config) {
	t.Helper()
	f := servers.Fake(t, 3, kfake.SeedTopics(12, "stompgw"))
	return f, Config{Brokers: f.Addrs, Queue: 256}
}

// TestOutage: whatever happens to the brokers, each envelope is in the log, in order, and its done
// has heard nil once.
func TestOutage(t *testing.T) {
	produceKey := int16(kmsg.Produce)
	for _, test := range []struct {
		name string
		run  func(t *testing.T, f *servers.FakeCluster)
	}{
		{"none", func(*testing.T, *servers.FakeCluster) {}},
		{"leaders move", func(t *testing.T, f *servers.FakeCluster) {
			for range 10 {
				time.Sleep(50 * time.Millisecond)
				f.ShufflePartitionLeaders()
			}
		}},
		{"stop and start", func(t *testing.T, f *servers.FakeCluster) {
			for range 2 {
				time.Sleep(100 * time.Millisecond)
				f.Stop()
				time.Sleep(300 * time.Millisecond)
				f.Start(t)
				time.Sleep(500 * time.Millisecond)
			}
		}},
		{"more partitions", func(t *testing.T, f *servers.FakeCluster) {
			time.Sleep(100 * time.Millisecond)
			f.AddPartitions(t, "stompgw", 20)
			time.Sleep(time.Second)
		}},
		{"temporary errors", func(t *testing.T, f *servers.FakeCluster) {
			for _, err := range []*kerr.Error{
				kerr.NotLeaderForPartition, kerr.LeaderNotAvailable, kerr.NotEnoughReplicas, kerr.NotEnoughReplicasAfterAppend,
				kerr.RequestTimedOut, kerr.UnknownTopicOrPartition, kerr.KafkaStorageError, kerr.CorruptMessage, kerr.UnknownServerError,
			} {
				h := f.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "stompgw", Err: err, Count: 5})
				ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
				if err := h.Wait(ctx, 5); err != nil {
					t.Error(err)
				}
				cancel()
			}
		}},
		{"closed connections", func(t *testing.T, f *servers.FakeCluster) {
			broken := make(chan struct{})
			left := 20
			f.ControlKey(produceKey, func(kmsg.Request) (kmsg.Response, error, bool) {
				if left--; left == 0 {
					close(broken)
					return nil, errors.New("the last one"), true
				}
				f.KeepControl()
				return nil, errors.New("another one"), left%2 == 0
			})
			<-broken
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			f, cfg := seeded(t)
			c := newOutlet(t, cfg, nil).publishing(500, func() { test.run(t, f) })
			if test.name != "more partitions" { // keys move then
				c.check(f.Addrs[0])
			} else {
				checkNumbers(t, readLog(t, f.Addrs[0], "stompgw"))
			}
		})
	}
}

// TestLostAnswers: a batch whose answer is lost is written again, as it was.
func TestLostAnswers(t *testing.T) {
	f, cfg := seeded(t)
	var requests atomic.Int64
	o := newOutlet(t, cfg, func(nc net.Conn) net.Conn { return &lossy{Conn: nc, requests: &requests} })
	c := o.publishing(1000, func() {})
	log := c.check(f.Addrs[0])
	if again := len(log) - len(firsts(log)); again == 0 {
		t.Error("no record was written twice: the test shows nothing")
	}
}

// lossy is a connection that loses the answer to every third Produce request, after it has arrived,
// and then breaks.
type lossy struct {
	net.Conn
	requests *atomic.Int64 // of all connections
	lose     bool
}

func (l *lossy) Write(p []byte) (int, error) {
	if len(p) > 6 && p[4] == 0 && p[5] == byte(kmsg.Produce) { // kafka-go writes a request's beginning in one piece
		l.lose = l.requests.Add(1)%3 == 0
	}
	return l.Conn.Write(p)
}

func (l *lossy) Read(p []byte) (int, error) {
	n, err := l.Conn.Read(p)
	if err == nil && l.lose {
		l.Close()
		return 0, io.EOF
	}
	return n, err
}

// TestSilence: brokers that take connections and say nothing are no reason to wait for anything.
func TestSilence(t *testing.T) {
	addr := listenInSilence(t)
	cfg := Config{Brokers: []string{addr}, Silence: 100 * time.Millisecond, Deadline: 500 * time.Millisecond}
	b, err := New(cfg, "1/a", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	answer := make(chan error, 1)
	e := bus.Envelope{Destination: "/topic/x"}
	if err := b.Publish(e, func(err error) { answer <- err }); err != nil {
		t.Fatal(err)
	}
	for !errors.Is(b.Publish(e, func(error) {}), bus.ErrDown) {
		time.Sleep(time.Millisecond) // until it is refused
	}
	if err := <-answer; !errors.Is(err, bus.ErrDown) {
		t.Errorf("done heard %v, want ErrDown", err)
	}
	if err := b.Healthy(); err == nil || !strings.Contains(err.Error(), addr) {
		t.Errorf("Healthy says %v", err)
	}
	if err := b.Close(context.Background()); err != nil {
		t.Error(err)
	}
}

// listenInSilence returns the address of a listener that reads all and says nothing.
func listenInSilence(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				_, _ = io.Copy(io.Discard, nc) // until the other end closes
				nc.Close()
			})
		}
	})
	t.Cleanup(func() {
		ln.Close()
		wg.Wait()
	})
	return ln.Addr().String()
}

// TestUnanswered: a leader that has taken a request and does not answer makes Publish refuse; its
// late answer makes it accept again. Other partitions notice nothing.
func TestUnanswered(t *testing.T) {
	f, cfg := seeded(t)
	cfg.Silence = 100 * time.Millisecond
	o := newOutlet(t, cfg, nil)
	to := destinations(12)
	hold, held := make(chan struct{}), make(chan struct{})
	var once sync.Once
	f.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		if req.(*kmsg.ProduceRequest).Topics[0].Partitions[0].Partition == 0 {
			once.Do(func() { close(held) })
			f.SleepControl(func() { <-hold })
		}
		return nil, nil, false // it stays, and the cluster answers
	})
	first := o.send(to[0], "a")
	<-held
	for !errors.Is(o.publish(bus.Envelope{Destination: to[0]}, func(error) {}), bus.ErrDown) {
		time.Sleep(time.Millisecond) // until it is refused
	}
	if err := o.healthy(); err == nil || !strings.Contains(err.Error(), "has taken nothing for partition 0 of topic stompgw") {
		t.Errorf("healthy says %v", err)
	}
	if err := <-o.send(to[1], "b"); err != nil {
		t.Errorf("to another partition: %v", err)
	}
	close(hold)
	if err := <-first; err != nil {
		t.Errorf("in the end: %v", err)
	}
	for o.healthy() != nil {
		time.Sleep(time.Millisecond) // until the others that came before the refusal are answered
	}
	if err := <-o.send(to[0], "c"); err != nil {
		t.Errorf("afterwards: %v", err)
	}
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

// TestTooLarge: what the topic does not take any more is refused by the broker once, and then at once.
func TestTooLarge(t *testing.T) {
	f, cfg := seeded(t)
	o := newOutlet(t, cfg, nil)
	large := bus.Envelope{Destination: "/topic/x", Body: make([]byte, 10_000)}
	answer := make(chan error, 1)
	publish := func() error { return o.publish(large, func(err error) { answer <- err }) }
	if err := publish(); err != nil {
		t.Fatal(err)
	}
	if err := <-answer; err != nil {
		t.Fatal(err)
	}
	alterLimit(t, f.Addrs[0], "stompgw", 5000)
	err := publish()
	for ; err == nil; err = publish() {
		if err := <-answer; !errors.Is(err, bus.ErrTooLarge) {
			t.Fatalf("done heard %v", err)
		}
	}
	if !errors.Is(err, bus.ErrTooLarge) {
		t.Errorf("Publish says %v", err)
	}
	if err := <-o.send("/topic/x", "small"); err != nil {
		t.Error(err)
	}
}

func alterLimit(t *testing.T, addr, topic string, limit int) {
	t.Helper()
	transport := new(kafka.Transport)
	defer transport.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c := &kafka.Client{Addr: kafka.TCP(addr), Transport: transport}
	res, err := c.IncrementalAlterConfigs(ctx, &kafka.IncrementalAlterConfigsRequest{
		Resources: []kafka.IncrementalAlterConfigsRequestResource{{
			ResourceType: kafka.ResourceTypeTopic,
			ResourceName: topic,
			Configs:      []kafka.IncrementalAlterConfigsRequestConfig{{Name: limitName, Value: strconv.Itoa(limit)}},
		}},
	})
	if err == nil {
		err = res.Resources[0].Error
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestJavaPartitions: Kafka's own producer puts a key where this one does.
func TestJavaPartitions(t *testing.T) {
	b := shared.Kafka(t)
	const topic, partitions = "java.partitions", 7
	b.CreateTopic(t, topic, partitions)
	var lines []string
	for i := range 100 {
		key := strings.Repeat("k", i%9) + fmt.Sprintf("/topic/%d/ä€", i)
		lines = append(lines, key+"|by java")
	}
	b.Produce(t, topic, lines, "--property", "parse.key=true", "--property", "key.separator=|")
	o := newOutlet(t, Config{Brokers: []string{b.Addr}, Topic: topic}, nil)
	for _, line := range lines {
		key, _, _ := strings.Cut(line, "|")
		if err := <-o.send(key, "by us"); err != nil {
			t.Fatal(err)
		}
	}
	at := make(map[string][2]int) // by key: by java, by us
	for _, e := range readLog(t, b.Addr, topic) {
		both := at[e.key]
		if e.body == "by us" {
			both[1] = e.partition + 1
		} else {
			both[0] = e.partition + 1
		}
		at[e.key] = both
	}
	for key, both := range at {
		if both[0] != both[1] {
			t.Errorf("%s is in partition %d by Java and in %d by us", key, both[0]-1, both[1]-1)
		}
	}
	if len(at) != len(lines) {
		t.Errorf("%d keys, want %d", len(at), len(lines))
	}
}

// TestLogQuotesNothing: the log says what is wrong without the contents.
func TestLogQuotesNothing(t *testing.T) {
	f, cfg := seeded(t)
	var logged bytes.Buffer
	cfg = cfg.withDefaults()
	b, err := New(cfg, "1/a", slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug})))
	if err != nil {
		t.Fatal(err)
	}
	f.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "stompgw", Err: kerr.PolicyViolation})
	answer := make(chan error, 1)
	if err := b.Publish(bus.Envelope{Destination: "/topic/x", Body: []byte("secret")}, func(err error) { answer <- err }); err != nil {
		t.Fatal(err)
	}
	if err := <-answer; !errors.Is(err, kafka.PolicyViolation) || strings.Contains(err.Error(), "secret") {
		t.Errorf("done heard %v", err)
	}
	if err := b.Close(context.Background()); err != nil {
		t.Error(err)
	}
	if text := logged.String(); !strings.Contains(text, "envelopes refused by the broker") || strings.Contains(text, "secret") {
		t.Errorf("the log is\n%s", text)
	}
}
