package admin_test

import (
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stompgw/stompgw/admin"
	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/gateway/policy"
	"github.com/stompgw/stompgw/gateway/registry"
	"github.com/stompgw/stompgw/gateway/registry/redisregistry"
)

// limited is a node that keeps members under a limit.
type limited struct {
	*node
	limit   *admin.MemberLimit
	cluster *admin.Cluster // the limit's
}

// startLimited starts a node; its limit asks through a client of its own.
func startLimited(t *testing.T, m redisregistry.Map, name string, most int, over admin.Over, patience time.Duration, asks redisregistry.Map) *limited {
	t.Helper()
	l := &limited{cluster: admin.NewCluster(asks, patience)}
	l.limit = admin.NewMemberLimit(l.cluster, most, over, slog.New(slog.NewTextHandler(io.Discard, nil)))
	l.limit.SetAgain(10 * time.Millisecond)
	start(t, l.limit.Run)
	l.node = startNode(t, m, name, func(cfg *redisregistry.Config) { cfg.Stored = l.limit.Check })
	return l
}

// ids returns which sessions the nodes have, but for those that settle made.
func ids(nodes ...*limited) (all []registry.SessionID) {
	for _, n := range nodes {
		for _, id := range n.gw.ids() {
			if id < 1000 {
				all = append(all, id)
			}
		}
	}
	slices.Sort(all)
	return all
}

// settle returns when all that was to be counted has been: a limit counts in turns, and two whole ones
// pass for members of the test's own.
func settle(t *testing.T, most int, n *limited) {
	t.Helper()
	for round := range 2 {
		first := registry.SessionID(1000 * (round + 1))
		for i := range registry.SessionID(most + 1) {
			n.has(first+i, fmt.Sprintf(`"%s%d"`, n.name, round), "tcp")
		}
		bustest.Eventually(t, "a turn has passed", func() bool {
			count := 0
			for _, id := range n.gw.ids() {
				if id >= first && id < first+1000 {
					count++
				}
			}
			return count == most
		})
	}
}

// TestMemberLimit: of sessions that come to two nodes at once the right ones remain, whoever counts
// them and whenever.
func TestMemberLimit(t *testing.T) {
	for over, want := range map[admin.Over][]registry.SessionID{
		admin.KickOldest: {38, 39, 40},
		admin.KickNewest: {1, 2, 3},
	} {
		t.Run(string(over), func(t *testing.T) {
			onAll(t, func(t *testing.T, m redisregistry.Map) {
				a := startLimited(t, m, nodeA, 3, over, patience, m)
				b := startLimited(t, m, nodeB, 3, over, patience, m)
				var wg sync.WaitGroup
				for i, n := range []*limited{a, b} {
					wg.Go(func() {
						for id := i + 1; id <= 40; id += 2 {
							n.has(registry.SessionID(id), "42", "tcp")
						}
					})
				}
				wg.Wait()
				a.has(41, `"42"`, "tcp") // another member
				bustest.Eventually(t, "few are left", func() bool { return len(ids(a, b)) <= 4 })
				settle(t, 3, a)
				settle(t, 3, b)
				if got := ids(a, b); !slices.Equal(got, append(want, 41)) {
					t.Errorf("sessions %d are left, want %d and 41", got, want)
				}
				bustest.Eventually(t, "those that went are counted, and four that settled", func() bool {
					return a.limit.Kicked()+b.limit.Kicked() == 37+4
				})
				for _, n := range []*limited{a, b} {
					n.gw.do(func(g *sham) {
						for _, k := range g.kicks {
							if k.how.Code != policy.CodeSessions || k.how.Reason != "" {
								t.Errorf("node %s was told %+v", n.name, k.how)
							}
						}
					})
				}
			})
		})
	}
}

// TestMemberLimitOfWhatIsThere: what Redis still knows, and the node no more, does not count.
func TestMemberLimitOfWhatIsThere(t *testing.T) {
	m := sessionMap(t, miniature(t), redisregistry.Hashes)
	a := startLimited(t, m, nodeA, 2, admin.KickOldest, patience, m)
	a.has(1, "42", "tcp")
	a.has(2, "42", "tcp")
	inRedis(t, m, 2)
	a.gw.do(func(g *sham) { delete(g.sessions, 2) })
	a.has(3, "42", "tcp")
	inRedis(t, m, 3)
	settle(t, 2, a)
	if got := ids(a); !slices.Equal(got, []registry.SessionID{1, 3}) {
		t.Errorf("sessions %d are left", got)
	}
	a.has(4, "42", "tcp")
	bustest.Eventually(t, "the oldest is gone", func() bool { return slices.Equal(ids(a), []registry.SessionID{3, 4}) })
}

// TestMemberLimitWithASilentNode: its sessions don't count while it is silent, and do when it is not.
func TestMemberLimitWithASilentNode(t *testing.T) {
	m := sessionMap(t, miniature(t), redisregistry.Hashes)
	b := startNode(t, m, nodeB, func(cfg *redisregistry.Config) { cfg.Stored = func(registry.Session) {} })
	hang := make(chan struct{})
	b.gw.do(func(g *sham) { g.hang = hang })
	b.has(1, "42", "tcp")
	inRedis(t, m, 1)
	a := startLimited(t, m, nodeA, 1, admin.KickNewest, impatience, m)
	a.has(2, "42", "tcp")
	bustest.Eventually(t, "that one is silent is counted", func() bool { return a.limit.Unchecked() > 0 })
	if got := ids(a); !slices.Equal(got, []registry.SessionID{2}) {
		t.Errorf("sessions %d are left: the silent node's has counted", got)
	}
	close(hang)
	bustest.Eventually(t, "it is counted again, and the newer one goes", func() bool {
		a.cluster.Forget() // else it takes 30 s
		return len(ids(a)) == 0
	})
	if got := b.gw.ids(); len(got) != 1 {
		t.Errorf("the older ones are %d", got)
	}
}

// TestMemberLimitWithoutRedis: more are admitted, which is counted, and put right later.
func TestMemberLimitWithoutRedis(t *testing.T) {
	addr := miniature(t)
	proxy := newProxy(t, "127.0.0.1:1")
	m, asks := sessionMap(t, addr, redisregistry.Hashes), sessionMap(t, proxy.addr, redisregistry.Hashes)
	a := startLimited(t, m, nodeA, 1, admin.KickOldest, patience, asks)
	for id := range registry.SessionID(3) {
		a.has(id+1, "42", "tcp")
	}
	inRedis(t, m, 3)
	bustest.Eventually(t, "that it is away is counted", func() bool { return a.limit.Unchecked() > 0 })
	if got := ids(a); len(got) != 3 {
		t.Errorf("sessions %d are left", got)
	}
	proxy.move(addr)
	bustest.Eventually(t, "one is left", func() bool { return slices.Equal(ids(a), []registry.SessionID{3}) })
}

// TestMemberLimitIsBounded: what waits to be counted does not grow for ever, and Check waits for
// nobody.
func TestMemberLimitIsBounded(t *testing.T) {
	m := sessionMap(t, "127.0.0.1:1", redisregistry.Hashes)
	l := admin.NewMemberLimit(admin.NewCluster(m, patience), 1, admin.KickOldest, slog.New(slog.DiscardHandler))
	l.Check(registry.Session{}) // of nobody
	if l.Waiting() != 0 {
		t.Error("a session of nobody is to be counted")
	}
	for id := range admin.MaxUnchecked {
		for range 2 {
			l.Check(registry.Session{Member: fmt.Sprint(id)})
		}
	}
	if l.Waiting() != admin.MaxUnchecked || l.Unchecked() != 0 {
		t.Errorf("%d wait, %d were let be", l.Waiting(), l.Unchecked())
	}
	l.Check(registry.Session{Member: "-1"})
	l.Check(registry.Session{Member: "0"})
	if l.Waiting() != admin.MaxUnchecked || l.Unchecked() != 1 {
		t.Errorf("%d wait, %d were let be", l.Waiting(), l.Unchecked())
	}
}
