package kafkabus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/createtopics"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/kafkabus/internal/wire"
)

const (
	limitName    = "max.message.bytes"
	defaultLimit = 1048588 // Kafka's
	limitAge     = time.Minute
	checkPause   = time.Second     // before a look that changed asks for
	createPause  = 2 * time.Second // after a failure
	adminTimeout = 10 * time.Second

	// roomForHeaders is what a record is taken to need beside its body when it is told whether the
	// topic takes the largest one.
	roomForHeaders = 1024
)

// topic looks after Config.Topic: it creates it, and knows how large a batch it takes. That of a backend is never created.
type topic struct {
	// Set by newTopic, and newForward, never changed.
	cluster *cluster
	backend bool // it is one that a backend reads
	cfg     Config
	log     *slog.Logger
	recheck chan struct{} // room for one signal

	limit   atomic.Int64 // bytes of a batch, 0 before it is known
	guessed atomic.Bool  // limit is Kafka's default, as the broker does not tell
	closing atomic.Pointer[closing]
	denied  atomic.Pointer[error] // why this node may not write to it, as a leader has said last; the next batch may pass all the same

	// Owned by run.
	told   string // the complaint that the log has heard last
	warned int64  // the limit that the log has heard to be too low
}

// closing is a batch on which a broker closed the connection, each time. Its brokers may be told to
// take more, so that it counts for limitAge.
type closing struct {
	size int // bytes
	at   time.Time
}

// errCloses reports a batch that is too large for the connection.
var errCloses = errors.New("the broker closes the connection")

func newTopic(c *cluster, cfg Config, log *slog.Logger) *topic {
	return &topic{cluster: c, cfg: cfg, log: log.With("topic", cfg.Topic), recheck: make(chan struct{}, 1)}
}

// leader returns the broker that leads a partition.
func (t *topic) leader(partition int) int32 {
	v, _ := t.cluster.view()
	if v == nil {
		return none
	}
	if leaders := v.topics[t.cfg.Topic].leaders; partition < len(leaders) {
		return leaders[partition]
	}
	return none
}

// check returns an error that wraps bus.ErrTooLarge if the topic does not take a record of size bytes.
func (t *topic) check(size int) error {
	if err := t.checkClosing(size + wire.BatchHead); err != nil {
		return fmt.Errorf("%w: %w", bus.ErrTooLarge, err)
	}
	limit := t.limit.Load()
	if limit == 0 || int64(size+wire.BatchHead) <= limit {
		return nil
	}
	guess := ""
	if t.guessed.Load() {
		guess = " (Kafka's default: the broker does not let this user read the topic's own, which takes DescribeConfigs)"
	}
	return fmt.Errorf("%w: the record takes %d bytes and the topic's %s is %d%s: raise that, or lower limits.message",
		bus.ErrTooLarge, size+wire.BatchHead, limitName, limit, guess)
}

// checkClosing returns an error that wraps errCloses if a broker closes the connection on a batch of size bytes.
func (t *topic) checkClosing(size int) error {
	if size < t.closesAt() {
		return nil
	}
	return fmt.Errorf("%w on a batch of %d bytes: raise its socket.request.max.bytes, or lower limits.message", errCloses, size)
}

// batchLimit returns how many bytes a batch may take.
func (t *topic) batchLimit() int {
	most := min(maxBatch, t.closesAt()/2)
	if limit := t.limit.Load(); limit > 0 {
		return min(most, int(limit))
	}
	return most
}

// closesOn notes that a broker closes the connection on a batch of size bytes.
func (t *topic) closesOn(size int) {
	if size < t.closesAt() {
		t.closing.Store(&closing{size, time.Now()})
	}
}

// closesAt returns on how many bytes of a batch a broker closes the connection, as far as that is known.
func (t *topic) closesAt() int {
	if c := t.closing.Load(); c != nil && time.Since(c.at) < limitAge {
		return c.size
	}
	return math.MaxInt
}

// run looks at the topic whenever the view changes, a refusal says that the limit is another, and each limitAge, until
// ctx ends.
func (t *topic) run(ctx context.Context) {
	for ctx.Err() == nil {
		v, viewed := t.cluster.view()
		next := time.NewTimer(t.look(ctx, v))
		select {
		case <-viewed:
		case <-t.recheck:
			wait(ctx, checkPause) // each refused envelope says so
		case <-next.C:
		case <-ctx.Done():
		}
		next.Stop()
	}
}

// look does what v asks for, and returns when to look again though nothing has changed.
func (t *topic) look(ctx context.Context, v *view) time.Duration {
	const never = math.MaxInt64
	if v == nil {
		return never
	}
	ctx, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	tv, asked := v.topics[t.cfg.Topic]
	err := tv.err
	switch {
	case !asked:
		return never
	case err == nil:
		t.told = ""
		t.learn(ctx, v)
		return limitAge
	case errors.Is(err, kafka.LeaderNotAvailable):
		return never // it has just been created
	case !errors.Is(err, kafka.UnknownTopicOrPartition):
		t.tell("the topic can't be used", err)
		return never
	case t.backend:
		t.tell("the topic of a route does not exist, and what is sent by that is refused: create it", nil)
		return never
	case !t.cfg.Create:
		t.tell("the topic does not exist: create it, or set bus.kafka.create", nil)
		return never
	}
	if err := t.create(ctx, v); err != nil {
		t.tell("the topic can't be created, still retrying", err)
	}
	return createPause
}

// tell logs a complaint unless it is the one that was logged last.
func (t *topic) tell(message string, err error) {
	text := fmt.Sprint(message, err)
	if t.told == text {
		return
	}
	t.told = text
	if err == nil {
		t.log.Error(message)
	} else {
		t.log.Error(message, "err", err)
	}
}

// create creates the topic, unless another node was faster.
func (t *topic) create(ctx context.Context, v *view) error {
	topic := createtopics.RequestTopic{
		Name:              t.cfg.Topic,
		NumPartitions:     int32(t.cfg.Partitions),
		ReplicationFactor: int16(t.cfg.Replication),
	}
	if t.cfg.Replication >= 3 {
		topic.Configs = []createtopics.RequestConfig{{Name: "min.insync.replicas", Value: "2"}}
	}
	answer, _, err := t.cluster.ask(ctx, v.controller, &createtopics.Request{
		Topics:    []createtopics.RequestTopic{topic},
		TimeoutMs: int32(adminTimeout.Milliseconds() / 2),
	})
	if err != nil {
		return err
	}
	for _, created := range answer.(*createtopics.Response).Topics {
		err = cmp.Or(err, wire.ErrorOf(created.ErrorCode, created.ErrorMessage))
	}
	switch {
	case errors.Is(err, kafka.TopicAlreadyExists):
		return nil
	case err == nil:
		t.log.Info("topic created", "partitions", t.cfg.Partitions, "replication", t.cfg.Replication)
	}
	return err
}

// learn asks for the limit. When that fails, the one known before stays.
func (t *topic) learn(ctx context.Context, v *view) {
	limit, err := t.ask(ctx, v)
	switch {
	case err == nil:
		t.guessed.Store(false)
	case errors.Is(err, kafka.TopicAuthorizationFailed) || errors.Is(err, kafka.ClusterAuthorizationFailed):
		t.guessed.Store(true)
		limit = defaultLimit
		t.log.Debug("the topic's limit can't be read and is taken to be the default", "limit", limit, "err", err)
	default:
		t.log.Debug("the topic's limit is unknown", "err", err)
		return
	}
	t.limit.Store(limit)
	if needed := int64(t.cfg.Message + roomForHeaders); t.cfg.Message > 0 && needed > limit && t.warned != limit {
		t.warned = limit
		t.log.Warn("the topic takes smaller messages than limits.message allows: raise "+limitName+", or lower limits.message",
			limitName, limit, "needed", needed)
	}
}

// ask returns the limit as the broker has it.
func (t *topic) ask(ctx context.Context, v *view) (int64, error) {
	settings, err := t.cluster.describe(ctx, v, t.cfg.Topic, limitName)
	if err != nil {
		return 0, err
	}
	limit, err := strconv.ParseInt(settings[limitName], 10, 64)
	if err != nil || limit <= wire.BatchHead {
		return 0, fmt.Errorf("%s is %.40q", limitName, settings[limitName])
	}
	return limit, nil
}
