package gateway_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/membus"
)

// TestIndividual: an envelope for a principal reaches that session alone, on whatever node it is,
// under the name that it has subscribed to.
func TestIndividual(t *testing.T) {
	cluster := membus.NewCluster()
	nodes := []*node{startOn(t, cluster), startOn(t, cluster)}
	backend := cluster.Bus("backend")
	defer backend.Close(context.Background())
	publish := func(principal, destination, body string) {
		t.Helper()
		done := make(chan error, 1)
		e := bus.Envelope{Destination: destination, Principal: principal, Body: []byte(body)}
		if err := backend.Publish(e, func(err error) { done <- err }); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	type person struct {
		*client
		principal string
	}
	var people []person
	for i := range 8 {
		c := nodes[i%2].dialTCP(t)
		if i%4 < 2 {
			c = nodes[i%2].dialWS(t)
		}
		c.send("CONNECT\naccept-version:1.2\n\n^@")
		p := person{c, header(t, c.expect("CONNECTED"), "user-name")}
		p.subscribe("0", "/session/queue/x")
		p.subscribe("all", "/topic/all")
		people = append(people, p)
	}
	for i, p := range people {
		publish(p.principal, "/queue/x", fmt.Sprint("short ", i))
		publish(p.principal, "/session/queue/x", fmt.Sprint("long ", i))
		publish(p.principal+"0", "/queue/x", "for a session of another time")
		publish(p.principal, "/queue/y", "to where it does not listen")
	}
	publish("", "/topic/all", "all")
	publish("", "/session/queue/x", "a broadcast is for nobody's session")
	publish("", "/queue/x", "nor this")
	publish("nonsense", "/queue/x", "nobody")
	publish("", "/topic/all", "end")
	for i, p := range people {
		p.expect("MESSAGE", "subscription:0", "destination:/session/queue/x", fmt.Sprint("short ", i))
		p.expect("MESSAGE", "subscription:0", "destination:/session/queue/x", fmt.Sprint("long ", i))
		p.expect("MESSAGE", "subscription:all", "all")
		p.expect("MESSAGE", "subscription:all", "end")
		p.wantAlive()
	}
}

// A SEND to a destination of the session comes back to the session that sent it, through a rule.
func TestSendToOwnSession(t *testing.T) {
	eachTransport(t, func(t *testing.T, dial func(*node) *client) {
		n := start(t)
		one, two := dial(n).connect(), dial(n).connect()
		one.subscribe("0", "/session/queue/x")
		two.subscribe("0", "/session/queue/x")
		one.send("SEND\ndestination:/session/queue/x\n\nmine^@")
		one.expect("MESSAGE", "destination:/session/queue/x", "mine")
		two.wantAlive()
	})
}

// The registry knows a session from CONNECT to its end, under the name that CONNECTED tells.
func TestRegistryEntries(t *testing.T) {
	eachTransport(t, func(t *testing.T, dial func(*node) *client) {
		n := start(t)
		c := dial(n)
		if len(n.sessions.Sessions()) != 0 {
			t.Fatal("a session before CONNECT")
		}
		c.send("CONNECT\naccept-version:1.1\n\n^@")
		key := header(t, c.expect("CONNECTED"), "session")
		list := n.sessions.Sessions()
		if len(list) != 1 || list[0].Version != "1.1" || !list[0].Remote.Addr().IsLoopback() || key[len(key)-8:] != list[0].ID.String() {
			t.Fatalf("%s has %+v", key, list)
		}
		c.send("DISCONNECT\nreceipt:d\n\n^@")
		c.expect("RECEIPT")
		if list := n.sessions.Sessions(); len(list) != 0 {
			t.Errorf("after DISCONNECT: %+v", list)
		}
	})
}
