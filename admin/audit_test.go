package admin_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stompgw/stompgw/admin"
	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/gateway"
	"github.com/stompgw/stompgw/gateway/registry"
	"github.com/stompgw/stompgw/gateway/registry/redisregistry"
)

// TestAudit: a node's log has one line for each thing that an operator did to it, however many requests
// that took, and none for what nobody did.
func TestAudit(t *testing.T) {
	m := sessionMap(t, miniature(t), redisregistry.Hashes)
	a := startNode(t, m, nodeA)
	for id := range registry.SessionID(45) {
		a.has(id+1, `"bob"`, "tcp")
	}
	inRedis(t, m, 45)
	c := admin.NewCluster(m, patience)
	kick := func(k admin.Kick) {
		for r, err := range c.Kick(t.Context(), c.Sessions(t.Context(), admin.Filter{}, ""), k) {
			if err != nil || r.Outcome != admin.Kicked {
				t.Fatal(r, err)
			}
		}
	}
	want := func(what string, lines ...string) {
		t.Helper()
		bustest.Eventually(t, what+" is logged", func() bool { return len(logLines(&a.log, what)) >= len(lines) })
		if got := logLines(&a.log, what); !slices.Equal(got, lines) {
			t.Errorf("%s is logged as\n%s\nwant\n%s", what, strings.Join(got, "\n"), strings.Join(lines, "\n"))
		}
	}
	c.Operator = "alice@bastion"
	kick(admin.Kick{Rate: 200, Whom: "member bob\x1b[2J", Kick: gateway.Kick{Reason: "bye", Code: 1234}, Block: 10 * time.Minute}) // 20 at a time
	want("ended sessions", `level=INFO msg="an operator ended sessions" by=alice@bastion whom="member bob [2J" sessions=45 code=1234 reason=bye blocked_for=10m0s`)
	want("blocked a member")

	if was, err := c.Unblock(t.Context(), "bob"); err != nil || !was {
		t.Fatal(was, err)
	}
	want("blocked a member", `level=INFO msg="an operator unblocked a member" by=alice@bastion member="\"bob\""`)

	c.Operator = ""
	a.has(100, `"bob"`, "tcp")
	inRedis(t, m, 1)
	kick(admin.Kick{})
	c.Operator = "alice@bastion"
	if _, err := c.Drain(t.Context(), nodeA); err != nil {
		t.Fatal(err)
	}
	want("drains", `level=INFO msg="an operator drains this node" by=alice@bastion sessions=0`)
	if n := len(logLines(&a.log, "ended sessions")); n != 1 {
		t.Errorf("%d lines of kicks, want one", n)
	}
}
