package admin_test

import (
	"context"
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

var _ gateway.Peers = (*admin.Peers)(nil)

// TestPeers: a node hears who is on another one, of any number of rooms, however much that is.
func TestPeers(t *testing.T) {
	m := sessionMap(t, servers.Redis(t).Addr, redisregistry.Hashes)
	a, _ := startNode(t, m, nodeA), startNode(t, m, nodeB)
	p := admin.NewPeers(m, patience)
	if nodes, err := p.Nodes(t.Context()); !slices.Equal(slices.Sorted(slices.Values(nodes)), []string{nodeA, nodeB}) || err != nil {
		t.Errorf("the nodes are %q, %v", nodes, err)
	}
	var rooms []string
	for i := range 1200 {
		rooms = append(rooms, fmt.Sprintf("/topic/%04d", i))
		a.keep(registry.Present{Destination: rooms[i], Number: uint64(i + 1), Count: 1, Anonymous: i, Members: []registry.Person{person("7", 1, 10, "x")}})
	}
	const large, members = 3, 1000
	for i := range large { // some 2 MiB each, of which JSON makes more
		room := registry.Present{Destination: fmt.Sprint("/topic/large/", i), Number: uint64(i + 1), Count: members}
		for n := range members {
			room.Members = append(room.Members, person(fmt.Sprintf("%q", fmt.Sprint(n, strings.Repeat("m", 1000))), 1, int64(n), strings.Repeat("<", 1000)))
		}
		a.keep(room)
		rooms = slices.Insert(rooms, 300*i, room.Destination)
	}
	long := "/topic/" + strings.Repeat("<", 8<<10-7)
	a.keep(registry.Present{Destination: long, Number: 1, Anonymous: 1})
	rooms = append(rooms, slices.Repeat([]string{long}, 6)...)

	all, err := p.Present(t.Context(), nodeA, append(rooms, "/topic/nobody"))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]registry.Present{}
	for _, room := range all {
		got[room.Destination] = room
	}
	a.gw.do(func(g *sham) {
		for name, want := range g.rooms {
			slices.SortFunc(got[name].Members, func(a, b registry.Person) int { return int(a.Since - b.Since) })
			if is := got[name]; is.Number != want.Number || is.Anonymous != want.Anonymous || is.Count != want.Count || len(is.Members) != len(want.Members) {
				t.Errorf("%.40s: %+.200v", name, is)
			}
			for i, m := range got[name].Members {
				if w := want.Members[i]; string(m.Member) != string(w.Member) || m.Since != w.Since || m.Sessions != w.Sessions || string(m.Info) != string(w.Info) {
					t.Fatalf("%.40s: member %d is not as it was", name, i)
				}
			}
		}
	})
	for _, what := range a.gw.asked() {
		if strings.Count(what, "/topic/") != 1 {
			t.Errorf("rooms are asked of together: %.100s", what)
		}
	}
}

// TestPeersFail: a node that says nothing is an error, and so is one that can't say it; both are asked again.
func TestPeersFail(t *testing.T) {
	m := sessionMap(t, servers.Redis(t).Addr, redisregistry.Hashes)
	p := admin.NewPeers(m, impatience)
	for range 2 {
		if _, err := p.Present(t.Context(), nodeB, []string{lobby}); !errors.Is(err, admin.ErrSilent) {
			t.Errorf("%v, want ErrSilent", err)
		}
	}
	a := startNode(t, m, nodeA)
	p = admin.NewPeers(m, patience)
	a.gw.do(func(g *sham) { g.fails = errors.New("it does not run") })
	if _, err := p.Present(t.Context(), nodeA, []string{lobby}); err == nil || !strings.Contains(err.Error(), "it does not run") {
		t.Errorf("%v", err)
	}
	a.gw.do(func(g *sham) { g.fails = nil })
	if _, err := p.Present(t.Context(), nodeA, []string{lobby}); err != nil {
		t.Error(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, err := p.Present(ctx, nodeA, []string{lobby}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// TestPeersOfTheVersionBefore: nobody is on a node that does not know the question, and it is not waited for with each.
func TestPeersOfTheVersionBefore(t *testing.T) {
	m := sessionMap(t, servers.Redis(t).Addr, redisregistry.Hashes)
	asked := make(chan string, 100)
	leave := older(t, m, nodeB, asked)
	p := admin.NewPeers(m, 300*time.Millisecond)
	for range 3 {
		if got, err := p.Present(t.Context(), nodeB, []string{lobby}); err != nil || len(got) > 0 {
			t.Errorf("%v, %v", got, err)
		}
	}
	leave()
	close(asked)
	ids := map[string]bool{}
	for id := range asked {
		ids[id] = true
	}
	if len(ids) != 2 {
		t.Errorf("it was asked %d questions, want that about the room, and why it says nothing", len(ids))
	}
}

// older stands for a node of the version before: it takes requests without rooms, and knows what none of this test is.
func older(t *testing.T, m redisregistry.Map, node string, asked chan<- string) (leave func()) {
	t.Helper()
	requests := m.Client.Redis().Subscribe(t.Context(), m.Own()+"node:"+node)
	if _, err := requests.Receive(t.Context()); err != nil { // the confirmation
		t.Fatal(err)
	}
	return start(t, func(ctx context.Context) error {
		defer context.AfterFunc(ctx, func() { requests.Close() })() // which ends a ReceiveMessage
		for {
			message, err := requests.ReceiveMessage(context.WithoutCancel(ctx))
			if err != nil {
				return nil // the test has ended
			}
			var r struct {
				ID, Reply string
				Rooms     []string
			}
			if err := json.Unmarshal([]byte(message.Payload), &r); err != nil {
				return err
			}
			asked <- r.ID
			if r.Rooms != nil {
				continue
			}
			text := fmt.Sprintf(`{"id":%q,"node":%q,"part":0,"parts":1,"error":"it does not know what that is"}`, r.ID, node)
			if err := m.Client.Redis().Publish(ctx, m.Own()+"reply:"+r.Reply, text).Err(); err != nil {
				return err
			}
		}
	})
}
