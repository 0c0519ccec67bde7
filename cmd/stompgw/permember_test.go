package main

import (
	"strings"
	"testing"

	"github.com/stompgw/stompgw/bus/bustest/servers"
	"github.com/stompgw/stompgw/gateway/registry/redisregistry"
)

// TestPerMember: sessions.per_member holds over all nodes, for each member by itself, and whoever is one
// too many is told so.
func TestPerMember(t *testing.T) {
	t.Parallel()
	for over, goes := range map[string]int{"kick-oldest": 0, "kick-newest": 2} {
		t.Run(over, func(t *testing.T) {
			t.Parallel()
			redis, bus := servers.Redis(t).Addr, natsAt(servers.NATS(t, 0).Addr)+"\nsessions: { per_member: { max: 2, over: "+over+" } }"
			nodes := []*node{startNode(t, redis, bus, secretEnv), startNode(t, redis, bus, secretEnv)}
			other := connectAs(t, nodes[0], "43")
			clients := []*client{connectAs(t, nodes[0], "42"), connectAs(t, nodes[1], "42"), connectAs(t, nodes[0], "42")}
			if f := clients[goes].expect(t, "ERROR"); f.headers["error-code"] != "17" || !strings.Contains(f.body, "this member") {
				t.Errorf("got %+v, want code 17 and what to do", f)
			}
			if f, err := clients[goes].read(); err == nil {
				t.Errorf("after its ERROR came %+v, want the end", f)
			}
			var stay []*client
			for i, c := range append(clients, other) {
				if i != goes {
					stay = append(stay, c)
				}
			}
			awaitKeys(t, readMap(t, redisregistry.Hashes, redis), stay)
			for _, c := range stay {
				c.subscribe(t, "/topic/still-here")
			}
		})
	}
}

// connectAs opens a session of a member.
func connectAs(t *testing.T, n *node, member string) *client {
	t.Helper()
	token := strings.TrimSpace(n.cli(t, "token", "gen", "--member", member))
	return connect(t, n.Addr, "Authorization", "Bearer "+token)
}
