package admin_test

import (
	"errors"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stompgw/stompgw/admin"
	"github.com/stompgw/stompgw/bus/bustest/servers"
	"github.com/stompgw/stompgw/gateway/registry"
	"github.com/stompgw/stompgw/gateway/registry/redisregistry"
)

const (
	a1 = nodeA + "_00000001"
	a2 = nodeA + "_00000002"
	b2 = nodeB + "_00000002"
	b3 = nodeB + "_00000003"
)

// keys reads a walk to its end.
func keys(t *testing.T, sessions iter.Seq2[admin.Session, error]) (keys []string) {
	t.Helper()
	for _, s := range list(t, sessions) {
		keys = append(keys, s.Key)
	}
	slices.Sort(keys) // the layout Keys has no order
	return keys
}

func TestSessions(t *testing.T) {
	onAll(t, func(t *testing.T, m redisregistry.Map) {
		two(t, m)
		c := admin.NewCluster(m, patience)
		old := time.Since(connectedAt(2)) // 3 is younger
		for name, tt := range map[string]struct {
			filter admin.Filter
			want   []string
		}{
			"all":                         {admin.Filter{}, []string{a1, a2, b2, b3}},
			"member 42, the number":       {admin.Filter{Member: "42"}, []string{a1}},
			"member 42, the text":         {admin.Filter{Member: `"42"`}, []string{a2}},
			"member bob":                  {admin.Filter{Member: "bob"}, []string{b2}},
			"member that has no session":  {admin.Filter{Member: "eve"}, nil},
			"node":                        {admin.Filter{Node: nodeA}, []string{a1, a2}},
			"node by its beginning":       {admin.Filter{Node: nodeB[:13]}, []string{b2, b3}},
			"node and member":             {admin.Filter{Node: nodeB, Member: "42"}, nil},
			"transport":                   {admin.Filter{Transport: "websocket"}, []string{a2, b2}},
			"older":                       {admin.Filter{Older: old}, []string{a1, a2, b2}},
			"destination":                 {admin.Filter{Destination: "/topic/b"}, []string{a1, b2}},
			"destination that nobody has": {admin.Filter{Destination: "/topic/c"}, nil},
			"destination and member":      {admin.Filter{Destination: "/topic/a", Member: `"42"`}, []string{a2}},
			"destination on a node":       {admin.Filter{Destination: "/topic/b", Node: nodeB}, []string{b2}},
			"destination and transport":   {admin.Filter{Destination: "/topic/b", Transport: "tcp"}, []string{a1}},
		} {
			whole := list(t, c.Sessions(t.Context(), tt.filter, ""))
			if got := keys(t, admin.Walk(whole)); !slices.Equal(got, tt.want) {
				t.Errorf("%s: %q, want %q", name, got, tt.want)
			}
			for i, s := range whole {
				rest := keys(t, c.Sessions(t.Context(), tt.filter, s.Cursor))
				if want := keys(t, admin.Walk(whole[i+1:])); !slices.Equal(rest, want) {
					t.Errorf("%s, behind %s: %q, want %q", name, s.Key, rest, want)
				}
			}
		}
		for s, err := range c.Sessions(t.Context(), admin.Filter{Node: nodeA, Transport: "tcp"}, "") {
			if err != nil || s.ID != "00000001" || s.Node != nodeA || string(s.Member) != "42" || s.Transport != "tcp" || s.Version != "1.2" ||
				!strings.HasPrefix(s.Principal, nodeA+"/00000001/") || !s.ConnectedAt.Equal(connectedAt(1)) || s.Live != nil {
				t.Errorf("%+v, %v", s, err)
			}
		}
		if silent := c.Silent(); len(silent) > 0 {
			t.Errorf("%q are silent", silent)
		}
	})
}

func TestSessionsRefuses(t *testing.T) {
	m := sessionMap(t, miniature(t), redisregistry.Hashes)
	two(t, m)
	c := admin.NewCluster(m, patience)
	first := func(f admin.Filter, after string) (err error) {
		for _, err := range c.Sessions(t.Context(), f, after) {
			return err
		}
		return nil
	}
	if err := first(admin.Filter{Node: "9"}, ""); !errors.Is(err, admin.ErrNoNode) {
		t.Errorf("%v, want ErrNoNode", err)
	}
	var several *admin.AmbiguousError
	if err := first(admin.Filter{Node: "17"}, ""); !errors.As(err, &several) || !slices.Equal(several.Keys, []string{nodeA, nodeB}) {
		t.Errorf("%v, want that two nodes are meant", err)
	}
	if err := first(admin.Filter{Member: `"bob`}, ""); !errors.Is(err, registry.ErrMember) {
		t.Errorf("%v, want ErrMember", err)
	}
	for after, f := range map[string]admin.Filter{"c:x": {Member: `42`}, "x": {}, "1:x": {Member: `42`}, "bob": {Node: nodeA}} {
		if err := first(f, after); !errors.Is(err, admin.ErrCursor) {
			t.Errorf("behind %s: %v, want ErrCursor", after, err)
		}
	}
}

// TestManySubscribers: an answer that takes many messages.
func TestManySubscribers(t *testing.T) {
	m := sessionMap(t, servers.Redis(t).Addr, redisregistry.Hashes)
	a, _ := two(t, m)
	a.gw.do(func(g *sham) {
		for id := range registry.SessionID(100_000) {
			g.sessions[id+1<<40] = []string{"/topic/a"}
		}
	})
	c := admin.NewCluster(m, patience)
	if got := keys(t, c.Sessions(t.Context(), admin.Filter{Destination: "/topic/a"}, "")); !slices.Equal(got, []string{a1, a2}) {
		t.Errorf("%q are subscribed", got)
	}
}

// TestSubscribersOfASilentNode: those of the others are there, and the cluster tells who was silent.
func TestSubscribersOfASilentNode(t *testing.T) {
	m := sessionMap(t, miniature(t), redisregistry.Hashes)
	_, b := two(t, m)
	b.leave()
	c := admin.NewCluster(m, impatience)
	if got := keys(t, c.Sessions(t.Context(), admin.Filter{Destination: "/topic/b"}, "")); !slices.Equal(got, []string{a1}) {
		t.Errorf("%q are subscribed", got)
	}
	if got := c.Silent(); !slices.Equal(got, []string{nodeB}) {
		t.Errorf("%q are silent", got)
	}
	if got := keys(t, c.Sessions(t.Context(), admin.Filter{}, "")); len(got) != 4 {
		t.Errorf("without a question there are %q", got)
	}
}

func TestFind(t *testing.T) {
	onAll(t, func(t *testing.T, m redisregistry.Map) {
		two(t, m)
		c := admin.NewCluster(m, patience)
		for name, want := range map[string]string{
			b2: b2, "00000001": a1, "00000003": b3, nodeA + "_0000000": "",
			"7c0e9d1a-1": a1, "7c0e9d1a-3": b3, // the nodes of this test begin alike
			mustNode(t, nodeB).Principal(2, connectedAt(2)): b2,
		} {
			s, err := c.Find(t.Context(), name)
			if want != "" && (err != nil || s.Key != want) {
				t.Errorf("%s is %q, %v; want %s", name, s.Key, err, want)
			}
			if several := new(redisregistry.AmbiguousError); want == "" && !errors.As(err, &several) {
				t.Errorf("%s is %q, %v; want that it is ambiguous", name, s.Key, err)
			}
		}
		for _, name := range []string{"00000009", nodeA + "_00000003", "7c0e9d1a-9", "7c0e9d1a-02", "7c0e9d1b-1", "7c0e9d1a-", "7c0e9d1a-x", "-1",
			nodeA + "/00000001/2025_02_03_T_14_05_06_789_KST", "bogus"} {
			if _, err := c.Find(t.Context(), name); !errors.Is(err, admin.ErrNoSession) {
				t.Errorf("%s gives %v, want ErrNoSession", name, err)
			}
		}
	})
}

func TestCount(t *testing.T) {
	onAll(t, func(t *testing.T, m redisregistry.Map) {
		a, _ := two(t, m)
		a.has(7, `42`, "tcp")
		inRedis(t, m, 5)
		c := admin.NewCluster(m, patience)
		for by, want := range map[admin.By][]admin.Count{
			admin.ByNode:      {{nodeA, 3}, {nodeB, 2}},
			admin.ByMember:    {{`42`, 2}, {`"42"`, 1}, {`"bob"`, 1}, {`null`, 1}},
			admin.ByTransport: {{"tcp", 2}, {"websocket", 2}, {"xhr-polling", 1}},
		} {
			if got, err := c.Count(t.Context(), by); err != nil || !slices.Equal(got, want) {
				t.Errorf("by %s: %v, %v; want %v", by, got, err, want)
			}
		}
		if got, err := c.CountUpTo(t.Context(), admin.ByMember, 4); err != nil || len(got) != 4 {
			t.Errorf("%v, %v", got, err)
		}
		if got, err := c.CountUpTo(t.Context(), admin.ByMember, 3); err == nil {
			t.Errorf("four members with a limit of three are %v", got)
		}
		if got, err := c.Count(t.Context(), "colour"); err == nil {
			t.Errorf("by colour: %v", got)
		}
	})
}
