package redisregistry

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/stompgw/stompgw/gateway/registry"
)

// TestGatewaysDoNotMeet: gateways of another layout or prefix on one Redis see nothing of each other.
func TestGatewaysDoNotMeet(t *testing.T) {
	onBoth(t, func(t *testing.T, client redis.UniversalClient) {
		ctx := t.Context()
		var maps []Map
		var blocked [][]Block
		for _, prefix := range []string{"", "stompgw:", "a:"} {
			for _, layout := range []Layout{Hashes, Keys} {
				maps, blocked = append(maps, Map{like(client), prefix, layout}), append(blocked, nil)
			}
		}
		var nodes []*Registry
		for i, m := range maps {
			r := newRegistryOn(t, m, fmt.Sprintf("171999999999%d/%d", i, i), Config{
				Stored: func(registry.Session) {}, Blocked: func(all []Block) { blocked[i] = all },
			})
			publish(t, r, session(registry.SessionID(i+1)))
			nodes = append(nodes, r)
			if err := NewBlocks(m).Add(ctx, fmt.Sprint(i), time.Hour); err != nil {
				t.Fatal(err)
			}
		}
		for i, m := range maps {
			beat(t, nodes[i])
			name := fmt.Sprintf("layout %s, prefix %q", m.Layout, m.Prefix)
			if got, err := NewReader(m).Nodes(ctx); err != nil || len(got) != 1 || got[0].Node != nodes[i].node.String() || got[0].Sessions != 1 {
				t.Errorf("%s has the nodes %+v, %v; want its own with one session", name, got, err)
			}
			wantListed(t, m, fmt.Sprintf("%x", i+1))
			wantMember(t, m, "42", fmt.Sprintf("%x", i+1))
			all, err := NewBlocks(m).All(ctx)
			if err != nil || len(all) != 1 || all[0].Member != fmt.Sprint(i) {
				t.Errorf("%s has the blocks %v, %v; want that of %d", name, all, err, i)
			}
			if len(blocked[i]) != 1 || blocked[i][0].Member != fmt.Sprint(i) {
				t.Errorf("a node of %s knows the blocks %v, want that of %d", name, blocked[i], i)
			}
		}
	})
}

// TestFormerBlocks: those of a version that had them under a name which gateways could share are obeyed
// until they end, and can be changed and ended. Those of now are not shared.
func TestFormerBlocks(t *testing.T) {
	for _, m := range []Map{{Layout: Keys}, {Layout: Hashes}, {Prefix: "a:", Layout: Keys}} {
		t.Run(fmt.Sprintf("layout %s, prefix %q", m.Layout, m.Prefix), func(t *testing.T) {
			server := miniredis.RunT(t)
			client := clientOf(t, server.Addr())
			now := time.Date(2031, 1, 1, 0, 0, 0, 0, time.UTC)
			server.SetTime(now)
			m.Client = like(client)
			blocks := NewBlocks(m)
			former := "stompgw:" + m.Prefix + "blocked"
			for member, d := range map[string]time.Duration{"1": time.Minute, "2": 3 * time.Minute, "3": time.Hour} {
				client.ZAdd(t.Context(), former, redis.Z{Score: float64(now.Add(d).UnixMilli()), Member: member})
			}
			other := Map{Client: m.Client, Prefix: "stompgw:" + m.Prefix}
			if err := NewBlocks(other).Add(t.Context(), "9", 2*time.Hour); err != nil {
				t.Fatal(err)
			}
			want := func(what string, want ...Block) {
				t.Helper()
				if all, err := blocks.All(t.Context()); err != nil || !slices.Equal(all, want) {
					t.Errorf("%s: the blocks are %v, %v; want %v", what, all, err, want)
				}
			}
			want("at first", Block{"1", time.Minute}, Block{"2", 3 * time.Minute}, Block{"3", time.Hour})
			if err := blocks.Add(t.Context(), "2", 2*time.Minute); err != nil {
				t.Fatal(err)
			}
			for member, want := range map[string]bool{"3": true, "9": false} {
				if was, err := blocks.Remove(t.Context(), member); err != nil || was != want {
					t.Errorf("removing %s says %v, %v; want %v", member, was, err, want)
				}
			}
			want("changed", Block{"1", time.Minute}, Block{"2", 2 * time.Minute})
			server.SetTime(now.Add(time.Minute))
			want("a minute later", Block{"2", time.Minute})
			if all, err := NewBlocks(other).All(t.Context()); err != nil || len(all) != 1 || all[0].Member != "9" {
				t.Errorf("the other gateway has the blocks %v, %v; want its own", all, err)
			}
		})
	}
}

// TestClaim: only a live node of stompgw that says that it is another gateway's keeps a node away.
func TestClaim(t *testing.T) {
	m := Map{Layout: Keys, Prefix: "a:"}
	for _, tt := range []struct {
		name, node, alive string
		taken             bool
	}{
		{"nothing", "", "", false},
		{"a node of the same gateway", olderNode, `{"serverUuid":"` + olderNode + `","layout":"keys","prefix":"a:","heartbeatAt":"2031-01-01T00:00:00Z"}`, false},
		{"of another layout", olderNode, `{"serverUuid":"` + olderNode + `","layout":"hashes","prefix":"stompgw:a:keys:","heartbeatAt":"2031-01-01T00:00:00Z"}`, true},
		{"of a version that did not say", olderNode, `{"serverUuid":"` + olderNode + `","heartbeatAt":"2031-01-01T00:00:00Z"}`, false},
		{"a dead node", olderNode, "", false},
		{"others' data", "x", "y", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			client := clientOf(t, miniredis.RunT(t).Addr())
			m.Client = like(client)
			if tt.node != "" {
				client.SAdd(t.Context(), "stompgw:a:keys:nodes", tt.node)
			}
			if tt.alive != "" {
				client.Set(t.Context(), "stompgw:a:keys:alive:"+tt.node, tt.alive, 0)
			}
			var taken *TakenError
			err := m.Claim(t.Context())
			if errors.As(err, &taken) != tt.taken || (err != nil) != tt.taken {
				t.Fatalf("Claim says %v", err)
			}
			r := newRegistryOn(t, m, nodeName, Config{})
			err = r.beat(t.Context())
			r.report(err)
			if wrote := client.Exists(t.Context(), "stompgw:a:keys:alive:"+nodeName).Val() == 1; wrote == tt.taken {
				t.Errorf("it is %v that the node wrote", wrote)
			}
			if tt.taken && !strings.Contains(r.Healthy().Error(), olderNode) {
				t.Errorf("Healthy says %v", r.Healthy())
			}
			if nodes, err := NewReader(m).live(t.Context()); tt.taken && (err != nil || len(nodes) > 0) {
				t.Errorf("a reader sees %+v, %v; want no node", nodes, err)
			}
		})
	}
	if err := (Map{Client: NewClient(Options{Addrs: []string{"127.0.0.1:1"}})}).Claim(t.Context()); err == nil || errors.As(err, new(*TakenError)) {
		t.Errorf("without Redis Claim says %v", err)
	}
}
