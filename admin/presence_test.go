package admin_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stompgw/stompgw/admin"
	"github.com/stompgw/stompgw/bus/bustest/servers"
	"github.com/stompgw/stompgw/gateway"
	"github.com/stompgw/stompgw/gateway/registry"
	"github.com/stompgw/stompgw/gateway/registry/redisregistry"
)

// person is a member of a room whose info is a text.
func person(member string, sessions int, since int64, info string) registry.Person {
	p := registry.Person{Member: json.RawMessage(member), Sessions: sessions, Since: since}
	if info != "" {
		p.Info = fmt.Appendf(nil, "%q", info)
	}
	return p
}

// keep has a node say who is in a room.
func (n *node) keep(p registry.Present) {
	n.gw.do(func(g *sham) {
		if g.rooms == nil {
			g.rooms = map[string]registry.Present{}
		}
		g.rooms[p.Destination] = p
	})
}

// inWords is a room for comparisons.
func inWords(p registry.Present) string {
	text := fmt.Sprintf("%s: %d members, %d anonymous, many %t", p.Destination, p.Count, p.Anonymous, p.Many)
	for _, m := range p.Members {
		text += fmt.Sprintf("; %s %d %d %s", m.Member, m.Sessions, m.Since, m.Info)
	}
	return text
}

const lobby = "/topic/lobby"

// TestPresent: a room of all nodes has each member once, with all sessions, and the info of the newest; numbers add up where members are not
// listed.
func TestPresent(t *testing.T) {
	onAll(t, func(t *testing.T, m redisregistry.Map) {
		a, b := startNode(t, m, nodeA), startNode(t, m, nodeB)
		a.keep(registry.Present{Destination: lobby, Number: 7, Count: 3, Anonymous: 2, Members: []registry.Person{
			person(`"bob"`, 1, 50, "old"), person("7", 2, 10, "same, of a"), person("42", 1, 30, "")}})
		b.keep(registry.Present{Destination: lobby, Number: 9, Count: 2, Anonymous: 1, Members: []registry.Person{
			person(`"bob"`, 3, 60, "new"), person("7", 1, 10, "same, of b")}})
		a.keep(registry.Present{Destination: "/topic/crowd", Count: 2000, Many: true})
		b.keep(registry.Present{Destination: "/topic/crowd", Count: 1, Members: []registry.Person{person("7", 1, 10, "")}})
		c := admin.NewCluster(m, patience)
		for _, tt := range []struct {
			room   string
			counts bool
			want   string
		}{
			{lobby, false, lobby + `: 3 members, 3 anonymous, many false; "bob" 4 60 "new"; 42 1 30 ; 7 3 10 "same, of b"`},
			{lobby, true, lobby + `: 5 members, 3 anonymous, many true`},
			{"/topic/crowd", false, "/topic/crowd: 2001 members, 0 anonymous, many true"},
			{"/topic/none", false, "/topic/none: 0 members, 0 anonymous, many false"},
		} {
			got, err := c.Present(t.Context(), tt.room, tt.counts)
			if err != nil || inWords(got) != tt.want || got.Number != 0 {
				t.Errorf("%s, %+v, %v\nwant %s", inWords(got), got, err, tt.want)
			}
		}
		if got := c.Silent(); len(got) > 0 {
			t.Errorf("silent are %q", got)
		}
	})
}

// TestPresentSilent: who is on a node that says nothing, or that fails, is missing, and Silent names it; it is not waited for again soon
// with this, but with all else.
func TestPresentSilent(t *testing.T) {
	m := sessionMap(t, servers.Redis(t).Addr, redisregistry.Hashes)
	a, b := two(t, m)
	room := registry.Present{Destination: lobby, Count: 1, Members: []registry.Person{person("7", 1, 10, "")}}
	a.keep(room)
	b.keep(room)
	c := admin.NewCluster(m, patience)
	b.gw.do(func(g *sham) { g.fails = gateway.ErrNotRunning })
	for range 2 {
		got, err := c.Present(t.Context(), lobby, false)
		if want := lobby + ": 1 members, 0 anonymous, many false; 7 1 10 "; err != nil || inWords(got) != want {
			t.Errorf("%s, %v, want %s", inWords(got), err, want)
		}
		if got := c.Silent(); !slices.Equal(got, []string{nodeB}) {
			t.Errorf("silent are %q", got)
		}
	}
	if got := b.gw.asked(); len(got) != 1 {
		t.Errorf("it was asked %q", got)
	}
	b.gw.do(func(g *sham) { g.fails = nil })
	got := outcomes(t, c.Kick(t.Context(), c.Sessions(t.Context(), admin.Filter{Node: nodeB}, ""), admin.Kick{}))
	wantOutcomes(t, got, map[string]admin.Outcome{b2: admin.Kicked, b3: admin.Kicked})
	c.SetClock(func() time.Time { return time.Now().Add(time.Minute) })
	if got, err := c.Present(t.Context(), lobby, false); err != nil || got.Members[0].Sessions != 2 || len(c.Silent()) > 0 {
		t.Errorf("later: %s, %v, silent are %q", inWords(got), err, c.Silent())
	}
	asked := len(a.gw.asked())
	for _, bad := range []string{"", "/topic/*", "/topic/{room}", "/" + strings.Repeat("a", 8<<10)} {
		if _, err := c.Present(t.Context(), bad, false); !errors.Is(err, admin.ErrRoom) {
			t.Errorf("%.80q: %v, want ErrRoom", bad, err)
		}
	}
	if got := len(a.gw.asked()); got != asked {
		t.Errorf("a node was asked %d times what makes no sense", got-asked)
	}
}
