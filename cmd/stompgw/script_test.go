package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/bus/bustest/servers"
	"github.com/stompgw/stompgw/gateway/registry/redisregistry"
)

// TestScripts runs the command lines of testdata/script, each file against two nodes of its own, on one
// Kafka. Besides what testscript has, they may say
//
//	connect NAME NODE [-member M] [DEST...]  a client of node 1 or 2 connects and subscribes; $NAME is its session's key
//	expect NAME COMMAND [REGEXP]             the client's next frame
//	gone NAME                                the client's connection has been closed
//	exits CODE stompgw ...                   the command ends with that exit code
//	crash NODE                               SIGKILL
//	awaits REGEXP COMMAND...                 stompgw does so, again and again, until it prints that
func TestScripts(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d scripts, %v", len(files), err)
	}
	broker := shared.Kafka(t)
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txtar")
		bus := fmt.Sprintf("bus: { driver: kafka, kafka: { brokers: [%q], topic: %s, create: true, partitions: 2 } }", broker.Addr, name)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			runScript(t, file, bus, redisregistry.Hashes, servers.Redis(t).Addr)
		})
	}
}

// TestScriptsOnRedisCluster: what is in Redis, and what goes over it, is found in a Redis Cluster too, in
// either layout.
func TestScriptsOnRedisCluster(t *testing.T) {
	t.Parallel()
	for layout, names := range map[redisregistry.Layout][]string{
		redisregistry.Hashes: {"dead", "kick", "nodes", "sessions"}, redisregistry.Keys: {"kick", "sessions"},
	} {
		for _, name := range names {
			t.Run(string(layout)+"/"+name, func(t *testing.T) {
				t.Parallel()
				var addrs []string
				for _, master := range servers.RedisCluster(t) {
					addrs = append(addrs, master.Addr)
				}
				runScript(t, "testdata/script/"+name+".txtar", natsAt(servers.NATS(t, 0).Addr), layout, addrs...)
			})
		}
	}
}

// runScript runs a file against two nodes of its own.
func runScript(t *testing.T, file, bus string, layout redisregistry.Layout, redis ...string) {
	t.Helper()
	expiry := "expiry: 10m" // a busy machine takes no node out of the list
	if filepath.Base(file) == "dead.txtar" {
		expiry = "expiry: 5s"
	}
	bus += fmt.Sprintf("\nregistry: { layout: %s, heartbeat: 200ms, %s }", layout, expiry)
	addrs := strings.Join(redis, `", "`)
	s := &script{t, []*node{startNode(t, addrs, bus, secretEnv), startNode(t, addrs, bus, secretEnv)}, map[string]*client{}, readMap(t, layout, redis...)}
	deadline, _ := t.Deadline()
	testscript.RunT(alone{t}, testscript.Params{
		Files:               []string{file},
		Deadline:            deadline,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               s.setUp,
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"connect": taking(2, s.connect), "expect": taking(2, s.expect), "gone": taking(1, s.gone),
			"exits": taking(2, s.exits), "crash": taking(1, s.crash), "awaits": taking(2, s.awaits),
		},
	})
}

// alone has a script run at once, as a part of its test. Run of testscript makes each one a parallel test, which waits for its turn
// while the tests whose turn it is start nodes: all scripts' nodes would then be there before the first script has run.
type alone struct{ *testing.T }

func (alone) Parallel()     {}
func (alone) Verbose() bool { return testing.Verbose() }

func (a alone) Run(name string, script func(testscript.T)) {
	a.T.Run(name, func(t *testing.T) { script(alone{t}) })
}

// taking is a command with so many arguments at least, of those that TestScripts tells.
func taking(least int, command func(*testscript.TestScript, []string)) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if neg || len(args) < least {
			ts.Fatalf("want %d arguments, and no !", least)
		}
		command(ts, args)
	}
}

// script is what the commands of one file work on.
type script struct {
	t       *testing.T
	nodes   []*node
	clients map[string]*client
	book    *redisregistry.Reader
}

// secret signs the tokens of the scripts' clients.
const secret = "a secret of the scripts, of 32 bytes or more"

// secretEnv is where nodes and commands have it from.
const secretEnv = "STOMPGW_AUTH_JWT_SECRET=" + secret

func (s *script) setUp(env *testscript.Env) error {
	env.Vars = append(env.Vars, secretEnv, "GORACE="+os.Getenv("GORACE")) // see TestMain
	env.Setenv("CONFIG", s.nodes[0].config)
	for i, n := range s.nodes {
		env.Setenv(fmt.Sprintf("URL%d", i+1), "tcp://"+n.Addr)
		env.Setenv(fmt.Sprintf("NODE%d", i+1), n.name(s.t))
	}
	return nil
}

// connect is the command of that name.
func (s *script) connect(ts *testscript.TestScript, args []string) {
	name, n, args := args[0], s.node(ts, args[1]), args[2:]
	var login []string
	if len(args) > 1 && args[0] == "-member" {
		token := strings.TrimSpace(n.cli(s.t, "token", "gen", "--member", args[1]))
		login, args = []string{"Authorization", "Bearer " + token}, args[2:]
	}
	c := connect(s.t, n.Addr, login...)
	for _, destination := range args {
		c.subscribe(s.t, destination)
	}
	s.clients[name] = c
	ts.Setenv(name, c.session)
	bustest.Eventually(s.t, "Redis has the session", func() bool {
		for session, err := range s.book.Sessions(s.t.Context(), redisregistry.Query{}) {
			if err == nil && session.Key() == c.session {
				return true
			}
		}
		return false
	})
}

func (s *script) node(ts *testscript.TestScript, number string) *node {
	i, err := strconv.Atoi(number)
	if err != nil || i < 1 || i > len(s.nodes) {
		ts.Fatalf("no node %s", number)
	}
	return s.nodes[i-1]
}

func (s *script) expect(ts *testscript.TestScript, args []string) {
	f := s.clients[args[0]].expect(s.t, args[1])
	text := fmt.Sprintf("%v\n%s", f.headers, f.body)
	if len(args) > 2 && !regexp.MustCompile(args[2]).MatchString(text) {
		ts.Fatalf("%s got %s %s; want %s", args[0], f.command, text, args[2])
	}
}

func (s *script) gone(ts *testscript.TestScript, args []string) {
	if f, err := s.clients[args[0]].read(); err == nil {
		ts.Fatalf("%s got %s; want that its connection is closed", args[0], f.command)
	}
}

func (s *script) exits(ts *testscript.TestScript, args []string) {
	want, got := args[0], "0"
	err := ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		got = strconv.Itoa(exit.ExitCode())
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit code %s, want %s", got, want)
	}
}

func (s *script) crash(ts *testscript.TestScript, args []string) {
	s.node(ts, args[0]).Kill()
}

func (s *script) awaits(ts *testscript.TestScript, args []string) {
	want := regexp.MustCompile(args[0])
	bustest.Eventually(s.t, strings.Join(args, " "), func() bool { return want.MatchString(s.nodes[0].cli(s.t, args[1:]...)) })
}
