package servers

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
)

// errBehind reports a broker whose metadata does not yet show what its controller has done.
var errBehind = errors.New("the metadata of the broker is behind")

// CreateTopic creates a topic, with settings such as "retention.ms=1000", and waits until the broker shows it.
func (b *Broker) CreateTopic(t testing.TB, name string, partitions int, settings ...string) {
	t.Helper()
	topic := kafka.TopicConfig{Topic: name, NumPartitions: partitions, ReplicationFactor: 1}
	for _, s := range settings {
		key, value, _ := strings.Cut(s, "=")
		topic.ConfigEntries = append(topic.ConfigEntries, kafka.ConfigEntry{ConfigName: key, ConfigValue: value})
	}
	b.create(t, topic)
	awaitPartitions(t, b.Addr, name, partitions)
}

// CreateTopicOn creates a topic on some brokers of b's cluster, by their numbers, the first of which leads. Any of them
// may be elected, also one that lacks the end of what another has acknowledged alone.
func (b *Broker) CreateTopicOn(t testing.TB, name string, partitions int, replicas ...int) {
	t.Helper()
	topic := kafka.TopicConfig{Topic: name, NumPartitions: -1, ReplicationFactor: -1, ConfigEntries: []kafka.ConfigEntry{
		{ConfigName: "unclean.leader.election.enable", ConfigValue: "true"}, {ConfigName: "min.insync.replicas", ConfigValue: "1"},
	}}
	for p := range partitions {
		topic.ReplicaAssignments = append(topic.ReplicaAssignments, kafka.ReplicaAssignment{Partition: p, Replicas: replicas})
	}
	b.create(t, topic)
	awaitPartitions(t, b.Addr, name, partitions)
}

func (b *Broker) create(t testing.TB, topic kafka.TopicConfig) {
	t.Helper()
	ask(t, b.Addr, "create topic "+topic.Topic, func(ctx context.Context, c *kafka.Client) error {
		r, err := c.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{topic}})
		if err != nil {
			return err
		}
		return r.Errors[topic.Topic]
	})
}

// DeleteTopic deletes a topic.
func (b *Broker) DeleteTopic(t testing.TB, name string) {
	t.Helper()
	ask(t, b.Addr, "delete topic "+name, func(ctx context.Context, c *kafka.Client) error {
		r, err := c.DeleteTopics(ctx, &kafka.DeleteTopicsRequest{Topics: []string{name}})
		if err != nil {
			return err
		}
		return r.Errors[name]
	})
}

// AddPartitions gives a topic of the broker at addr more partitions, so that it has total, and waits until
// the broker shows them.
func AddPartitions(t testing.TB, addr, name string, total int) {
	t.Helper()
	ask(t, addr, "add partitions to "+name, func(ctx context.Context, c *kafka.Client) error {
		topic := kafka.TopicPartitionsConfig{Name: name, Count: int32(total)}
		r, err := c.CreatePartitions(ctx, &kafka.CreatePartitionsRequest{Topics: []kafka.TopicPartitionsConfig{topic}})
		if err != nil {
			return err
		}
		return r.Errors[name]
	})
	awaitPartitions(t, addr, name, total)
}

func awaitPartitions(t testing.TB, addr, name string, total int) {
	t.Helper()
	ask(t, addr, "metadata of "+name, func(ctx context.Context, c *kafka.Client) error {
		r, err := c.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{name}})
		if err != nil {
			return err
		}
		if len(r.Topics[0].Partitions) != total {
			return errBehind
		}
		return nil
	})
}

// ask has f talk to the broker at addr over connections that are closed afterwards, until it has an
// answer. A broker may answer before its controller does, before it knows what the controller has done,
// and not at all for a while on a machine that is busy.
func ask(t testing.TB, addr, what string, f func(context.Context, *kafka.Client) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	transport := &kafka.Transport{MetadataTTL: 100 * time.Millisecond} // it answers for the broker until then
	defer transport.CloseIdleConnections()
	pause := time.NewTicker(100 * time.Millisecond)
	defer pause.Stop()
	for again := false; ; again = true {
		err := f(ctx, &kafka.Client{Addr: kafka.TCP(addr), Transport: transport})
		if err == nil || again && errors.Is(err, kafka.TopicAlreadyExists) {
			return
		}
		var code kafka.Error
		final := errors.As(err, &code) && code != kafka.NotController && code != kafka.BrokerNotAvailable
		if final || ctx.Err() != nil {
			t.Fatalf("%s: %v", what, err)
		}
		<-pause.C
	}
}
