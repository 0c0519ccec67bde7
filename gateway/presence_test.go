package gateway_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/bus/membus"
	"github.com/stompgw/stompgw/gateway"
	"github.com/stompgw/stompgw/gateway/internal/presence"
	"github.com/stompgw/stompgw/gateway/internal/router"
	"github.com/stompgw/stompgw/gateway/internal/tcp"
	"github.com/stompgw/stompgw/gateway/registry"
	"github.com/stompgw/stompgw/gateway/stomp"
)

// neighbours are nodes that ask each other without Redis.
type neighbours struct {
	mu    sync.Mutex
	nodes map[string]*node
}

// Nodes implements gateway.Peers.
func (p *neighbours) Nodes(context.Context) (names []string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for name := range p.nodes {
		names = append(names, name)
	}
	return names, nil
}

// Present implements gateway.Peers.
func (p *neighbours) Present(ctx context.Context, name string, rooms []string) ([]registry.Present, error) {
	p.mu.Lock()
	n := p.nodes[name]
	p.mu.Unlock()
	if n == nil {
		return nil, errors.New("silent")
	}
	return n.Present(ctx, rooms, false)
}

func (p *neighbours) set(name string, n *node) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n == nil {
		delete(p.nodes, name)
	} else {
		p.nodes[name] = n
	}
}

// onlooker is a subscription to who is in a room.
type onlooker struct {
	router.Subscription
	mu     sync.Mutex
	bodies []string
}

// Deliver implements router.Outlet.
func (o *onlooker) Deliver(_ *router.Subscription, _ uint64, packed []byte) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	_, body, _ := bytes.Cut(packed, []byte("\n\n"))
	o.bodies = append(o.bodies, strings.TrimRight(string(body), "\x00\n"))
	return true
}

// Admits, Missed and Ended implement router.Outlet.
func (o *onlooker) Admits(*router.Subscription, string) bool { return false }
func (o *onlooker) Missed(*router.Subscription, uint32)      {}
func (o *onlooker) Ended(*router.Subscription)               {}

func (o *onlooker) wants(t *testing.T, bodies ...string) {
	t.Helper()
	bustest.Eventually(t, fmt.Sprint(bodies), func() bool {
		o.mu.Lock()
		defer o.mu.Unlock()
		return slices.Equal(o.bodies, bodies)
	})
}

// TestPresenceOfGateways: three nodes on one bus show each other's people, and those of a node that is no more leave.
func TestPresenceOfGateways(t *testing.T) {
	const room = "/topic/lobby"
	cluster, peers := membus.NewCluster(), &neighbours{nodes: map[string]*node{}}
	var nodes []*node
	for i := range 3 {
		n := startOn(t, cluster, gateway.WithPresence(gateway.Presence{Limit: 10, Peers: peers}))
		peers.set(n.name.String(), n)
		nodes = append(nodes, n)
		n.OnLoop(func(p *presence.Presence, _ *router.Local) {
			p.Come(room, registry.SessionID(1), fmt.Sprint(i+1), fmt.Appendf(nil, `{"of":%d}`, i+1), false)
		})
	}
	looks := &onlooker{}
	looks.Subscription = router.Subscription{ID: "1", Destination: "/presence" + room, Version: stomp.V12, Framing: tcp.Framing{}, Outlet: looks}
	for _, n := range nodes {
		bustest.Eventually(t, "the node has told who is there", func() bool {
			list, err := n.Present(t.Context(), []string{room, "/topic/other"}, true)
			return err == nil && len(list) == 1 && list[0].Count == 1 && list[0].Members == nil
		})
	}
	nodes[0].OnLoop(func(p *presence.Presence, l *router.Local) {
		p.View(l, &looks.Subscription, room, false, func(err error) {
			if err != nil {
				t.Error(err)
			}
		}, func(error) {})
	})
	here := `{"type":"here","members":[{"member":1,"info":{"of":1}},{"member":2,"info":{"of":2}},{"member":3,"info":{"of":3}}],"count":3,"anonymous":0}`
	looks.wants(t, here)
	nodes[1].OnLoop(func(p *presence.Presence, _ *router.Local) { p.Go(room, 1, "2") })
	left := `{"type":"left","members":[{"member":2}],"count":2,"anonymous":0}`
	looks.wants(t, here, left)
	peers.set(nodes[2].name.String(), nil)
	nodes[2].stop()
	died := `{"type":"left","members":[{"member":3}],"count":1,"anonymous":0}`
	looks.wants(t, here, left, died)
	if f := nodes[0].Figures().Presence; f.Rooms != 1 || f.Members != 1 || f.Views != 1 || f.Viewers != 1 || f.Asked < 2 {
		t.Errorf("figures %+v", f)
	}
	nodes[0].OnLoop(func(p *presence.Presence, l *router.Local) { p.Unview(l, &looks.Subscription) })
}

// TestNoPresence: a node without it knows nobody, and one that does not run can't say.
func TestNoPresence(t *testing.T) {
	n := start(t)
	if list, err := n.Present(t.Context(), []string{"/topic/a"}, false); list != nil || err != nil {
		t.Errorf("%v, %v", list, err)
	}
	n.stop()
	if _, err := n.Present(t.Context(), []string{"/topic/a"}, false); !errors.Is(err, gateway.ErrNotRunning) {
		t.Error(err)
	}
}

// TestPresenceOptions: what can't be is said when the node is made.
func TestPresenceOptions(t *testing.T) {
	for _, p := range []gateway.Presence{{}, {Limit: gateway.MaxPresenceLimit + 1}, {Limit: 1, Grace: -1}} {
		if _, err := gateway.New(registry.NewNode(time.Now()), bustest.NewFake(), registry.NewMemory(), rules(t), gateway.WithPresence(p)); err == nil {
			t.Errorf("%+v is taken", p)
		}
	}
}
