package admin_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stompgw/stompgw/admin"
	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/bus/bustest/servers"
	"github.com/stompgw/stompgw/gateway"
	"github.com/stompgw/stompgw/gateway/registry"
	"github.com/stompgw/stompgw/gateway/registry/redisregistry"
)

// pages reads destinations to their end, so many at a time, and returns how many pages there were.
func pages(t *testing.T, c *admin.Cluster, limit int) (all []registry.Destination, n int) {
	t.Helper()
	for after := ""; ; n++ {
		page, next, err := c.Destinations(t.Context(), "", after, limit)
		if err != nil || len(page) > limit {
			t.Fatal(len(page), err)
		}
		if all = append(all, page...); next == "" {
			return all, n + 1
		}
		if next <= after {
			t.Fatalf("behind %q comes %q", after, next)
		}
		after = next
	}
}

// rows are destinations for comparisons: name, pattern, subscribers, and of rooms members and anonymous.
func rows(page []registry.Destination) string {
	texts := []string{}
	for _, d := range page {
		text := fmt.Sprint(d.Name, " ", d.Pattern, " ", d.Subscribers)
		for _, n := range []*int{d.Members, d.Anonymous} {
			if n != nil {
				text += fmt.Sprint(" ", *n)
			}
		}
		texts = append(texts, "{"+text+"}")
	}
	return fmt.Sprint(texts)
}

// TestDestinations: the destinations of all nodes come in order with the numbers of all nodes, however large the pages are.
func TestDestinations(t *testing.T) {
	onAll(t, func(t *testing.T, m redisregistry.Map) {
		a, b := two(t, m)
		a.has(7, "", "tcp", "/topic/z/**", "/queue/é")
		b.has(8, "", "tcp", "/topic/b", "/topic/a0")
		c := admin.NewCluster(m, patience)
		const want = "[{/queue/é false 1} {/topic/a false 2} {/topic/a0 false 1} {/topic/b false 3} {/topic/z/** true 1}]"
		for limit := range 6 {
			if got, _ := pages(t, c, limit+1); rows(got) != want {
				t.Errorf("%d at a time: %v, want %s", limit+1, got, want)
			}
		}
		page, next, err := c.Destinations(t.Context(), "", "/topic/a", 2)
		if rows(page) != "[{/topic/a0 false 1} {/topic/b false 3}]" || next != "/topic/b" || err != nil {
			t.Errorf("%v, %q, %v", page, next, err)
		}
		if got := c.Silent(); len(got) > 0 {
			t.Errorf("silent are %q", got)
		}
	})
}

// TestDestinationsPresent: of rooms it is told how many are there, on all nodes that know.
func TestDestinationsPresent(t *testing.T) {
	m := sessionMap(t, servers.Redis(t).Addr, redisregistry.Hashes)
	a, b := two(t, m)
	a.keep(registry.Present{Destination: "/topic/a", Count: 2})
	a.keep(registry.Present{Destination: "/topic/b", Count: 3, Anonymous: 1})
	b.keep(registry.Present{Destination: "/topic/b", Count: 4, Anonymous: 5})
	b.has(8, "", "tcp", "/topic/z")
	got, _ := pages(t, admin.NewCluster(m, patience), 10)
	if want := "[{/topic/a false 2 2 0} {/topic/b false 2 7 6} {/topic/z false 1}]"; rows(got) != want {
		t.Errorf("%s, want %s", rows(got), want)
	}
}

// TestDestinationsOfMany: 100,000 of one node, and as many names as an answer holds, of the longest.
func TestDestinationsOfMany(t *testing.T) {
	m := sessionMap(t, servers.Redis(t).Addr, redisregistry.Hashes)
	a, b := startNode(t, m, nodeA), startNode(t, m, nodeB)
	var names []string
	for i := range 100_000 {
		names = append(names, fmt.Sprintf("/topic/%06d", i))
	}
	a.has(1, "", "tcp", names...)
	b.has(1, "", "tcp", names[50_500], names[99_999])
	c := admin.NewCluster(m, patience)
	for _, from := range []int{0, 50_000, 99_000} {
		after := ""
		if from > 0 {
			after = names[from-1]
		}
		page, next, err := c.Destinations(t.Context(), "/topic/*", after, 1000)
		if err != nil || len(page) != 1000 || page[0].Name != names[from] || page[999].Name != names[from+999] || (next == "") != (from == 99_000) {
			t.Errorf("from %d: %d destinations, next %q, %v", from, len(page), next, err)
		}
		for i, d := range page {
			want := 1
			if from+i == 50_500 || from+i == 99_999 {
				want = 2
			}
			if d.Subscribers != want {
				t.Errorf("%+v, want %d", d, want)
			}
		}
	}
	long := make([]string, 1100)
	for i := range long {
		long[i] = fmt.Sprintf("/topic/%04d%s", i, strings.Repeat("<", 8<<10-11))
	}
	b.has(2, "", "tcp", long...)
	page, next, err := c.Destinations(t.Context(), "", "/topic/0000", 1000)
	if err != nil || len(page) != 1000 || next != page[999].Name {
		t.Errorf("%d long ones, %v", len(page), err)
	}
}

// TestDestinationsSilent: what nodes have that say nothing, or that they fail, is missing, and Silent names them; they are
// not waited for with each page.
func TestDestinationsSilent(t *testing.T) {
	m := sessionMap(t, servers.Redis(t).Addr, redisregistry.Hashes)
	a, b := two(t, m)
	c := admin.NewCluster(m, impatience)
	b.gw.do(func(g *sham) { g.fails = gateway.ErrNotRunning })
	if got, _ := pages(t, c, 10); rows(got) != "[{/topic/a false 2} {/topic/b false 1}]" {
		t.Errorf("got %v", got)
	}
	if got := c.Silent(); !slices.Equal(got, []string{nodeB}) {
		t.Errorf("silent are %q", got)
	}
	pages(t, c, 1)
	if got := b.gw.asked(); len(got) != 1 {
		t.Errorf("the node that failed was asked for %q", got)
	}
	c.Forget()
	b.leave()
	if got, n := pages(t, c, 1); rows(got) != "[{/topic/a false 2} {/topic/b false 1}]" || n != 2 {
		t.Errorf("got %v in %d pages", got, n)
	}
	if got := c.Silent(); !slices.Equal(got, []string{nodeB}) {
		t.Errorf("silent are %q", got)
	}
	asked := len(a.gw.asked())
	for _, tt := range []struct {
		match, after string
		limit        int
	}{
		{"topic", "", 10}, {"/topic/{a}", "", 10}, {"/topic/\xff", "", 10}, {"/" + strings.Repeat("a", 300), "", 10},
		{"", "", 0}, {"", "", gateway.MaxDestinations + 1}, {"", strings.Repeat("a", 8<<10+1), 10},
	} {
		if _, _, err := c.Destinations(t.Context(), tt.match, tt.after, tt.limit); !errors.Is(err, admin.ErrPage) || len(err.Error()) > 400 {
			t.Errorf("%.60q, %.60q, %d: %v, want ErrPage", tt.match, tt.after, tt.limit, err)
		}
	}
	if got := len(a.gw.asked()); got != asked {
		t.Errorf("a node was asked %d times what makes no sense", got-asked)
	}
}

// TestDestinationsOfTheVersionBefore: a node that can't say its destinations is waited for with all else.
func TestDestinationsOfTheVersionBefore(t *testing.T) {
	m := sessionMap(t, servers.Redis(t).Addr, redisregistry.Hashes)
	_, b := two(t, m)
	c := admin.NewCluster(m, patience)
	b.gw.do(func(g *sham) { g.fails = errors.New("this node does not know what names is") })
	pages(t, c, 10)
	if got := c.Silent(); !slices.Equal(got, []string{nodeB}) {
		t.Errorf("silent are %q", got)
	}
	b.gw.do(func(g *sham) { g.fails = nil })
	got := outcomes(t, c.Kick(t.Context(), c.Sessions(t.Context(), admin.Filter{Node: nodeB}, ""), admin.Kick{}))
	wantOutcomes(t, got, map[string]admin.Outcome{b2: admin.Kicked, b3: admin.Kicked})
}

// TestAsksAtOnce: no more than some wait for nodes at one time, whoever asks; the others wait for their turn, as long as they want
// to know.
func TestAsksAtOnce(t *testing.T) {
	m := sessionMap(t, servers.Redis(t).Addr, redisregistry.Hashes)
	a := startNode(t, m, nodeA)
	hang := make(chan struct{})
	a.gw.do(func(g *sham) { g.hang = hang })
	c := admin.NewCluster(m, patience)
	var wg sync.WaitGroup
	const more = 5
	for i := range admin.MaxAsks + more {
		wg.Go(func() {
			if _, _, err := c.As(fmt.Sprint("key ", i)).Destinations(t.Context(), "", "", 10); err != nil {
				t.Error(err)
			}
		})
	}
	bustest.Eventually(t, "all have begun who may", func() bool { return len(a.gw.asked()) == admin.MaxAsks })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := c.Nodes(ctx); !errors.Is(err, ctx.Err()) {
		t.Errorf("who has no time is told %v", err)
	}
	if got := len(a.gw.asked()); got != admin.MaxAsks {
		t.Errorf("%d have asked at once", got)
	}
	close(hang)
	wg.Wait()
	if got := len(a.gw.asked()); got != admin.MaxAsks+more {
		t.Errorf("%d have asked in all", got)
	}
}
