package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/bus/bustest/servers"
	"github.com/stompgw/stompgw/cmd/internal/cli/clitest"
)

// patience is how long a test waits for what must happen; it only decides when a test has hung.
const patience = clitest.Patience

// node is a gateway that runs as a process of its own.
type node struct {
	*servers.Process // Addr is that of plain STOMP
	config, admin    string
}

// startNodes starts nodes with one Redis and one bus, whose configuration is given in YAML, and
// waits until all are ready.
func startNodes(t testing.TB, count int, bus string) []*node {
	t.Helper()
	redis := servers.Redis(t).Addr
	nodes := make([]*node, count)
	for i := range nodes {
		nodes[i] = startNode(t, redis, bus)
	}
	return nodes
}

// startNode starts one node with a Redis and a bus of the test's; env is as in serve.
func startNode(t testing.TB, redis, bus string, env ...string) *node {
	t.Helper()
	const config = `
listen: 127.0.0.1:0
redis: { addrs: ["%s"] }
channels:
  - { match: "/topic/{room}", subscribe: "true", send: "true" }
  - { match: "/session/queue/{name}", subscribe: "true", send: "false" }
drain: { duration: 1s }
%s
`
	return serve(t, clitest.WriteFile(t, filepath.Join(t.TempDir(), "stompgw.yaml"), fmt.Sprintf(config, redis, bus)), env...)
}

// serve starts a node with a configuration, and with more of it as variables of the environment, and
// returns when it is ready. The test's end stops it, and fails if it complained.
func serve(t testing.TB, config string, env ...string) *node {
	t.Helper()
	return run(t, config, []string{"serve", "--config", config}, env...)
}

// run does what serve does, for any arguments.
func run(t testing.TB, config string, args []string, env ...string) *node {
	t.Helper()
	addr, admin := freeAddr(t), freeAddr(t)
	n := &node{config: config, admin: "http://" + admin}
	n.Process = servers.Run(t, servers.Program{
		Addr: addr,
		Path: os.Args[0], // see TestMain
		Args: args,
		Env:  slices.Concat(env, []string{"RUN_AS_STOMPGW=1", "STOMPGW_TCP_LISTEN=" + addr, "STOMPGW_ADMIN_LISTEN=" + admin}),
		Answers: func(ctx context.Context) error {
			if status, text := n.get(ctx, "/readyz"); status != http.StatusOK {
				return fmt.Errorf("/readyz: %d %s", status, text)
			}
			return nil
		},
	})
	t.Cleanup(func() {
		n.Stop(t)
		for _, complaint := range []string{"DATA RACE", "panic:"} {
			if strings.Contains(n.Output(), complaint) {
				t.Errorf("a node complained of a %s:\n%s", complaint, n.Output())
			}
		}
	})
	return n
}

func freeAddr(t testing.TB) string {
	t.Helper()
	return fmt.Sprintf("127.0.0.1:%d", servers.FreePort(t))
}

// get asks the admin address; the status is 0, and the text why, where nobody answers.
func (n *node) get(ctx context.Context, path string) (status int, text string) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, n.admin+path, nil)
	if err != nil {
		return 0, err.Error()
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(body)
}

// awaitReady returns when the node answers that it is ready, or that it is not, and returns what
// it said.
func (n *node) awaitReady(t *testing.T, ready bool) (said string) {
	t.Helper()
	bustest.Eventually(t, fmt.Sprintf("/readyz says ready: %v", ready), func() bool {
		status, text := n.get(t.Context(), "/readyz")
		said = text
		return status != 0 && (status == http.StatusOK) == ready
	})
	return said
}

// name returns what the node calls itself.
func (n *node) name(t *testing.T) string {
	t.Helper()
	_, rest, ok := strings.Cut(n.Output(), "msg=serving node=")
	if !ok {
		t.Fatalf("the node has not told its name:\n%s", n.Output())
	}
	name, _, _ := strings.Cut(rest, " ")
	return name
}

// cli runs a command with the configuration and the environment of the node, and returns its standard output.
func (n *node) cli(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], append(args, "--config", n.config)...)
	cmd.Env = append(os.Environ(), n.Env...)
	var problems bytes.Buffer
	cmd.Stderr = &problems
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("stompgw %s: %v\n%s", strings.Join(args, " "), err, &problems)
	}
	return string(out)
}
