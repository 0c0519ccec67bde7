package operate

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/stompgw/stompgw/admin"
	"github.com/stompgw/stompgw/cmd/internal/cli"
	"github.com/stompgw/stompgw/cmd/internal/cli/clitest"
	"github.com/stompgw/stompgw/cmd/internal/config"
	"github.com/stompgw/stompgw/gateway"
	"github.com/stompgw/stompgw/gateway/registry"
	"github.com/stompgw/stompgw/gateway/registry/redisregistry"
)

// shamGateway stands for the gateway of a node that operators reach over Redis.
type shamGateway struct {
	registry *redisregistry.Registry

	mu       sync.Mutex
	sessions []registry.SessionID
	kick     gateway.Kick // the last
	drained  bool
}

func (g *shamGateway) Live(_ context.Context, ids []registry.SessionID) (live []registry.Live, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, id := range ids {
		if slices.Contains(g.sessions, id) {
			live = append(live, registry.Live{ID: id, Subscriptions: []string{"/topic/a"}, Subscribed: 1, Queued: 7})
		}
	}
	return live, nil
}

func (g *shamGateway) Subscribers(context.Context, string) ([]registry.SessionID, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.sessions), nil
}

func (g *shamGateway) Kick(_ context.Context, ids []registry.SessionID, k gateway.Kick) (kicked []registry.SessionID, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.kick = k
	for _, id := range ids {
		if i := slices.Index(g.sessions, id); i >= 0 {
			g.sessions = slices.Delete(g.sessions, i, i+1)
			g.registry.Remove(id)
			kicked = append(kicked, id)
		}
	}
	return kicked, nil
}

func (g *shamGateway) Figures() gateway.Figures {
	g.mu.Lock()
	defer g.mu.Unlock()
	return gateway.Figures{Sessions: len(g.sessions), Connections: len(g.sessions)}
}

func (g *shamGateway) Ready() error { return nil }

func (g *shamGateway) Draining() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.drained
}

func (g *shamGateway) Drain() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.drained = true
}

// liveNode starts a node with sessions of members 1, 2 and so on. A deaf one answers no operator.
func liveNode(t *testing.T, addr, name string, sessions int, deaf bool) *shamGateway {
	t.Helper()
	client := redisregistry.NewClient(redisregistry.Options{Addrs: []string{addr}})
	t.Cleanup(func() { client.Close() })
	m := redisregistry.Map{Client: client, Prefix: "stompgw:", Layout: redisregistry.Hashes}
	node, err := registry.ParseNode(name)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	g := &shamGateway{registry: redisregistry.New(m, node, redisregistry.Config{Version: "0.7.0", Bus: "kafka", Started: time.Now()}, log)}
	control := admin.NewControl(m, node, g, g.registry.Refresh, log)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { noFault(t, "registry", g.registry.Run(ctx)) })
	if !deaf {
		wg.Go(func() { noFault(t, "control", control.Run(ctx)) })
	}
	t.Cleanup(func() { cancel(); wg.Wait() })
	for i := range sessions {
		id := registry.SessionID(i + 1)
		g.sessions = append(g.sessions, id)
		g.registry.Add(registry.Session{ID: id, ConnectedAt: time.Now(), Member: string(rune('1' + i)), Transport: "websocket", Version: "1.2"})
	}
	return g
}

// TestOperatorsOfNodes: the commands work with nodes that they reach over Redis, one of which is deaf.
func TestOperatorsOfNodes(t *testing.T) {
	addr := miniredis.RunT(t).Addr()
	c := newConsole(nil)
	c.open = func(cfg *config.Config, _ time.Duration) (operator, func()) {
		return openCluster(cfg, 100*time.Millisecond)
	}
	run := func(args string) (cli.ExitCode, string, string) {
		var out, errs bytes.Buffer
		code := cli.Run(t.Context(), c.root(), append(strings.Fields(args), "--redis", addr), strings.NewReader(""), &out, &errs)
		return cli.ExitCode(code), out.String(), errs.String()
	}
	g := liveNode(t, addr, nodeA, 3, false)
	clitest.Eventually(t, "a node with 3 sessions answers", func() bool {
		_, list, _ := run("sessions list --no-headers")
		_, nodes, _ := run("nodes list --no-headers")
		return strings.Count(list, "\twebsocket\t") == 3 && strings.Contains(nodes, "7c0e9d1a\t-\tserving\t3\t-\t")
	})
	liveNode(t, addr, nodeB, 1, true)
	clitest.Eventually(t, "the other has a session", func() bool {
		_, list, _ := run("sessions list -o name")
		return strings.Count(list, "\n") == 4
	})

	code, stdout, stderr := run("sessions list -o json")
	var list []admin.Session
	if err := json.Unmarshal([]byte(stdout), &list); err != nil || code != 0 || len(list) != 4 || list[0].Live.Queued != 7 || list[3].Live != nil {
		t.Errorf("exit code %d, %v, %s", code, err, stdout)
	}
	clitest.WantLine(t, stderr, "4 sessions on 2 live nodes; 1 node did not answer: 1b2c3d4e")

	_, first, stderr := run("sessions list -o name --limit 3")
	_, cursor, _ := strings.Cut(strings.TrimSpace(stderr), "--cursor ")
	if _, rest, _ := run("sessions list -o name --cursor " + cursor); first+rest != nodeA+"_00000001\n"+nodeA+"_00000002\n"+nodeA+"_00000003\n"+nodeB+"_00000001\n" {
		t.Errorf("the first page\n%sand behind %q\n%s", first, cursor, rest)
	}
	if code, _, stderr := run("sessions list --cursor x"); code != cli.Usage || !strings.Contains(stderr, `--cursor: "x" is no cursor`) {
		t.Errorf("exit code %d, %s", code, stderr)
	}
	if code, stdout, _ := run("sessions show 7c0e9d1a-3"); code != 0 || !strings.Contains(stdout, "DESTINATIONS\t/topic/a\n") {
		t.Errorf("exit code %d, %s", code, stdout)
	}
	if code, _, stderr := run("sessions show 00000001"); code != cli.Usage || !strings.Contains(stderr, "several sessions, such as 7c0e9d1a-1, 1b2c3d4e-1: say which") {
		t.Errorf("exit code %d, %s", code, stderr)
	}
	if code, stdout, _ := run("sessions count --by member --no-headers"); code != 0 || stdout != "1\t2\n2\t1\n3\t1\n" {
		t.Errorf("exit code %d, %s", code, stdout)
	}
	code, stdout, stderr = run("sessions kick --member 1 --yes --no-headers --block 10m --code 1234 --reason bye")
	rows := slices.Sorted(strings.Lines(stdout)) // nodes answer in any order
	if code != cli.Partial || strings.Join(rows, "") != "1b2c3d4e-1\t1\tnode silent\n7c0e9d1a-1\t1\tkicked\n" {
		t.Errorf("exit code %d, %s%s", code, stdout, stderr)
	}
	if g.kick.Code != 1234 || g.kick.Reason != "bye" {
		t.Errorf("kicked with %+v", g.kick)
	}
	if code, stdout, _ := run("sessions blocked -o name"); code != 0 || stdout != "1\n" {
		t.Errorf("exit code %d, blocked are %s", code, stdout)
	}
	if code, stdout, _ := run("sessions unblock 1 --no-headers"); code != 0 || stdout != "1\tunblocked\n" {
		t.Errorf("exit code %d, %s", code, stdout)
	}
	if code, _, stderr := run("sessions kick --destination /topic/a --yes"); code != cli.Partial {
		t.Errorf("exit code %d, %s", code, stderr)
	} else {
		clitest.WantLine(t, stderr, "2 sessions kicked; 1 node did not answer: 1b2c3d4e")
	}
	if code, _, stderr := run("nodes drain 1719999999999 --yes --config ''"); code == 0 {
		t.Errorf("an empty --config is none: %s", stderr)
	}
	if code, stdout, _ := run("nodes drain 7c0e9d1a --yes --no-headers"); code != 0 || stdout != "7c0e9d1a\tdraining\t0\n" {
		t.Errorf("exit code %d, %s", code, stdout)
	}
	clitest.Eventually(t, "the node drains", g.Draining)
	if code, _, stderr := run("nodes drain 1720 --yes"); code != cli.TimedOut {
		t.Errorf("exit code %d, %s", code, stderr)
	}
	if code, _, stderr := run("sessions list --node 17"); code != cli.Usage || !strings.Contains(stderr, "17 means several nodes, 7c0e9d1a, 1b2c3d4e: say which") {
		t.Errorf("exit code %d, %s", code, stderr)
	}
	if code, _, stderr := run("sessions list --node 18"); code != cli.NoMatch {
		t.Errorf("exit code %d, %s", code, stderr)
	} else {
		clitest.WantLine(t, stderr, "stompgw: --node 18: no live node has this name: live are 7c0e9d1a, 1b2c3d4e")
	}
}

func noFault(t *testing.T, what string, err error) {
	if err != nil {
		t.Errorf("%s: %v", what, err)
	}
}
