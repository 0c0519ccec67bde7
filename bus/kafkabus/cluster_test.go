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
		topics: map[string]topicView{
			"whole":      {leaders: []int32{0, 7}},
			"leaderless": {leaders: []int32{none, none, 0}},
			"missing":    {err: kafka.UnknownTopicOrPartition},
			"left out":   {err: errGap},
			"denied":     {err: kafka.TopicAuthorizationFailed},
			"empty":      {err: kafka.LeaderNotAvailable},
			"negative":   {err: errPartitions},
			"huge":       {err: errPartitions},
		},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v\nwant %+v", got, err, want)
	}
	if v, err := newView(&metadata.Response{Topics: []metadata.ResponseTopic{{Name: "x"}}}, nil); err == nil {
		t.Errorf("an answer of a broker that knows of none, not even itself, is %+v", v)
	}
}

// TestLearn: the view changes, and says so, when something is different. An operator reads what is wrong, and
// with what.
func TestLearn(t *testing.T) {
	c, err := newCluster(Config{Brokers: []string{"a:1", "b:2"}}, []string{"x", "y"})
	must(t, err)
	lost := func(err error) topicView { return topicView{err: err} }
	led := func(leaders ...int32) topicView { return topicView{leaders: leaders} }
	of := func(x, y topicView) *view { return &view{topics: map[string]topicView{"x": x, "y": y}} }
	noRoute := errors.New("no route")
	for i, step := range []struct {
		v       *view
		err     error
		changed bool
		want    string // that healthy begins with; empty for nil
	}{
		{nil, noRoute, false, "kafkabus: none of a:1, b:2 answers: no route"},
		{of(led(1), led(1)), nil, true, ""},
		{of(led(1), led(1)), nil, false, ""},
		{of(led(2), led(1)), nil, true, ""},
		{nil, noRoute, false, ""}, // what is known still holds, as far as metadata tells
		{of(led(2), led(1)), nil, false, ""},
		{of(led(2, none), led(1)), nil, true, "kafkabus: partition 1 of topic x has no leader"},
		{of(lost(kafka.UnknownTopicOrPartition), led(1)), nil, true, "kafkabus: topic x does not exist: create it, or set bus.kafka.create"},
		{of(lost(kafka.UnknownTopicOrPartition), led(1)), nil, false, "kafkabus: topic x does not exist"},
		{of(lost(kafka.TopicAuthorizationFailed), led(1)), nil, true, "kafkabus: topic x: let this node's user describe and read it: [29]"},
		{of(lost(errGap), led(1)), nil, true, "kafkabus: topic x: the brokers do not say whether it exists"},
		{of(led(1), lost(kafka.UnknownTopicOrPartition)), nil, true, ""}, // a source
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
		if err := c.healthy(); (err == nil) != (step.want == "") || !strings.HasPrefix(errorText(err), step.want) {
			t.Errorf("step %d: %v, want %s", i, err, step.want)
		}
	}
}
