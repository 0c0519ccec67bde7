package kafkabus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/metadata"
)

const (
	// metadataTTL bounds the age of what the transport knows: it asks a broker again after a
	// random part of it. pollInterval is how often the transport is asked, which costs no network.
	// Together they find a new leader or partition within half a second.
	metadataTTL  = 400 * time.Millisecond
	pollInterval = 100 * time.Millisecond

	// mostTTL bounds what becomes of metadataTTL where brokers are slower: an answer may take no
	// longer than that.
	mostTTL = 10 * time.Second

	idleTimeout = 5 * time.Minute // of connections to brokers
	pollTimeout = 5 * time.Second // for the first answer of any broker

	greetTimeout = 2 * time.Second // after which the log hears that there was none

	// seedPatience is for how long nobody may answer whom the transport asks for the view, before it
	// asks the brokers of the latest view as well; and for how long a leader that the view names may be
	// out of reach before another broker is asked whether it still leads.
	seedPatience = 5 * time.Second

	maxPartitions = 10_000 // of a topic: each has a goroutine
)

// errPartitions reports an answer of a broker that can't be meant.
var errPartitions = fmt.Errorf("a partition's number is not from 0 to %d", maxPartitions-1)

// errGap reports an answer of the brokers that lacks a topic that was asked for.
var errGap = errors.New("the brokers do not say whether it exists")

// none stands for the leader of a partition that has none.
const none int32 = -1

// view is what the brokers say of the topics. It never changes: a newer one takes its place.
type view struct {
	topics []topicView // in the order of cluster.topics
	hosts  map[int32]string
	id     string // of the cluster, empty if brokers don't tell
}

// topicView is one topic of a view.
type topicView struct {
	name    string
	err     error   // set: it has no partitions, and why
	leaders []int32 // broker ids by partition, none for a partition without
}

// cluster is what the bus knows of the brokers, and its way to them. Its methods may be called from
// any goroutine.
type cluster struct {
	// Set by newCluster, never changed.
	topics    []string // Config.Topic first, then those of the sources
	told      []string // the brokers of Config
	conns     *connections
	transport *kafka.Transport

	patience time.Duration // seedPatience; set by newCluster, not changed once run has begun

	// Owned by run.
	given   time.Time // when the transport got more time for the view the last time
	doubted time.Time // when it was made to ask another broker for the view the last time

	mu      sync.Mutex
	seeds   []string      // whom the transport asks for the view
	address net.Addr      // the same
	latest  *view         // nil before the first
	changed chan struct{} // closed when latest changes
	cause   error         // why there is none
}

func newCluster(cfg Config, topics []string) (*cluster, error) {
	access, err := newAccess(cfg.TLS, cfg.SASL)
	if err != nil {
		return nil, err
	}
	for _, addr := range cfg.Brokers {
		if _, _, err := net.SplitHostPort(addr); err != nil {
			return nil, fmt.Errorf("kafkabus: broker %q: want host:port", addr)
		}
	}
	conns := newConnections()
	conns.access.Store(access)
	transport := &kafka.Transport{
		Dial:           conns.dial,
		Context:        conns.ctx, // so that nothing outlives close
		ClientID:       "stompgw",
		IdleTimeout:    idleTimeout,
		MetadataTTL:    metadataTTL,
		MetadataTopics: topics,
	}
	if access.mechanism != nil {
		transport.SASL = login{&conns.access}
	}
	return &cluster{
		topics:    topics,
		told:      cfg.Brokers,
		conns:     conns,
		transport: transport,
		patience:  seedPatience,
		seeds:     cfg.Brokers,
		address:   kafka.TCP(cfg.Brokers...),
		changed:   make(chan struct{}),
		cause:     errors.New("not tried yet"),
	}, nil
}

// run keeps the view up to date until ctx ends.
func (c *cluster) run(ctx context.Context) {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		v, err := c.ask(ctx)
		c.learn(v, err)
		c.giveTime(err)
		if c.conns.silence(c.seeds...) >= c.patience {
			c.reseed()
		}
		if v != nil && c.leaderLost(v) && time.Since(c.doubted) >= c.patience {
			c.doubted = time.Now()
			c.reseed()
			c.transport.CloseIdleConnections() // it chooses whom it asks by chance
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// giveTime gives the transport more time for the first view, if brokers that take connections don't give it
// in time. Nobody else uses the transport before there is one.
func (c *cluster) giveTime(err error) {
	v, _ := c.view()
	late := errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded)
	ttl := c.transport.MetadataTTL
	if v != nil || !late || c.conns.failure() != nil || time.Since(c.given) < 2*ttl {
		return
	}
	c.given = time.Now()
	c.transport.MetadataTTL = min(2*ttl, mostTTL)
	c.transport.CloseIdleConnections() // a new pool of connections takes it over
}

// reseed has the transport ask those who are the brokers now: it never asks others than it was told of,
// who may all have gone for good, or have other addresses.
func (c *cluster) reseed() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.latest == nil {
		return
	}
	seeds := slices.Concat(c.told, slices.Sorted(maps.Values(c.latest.hosts)))
	if slices.Equal(seeds, c.seeds) {
		return
	}
	c.seeds, c.address = seeds, kafka.TCP(seeds...)
	c.transport.CloseIdleConnections() // and forget whom it asked
}

// leaderLost reports whether v names a leader that has been out of reach for long. The transport asks
// one broker for the view as long as that answers, and one that is cut off from the others answers
// with how things were.
func (c *cluster) leaderLost(v *view) bool {
	for id, host := range v.hosts {
		leads := func(t topicView) bool { return slices.Contains(t.leaders, id) }
		if c.conns.silence(host) >= c.patience && slices.ContainsFunc(v.topics, leads) {
			return true
		}
	}
	return false
}

// addr is where requests go that are for no certain broker, and how the transport knows which brokers
// are meant.
func (c *cluster) addr() net.Addr {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.address
}

// greet tells the log that the brokers have answered for the first time, and before that, once, why
// they do not. What happens later is told by those who read and write.
func (c *cluster) greet(ctx context.Context, log *slog.Logger) {
	timer := time.NewTimer(greetTimeout)
	defer timer.Stop()
	for {
		v, changed := c.view()
		if v != nil {
			log.Info("bus connected", "brokers", len(v.hosts))
			return
		}
		select {
		case <-changed:
		case <-timer.C:
			log.Warn("bus unreachable, still retrying", "err", c.healthy())
		case <-ctx.Done():
			return
		}
	}
}

// ask returns what the transport knows. A cluster that has answered once and is silent now looks
// as it did: only produce and fetch requests tell whether a broker lives.
func (c *cluster) ask(ctx context.Context) (*view, error) {
	ctx, cancel := context.WithTimeout(ctx, pollTimeout)
	defer cancel()
	res, err := c.transport.RoundTrip(ctx, c.addr(), &metadata.Request{TopicNames: c.topics})
	if err != nil {
		return nil, err
	}
	return newView(res.(*metadata.Response))
}

// newView returns an error for an answer without brokers: they who give it know of nothing yet.
func newView(res *metadata.Response) (*view, error) {
	if len(res.Brokers) == 0 {
		return nil, errors.New("the answer names no broker")
	}
	v := &view{hosts: make(map[int32]string), id: res.ClusterID}
	for _, b := range res.Brokers {
		v.hosts[b.NodeID] = net.JoinHostPort(b.Host, strconv.Itoa(int(b.Port)))
	}
	for _, t := range res.Topics {
		v.topics = append(v.topics, newTopicView(t))
	}
	return v, nil
}

func newTopicView(t metadata.ResponseTopic) topicView {
	tv := topicView{name: t.Name}
	if t.ErrorCode == int16(kafka.UnknownTopicOrPartition) && t.Partitions == nil {
		tv.err = errGap // kafka-go makes this up; what a broker says has an empty list
		return tv
	}
	if t.ErrorCode != 0 {
		tv.err = kafka.Error(t.ErrorCode)
		return tv
	}
	for _, p := range t.Partitions {
		if p.PartitionIndex < 0 || p.PartitionIndex >= maxPartitions {
			return topicView{name: t.Name, err: errPartitions}
		}
		for int(p.PartitionIndex) >= len(tv.leaders) {
			tv.leaders = append(tv.leaders, none)
		}
		tv.leaders[p.PartitionIndex] = p.LeaderID // -1 if there is none, whatever the error says
	}
	if len(tv.leaders) == 0 {
		tv.err = kafka.LeaderNotAvailable
	}
	return tv
}

func (c *cluster) learn(v *view, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cause = err; err != nil {
		return
	}
	c.conns.keep(slices.Concat(c.seeds, slices.Collect(maps.Values(v.hosts))))
	if c.latest.equal(v) {
		return
	}
	c.latest = v
	close(c.changed)
	c.changed = make(chan struct{})
}

func (v *view) equal(o *view) bool {
	return v != nil && o != nil && v.id == o.id && maps.Equal(v.hosts, o.hosts) && slices.EqualFunc(v.topics, o.topics, func(a, b topicView) bool {
		return a.name == b.name && a.err == b.err && slices.Equal(a.leaders, b.leaders)
	})
}

// view returns the latest view, nil before the first, and a channel that is closed at the next.
func (c *cluster) view() (*view, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.latest, c.changed
}

// host returns the address of a broker, to show it.
func (c *cluster) host(broker int32) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.latest != nil && c.latest.hosts[broker] != "" {
		return c.latest.hosts[broker]
	}
	return fmt.Sprintf("broker %d", broker)
}

// healthy returns nil when the bus's own topic is there and all its partitions have a leader.
func (c *cluster) healthy() error {
	if err := c.reachable(); err != nil {
		return err
	}
	v, _ := c.view()
	t := v.topics[0]
	if t.err != nil {
		return topicError(t.name, false, t.err)
	}
	if i := slices.Index(t.leaders, none); i >= 0 {
		return fmt.Errorf("kafkabus: partition %d of topic %s has no leader", i, t.name)
	}
	return nil
}

// reachable returns nil once a broker has answered.
func (c *cluster) reachable() error {
	if v, _ := c.view(); v == nil {
		return fmt.Errorf("kafkabus: none of %s answers: %w", strings.Join(c.told, ", "), c.whyNone())
	}
	return nil
}

// whyNone returns why there is no view: what the sockets say is nearer to the cause.
func (c *cluster) whyNone() error {
	if err := c.conns.failure(); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cause
}

// topicError says why a topic can't be used, and what to do about it.
func topicError(topic string, source bool, err error) error {
	switch {
	case errors.Is(err, kafka.UnknownTopicOrPartition) && source:
		return fmt.Errorf("kafkabus: topic %s does not exist: create it, or take it out of bus.kafka.sources", topic)
	case errors.Is(err, kafka.UnknownTopicOrPartition):
		return fmt.Errorf("kafkabus: topic %s does not exist: create it, or set bus.kafka.create", topic)
	case errors.Is(err, kafka.TopicAuthorizationFailed):
		return fmt.Errorf("kafkabus: topic %s: let this node's user describe and read it: %w", topic, err)
	}
	return fmt.Errorf("kafkabus: topic %s: %w", topic, err)
}

// close ends all connections. What is asked of the cluster meanwhile fails; the transport may keep a
// connection for it all the same, which it is made to drop.
func (c *cluster) close() {
	gone := c.conns.close()
	again := time.NewTicker(pollInterval)
	defer again.Stop()
	for {
		c.transport.CloseIdleConnections()
		select {
		case <-gone:
			return
		case <-again.C:
		}
	}
}
