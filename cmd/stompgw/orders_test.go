package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/bus/bustest/servers"
)

const examples = "../../configs/examples/"

// TestOrders: the order services of the examples answer sessions of two nodes, each the one that has ordered, with the code that it gave.
func TestOrders(t *testing.T) {
	t.Parallel()
	atOnce := func(context.Context) error { return nil }
	t.Run("nats", func(t *testing.T) {
		url := "nats://" + servers.NATS(t, 0).Addr
		service := filepath.Join(t.TempDir(), "orders")
		if runtime.GOOS == "windows" {
			service += ".exe"
		}
		if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", service, examples+"orders-nats").CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		orders := servers.Run(t, servers.Program{Path: service, Args: []string{url}, Answers: atOnce})
		bustest.Eventually(t, "the service is ready", func() bool { return strings.Contains(orders.Output(), "ready") })
		testOrders(t, "orders-nats", "STOMPGW_BUS_NATS_URL="+url)
	})
	t.Run("kafka", func(t *testing.T) {
		broker := shared.Kafka(t)
		broker.CreateTopic(t, "orders-in", 3)
		jars := filepath.Join(servers.Jars(t), "*")
		servers.Run(t, servers.Program{Path: "java", Args: []string{"-cp", jars, examples + "orders-kafka/Orders.java", broker.Addr}, Answers: atOnce}) // it reads what was there before
		testOrders(t, "orders-kafka", "STOMPGW_BUS_KAFKA_BROKERS="+broker.Addr)
	})
}

// testOrders has clients of two nodes, with the configuration of an example, order.
func testOrders(t *testing.T, example string, env ...string) {
	t.Helper()
	env = append(env, secretEnv, "STOMPGW_LISTEN=127.0.0.1:0", "STOMPGW_REDIS_ADDRS="+servers.Redis(t).Addr)
	var clients []*client
	for i := range 2 {
		n := serve(t, filepath.Join(examples, example, "stompgw.yaml"), env...)
		c := connect(t, n.Addr, "Authorization", "Bearer "+strings.TrimSpace(n.cli(t, "token", "gen", "--member", fmt.Sprint(i+1))))
		c.subscribe(t, "/session/queue/orders")
		clients = append(clients, c)
	}
	for round := range 3 {
		for i, c := range clients {
			c.send(t, "SEND", fmt.Sprintf("%d books", round), "destination", "/app/orders", "client-request-code", fmt.Sprintf("%d of %d", round, i), "stomp-member", "9")
		}
		for i, c := range clients {
			f := c.expect(t, "MESSAGE")
			if want := fmt.Sprintf("ordered by %d: %d books", i+1, round); f.body != want || f.headers["client-request-code"] != fmt.Sprintf("%d of %d", round, i) {
				t.Errorf("got %+v, want %q", f, want)
			}
		}
	}
}
