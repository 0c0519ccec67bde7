// Package kafkabus carries envelopes over a topic of Kafka.
//
// # Records
//
// An envelope is a record, in one of two forms: Headers, where the record's value is the body, and
// JSON, the form of the replaced system. Records of both forms are understood, whichever form this
// node writes (internal/form). The key is the principal of an individual envelope, else the
// destination, and the partition follows from it as with Java's producer, so each destination has
// one order while the topic keeps its number of partitions. The user's own topics can also become
// destinations.
//
// # Publishing
//
// Each partition has a lane (lane.go): one goroutine that writes what waits as one batch, with one
// request in flight, and repeats that until the partition's leader has it on all its in-sync
// replicas. Every record carries this node's name and a number that grows within the partition, so
// readers can drop what was appended twice.
//
// # Receiving
//
// Every node reads every partition, from the offset that was next when it began; there is no consumer
// group (tail.go). The partitions that a broker leads are divided among at most 16 fetches. If
// deliver is too slow, records wait on the broker.
//
// # History
//
// With bus.Keep, every node reads back what it is to keep before it is ready (past.go), and delivers
// it as Past. A position is the name of a log, made of the topic's identity and the partition's
// number, the epoch of the leader that appended the record, and the offset. Each partition knows the
// stretch of its log that was delivered, and where in it the epochs begin (window.go); positions are
// judged by that (recall.go).
package kafkabus

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/kafkabus/internal/form"
	"github.com/stompgw/stompgw/bus/kafkabus/internal/wire"
	"github.com/stompgw/stompgw/bus/seldom"
	"github.com/stompgw/stompgw/bus/settings"
)

// Format is the form of the records that a node writes. It reads both forms.
type Format = form.Format

// The forms of a record.
const (
	Headers = form.Headers // the body is the value, the rest record headers; for any bytes
	JSON    = form.JSON    // that of the replaced system; for UTF-8
)

// Source is one of the user's own topics that becomes a destination.
type Source = form.Source

// Config says where the brokers are, and bounds what the bus holds. A field that is zero, or below,
// takes its default. Fields with a key can be set in a configuration file, below bus.kafka.
type Config struct {
	Brokers     []string `key:"brokers" default:"127.0.0.1:9092" is:"addresses of some brokers; the others are discovered"`
	Topic       string   `key:"topic" default:"stompgw" is:"topic that all nodes write and read"`
	Envelope    Format   `key:"envelope" default:"headers" words:"headers,json" is:"form of a record: 'headers', or 'json' as in the replaced system"`
	Create      bool     `key:"create" default:"false" is:"create the topic if it is missing"`
	Partitions  int      `key:"partitions" default:"12" is:"partitions of the topic if it is created, 1 to 10000"`
	Replication int      `key:"replication" default:"1" is:"replicas of the topic if it is created; with 3 or more, two must be in sync"`
	Sources     []Source `key:"sources" is:"your own topics whose records become messages"`

	TLS      *tls.Config   // nil for none; see Renew
	SASL     SASL          // zero for none; see Renew
	Message  int           // bytes of the largest body that will be published, to warn if the broker takes less; default: unknown
	Queue    int           // envelopes published and not answered, per partition, default 2048
	Bytes    int           // of all their bodies and headers, shared among the partitions, default 64 MiB
	Silence  time.Duration // of a partition's leader, after which Publish refuses, default 5s
	Deadline time.Duration // after which unanswered envelopes are given up, default 30s
}

func (cfg Config) withDefaults() Config {
	if len(cfg.Brokers) == 0 {
		cfg.Brokers = []string{"127.0.0.1:9092"}
	}
	settings.Default(&cfg.Topic, "stompgw")
	settings.Default(&cfg.Envelope, Headers)
	settings.Default(&cfg.Partitions, 12)
	settings.Default(&cfg.Replication, 1)
	settings.Default(&cfg.Queue, 2048)
	settings.Default(&cfg.Bytes, 64<<20)
	settings.Default(&cfg.Silence, 5*time.Second)
	settings.Default(&cfg.Deadline, 30*time.Second)
	return cfg
}

// Bus is one node's end of the brokers. It implements bus.Bus, bus.Recaller, bus.Adviser, bus.Forwarder,
// bus.Measured and bus.Living.
type Bus struct {
	// Set by New, never changed.
	cfg     Config
	log     *slog.Logger
	sources map[string]*form.Mapping // by topic
	ctx     context.Context          // ends when Close has waited enough
	cancel  context.CancelFunc
	ended   chan struct{} // closed when run has returned

	// Any goroutine; each guards itself.
	cluster *cluster
	out     *producer
	in      *tail
	recalls *recaller
	forward *forward
	skipped atomic.Uint64 // records that can't be understood
	logged  seldom.Line   // of them
}

// New returns the bus of node, a name of at most 64 bytes that no other node has. It connects in the
// background and retries for ever; Healthy reports on that. The error is about cfg or node.
func New(cfg Config, node string, log *slog.Logger) (*Bus, error) {
	cfg = cfg.withDefaults()
	if cfg.Envelope != Headers && cfg.Envelope != JSON {
		return nil, fmt.Errorf("kafkabus: envelope %q: want %s or %s", cfg.Envelope, Headers, JSON)
	}
	if node == "" || len(node) > form.MaxNode {
		return nil, fmt.Errorf("kafkabus: node name %.80q: want 1 to %d bytes", node, form.MaxNode)
	}
	topics, sources, err := parseSources(cfg)
	if err != nil {
		return nil, err
	}
	cluster, err := newCluster(cfg, topics)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	b := &Bus{
		cfg:     cfg,
		log:     log,
		sources: sources,
		ctx:     ctx,
		cancel:  cancel,
		ended:   make(chan struct{}),
		cluster: cluster,
		out:     newProducer(cluster, cfg, node, log),
		in:      newTail(cluster, log),
	}
	b.out.silence = b.in.silence
	b.in.patience = cfg.Silence
	b.recalls = newRecaller(b.in, b.out.home, sources)
	b.forward = newForward(ctx, cluster, cfg, node, log)
	go b.run()
	return b, nil
}

// parseSources returns the topics that are read, Config.Topic first, and what becomes of the others.
func parseSources(cfg Config) (topics []string, sources map[string]*form.Mapping, err error) {
	topics, sources = []string{cfg.Topic}, make(map[string]*form.Mapping)
	for _, s := range cfg.Sources {
		if sources[s.Topic], err = s.Mapping(); err != nil {
			return nil, nil, fmt.Errorf("kafkabus: source %s: %w", s.Topic, err)
		}
		if slices.Contains(topics, s.Topic) {
			return nil, nil, fmt.Errorf("kafkabus: source %s: the topic is read already: want each topic once", s.Topic)
		}
		topics = append(topics, s.Topic)
	}
	return topics, sources, nil
}

// run keeps the goroutines of the bus until Close ends ctx.
func (b *Bus) run() {
	defer close(b.ended)
	var wg sync.WaitGroup
	wg.Go(func() { b.cluster.run(b.ctx) })
	wg.Go(func() { b.cluster.greet(b.ctx, b.log) })
	wg.Go(func() { b.out.run(b.ctx) })
	wg.Go(func() { b.recalls.run(b.ctx) })
	wg.Wait()
	b.forward.wait()
}

// Publish implements bus.Bus. It also returns bus.ErrTooLarge for what the topic does not take, and
// bus.ErrContent for what Config.Envelope can't hold.
func (b *Bus) Publish(e bus.Envelope, done func(error)) error {
	return b.out.publish(e, done)
}

// Receive implements bus.Bus. deliver runs on up to 16 goroutines for each broker; if it is too slow,
// records wait on the broker.
func (b *Bus) Receive(ctx context.Context, ready func(), deliver func(bus.Envelope)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(b.ctx, cancel)()
	b.in.hole = func(m *bus.Mark) { deliver(bus.Envelope{Mark: m}) }
	b.in.run(ctx, ready, b.handler(deliver))
	return nil
}

// handler returns what hands on a record as an envelope. Of the past that is what has history.
func (b *Bus) handler(deliver func(bus.Envelope)) func(*wire.Record, *partition) {
	return func(rec *wire.Record, p *partition) {
		e, ok := b.envelope(rec, p)
		if !ok {
			return
		}
		if e.Mark = b.in.markOf(rec, p, &e); e.Mark != nil || !p.isPast(rec.Offset) {
			deliver(e)
		}
	}
}

// Remember implements bus.Recaller. A bus that is told of history only after Receive began has no past:
// all that it delivers from then on is marked.
func (b *Bus) Remember(k bus.Keep) { b.in.remember(k) }

// Recall implements bus.Recaller. When the bus is closed, done runs at once.
func (b *Bus) Recall(destination string, w bus.Wish, done func(bus.Recalled)) {
	b.recalls.recall(destination, w, done)
}

var errCrowded = fmt.Errorf("it has more than %d headers", wire.MaxHeaders)

// envelope returns what rec carries, the first time that it comes. What was cut away from the log and is written again does not
// come a second time; but as its place is another one now, the node has no more of the log than what lies behind that.
func (b *Bus) envelope(rec *wire.Record, p *partition) (e bus.Envelope, ok bool) {
	var from form.Origin
	var err error
	switch s := b.sources[rec.Topic]; {
	case rec.Crowded:
		err = errCrowded
	case s != nil:
		e, err = s.Envelope(rec)
	default:
		e, from, err = form.Decode(rec)
	}
	if err != nil {
		b.skip(rec, err)
		return e, false
	}
	if from.Node == "" || p.seen.first(from.Node, from.Seq) {
		return e, true
	}
	if p.seen.isLost(from.Node, from.Seq) {
		b.in.lose(p, rec.Offset+1)
	}
	return e, false
}

// skip counts a record, and logs one of them now and then.
func (b *Bus) skip(rec *wire.Record, err error) {
	n := b.skipped.Add(1)
	if _, ok := b.logged.Pass(); ok {
		b.log.Warn("record skipped: it can't be understood",
			"topic", rec.Topic, "partition", rec.Partition, "offset", rec.Offset, "err", err, "skipped", n)
	}
}

// Healthy implements bus.Bus.
func (b *Bus) Healthy() error {
	if b.out.closed.Load() {
		return bus.ErrClosed
	}
	return cmp.Or(b.cluster.healthy(), b.in.healthy(b.cfg.Silence), b.out.healthy())
}

// Alive implements bus.Living.
func (b *Bus) Alive() error {
	select {
	case <-b.ended:
		if !b.out.closed.Load() {
			return errors.New("kafkabus: its goroutines have ended")
		}
	default:
	}
	return nil
}

// Figures implements bus.Measured.
func (b *Bus) Figures() bus.Figures {
	f := b.in.figures()
	f.Queued = b.out.outstanding() + b.forward.outstanding()
	f.Reconnects = b.cluster.conns.again.Load()
	f.Skipped += b.skipped.Load()
	f.Sources = b.in.sources()
	f.Targets = b.forward.figures()
	return f
}

// Close implements bus.Bus. Its error says how much ctx cut off.
func (b *Bus) Close(ctx context.Context) error {
	for _, idle := range append(b.forward.close(), b.out.close()) {
		select {
		case <-idle:
		case <-ctx.Done():
		}
	}
	left := b.out.outstanding() + b.forward.outstanding()
	b.cancel()
	<-b.ended
	b.cluster.conns.close()
	if left > 0 {
		return fmt.Errorf("kafkabus: close: %d envelopes were not answered in time: %w", left, ctx.Err())
	}
	return nil
}
