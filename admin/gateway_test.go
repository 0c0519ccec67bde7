package admin_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stompgw/stompgw/admin"
	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/bustest/servers"
	"github.com/stompgw/stompgw/bus/membus"
	"github.com/stompgw/stompgw/gateway"
	"github.com/stompgw/stompgw/gateway/policy"
	"github.com/stompgw/stompgw/gateway/registry"
	"github.com/stompgw/stompgw/gateway/registry/redisregistry"
)

// real is a node with a gateway that clients reach.
type real struct {
	addr  string
	gw    *gateway.Gateway
	ended chan struct{} // closed when the gateway has
}

func startReal(t *testing.T, m redisregistry.Map, buses *membus.Cluster, name string) *real {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	node := mustNode(t, name)
	reg := redisregistry.New(m, node, redisregistry.Config{Version: gateway.Version, Started: time.Now()}, log)
	start(t, reg.Run)
	r := serve(t, name, buses.Bus(name), reg)
	start(t, admin.NewControl(m, node, r.gw, reg.Refresh, log).Run)
	eventually(t, "the node is ready", func() bool { return r.gw.Ready() == nil })
	awaitNode(t, m, name)
	return r
}

// serve runs a node on b with a port for plain STOMP.
func serve(t *testing.T, name string, b bus.Bus, book registry.Registry) *real {
	t.Helper()
	rules, err := policy.New(policy.Rules{
		Prefixes:         policy.DefaultPrefixes(),
		ErrorDestination: "/session/queue/request-error",
		Channels:         []policy.Channel{{Match: "/topic/{room}", Subscribe: "true", Send: "true"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	gw, err := gateway.New(mustNode(t, name), b, book, rules, gateway.WithDrain(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close(context.Background()) }) // after the gateway
	r := &real{ln.Addr().String(), gw, make(chan struct{})}
	start(t, func(ctx context.Context) error {
		defer close(r.ended)
		return gw.Run(ctx, gateway.Listener{Listener: ln, STOMP: true})
	})
	return r
}

// dial connects a client, which sends frames and reads until want comes.
func (r *real) dial(t *testing.T, frames, want string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", r.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	exchange(t, conn, frames, want)
	return conn
}

// exchange sends frames and reads until want comes.
func exchange(t *testing.T, conn net.Conn, frames, want string) {
	t.Helper()
	io.WriteString(conn, frames) // an error shows when it reads
	var got strings.Builder
	for buf := make([]byte, 4096); !strings.Contains(got.String(), want); {
		n, err := conn.Read(buf)
		if got.Write(buf[:n]); err != nil {
			t.Fatalf("%v, after %q", err, got.String())
		}
	}
}

// TestOperatorAndClients: a third party sees and ends the sessions of clients of two gateways, and
// drains one.
func TestOperatorAndClients(t *testing.T) {
	addr := servers.Redis(t).Addr
	m := sessionMap(t, addr, redisregistry.Hashes)
	buses := membus.NewCluster()
	a, b := startReal(t, m, buses, nodeA), startReal(t, m, buses, nodeB)
	client := func(to *real, destination string) net.Conn {
		return to.dial(t, "CONNECT\naccept-version:1.2\n\n\x00SUBSCRIBE\nid:0\ndestination:"+destination+"\nreceipt:r\n\n\x00", "receipt-id:r")
	}
	first, second := client(a, "/topic/a"), client(b, "/topic/b")
	inRedis(t, m, 2)

	operator := admin.NewCluster(sessionMap(t, addr, redisregistry.Hashes), patience)
	all := list(t, operator.Sessions(t.Context(), admin.Filter{}, ""))
	if err := operator.AskLive(t.Context(), all); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"/topic/a", "/topic/b"} {
		if l := all[i].Live; l == nil || l.Subscribed != 1 || l.Subscriptions[0] != want {
			t.Errorf("session %s is %+v, want that it is subscribed to %s", all[i].Key, l, want)
		}
	}
	some := operator.Sessions(t.Context(), admin.Filter{Destination: "/topic/b"}, "")
	for key, outcome := range outcomes(t, operator.Kick(t.Context(), some, admin.Kick{Kick: gateway.Kick{Reason: "closing time"}})) {
		if key != all[1].Key || outcome != admin.Kicked {
			t.Errorf("%s: %s", key, outcome)
		}
	}
	rest, err := io.ReadAll(second)
	if err != nil || !strings.Contains(string(rest), "ERROR\n") || !strings.Contains(string(rest), "message:closing time\n") || !strings.Contains(string(rest), "error-code:15\n") {
		t.Errorf("the client is told %q, %v", rest, err)
	}
	inRedis(t, m, 1)
	exchange(t, first, "UNSUBSCRIBE\nid:0\nreceipt:still\n\n\x00", "receipt-id:still")
	wantOutcomes(t, outcomes(t, operator.Kick(t.Context(), walk(all[1:2], nil), admin.Kick{})), map[string]admin.Outcome{all[1].Key: admin.Gone})

	if n, err := operator.Drain(t.Context(), nodeA); err != nil || n != 1 {
		t.Errorf("%d sessions drain, %v", n, err)
	}
	select {
	case <-a.ended:
	case <-time.After(patience):
		t.Fatal("the gateway does not end")
	}
	if _, err := io.ReadAll(first); err != nil {
		t.Errorf("the client of the node that has ended: %v", err)
	}
	if n, err := operator.FindNode(t.Context(), nodeB); err != nil || n.State != "serving" || *n.Ready != "yes" {
		t.Errorf("the other node is %+v, %v", n, err)
	}
}

// TestRedisCluster: operators reach the nodes through whichever server, also when each of them was
// started again.
func TestRedisCluster(t *testing.T) {
	masters := servers.RedisCluster(t)
	var addrs []string
	for _, p := range masters {
		addrs = append(addrs, p.Addr)
	}
	m := clusterMap(t, addrs...)
	a, b := two(t, m)
	operator := clusterMap(t, addrs...)
	c := admin.NewCluster(operator, patience)
	all := list(t, c.Sessions(t.Context(), admin.Filter{}, ""))
	if err := c.AskLive(t.Context(), all); err != nil || len(all) != 4 || all[3].Live == nil {
		t.Fatalf("%+v, %v", all, err)
	}
	wantOutcomes(t, outcomes(t, c.Kick(t.Context(), c.Sessions(t.Context(), admin.Filter{Member: "bob"}, ""), admin.Kick{Block: time.Hour})),
		map[string]admin.Outcome{b2: admin.Kicked})
	for _, p := range masters {
		p.Kill()
		p.Start(t)
	}
	for _, n := range []*node{a, b} {
		awaitNode(t, operator, n.name)
	}
	inRedis(t, operator, 3)
	wantOutcomes(t, outcomes(t, c.Kick(t.Context(), walk(all, nil), admin.Kick{})),
		map[string]admin.Outcome{a1: admin.Kicked, a2: admin.Kicked, b2: admin.Gone, b3: admin.Kicked})
}
