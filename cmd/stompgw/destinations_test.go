package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stompgw/stompgw/admin"
	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/bus/bustest/servers"
	"github.com/stompgw/stompgw/gateway/registry/redisregistry"
)

// TestDestinations: over three nodes their destinations are listed with the numbers of all, and subscriptions end whose clients are
// on any of them, and are told why.
func TestDestinations(t *testing.T) {
	redis := servers.Redis(t).Addr
	bus := natsAt(servers.NATS(t, 0).Addr)
	var clients []*client
	for range 3 {
		n := startNode(t, redis, bus)
		for i := range 6 {
			c := connect(t, n.Addr)
			c.subscribe(t, "/session/queue/request-error")
			c.subscribe(t, fmt.Sprint("/topic/", i%3))
			clients = append(clients, c)
		}
	}
	store := redisregistry.NewClient(redisregistry.Options{Addrs: []string{redis}})
	t.Cleanup(func() { store.Close() })
	cluster := admin.NewCluster(redisregistry.Map{Client: store, Prefix: "stompgw:", Layout: redisregistry.Hashes}, 10*time.Second).As("key shop")
	want := func(want string) {
		t.Helper()
		var got []string
		for after := ""; ; {
			page, next, err := cluster.Destinations(t.Context(), "/topic/*", after, 2)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range page {
				got = append(got, fmt.Sprintf("%s %d", d.Name, d.Subscribers))
			}
			if after = next; next == "" {
				break
			}
		}
		if told := strings.Join(got, ", "); told != want || len(cluster.Silent()) > 0 {
			t.Errorf("got %s, silent are %q; want %s", told, cluster.Silent(), want)
		}
	}
	want("/topic/0 6, /topic/1 6, /topic/2 6")

	bustest.Eventually(t, "all sessions are in Redis", func() bool {
		n := 0
		for range cluster.Sessions(t.Context(), admin.Filter{}, "") {
			n++
		}
		return n == len(clients)
	})
	told := map[admin.Outcome]int{}
	for r, err := range cluster.EndSubscriptions(t.Context(), cluster.Sessions(t.Context(), admin.Filter{}, ""), admin.Ending{Destination: "/topic/1", Reason: "the room is closed"}) {
		if err != nil {
			t.Fatal(err)
		}
		told[r.Outcome]++
	}
	if told[admin.Ended] != 6 || told[admin.NotSubscribed] != 12 {
		t.Errorf("told is %v", told)
	}
	for i, c := range clients {
		if i%3 == 1 {
			const why = `{"clientRequestCode":null,"errorCode":18,"errorMessage":"the room is closed","error":"subscription_ended","retryable":false,"destination":"/topic/1"}`
			if f := c.expect(t, "MESSAGE"); f.body != why {
				t.Errorf("client %d reads %s, want %s", i, f.body, why)
			}
		}
		c.subscribe(t, "/topic/last") // nothing else has come before the answer to this
	}
	want("/topic/0 6, /topic/2 6, /topic/last 18")
}
