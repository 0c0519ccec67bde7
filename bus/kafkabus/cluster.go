package kafkabus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/metadata"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/kafkabus/internal/wire"
)

const (
	// pollInterval is how often a broker is asked for the view: so a new leader or partition is found
	// within half a second.
	pollInterval = 200 * time.Millisecond

	// leastPatience is for how long a broker may owe the view, a new connection and the login included, before
	// another is asked. It doubles, up to mostPatience, where all are slower.
	leastPatience = loginTimeout
	mostPatience  = 10 * time.Second

	greetTimeout = 2 * time.Second // after which the log hears that there was none

	// doubtPause is how often at most another broker is asked for the view because somebody could not reach
	// one: who is cut off from the others answers with how things were.
	doubtPause = 5 * time.Second

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
	topics     map[string]topicView // by name: those of cluster.topics, and of cluster.targets when it was asked for
	hosts      map[int32]string
	controller int32
	id         string // of the cluster, empty if brokers don't tell
}

// topicView is one topic of a view.
type topicView struct {
	err     error   // set: it has no partitions, and why
	leaders []int32 // broker ids by partition, none for a partition without
}

// cluster is what the bus knows of the brokers, and its way to them. Its methods may be called from
// any goroutine.
type cluster struct {
	// Set by newCluster, never changed.
	topics []string // Config.Topic first, then those of the sources
	told   []string // the brokers of Config
	conns  *connections
	reach  func(ctx context.Context, address string, request protocol.Message) (answer protocol.Message, sent bool, err error) // conns.ask

	unreached atomic.Bool              // there was no way to a broker of the view
	targets   atomic.Pointer[[]string] // topics that backends read; nil for none

	// Owned by run, and set by newCluster.
	patience time.Duration
	pause    time.Duration // doubtPause
	next     int           // which of the brokers is asked for the view, in the order of brokers
	doubted  time.Time     // when another one was asked because of a doubt the last time

	mu      sync.Mutex
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
	conns := newConnections(access)
	return &cluster{
		topics:   topics,
		told:     cfg.Brokers,
		conns:    conns,
		reach:    conns.ask,
		patience: leastPatience,
		pause:    doubtPause,
		next:     rand.IntN(len(cfg.Brokers)), // so that nodes share them
		changed:  make(chan struct{}),
		cause:    bus.ErrUntried,
	}, nil
}

// run keeps the view up to date until ctx ends.
func (c *cluster) run(ctx context.Context) {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		brokers := c.brokers()
		v, err := c.look(ctx, brokers[c.next%len(brokers)])
		c.learn(v, err)
		c.conns.keep(c.brokers())
		doubt := c.unreached.Swap(false) && time.Since(c.doubted) >= c.pause
		if doubt {
			c.doubted = time.Now()
		}
		if doubt || err != nil {
			c.next++
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// brokers returns the addresses that may be asked for the view: those of Config may all have gone for good.
func (c *cluster) brokers() []string {
	brokers := slices.Clone(c.told)
	if v, _ := c.view(); v != nil {
		for _, host := range slices.Sorted(maps.Values(v.hosts)) {
			if !slices.Contains(brokers, host) {
				brokers = append(brokers, host)
			}
		}
	}
	return brokers
}

// look asks a broker for the view.
func (c *cluster) look(ctx context.Context, address string) (*view, error) {
	ctx, cancel := context.WithTimeout(ctx, c.patience)
	defer cancel()
	names := c.topics
	if targets := c.targets.Load(); targets != nil {
		names = slices.Concat(names, *targets)
	}
	answer, _, err := c.reach(ctx, address, &metadata.Request{TopicNames: names})
	if errors.Is(err, context.DeadlineExceeded) {
		c.patience = min(2*c.patience, mostPatience)
	}
	if err != nil {
		return nil, err
	}
	return newView(answer.(*metadata.Response), names)
}

// ask asks a broker until ctx ends, and says whether the request may have been sent.
func (c *cluster) ask(ctx context.Context, broker int32, request protocol.Message) (answer protocol.Message, sent bool, err error) {
	v, _ := c.view()
	switch {
	case broker == none:
		return nil, false, kafka.LeaderNotAvailable
	case v == nil || v.hosts[broker] == "":
		return nil, false, kafka.BrokerNotAvailable
	}
	answer, sent, err = c.reach(ctx, v.hosts[broker], request)
	if err != nil && !sent && ctx.Err() == nil {
		c.unreached.Store(true)
	}
	return answer, sent, err
}

// greet tells the log that the brokers have answered for the first time, and before that, once, why
// they do not. What happens later is told by those who read and write.
func (c *cluster) greet(ctx context.Context, log *slog.Logger) {
	soon, cancel := context.WithTimeout(ctx, greetTimeout)
	defer cancel()
	v, err := c.await(soon)
	if err != nil && ctx.Err() == nil {
		log.Warn("bus unreachable, still retrying", "err", err)
		v, err = c.await(ctx)
	}
	if err == nil {
		log.Info("bus connected", "brokers", len(v.hosts))
	}
}

// await returns the view as soon as there is one, or when ctx ends why there is none.
func (c *cluster) await(ctx context.Context) (*view, error) {
	for {
		v, changed := c.view()
		if v != nil {
			return v, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, cmp.Or(c.reachable(), ctx.Err())
		}
	}
}

// newView returns an error for an answer without brokers: they who give it know of nothing yet.
func newView(res *metadata.Response, topics []string) (*view, error) {
	if len(res.Brokers) == 0 {
		return nil, errors.New("the answer names no broker")
	}
	v := &view{topics: make(map[string]topicView), hosts: make(map[int32]string), controller: res.ControllerID, id: res.ClusterID}
	for _, b := range res.Brokers {
		v.hosts[b.NodeID] = net.JoinHostPort(b.Host, strconv.Itoa(int(b.Port)))
	}
	for _, name := range topics {
		v.topics[name] = topicView{err: errGap}
	}
	for _, t := range res.Topics {
		if _, asked := v.topics[t.Name]; asked {
			v.topics[t.Name] = newTopicView(t)
		}
	}
	return v, nil
}

func newTopicView(t metadata.ResponseTopic) topicView {
	tv := topicView{err: wire.ErrorOf(t.ErrorCode)}
	if tv.err != nil {
		return tv
	}
	for _, p := range t.Partitions {
		if p.PartitionIndex < 0 || p.PartitionIndex >= maxPartitions {
			return topicView{err: errPartitions}
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
	if reflect.DeepEqual(c.latest, v) {
		return
	}
	c.latest = v
	close(c.changed)
	c.changed = make(chan struct{})
}

// view returns the latest view, nil before the first, and a channel that is closed at the next.
func (c *cluster) view() (*view, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.latest, c.changed
}

// host returns the address of a broker, to show it.
func (c *cluster) host(broker int32) string {
	if v, _ := c.view(); v != nil && v.hosts[broker] != "" {
		return v.hosts[broker]
	}
	return fmt.Sprintf("broker %d", broker)
}

// healthy returns nil when the bus's own topic is there and all its partitions have a leader.
func (c *cluster) healthy() error {
	if err := c.reachable(); err != nil {
		return err
	}
	v, _ := c.view()
	name := c.topics[0]
	t := v.topics[name]
	if t.err != nil {
		return topicError(name, false, t.err)
	}
	if i := slices.Index(t.leaders, none); i >= 0 {
		return fmt.Errorf("kafkabus: partition %d of topic %s has no leader", i, name)
	}
	return nil
}

// reachable returns nil once a broker has answered.
func (c *cluster) reachable() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.latest == nil {
		return fmt.Errorf("kafkabus: none of %s answers: %w", strings.Join(c.told, ", "), c.cause)
	}
	return nil
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
