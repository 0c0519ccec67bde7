package redisregistry

import (
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/gateway/registry"
)

func logTo(l *bustest.Log) *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// TestAbout: what a node says of itself is what a reader has of it.
func TestAbout(t *testing.T) {
	everywhere(t, func(t *testing.T, m Map) {
		started := time.Date(2025, 2, 3, 14, 0, 0, 0, time.UTC)
		r := newRegistryOn(t, m, nodeName, Config{Version: "1.2.3", Bus: "kafka", Started: started})
		before := time.Now().Add(-time.Millisecond)
		publish(t, r, session(1), session(2))
		beat(t, r)
		nodes, err := NewReader(m).Nodes(t.Context())
		if err != nil || len(nodes) != 1 {
			t.Fatalf("nodes are %+v, %v; want one", nodes, err)
		}
		a := nodes[0]
		if a.HeartbeatAt.Before(before) || a.Foreign() {
			t.Errorf("the last heartbeat of %+v was before %s", a, before)
		}
		a.HeartbeatAt = time.Time{}
		if want := (About{
			Node: nodeName, Version: "1.2.3", Bus: "kafka", Layout: m.Layout, Prefix: "stompgw:", Sessions: 2, StartedAt: started,
		}); a != want {
			t.Errorf("the node is %+v, want %+v", a, want)
		}
	})
}

// TestSweep: a node without a sign of life at two heartbeats of another is taken out of Redis, with
// all that it left.
func TestSweep(t *testing.T) {
	everywhere(t, func(t *testing.T, m Map) {
		ctx := t.Context()
		client := m.Client.Redis()
		dead := newRegistryOn(t, m, deadNode, Config{Expiry: time.Hour, Stored: func(registry.Session) {}})
		publish(t, dead, session(1), session(2))
		peer := newRegistryOn(t, m, nodeName, Config{Expiry: time.Hour})
		publish(t, peer, session(1))
		own := client.Keys(ctx, "*"+deadNode+"*").Val()

		for range 3 {
			beat(t, peer)
		}
		if got := client.Keys(ctx, "*"+deadNode+"*").Val(); len(got) != len(own) || len(own) < 4 {
			t.Fatalf("a live node has %q, had %q", got, own)
		}
		client.Del(ctx, dead.names.alive(deadNode))
		beat(t, peer)
		if n := peer.Figures().Swept; n != 0 || !client.SIsMember(ctx, dead.names.nodes(), deadNode).Val() {
			t.Errorf("after one heartbeat without a sign of life %d nodes are swept", n)
		}
		beat(t, peer)
		left := client.Keys(ctx, "*"+deadNode+"*").Val()
		if m.Layout == Keys { // each session expires by itself
			left = slices.DeleteFunc(left, func(key string) bool {
				return key == "stompgw:"+deadNode+"_00000001" || key == "stompgw:"+deadNode+"_00000002"
			})
		}
		if len(left) != 0 || client.SIsMember(ctx, dead.names.nodes(), deadNode).Val() {
			t.Errorf("the dead node left %q", left)
		}
		if n := peer.Figures().Swept; n != 1 {
			t.Errorf("%d nodes are swept, want 1", n)
		}
		wantMember(t, m, "42", map[Layout]string{Hashes: "1"}[m.Layout])
		wantFound(t, m, peer.node.Key(1), true)
	})
}

// TestSweptAlive: a node that only seemed dead writes its map again.
func TestSweptAlive(t *testing.T) {
	inBoth(t, func(t *testing.T, layout Layout) {
		client := clientOf(t, miniredis.RunT(t).Addr())
		m := mapOf(client, layout)
		slow := newRegistryOn(t, m, deadNode, Config{Stored: func(registry.Session) {}})
		publish(t, slow, session(1), session(2))
		peer := newRegistryOn(t, m, nodeName, Config{})
		client.Del(t.Context(), slow.names.alive(deadNode))
		beat(t, peer)
		beat(t, peer)
		if n := peer.Figures().Swept; n != 1 {
			t.Fatalf("%d nodes are swept, want 1", n)
		}
		beat(t, slow)
		flush(t, slow)
		wantListed(t, m, "1 2")
		wantMember(t, m, "42", "1 2")
		beat(t, peer)
		beat(t, peer)
		wantListed(t, m, "1 2")
	})
}

// TestSweepForgets: a node that was missed once and lives again has its two heartbeats anew.
func TestSweepForgets(t *testing.T) {
	client := clientOf(t, miniredis.RunT(t).Addr())
	slow, peer := newRegistry(t, client, deadNode), newRegistry(t, client, nodeName)
	publish(t, slow, session(1))
	for range 3 {
		client.Del(t.Context(), slow.names.alive(deadNode))
		beat(t, peer)
		beat(t, slow)
		beat(t, peer)
	}
	if n := peer.Figures().Swept; n != 0 {
		t.Errorf("%d nodes are swept, want none", n)
	}
}
