package kafkabus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"

	"github.com/segmentio/kafka-go"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/kafkabus/internal/form"
)

// forward brings to backends what they read: each topic has a producer of its own, which does as that of the bus's own does, so that one
// that is missing, or full, holds up no other. Its methods may be called from any goroutine.
type forward struct {
	// Set by newForward, never changed.
	ctx     context.Context
	cluster *cluster
	cfg     Config
	node    string
	log     *slog.Logger

	running sync.WaitGroup

	mu        sync.RWMutex
	producers map[string]*producer // by topic, of all that there have ever been
	current   []string             // those of now, in order
	closed    bool
}

func newForward(ctx context.Context, c *cluster, cfg Config, node string, log *slog.Logger) *forward {
	cfg.Create, cfg.Envelope, cfg.Bytes = false, form.Plain, cfg.Bytes/4
	return &forward{ctx: ctx, cluster: c, cfg: cfg, node: node, log: log, producers: make(map[string]*producer)}
}

// Aim implements bus.Forwarder.
func (b *Bus) Aim(targets []bus.Target) error {
	topics := make(map[string]bool)
	for _, to := range targets {
		if field, err := b.cfg.CheckTarget(to); err != nil {
			return fmt.Errorf("%w: %s %w", bus.ErrTarget, field, err)
		}
		topics[to.Topic] = true
	}
	b.forward.aim(slices.Sorted(maps.Keys(topics)))
	return nil
}

// Forward implements bus.Forwarder. It refuses as Publish does.
func (b *Bus) Forward(to bus.Target, e bus.Envelope, done func(error)) error {
	p := b.forward.producer(to.Topic)
	if p == nil {
		return fmt.Errorf("%w: topic %.80q was not named", bus.ErrTarget, to.Topic)
	}
	headers := e.Headers
	if b.cfg.Envelope == JSON {
		headers = form.Guarded(headers)
	}
	return p.publish(bus.Envelope{Destination: to.Key, Headers: headers, Body: e.Body}, done)
}

// CheckTarget implements bus.Aimer: a topic that nodes read, or talk to each other over, is no target.
func (cfg *Config) CheckTarget(to bus.Target) (field string, err error) {
	switch {
	case to.Subject != "":
		return "subject", errors.New("is for NATS, but the bus is Kafka: write a topic")
	case to.Topic == cfg.Topic:
		return "topic", fmt.Errorf("%s is the topic that nodes use among themselves (bus.kafka.topic): choose another", to.Topic)
	case slices.ContainsFunc(cfg.Sources, func(s Source) bool { return s.Topic == to.Topic }):
		return "topic", fmt.Errorf("%s is a topic that nodes read (bus.kafka.sources): choose another", to.Topic)
	}
	return "topic", checkTopic(to.Topic)
}

// aim has producers for topics, and has the brokers asked about these alone.
func (f *forward) aim(topics []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return
	}
	f.current = topics
	f.cluster.targets.Store(&topics)
	for _, topic := range topics {
		if f.producers[topic] != nil {
			continue
		}
		cfg := f.cfg
		cfg.Topic = topic
		p := newProducer(f.cluster, cfg, f.node, f.log)
		p.topic.backend = true
		f.producers[topic] = p
		f.running.Go(func() { p.run(f.ctx) })
	}
}

func (f *forward) producer(topic string) *producer {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.producers[topic]
}

// close refuses what comes from now on, and returns channels that are closed when all is settled.
func (f *forward) close() (idle []<-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	for _, p := range f.producers {
		idle = append(idle, p.close())
	}
	return idle
}

// wait returns when all goroutines have ended, which f.ctx ends.
func (f *forward) wait() {
	f.close() // none begins any more
	f.running.Wait()
}

func (f *forward) outstanding() (n int) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	for _, p := range f.producers {
		n += p.outstanding()
	}
	return n
}

// figures tells of the topics of now.
func (f *forward) figures() (list []bus.TargetFigures) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	for _, topic := range f.current {
		t := f.producers[topic].topic
		err := t.lacks()
		if denied := t.denied.Load(); err == nil && denied != nil {
			err = t.closedTo(*denied)
		}
		list = append(list, bus.TargetFigures{Topic: topic, Err: err})
	}
	return list
}

// closedTo is the error of a topic that this node may not use.
func (t *topic) closedTo(err error) error {
	return fmt.Errorf("kafkabus: topic %s: let this node's user describe and write it: %w", t.cfg.Topic, err)
}

// lacks returns why nothing can come to a topic that a backend reads, as far as brokers have said; nil for the bus's own.
func (t *topic) lacks() error {
	if !t.backend {
		return nil
	}
	v, _ := t.cluster.view()
	if v == nil {
		return nil
	}
	err := v.topics[t.cfg.Topic].err
	switch {
	case err == nil, errors.Is(err, kafka.LeaderNotAvailable), errors.Is(err, errGap):
		return nil // or it may be there at once
	case errors.Is(err, kafka.UnknownTopicOrPartition):
		return fmt.Errorf("kafkabus: topic %s does not exist: create it, or take it out of the routes", t.cfg.Topic)
	case errors.Is(err, kafka.TopicAuthorizationFailed):
		return t.closedTo(err)
	}
	return fmt.Errorf("kafkabus: topic %s: %w", t.cfg.Topic, err)
}
