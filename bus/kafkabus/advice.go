package kafkabus

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/describeconfigs"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/kafkabus/internal/wire"
)

// The settings of a topic that say for how long a record stays.
const (
	retentionName = "retention.ms"
	policyName    = "cleanup.policy"
)

// Advise implements bus.Adviser.
func (b *Bus) Advise(ctx context.Context, k bus.Keep) (advice []string, err error) {
	v, err := b.cluster.await(ctx)
	if err != nil {
		return nil, err
	}
	for _, name := range b.cluster.topics {
		if v.topics[name].err != nil {
			continue // Healthy and the figures of sources tell
		}
		settings, err := b.cluster.describe(ctx, v, name, retentionName, policyName)
		switch {
		case errors.Is(err, kafka.TopicAuthorizationFailed), errors.Is(err, kafka.ClusterAuthorizationFailed):
			advice = append(advice, fmt.Sprintf("topic %s: it is unknown how long it keeps records: grant this node's user DescribeConfigs on it", name))
		case err != nil:
			return advice, fmt.Errorf("kafkabus: topic %s: %w", name, err)
		default:
			advice = append(advice, adviseTopic(name, settings, k.Age)...)
		}
	}
	return advice, nil
}

// adviseTopic returns what is amiss with a topic that is to keep records for so long.
func adviseTopic(name string, settings map[string]string, age time.Duration) (advice []string) {
	policy := settings[policyName]
	if strings.Contains(policy, "compact") {
		advice = append(advice, fmt.Sprintf("topic %s: %s=%s removes all but the last record of each key, so history has holes: set it to delete", name, policyName, policy))
	}
	kept, err := strconv.ParseInt(settings[retentionName], 10, 64)
	if err == nil && kept >= 0 && kept < age.Milliseconds() && policy != "compact" {
		advice = append(advice, fmt.Sprintf("topic %s: %s=%d removes what history should keep: raise it to at least %d, or shorten the ttl of %s",
			name, retentionName, kept, age.Milliseconds(), age))
	}
	return advice
}

// describe returns settings of a topic as the brokers have them.
func (c *cluster) describe(ctx context.Context, v *view, topic string, names ...string) (map[string]string, error) {
	answer, _, err := c.ask(ctx, v.controller, &describeconfigs.Request{Resources: []describeconfigs.RequestResource{{
		ResourceType: int8(kafka.ResourceTypeTopic),
		ResourceName: topic,
		ConfigNames:  names,
	}}})
	if err != nil {
		return nil, err
	}
	settings := make(map[string]string)
	for _, resource := range answer.(*describeconfigs.Response).Resources {
		if err := wire.ErrorOf(resource.ErrorCode, resource.ErrorMessage); err != nil {
			return nil, err
		}
		for _, entry := range resource.ConfigEntries {
			settings[entry.ConfigName] = entry.ConfigValue
		}
	}
	return settings, nil
}
