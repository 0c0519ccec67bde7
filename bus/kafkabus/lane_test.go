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
	"strings"
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

// leader plays the brokers behind kafka-go's client. It runs on the goroutines of whoever asks it.
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

// entry is a record as the leader sees it.
type entry struct {
	partition       int
	node, key, body string
	seq             uint64
}

func (e entry) String() string { return fmt.Sprintf("%d:%s", e.seq, e.body) }

// RoundTrip implements kafka.RoundTripper.
func (l *leader) RoundTrip(ctx context.Context, _ net.Addr, req kafka.Request) (kafka.Response, error) {
	switch req := req.(type) {
	case *produce.Request:
		return l.produce(ctx, req)
	case *describeconfigs.Request:
		return l.describe(), nil
	case *createtopics.Request:
		l.mu.Lock()
		defer l.mu.Unlock()
		l.creates = append(l.creates, req.Topics...)
		return &createtopics.Response{Topics: []createtopics.ResponseTopic{
			{Name: req.Topics[0].Name, ErrorCode: int16(l.creating)},
		}}, nil
	}
	return nil, fmt.Errorf("unexpected %T", req)
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

func (l *leader) produce(ctx context.Context, req *produce.Request) (kafka.Response, error) {
	if req.Acks != -1 {
		return nil, fmt.Errorf("acks is %d", req.Acks)
	}
	part := req.Topics[0].Partitions[0]
	w := sending{partition: int(part.Partition), at: time.Now(), timeout: time.Duration(req.Timeout) * time.Millisecond}
	v := verdict{append: true}
	if l.judge != nil {
		v = l.judge(ctx, w)
	}
	if v.unread {
		return nil, v.lost
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
		return nil, v.lost
	}
	return &produce.Response{Topics: []produce.ResponseTopic{{
		Partitions: []produce.ResponsePartition{{Partition: part.Partition, ErrorCode: int16(v.code)}},
	}}}, nil
}

func readEntries(partition int, records kafka.RecordReader) (entries []entry) {
	for {
		r, err := records.ReadRecord()
		if err != nil {
			return entries
		}
		e := entry{partition: partition, key: drained(r.Key), body: drained(r.Value)}
		for _, h := range r.Headers {
			switch h.Key {
			case nodeHeader:
				e.node = string(h.Value)
			case seqHeader:
				e.seq, _ = strconv.ParseUint(string(h.Value), 10, 64)
			}
		}
		entries = append(entries, e)
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

// newBench returns a producer that runs, before it knows any partition.
func newBench(t *testing.T, cfg Config, judge func(context.Context, sending) verdict) *bench {
	t.Helper()
	cfg.Brokers = []string{"nobody:1"}
	cfg = cfg.withDefaults()
	c, err := newCluster(cfg, []string{cfg.Topic})
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, leader: &leader{judge: judge}, logged: new(bytes.Buffer), answers: make(map[string][]heard)}
	b.producer = newProducer(c, cfg, "1/a", slog.New(slog.NewTextHandler(b.logged, &slog.HandlerOptions{Level: slog.LevelDebug})))
	b.topic.client.Transport = b.leader // the producer's own, too
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); b.run(ctx) }()
	b.end = func() { cancel(); <-ended }
	t.Cleanup(b.end)
	return b
}

// view tells the producer that there are so many partitions.
func (b *bench) view(partitions int) {
	b.cluster.learn(&view{topics: []topicView{{name: b.cfg.Topic, leaders: make([]int32, partitions)}}}, nil)
	synctest.Wait()
}

func (b *bench) noTopic(err error) {
	b.cluster.learn(&view{topics: []topicView{{name: b.cfg.Topic, err: err}}}, nil)
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

func noLeader() error { return produce.NewError(protocol.NewErrNoLeader("stompgw", 0)) }

// TestLaneBatch: what waits while a request is under way becomes one batch, in order and numbered on.
func TestLaneBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		judge, release := holding()
		b := newBench(t, Config{}, judge)
		b.view(1)
		b.must("a")
		synctest.Wait()
		b.must("b", "c", "d")
		release()
		b.wantAnswers(nil, "a", "b", "c", "d")
		b.wantAttempts("[1:a]", "[2:b 3:c 4:d]")
		if got := strings.Join(b.order, ""); got != "abcd" {
			t.Errorf("the dones ran in the order %s", got)
		}
	})
}

// TestLaneBatchLimit: a batch is not larger than the topic takes, and a single record always goes.
func TestLaneBatchLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		judge, release := holding()
		b := newBench(t, Config{}, judge)
		size := b.cfg.Envelope.size(&bus.Envelope{Destination: "/topic/x", Body: []byte("b")})
		b.leader.limit = strconv.Itoa(batchHead + 2*size)
		b.view(1)
		b.must("a")
		synctest.Wait()
		b.must("b", "c", "d", "e", "f")
		release()
		b.wantAttempts("[1:a]", "[2:b 3:c]", "[4:d 5:e]", "[6:f]")
		b.change(func(l *leader) { l.limit = strconv.Itoa(batchHead + 2*size - 1) })
		time.Sleep(limitAge + 1)
		b.must("g", "h")
		if got := b.attempts()[4:]; !slices.Equal(got, []string{"[7:g]", "[8:h]"}) {
			t.Errorf("two that are one byte too large together are sent as %s", got)
		}
		b.change(func(l *leader) { l.limit = strconv.Itoa(batchHead + 2*size) })
		time.Sleep(limitAge + 1)
		if err := b.send(strings.Repeat("x", size)); err != nil {
			t.Errorf("one record that the topic takes: %v", err)
		}
		if err := b.send(strings.Repeat("x", size+2)); !errors.Is(err, bus.ErrTooLarge) {
			t.Errorf("one record that the topic does not take: %v", err)
		}
	})
}

// TestLaneLarge: a record that is larger than a batch should be goes alone.
func TestLaneLarge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		judge, release := holding()
		b := newBench(t, Config{}, judge)
		b.leader.limit = "3000000"
		b.view(1)
		large := strings.Repeat("x", maxBatch)
		b.must("a")
		synctest.Wait()
		b.must("b", large, "c")
		release()
		var sizes []int
		for _, w := range b.sent() {
			sizes = append(sizes, len(w.entries))
		}
		if !slices.Equal(sizes, []int{1, 1, 1, 1}) {
			t.Errorf("batches of %d records", sizes)
		}
	})
}

// TestLaneMemory: the memory of a parcel that somebody may still be reading is not used again.
func TestLaneMemory(t *testing.T) {
	b := newBench(t, Config{}, nil)
	l := newLane(b.producer, 0, 1<<20)
	take := func() *parcel {
		l.push(item{deadline: time.Now().Add(time.Hour)})
		return l.take()
	}
	first := take()
	l.recycle(first)
	second := take()
	if &second.items[0] != &first.items[0] {
		t.Error("memory is not used again: the test shows nothing")
	}
	second.lent = true
	l.recycle(second)
	if third := take(); &third.items[0] == &second.items[0] {
		t.Error("lent memory is used again")
	}
}

// TestLaneRetry: after whatever may pass, the same records are written again, after pauses that grow.
func TestLaneRetry(t *testing.T) {
	for _, v := range []verdict{
		{lost: refusedDial, unread: true},
		{lost: noLeader(), unread: true},
		{lost: kafka.BrokerNotAvailable, unread: true},
		{lost: kafka.SASLAuthenticationFailed, unread: true},
		{lost: io.EOF},
		{lost: io.ErrUnexpectedEOF},
		{lost: syscall.ECONNRESET},
		{lost: io.EOF, append: true},
		{code: kafka.InvalidMessage},
		{code: kafka.UnknownTopicOrPartition},
		{code: kafka.LeaderNotAvailable},
		{code: kafka.NotLeaderForPartition},
		{code: kafka.RequestTimedOut, append: true},
		{code: kafka.BrokerNotAvailable},
		{code: kafka.ReplicaNotAvailable},
		{code: kafka.NetworkException},
		{code: kafka.NotEnoughReplicas},
		{code: kafka.NotEnoughReplicasAfterAppend, append: true},
		{code: kafka.KafkaStorageError},
		{code: kafka.UnknownLeaderEpoch},
		{code: kafka.ThrottlingQuotaExceeded},
		{code: kafka.Unknown},
	} {
		t.Run(fmt.Sprintf("%v,%v", v.code, v.lost), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, Config{}, refusing(v, v, v, v, v, v))
				b.view(1)
				start := time.Now()
				b.must("a")
				time.Sleep(time.Second)
				b.must("b")
				b.wantAnswers(nil, "a", "b")
				if got, want := b.answer("a").at.Sub(start), (20+40+80+160+250+250)*time.Millisecond; got != want {
					t.Errorf("it took %s, want %s", got, want)
				}
				got := b.attempts()
				for _, attempt := range got[:len(got)-1] {
					if attempt != "[1:a]" {
						t.Errorf("an attempt was %s, want [1:a]", attempt)
					}
				}
				if got[len(got)-1] != "[2:b]" {
					t.Errorf("b was written as %s", got[len(got)-1])
				}
			})
		})
	}
}

// TestLaneGiveUp: at the deadline done hears whether the leader may have the envelope; what waited
// behind it was never sent.
func TestLaneGiveUp(t *testing.T) {
	for _, test := range []struct {
		name  string
		judge func(context.Context, sending) verdict
		want  error
	}{
		{"dial", always(verdict{lost: refusedDial, unread: true}), bus.ErrDown},
		{"no leader", always(verdict{lost: noLeader(), unread: true}), bus.ErrDown},
		{"too few replicas", always(verdict{code: kafka.NotEnoughReplicas}), bus.ErrDown},
		{"topic gone", always(verdict{code: kafka.UnknownTopicOrPartition}), bus.ErrDown},
		{"broken connection", always(verdict{lost: io.EOF}), bus.ErrUnknown},
		{"no longer the leader", always(verdict{code: kafka.NotLeaderForPartition}), bus.ErrUnknown},
		{"slow followers", always(verdict{code: kafka.RequestTimedOut}), bus.ErrUnknown},
		{"unforeseen", always(verdict{code: kafka.Unknown}), bus.ErrUnknown},
		{"once sent", refusing(slices.Insert(slices.Repeat([]verdict{{lost: refusedDial, unread: true}}, 200), 3, verdict{lost: io.EOF})...), bus.ErrUnknown},
		{"silent after the request", func(ctx context.Context, w sending) verdict {
			if w.entries != nil {
				<-ctx.Done()
			}
			return verdict{lost: ctx.Err()}
		}, bus.ErrUnknown},
		{"silent before the request", func(ctx context.Context, w sending) verdict {
			<-ctx.Done()
			return verdict{lost: ctx.Err(), unread: true}
		}, bus.ErrDown},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, Config{}, test.judge)
				b.view(1)
				start := time.Now()
				b.must("a")
				synctest.Wait()
				b.must("b")
				time.Sleep(2 * time.Second)
				b.must("c") // it has 2 seconds left when a is given up
				time.Sleep(5*time.Minute - time.Since(start))
				b.wantAnswers(test.want, "a")
				if got := b.answer("a").at.Sub(start); got != 30*time.Second {
					t.Errorf("a was given up after %s, want 30s", got)
				}
				if got := b.answer("c").at.Sub(start); got != 32*time.Second {
					t.Errorf("c was given up after %s, want 32s", got)
				}
				for _, body := range []string{"b", "c"} {
					if err := b.answer(body).err; !errors.Is(err, bus.ErrDown) && !errors.Is(err, bus.ErrUnknown) {
						t.Errorf("the done of %s heard %v", body, err)
					}
				}
				if err := b.healthy(); err != nil {
					t.Errorf("nothing is owed any more, but: %v", err)
				}
				b.must("d") // for the same reason
			})
		})
	}
}

// TestLaneGiveUpWaiting: what is older than the deadline when those before it are given up was never sent.
func TestLaneGiveUpWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Config{}, func(ctx context.Context, w sending) verdict {
			if w.entries != nil && w.entries[0].body != "late" {
				time.Sleep(12 * time.Second) // longer than an attempt
			}
			return verdict{lost: io.EOF}
		})
		b.view(1)
		b.must("a")
		synctest.Wait()
		b.must("b")
		time.Sleep(time.Minute)
		b.wantAnswers(bus.ErrUnknown, "a")
		b.wantAnswers(bus.ErrDown, "b")
		if !errors.Is(b.answer("b").err, io.EOF) {
			t.Errorf("%v does not say why", b.answer("b").err)
		}
	})
}

// TestLaneAttemptTimeout: a leader without an answer is asked again after 10 s, and may wait for its
// followers for half of that.
func TestLaneAttemptTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Config{}, func(ctx context.Context, w sending) verdict {
			if w.entries != nil {
				<-ctx.Done()
			}
			return verdict{lost: ctx.Err()}
		})
		b.view(1)
		start := time.Now()
		b.must("a")
		time.Sleep(time.Minute)
		var at []string
		for _, w := range b.sent() {
			at = append(at, fmt.Sprint(w.at.Sub(start), " ", w.timeout))
		}
		if got, want := strings.Join(at, ", "), "0s 5s, 10.02s 5s, 20.06s 4.97s"; got != want {
			t.Errorf("attempts at %s, want %s", got, want)
		}
	})
}

// TestLaneRefused: what will not pass is told at once, with the broker's reason, and the next goes on.
func TestLaneRefused(t *testing.T) {
	for _, code := range []kafka.Error{
		kafka.TopicAuthorizationFailed, kafka.ClusterAuthorizationFailed, kafka.InvalidRequiredAcks,
		kafka.PolicyViolation, kafka.InvalidTopic, kafka.UnsupportedForMessageFormat, kafka.InvalidRecord, kafka.InvalidTimestamp,
	} {
		t.Run(code.Title(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, Config{}, refusing(verdict{code: code}, verdict{code: code}))
				b.view(1)
				start := time.Now()
				b.must("a")
				b.wantAnswers(code, "a")
				b.must("b")
				b.wantAnswers(code, "b")
				b.must("c")
				b.wantAnswers(nil, "c")
				if got := time.Since(start); got != 0 {
					t.Errorf("it took %s", got)
				}
				if got := strings.Count(b.logged.String(), "envelopes refused by the broker"); got != 1 {
					t.Errorf("%d lines of log within a second:\n%s", got, b.logged)
				}
				b.wantAttempts("[1:a]", "[2:b]", "[3:c]")
			})
		})
	}
}

// TestLaneRefusedAfterLoss: an earlier attempt may have brought it there all the same.
func TestLaneRefusedAfterLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Config{}, refusing(verdict{lost: io.EOF, append: true}, verdict{code: kafka.TopicAuthorizationFailed}))
		b.view(1)
		b.must("a")
		time.Sleep(time.Second)
		b.wantAnswers(bus.ErrUnknown, "a")
		b.wantAnswers(kafka.TopicAuthorizationFailed, "a")
	})
}

// TestLaneRefusedHalves: what is split after a loss may be there all the same, each part of it.
func TestLaneRefusedHalves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		verdicts := refusing(verdict{lost: io.EOF}, verdict{code: kafka.MessageSizeTooLarge},
			verdict{code: kafka.TopicAuthorizationFailed}, verdict{code: kafka.TopicAuthorizationFailed})
		held, release := holding()
		b := newBench(t, Config{}, func(ctx context.Context, w sending) verdict {
			if w.entries == nil {
				return verdict{}
			}
			if w.entries[0].body == "a" {
				return held(ctx, w)
			}
			return verdicts(ctx, w)
		})
		b.view(1)
		b.must("a")
		synctest.Wait()
		b.must("b", "c")
		release()
		time.Sleep(time.Second)
		b.wantAttempts("[1:a]", "[2:b 3:c]", "[2:b 3:c]", "[2:b]", "[3:c]")
		b.wantAnswers(bus.ErrUnknown, "b", "c")
	})
}

// TestLaneSlow: a leader that answers, though slowly and with refusals, is not silent.
func TestLaneSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Config{}, func(ctx context.Context, w sending) verdict {
			if w.entries != nil {
				time.Sleep(4 * time.Second)
			}
			return verdict{code: kafka.PolicyViolation}
		})
		b.view(1)
		b.must("a")
		synctest.Wait()
		b.must("b")
		time.Sleep(7 * time.Second)
		b.must("c")
		time.Sleep(9 * time.Second)
		b.wantAnswers(kafka.PolicyViolation, "a", "b", "c")
	})
}

// TestLaneSplit: of a batch that is refused for its size or for a record, all that can pass does, in
// order and with the numbers it had.
func TestLaneSplit(t *testing.T) {
	for _, test := range []struct {
		code kafka.Error
		want error
	}{
		{kafka.MessageSizeTooLarge, bus.ErrTooLarge},
		{kafka.RecordListTooLarge, bus.ErrTooLarge},
		{kafka.InvalidRecord, kafka.InvalidRecord},
	} {
		t.Run(test.code.Title(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				held, release := holding()
				b := newBench(t, Config{}, func(ctx context.Context, w sending) verdict {
					for _, e := range w.entries {
						if e.body == "D" {
							return verdict{code: test.code}
						}
					}
					return held(ctx, w)
				})
				b.view(1)
				b.must("a")
				synctest.Wait()
				b.must("b", "c", "D", "e", "f")
				release()
				b.wantAnswers(nil, "a", "b", "c", "e", "f")
				b.wantAnswers(test.want, "D")
				if got := b.appended(); got != "[1:a 2:b 3:c 5:e 6:f]" {
					t.Errorf("the log is %s", got)
				}
				b.must("g")
				b.wantAnswers(nil, "g")
				if got := b.attempts(); got[len(got)-1] != "[7:g]" {
					t.Errorf("the next is %s", got[len(got)-1])
				}
			})
		})
	}
}

// TestAttemptEnded: an attempt that its caller has left can't be sent any more, unless that has begun.
func TestAttemptEnded(t *testing.T) {
	p := &parcel{items: []item{{envelope: bus.Envelope{Destination: "/x"}}}, first: 1}
	left := &attempt{format: Headers, parcel: p}
	if left.end() {
		t.Error("an attempt that nobody read says that it was")
	}
	if r, err := left.ReadRecord(); err == nil {
		t.Errorf("an attempt that was left yields %v", r)
	}
	begun := &attempt{format: Headers, parcel: p}
	if _, err := begun.ReadRecord(); err != nil {
		t.Error(err)
	}
	if !begun.end() {
		t.Error("an attempt that was read says that it was not")
	}
	if _, err := begun.ReadRecord(); err != io.EOF {
		t.Errorf("after the last record: %v", err)
	}
}

// TestAttemptEndedRace has both sides come at once: one of them wins.
func TestAttemptEndedRace(t *testing.T) {
	for range 1000 {
		a := &attempt{format: Headers, parcel: &parcel{items: []item{{envelope: bus.Envelope{Destination: "/x"}}}, first: 1}}
		var wg sync.WaitGroup
		var read, begun bool
		wg.Go(func() { _, err := a.ReadRecord(); read = err == nil })
		wg.Go(func() { begun = a.end() })
		wg.Wait()
		if read != begun {
			t.Fatalf("read: %t, but end says %t", read, begun)
		}
	}
}
