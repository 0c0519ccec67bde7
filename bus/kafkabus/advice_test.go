package kafkabus

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stompgw/stompgw/bus/bustest/servers"
)

// TestAdviseTopic: what a topic removes before history would.
func TestAdviseTopic(t *testing.T) {
	for _, test := range []struct {
		policy, retention string
		want              []string // the beginnings of what is said
	}{
		{"delete", "600000", nil},
		{"delete", "-1", nil},
		{"delete", "599999", []string{"topic a: retention.ms=599999 removes what history should keep: raise it to at least 600000, or shorten the ttl of 10m0s"}},
		{"delete", "0", []string{"topic a: retention.ms=0"}},
		{"compact", "1000", []string{"topic a: cleanup.policy=compact removes all but the last record of each key"}},
		{"compact,delete", "1000", []string{"topic a: cleanup.policy=compact,delete", "topic a: retention.ms=1000"}},
		{"", "", nil}, // as a broker answers that does not know them
	} {
		got := adviseTopic("a", map[string]string{policyName: test.policy, retentionName: test.retention}, 10*time.Minute)
		if !slices.EqualFunc(got, test.want, strings.HasPrefix) {
			t.Errorf("%s, %s: %q, want %q", test.policy, test.retention, got, test.want)
		}
	}
}

// TestRealAdvise: a real broker tells of its topics, and which it does not tell of to this node's user.
func TestRealAdvise(t *testing.T) {
	b := servers.Kafka(t, servers.Secure(), servers.Guarded())
	b.CreateTopic(t, "stompgw", 1, "retention.ms=1000")
	b.CreateTopic(t, "orders", 1, "cleanup.policy=compact")
	b.CreateTopic(t, "denied", 1)
	cfg := Config{Brokers: []string{b.Addr}, Sources: []Source{{Topic: "orders", Destination: "/topic/orders"}, {Topic: "missing", Destination: "/topic/missing"}}}
	all := newNodeOf(t, cfg)
	got, err := all.Advise(t.Context(), kept(time.Minute))
	if err != nil || len(got) != 2 || !strings.HasPrefix(got[0], "topic stompgw: retention.ms=1000") || !strings.HasPrefix(got[1], "topic orders: cleanup.policy=compact") {
		t.Errorf("advised %q, %v", got, err)
	}
	if got, err := all.Advise(t.Context(), kept(time.Second)); err != nil || len(got) != 1 {
		t.Errorf("for a second: %q, %v", got, err)
	}
	b.Grant(t, "stompgw")
	few := newNodeOf(t, Config{Brokers: []string{b.SASLAddr}, SASL: SASL{"scram-sha-256", servers.User, servers.Password}})
	if got, err := few.Advise(t.Context(), kept(time.Minute)); err != nil || len(got) != 1 || !strings.Contains(got[0], "DescribeConfigs") {
		t.Errorf("without the right: %q, %v", got, err)
	}
}

// TestAdviseNobody: brokers that do not answer are told of, when the time is up.
func TestAdviseNobody(t *testing.T) {
	f := servers.Fake(t, 1)
	f.Stop()
	b := newNodeOf(t, Config{Brokers: f.Addrs})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := b.Advise(ctx, kept(time.Minute)); err == nil || !strings.Contains(err.Error(), f.Addrs[0]) {
		t.Errorf("advised with %v", err)
	}
}

// newNodeOf returns a bus that receives nothing, until the test ends.
func newNodeOf(t *testing.T, cfg Config) *Bus {
	t.Helper()
	b, err := New(cfg, "1/a", discard)
	must(t, err)
	t.Cleanup(func() { b.Close(context.WithoutCancel(t.Context())) })
	return b
}
