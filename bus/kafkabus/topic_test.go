package kafkabus

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/createtopics"

	"github.com/stompgw/stompgw/bus"
)

// change changes the leader as nothing asks it.
func (b *bench) change(f func(*leader)) {
	synctest.Wait()
	b.leader.mu.Lock()
	defer b.leader.mu.Unlock()
	f(b.leader)
}

func (b *bench) created() (topics []createtopics.RequestTopic) {
	b.change(func(l *leader) { topics = l.creates })
	return topics
}

func (b *bench) limitAsked() (times int) {
	b.change(func(l *leader) { times = l.asked })
	return times
}

func (b *bench) wantLogged(text string, times int) {
	b.t.Helper()
	synctest.Wait()
	if got := strings.Count(b.logged.String(), text); got != times {
		b.t.Errorf("%q is logged %d times, want %d:\n%s", text, got, times, b.logged)
	}
}

// TestTopicCreated: a missing topic is created as Config says.
func TestTopicCreated(t *testing.T) {
	for _, test := range []struct {
		name string
		cfg  Config
		want createtopics.RequestTopic
	}{
		{"defaults", Config{Create: true},
			createtopics.RequestTopic{Name: "stompgw", NumPartitions: 12, ReplicationFactor: 1}},
		{"two replicas", Config{Create: true, Topic: "x", Partitions: 3, Replication: 2},
			createtopics.RequestTopic{Name: "x", NumPartitions: 3, ReplicationFactor: 2}},
		{"three replicas", Config{Create: true, Replication: 3},
			createtopics.RequestTopic{Name: "stompgw", NumPartitions: 12, ReplicationFactor: 3,
				Configs: []createtopics.RequestConfig{{Name: "min.insync.replicas", Value: "2"}}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			onBench(t, test.cfg, nil, func(t *testing.T, b *bench) {
				b.noTopic(kafka.UnknownTopicOrPartition)
				b.view(3)
				time.Sleep(time.Minute)
				if got := b.created(); len(got) != 1 || !reflect.DeepEqual(got[0], test.want) {
					t.Errorf("created %+v, want %+v", got, test.want)
				}
			})
		})
	}
}

// TestTopicOfAnother: another node that creates the topic at the same time is no reason to complain.
func TestTopicOfAnother(t *testing.T) {
	onBench(t, Config{Create: true}, nil, func(t *testing.T, b *bench) {
		b.change(func(l *leader) { l.creating = kafka.TopicAlreadyExists })
		b.noTopic(kafka.UnknownTopicOrPartition)
		b.view(3)
		b.wantLogged("level=ERROR", 0)
		b.wantLogged("topic created", 0)
	})
}

// TestTopicNotCreated: a failure is told once, and the next attempt may succeed.
func TestTopicNotCreated(t *testing.T) {
	onBench(t, Config{Create: true, Replication: 3}, nil, func(t *testing.T, b *bench) {
		b.change(func(l *leader) { l.creating = kafka.InvalidReplicationFactor })
		b.noTopic(kafka.UnknownTopicOrPartition)
		time.Sleep(5*createPause - 1)
		if got := len(b.created()); got != 5 {
			t.Errorf("%d attempts, want 5", got)
		}
		b.wantLogged("the topic can't be created, still retrying", 1)
		b.change(func(l *leader) { l.creating = 0 })
		time.Sleep(createPause)
		b.wantLogged("topic created", 1)
	})
}

// TestTopicMissing: without Create, the log is told once what to do, and nothing is created.
func TestTopicMissing(t *testing.T) {
	onBench(t, Config{}, nil, func(t *testing.T, b *bench) {
		b.noTopic(kafka.UnknownTopicOrPartition)
		b.noTopic(kafka.LeaderNotAvailable)
		b.noTopic(kafka.UnknownTopicOrPartition)
		time.Sleep(time.Hour)
		b.wantLogged("the topic does not exist: create it, or set bus.kafka.create", 1)
		b.noTopic(kafka.TopicAuthorizationFailed)
		b.wantLogged("the topic can't be used", 1)
		b.view(1)
		b.noTopic(kafka.TopicAuthorizationFailed)
		b.wantLogged("the topic can't be used", 2)
		if got := b.created(); got != nil {
			t.Errorf("created %+v", got)
		}
	})
}

// TestTopicLimit: what the topic does not take is refused, in words; the limit is asked for once a
// minute, and when the leader says that it is another.
func TestTopicLimit(t *testing.T) {
	onBench(t, Config{}, refusing(verdict{append: true}, verdict{code: kafka.MessageSizeTooLarge}), func(t *testing.T, b *bench) {
		large := strings.Repeat("x", 2000)
		b.change(func(l *leader) { l.limit = "5000" })
		b.view(1)
		b.must(large)
		b.wantAnswers(nil, large)
		b.change(func(l *leader) { l.limit = "1000" })
		b.must("and " + large)
		b.wantAnswers(bus.ErrTooLarge, "and "+large)
		time.Sleep(checkPause)
		synctest.Wait()
		err := b.send(large)
		const words = "the topic's max.message.bytes is 1000: raise that, or lower limits.message"
		if !errors.Is(err, bus.ErrTooLarge) || !strings.HasSuffix(err.Error(), words) {
			t.Errorf("got %v, want %s", err, words)
		}
		b.must("small")
		b.wantAnswers(nil, "small")
		asked := b.limitAsked()
		time.Sleep(limitAge * 5)
		if got := b.limitAsked() - asked; got != 5 {
			t.Errorf("asked %d times in 5 minutes", got)
		}
	})
}

// TestTopicLimitHidden: a broker that does not let this user read the limit is taken to have
// Kafka's default, and the words say so.
func TestTopicLimitHidden(t *testing.T) {
	onBench(t, Config{}, nil, func(t *testing.T, b *bench) {
		b.change(func(l *leader) { l.hidden, l.limit = kafka.TopicAuthorizationFailed, "5" })
		b.view(1)
		synctest.Wait()
		err := b.send(strings.Repeat("x", defaultLimit))
		if !errors.Is(err, bus.ErrTooLarge) || !strings.Contains(err.Error(), "is 1048588 (Kafka's default: the broker does not let this user read") {
			t.Errorf("got %v", err)
		}
		b.must("small")
		b.wantAnswers(nil, "small")
	})
}

// TestTopicLimitUnknown: an answer that makes no sense, or none, changes nothing.
func TestTopicLimitUnknown(t *testing.T) {
	for _, change := range []func(*leader){
		func(l *leader) { l.hidden = kafka.Unknown },
		func(l *leader) { l.limit = "many" },
		func(l *leader) { l.limit = "-1" },
		func(l *leader) { l.limit = "61" },
		func(l *leader) { l.limit = "99999999999999999999999" },
	} {
		onBench(t, Config{}, nil, func(t *testing.T, b *bench) {
			b.change(func(l *leader) { l.limit = "5000" })
			b.view(1)
			b.change(change)
			time.Sleep(limitAge)
			synctest.Wait()
			if got := b.topic.limit.Load(); got != 5000 {
				t.Errorf("the limit is %d", got)
			}
		})
	}
}

// TestTopicLimitWarned: the log hears once that clients may send more than the topic takes.
func TestTopicLimitWarned(t *testing.T) {
	for _, test := range []struct {
		message, times int
		limit          string
	}{
		{0, 0, "100"},
		{64 << 10, 0, "1048588"},
		{1 << 20, 1, "1048588"},
		{64 << 10, 1, "65536"},
	} {
		onBench(t, Config{Message: test.message}, nil, func(t *testing.T, b *bench) {
			b.change(func(l *leader) { l.limit = test.limit })
			b.view(1)
			time.Sleep(5 * limitAge)
			b.wantLogged("the topic takes smaller messages than limits.message allows", test.times)
		})
	}
}
