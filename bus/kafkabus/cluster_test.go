package kafkabus

import (
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/metadata"
)

func TestNewCluster(t *testing.T) {
	for _, test := range []struct {
		name string
		cfg  Config
		want string // in the error; empty for none
	}{
		{"one", Config{Brokers: []string{"10.0.0.5:9092"}}, ""},
		{"several", Config{Brokers: []string{"a:1", "b:2", "[::1]:3"}}, ""},
		{"no port", Config{Brokers: []string{"a:1", "broker"}}, `kafkabus: broker "broker": want host:port`},
		{"mechanism", Config{Brokers: []string{"a:1"}, SASL: SASL{"gssapi", "u", "secret"}}, `kafkabus: SASL mechanism "gssapi": want plain, scram-sha-256 or scram-sha-512`},
		{"password", Config{Brokers: []string{"a:1"}, SASL: SASL{"scram-sha-256", "u", "secret\x00"}}, "kafkabus: SASL user or password"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := newCluster(test.cfg, []string{"stompgw"})
			switch {
			case test.want == "" && err != nil:
				t.Error(err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "secret")):
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}

func TestNewView(t *testing.T) {
	partition := func(index, leader int32) metadata.ResponsePartition {
		return metadata.ResponsePartition{PartitionIndex: index, LeaderID: leader}
	}
	got, err := newView(&metadata.Response{
		ClusterID: "c", ControllerID: 7,
		Brokers: []metadata.ResponseBroker{{NodeID: 0, Host: "a", Port: 1}, {NodeID: 7, Host: "::1", Port: 2}},
		Topics: []metadata.ResponseTopic{
			{Name: "whole", Partitions: []metadata.ResponsePartition{partition(1, 7), partition(0, 0)}},
			{Name: "leaderless", Partitions: []metadata.ResponsePartition{partition(2, 0), {PartitionIndex: 0, LeaderID: -1, ErrorCode: 5}}},
			{Name: "missing", ErrorCode: int16(kafka.UnknownTopicOrPartition), Partitions: []metadata.ResponsePartition{}},
			{Name: "denied", ErrorCode: int16(kafka.TopicAuthorizationFailed), Partitions: []metadata.ResponsePartition{}},
			{Name: "empty"},
			{Name: "negative", Partitions: []metadata.ResponsePartition{partition(0, 0), partition(-1, 0)}},
			{Name: "huge", Partitions: []metadata.ResponsePartition{partition(math.MaxInt32, 0)}},
		},
	}, []string{"whole", "leaderless", "missing", "left out", "denied", "empty", "negative", "huge"})
	want := &view{
		id:         "c",
		hosts:      map[int32]string{0: "a:1", 7: "[::1]:2"},
		controller: 7,
		topics: []topicView{
			{name: "whole", leaders: []int32{0, 7}},
			{name: "leaderless", leaders: []int32{none, none, 0}},
			{name: "missing", err: kafka.UnknownTopicOrPartition},
			{name: "left out", err: errGap},
			{name: "denied", err: kafka.TopicAuthorizationFailed},
			{name: "empty", err: kafka.LeaderNotAvailable},
			{name: "negative", err: errPartitions},
			{name: "huge", err: errPartitions},
		},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v\nwant %+v", got, err, want)
	}
	if v, err := newView(&metadata.Response{Topics: []metadata.ResponseTopic{{Name: "x"}}}, nil); err == nil {
		t.Errorf("an answer of a broker that knows of none, not even itself, is %+v", v)
	}
}

// TestLearn: the view changes, and says so, when something is different.
func TestLearn(t *testing.T) {
	c, err := newCluster(Config{Brokers: []string{"a:1"}}, []string{"x"})
	if err != nil {
		t.Fatal(err)
	}
	of := func(leaders ...int32) *view { return &view{topics: []topicView{{name: "x", leaders: leaders}}} }
	for i, step := range []struct {
		v       *view
		err     error
		changed bool
	}{
		{nil, errors.New("no answer"), false},
		{of(1), nil, true},
		{of(1), nil, false},
		{of(2), nil, true},
		{nil, errors.New("no answer"), false},
		{of(2), nil, false},
		{of(2, 1), nil, true},
		{&view{topics: []topicView{{name: "x", err: kafka.UnknownTopicOrPartition}}}, nil, true},
		{&view{topics: []topicView{{name: "x", err: kafka.UnknownTopicOrPartition}}}, nil, false},
	} {
		_, changed := c.view()
		c.learn(step.v, step.err)
		select {
		case <-changed:
			if !step.changed {
				t.Errorf("step %d: changed", i)
			}
		default:
			if step.changed {
				t.Errorf("step %d: not changed", i)
			}
		}
	}
}

// TestClusterHealthy: an operator reads what is wrong, and with what.
func TestClusterHealthy(t *testing.T) {
	c, err := newCluster(Config{Brokers: []string{"a:1", "b:2"}}, []string{"x", "y"})
	if err != nil {
		t.Fatal(err)
	}
	topic := func(name string, leaders ...int32) topicView { return topicView{name: name, leaders: leaders} }
	for _, step := range []struct {
		v    *view
		err  error
		want string // empty for nil
	}{
		{nil, errors.New("no route"), "kafkabus: none of a:1, b:2 answers: no route"},
		{&view{topics: []topicView{topic("x", 1), topic("y", 1)}}, nil, ""},
		{&view{topics: []topicView{topic("x", 1, none), topic("y", 1)}}, nil, "kafkabus: partition 1 of topic x has no leader"},
		{&view{topics: []topicView{{name: "x", err: kafka.UnknownTopicOrPartition}, topic("y", 1)}}, nil,
			"kafkabus: topic x does not exist: create it, or set bus.kafka.create"},
		{&view{topics: []topicView{{name: "x", err: kafka.TopicAuthorizationFailed}, topic("y", 1)}}, nil,
			"kafkabus: topic x: let this node's user describe and read it: [29]"},
		{&view{topics: []topicView{{name: "x", err: errGap}, topic("y", 1)}}, nil, "kafkabus: topic x: the brokers do not say whether it exists"},
		{&view{topics: []topicView{topic("x", 1), {name: "y", err: kafka.UnknownTopicOrPartition}}}, nil, ""}, // a source
		{&view{topics: []topicView{topic("x", 1), topic("y", 1)}}, nil, ""},
		{nil, errors.New("no route"), ""}, // what is known still holds, as far as metadata tells
	} {
		c.learn(step.v, step.err)
		switch err := c.healthy(); {
		case step.want == "" && err != nil:
			t.Error(err)
		case step.want != "" && (err == nil || !strings.HasPrefix(err.Error(), step.want)):
			t.Errorf("got %v, want %s", err, step.want)
		}
	}
}
