package admin_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stompgw/stompgw/admin"
	"github.com/stompgw/stompgw/bus/bustest/servers"
	"github.com/stompgw/stompgw/gateway/registry"
	"github.com/stompgw/stompgw/gateway/registry/redisregistry"
)

// TestMember: its sessions on all nodes, and whether it is kept out, connected or not.
func TestMember(t *testing.T) {
	onAll(t, func(t *testing.T, m redisregistry.Map) {
		a, b := two(t, m)
		b.has(9, `42`, "tcp")
		inRedis(t, m, 5)
		c := admin.NewCluster(m, patience)
		for _, member := range []string{"bob", "nobody"} {
			if err := c.Block(t.Context(), member, time.Hour); err != nil {
				t.Fatal(err)
			}
		}
		for _, tt := range []struct {
			member, id string
			sessions   []string
			blocked    bool
		}{
			{"42", `42`, []string{a1, b.name + "_" + registry.SessionID(9).String()}, false},
			{`"42"`, `"42"`, []string{a2}, false},
			{"bob", `"bob"`, []string{b2}, true},
			{"nobody", `"nobody"`, nil, true},
			{"somebody", `"somebody"`, nil, false},
		} {
			got, err := c.Member(t.Context(), tt.member)
			if err != nil || string(got.ID) != tt.id || got.Online != (len(tt.sessions) > 0) || got.Total != len(tt.sessions) || len(got.Sessions) != len(tt.sessions) {
				t.Fatalf("%s is %+v, %v", tt.member, got, err)
			}
			for i, s := range got.Sessions {
				if s.Key != tt.sessions[i] || s.Cursor != "" {
					t.Errorf("%s has %+v, want %s", tt.member, s, tt.sessions[i])
				}
			}
			if (got.Block != nil) != tt.blocked || tt.blocked && (string(got.Block.Member) != tt.id || got.Block.Left <= 0 || got.Block.Left > time.Hour) {
				t.Errorf("%s is blocked: %+v, want %v", tt.member, got.Block, tt.blocked)
			}
		}
		for _, bad := range []string{"", `"half`} {
			if got, err := c.Member(t.Context(), bad); !errors.Is(err, registry.ErrMember) {
				t.Errorf("%q is %+v, %v", bad, got, err)
			}
		}
		if asked := append(a.gw.asked(), b.gw.asked()...); len(asked) > 0 {
			t.Errorf("nodes were asked for %q", asked)
		}
	})
}

// TestMemberOfMany: of more sessions than are shown the rest is counted.
func TestMemberOfMany(t *testing.T) {
	m := sessionMap(t, servers.Redis(t).Addr, redisregistry.Hashes)
	a := startNode(t, m, nodeA)
	const many = admin.MaxMemberSessions + 200
	for id := range registry.SessionID(many) {
		a.has(id, `7`, "tcp")
	}
	inRedis(t, m, many)
	got, err := admin.NewCluster(m, patience).Member(t.Context(), "7")
	if err != nil || got.Total != many || len(got.Sessions) != admin.MaxMemberSessions {
		t.Errorf("%d of %d, %v", len(got.Sessions), got.Total, err)
	}
}
