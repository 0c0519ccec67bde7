package kafkabus

import (
	"strings"
	"testing"

	"github.com/stompgw/stompgw/bus/bustest/servers"
)

// TestRealSources: sources of a real broker that asks for rights come and go, with what this node may
// read and with the topics themselves, and the bus goes on.
func TestRealSources(t *testing.T) {
	b := servers.Kafka(t, servers.Secure(), servers.Guarded())
	for _, topic := range []string{"stompgw", "denied", "granted", "lost"} {
		b.CreateTopic(t, topic, 1)
	}
	for _, topic := range []string{"stompgw", "granted", "lost", "missing"} {
		b.Grant(t, topic)
	}
	w := newWriter(t, []string{b.Addr})
	write := func(topic string, values ...string) { t.Helper(); w.must(topic, 0, values...) }
	for _, topic := range []string{"denied", "granted", "lost"} {
		write(topic, "old", "older")
	}
	n := openNode(t, Config{
		Brokers: []string{b.SASLAddr},
		SASL:    SASL{"scram-sha-256", servers.User, servers.Password},
		Sources: []Source{{Topic: "denied", Destination: "/denied"}, {Topic: "granted", Destination: "/granted"},
			{Topic: "lost", Destination: "/lost"}, {Topic: "missing", Destination: "/missing"}},
	})
	n.wantSources("denied: Authorization Failed", "granted", "lost", "missing: does not exist")
	n.wantLogged(`msg="a source can't be read; all else goes on" topic=denied`)
	n.wantLogged(`msg="a source can't be read; all else goes on" topic=missing`)

	write("granted", "1")
	n.want("/granted", "1")
	b.Grant(t, "denied")
	b.Revoke(t, "granted")
	n.wantSources("denied", "granted: Authorization Failed", "lost", "missing: does not exist")
	write("denied", "1")
	write("granted", "2")
	n.want("/denied", "1")
	n.publish("own")
	n.want("/own", "own")

	b.DeleteTopic(t, "lost")
	n.wantSources("denied", "granted: Authorization Failed", "lost: does not exist", "missing: does not exist")
	b.Grant(t, "granted")
	n.wantSources("denied", "granted", "lost: does not exist", "missing: does not exist")
	write("granted", "3")
	n.want("/granted", "1", "2", "3")

	for _, topic := range []string{"lost", "missing"} {
		b.CreateTopic(t, topic, 1)
		write(topic, "1", "2", "3")
		n.want("/"+topic, "1", "2", "3")
	}
	n.wantSources("denied", "granted", "lost", "missing")

	b.Revoke(t, "stompgw")
	n.until("the node is not healthy", func() bool { return strings.Contains(errorText(n.Healthy()), "topic stompgw: let this node's user") })
	b.Grant(t, "stompgw")
	n.until("the node is healthy", func() bool { return n.Healthy() == nil })
	n.publish("again")
	n.want("/own", "own", "again")
}
