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
	dials := []func(*node) *client{func(n *node) *client { return n.dialTCP(t) }, func(n *node) *client { return n.dialWS(t) }}
	for _, tr := range allTransports() {
		dials = append(dials, func(n *node) *client { return n.dialSock(t, tr) })
	}
	for i := range 2 * len(dials) {
		c := dials[i/2](nodes[i%2])
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
