package kafkabus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/createtopics"
	"github.com/segmentio/kafka-go/protocol/describeconfigs"
	"github.com/segmentio/kafka-go/protocol/produce"

	"github.com/stompgw/stompgw/bus"
)

// leader plays the brokers. It runs on the goroutines of whoever asks it.
type leader struct {
	// What it makes of a batch; nil for taking all. It may block.
	judge func(ctx context.Context, w sending) verdict

	mu       sync.Mutex
	limit    string // max.message.bytes
	hidden   kafka.Error
	asked    int // how often for the limit
	creates  []createtopics.RequestTopic
	creating kafka.Error
	sent     []sending // each attempt whose records were read
	log      []entry   // of all partitions
}

// verdict is a leader's: whether the batch is appended, and what is answered.
type verdict struct {
	append bool
	code   kafka.Error
	lost   error // set: no answer but this
	unread bool  // with lost: the records are not even looked at
}

// sending is one attempt.
type sending struct {
	partition int
	at        time.Time
	timeout   time.Duration // that the leader may wait for its followers
	entries   []entry
}

// answer is a cluster's reach.
func (l *leader) answer(ctx context.Context, _ string, req protocol.Message) (protocol.Message, bool, error) {
	switch req := req.(type) {
	case *produce.Request:
		return l.produce(ctx, req)
	case *describeconfigs.Request:
		return l.describe(), true, nil
	case *createtopics.Request:
		l.mu.Lock()
		defer l.mu.Unlock()
		l.creates = append(l.creates, req.Topics...)
		return &createtopics.Response{Topics: []createtopics.ResponseTopic{
			{Name: req.Topics[0].Name, ErrorCode: int16(l.creating)},
		}}, true, nil
	}
	return nil, false, fmt.Errorf("unexpected %T", req)
}

func (l *leader) describe() *describeconfigs.Response {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked++
	if l.limit == "" {
		l.limit = strconv.Itoa(defaultLimit)
	}
	return &describeconfigs.Response{Resources: []describeconfigs.ResponseResource{{
		ErrorCode:     int16(l.hidden),
		ConfigEntries: []describeconfigs.ResponseConfigEntry{{ConfigName: limitName, ConfigValue: l.limit}},
	}}}
}

func (l *leader) produce(ctx context.Context, req *produce.Request) (protocol.Message, bool, error) {
	if req.Acks != -1 {
		return nil, true, fmt.Errorf("acks is %d", req.Acks)
	}
	part := req.Topics[0].Partitions[0]
	w := sending{partition: int(part.Partition), at: time.Now(), timeout: time.Duration(req.Timeout) * time.Millisecond}
	v := verdict{append: true}
	if l.judge != nil {
		v = l.judge(ctx, w)
	}
	if v.unread {
		return nil, false, v.lost
	}
	w.entries = readEntries(w.partition, part.RecordSet.Records)
	if l.judge != nil {
		v = l.judge(ctx, w)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sent = append(l.sent, w)
	if v.append {
		l.log = append(l.log, w.entries...)
	}
	if v.lost != nil {
		return nil, true, v.lost
	}
	return &produce.Response{Topics: []produce.ResponseTopic{{
		Partitions: []produce.ResponsePartition{{Partition: part.Partition, ErrorCode: int16(v.code)}},
	}}}, true, nil
}

func readEntries(partition int, records kafka.RecordReader) (entries []entry) {
	for {
		r, err := records.ReadRecord()
		if err != nil {
			return entries
		}
		entries = append(entries, entry{partition: partition, key: drained(r.Key), body: drained(r.Value)}.sign(r.Headers))
	}
}

func drained(b kafka.Bytes) string {
	var text bytes.Buffer
	_, _ = io.Copy(&text, b) // from memory
	return text.String()
}

// bench is a producer in front of a leader.
type bench struct {
	*producer
	t      *testing.T
	leader *leader
	logged *bytes.Buffer
	end    func() // ends run

	mu      sync.Mutex
	answers map[string][]heard // by body
	order   []string           // of the answers
}

type heard struct {
	err error
	at  time.Time
}

// onBench runs a test of a bench on virtual time.
func onBench(t *testing.T, cfg Config, judge func(context.Context, sending) verdict, test func(t *testing.T, b *bench)) {
	synctest.Test(t, func(t *testing.T) { test(t, newBench(t, cfg, judge)) })
}

// newBench returns a producer that runs, before it knows any partition.
func newBench(t *testing.T, cfg Config, judge func(context.Context, sending) verdict) *bench {
	t.Helper()
	cfg.Brokers = []string{"nobody:1"}
	cfg = cfg.withDefaults()
	c, err := newCluster(cfg, []string{cfg.Topic})
	must(t, err)
	b := &bench{t: t, leader: &leader{judge: judge}, logged: new(bytes.Buffer), answers: make(map[string][]heard)}
	b.producer = newProducer(c, cfg, "1/a", slog.New(slog.NewTextHandler(b.logged, &slog.HandlerOptions{Level: slog.LevelDebug})))
	c.reach = b.leader.answer
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); b.run(ctx) }()
	b.end = func() { cancel(); <-ended }
	t.Cleanup(b.end)
	return b
}

var nobody = map[int32]string{0: "nobody:1"}

// hold has the leader keep the first attempt until release.
func (b *bench) hold() (release func()) {
	b.leader.judge, release = holding()
	return release
}

// view tells the producer that there are so many partitions.
func (b *bench) view(partitions int) {
	b.cluster.learn(&view{hosts: nobody, topics: map[string]topicView{b.cfg.Topic: {leaders: make([]int32, partitions)}}}, nil)
	synctest.Wait()
}

func (b *bench) noTopic(err error) {
	b.cluster.learn(&view{hosts: nobody, topics: map[string]topicView{b.cfg.Topic: {err: err}}}, nil)
	synctest.Wait()
}

// send publishes body to the destination /topic/x.
func (b *bench) send(body string) error { return b.sendTo("/topic/x", body) }

func (b *bench) sendTo(destination, body string) error {
	return b.publish(bus.Envelope{Destination: destination, Body: []byte(body)}, func(err error) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.answers[body] = append(b.answers[body], heard{err, time.Now()})
		b.order = append(b.order, body)
	})
}

// wantSend publishes body, for which Publish has to say that.
func (b *bench) wantSend(want error, destination, body string) {
	b.t.Helper()
	if err := b.sendTo(destination, body); !errors.Is(err, want) {
		b.t.Errorf("publish %.40s to %s: %v, want %v", body, destination, err, want)
	}
}

// must is send where nothing may be refused.
func (b *bench) must(bodies ...string) {
	b.t.Helper()
	for _, body := range bodies {
		if err := b.send(body); err != nil {
			b.t.Fatalf("publish %s: %v", body, err)
		}
	}
}

// answer returns what the done of body heard, which must have run once.
func (b *bench) answer(body string) heard {
	b.t.Helper()
	synctest.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	if got := b.answers[body]; len(got) != 1 {
		b.t.Fatalf("the done of %s ran %d times: %v", body, len(got), got)
	}
	return b.answers[body][0]
}

func (b *bench) wantAnswers(want error, bodies ...string) {
	b.t.Helper()
	for _, body := range bodies {
		if got := b.answer(body); !errors.Is(got.err, want) {
			b.t.Errorf("the done of %s heard %v, want %v", body, got.err, want)
		}
	}
}

// attempts returns the records of each attempt that was read.
func (b *bench) attempts() []string {
	var all []string
	for _, w := range b.sent() {
		all = append(all, fmt.Sprint(w.entries))
	}
	return all
}

// sent returns all attempts that were read.
func (b *bench) sent() []sending {
	synctest.Wait()
	b.leader.mu.Lock()
	defer b.leader.mu.Unlock()
	return slices.Clone(b.leader.sent)
}

// appended returns the leader's log.
func (b *bench) appended() string {
	synctest.Wait()
	b.leader.mu.Lock()
	defer b.leader.mu.Unlock()
	return fmt.Sprint(b.leader.log)
}

func (b *bench) wantAttempts(want ...string) {
	b.t.Helper()
	if got := b.attempts(); !slices.Equal(got, want) {
		b.t.Errorf("the leader was sent\n%q, want\n%q", got, want)
	}
}

// refusing returns a judge whose first verdicts are these, and that then takes all.
func refusing(verdicts ...verdict) func(context.Context, sending) verdict {
	return func(_ context.Context, w sending) verdict {
		if len(verdicts) == 0 {
			return verdict{append: true}
		}
		v := verdicts[0]
		if w.entries != nil || v.unread {
			verdicts = verdicts[1:]
		}
		return v
	}
}

// always returns a judge with one verdict.
func always(v verdict) func(context.Context, sending) verdict {
	return func(context.Context, sending) verdict { return v }
}

// holding returns a judge that keeps the first attempt until release.
func holding() (judge func(context.Context, sending) verdict, release func()) {
	hold := make(chan struct{})
	return func(ctx context.Context, w sending) verdict {
		if w.entries == nil {
			return verdict{}
		}
		select {
		case <-hold:
		case <-ctx.Done():
		}
		return verdict{append: true, lost: ctx.Err()}
	}, func() { close(hold) }
}

var refusedDial = &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
