package operate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stompgw/stompgw/admin"
	"github.com/stompgw/stompgw/cmd/internal/cli"
	"github.com/stompgw/stompgw/cmd/internal/cli/clitest"
	"github.com/stompgw/stompgw/cmd/internal/output"
	"github.com/stompgw/stompgw/gateway/registry"
)

// TestOperatorOutput holds what each command for operators prints, on terminals and piped. That jsonl and YAML have
// the values of JSON the package output holds of all.
func TestOperatorOutput(t *testing.T) {
	terminal := func(width int) output.Screen { return output.Screen{Terminal: true, Width: width} }
	bold := output.Screen{Terminal: true, Width: 80, Bold: true}
	views := []struct {
		name   string
		screen output.Screen
		args   []string
	}{
		{"a terminal of 40", terminal(40), nil},
		{"a terminal of 80, in bold", bold, nil},
		{"a terminal of 200", terminal(200), []string{"-o", "wide"}},
		{"a pipe", output.Screen{}, nil},
		{"a pipe", output.Screen{}, []string{"-o", "json"}},
		{"a pipe", output.Screen{}, []string{"-o", "name"}},
	}
	const keyA, keyGone = nodeA + "_00000001", nodeA + "_000000ff"
	for name, args := range map[string][]string{
		"sessions.list":            {"sessions", "list"},
		"sessions.show":            {"sessions", "show", keyA},
		"sessions.show.silent":     {"sessions", "show", nodeB + "_00000001"},
		"sessions.count":           {"sessions", "count"},
		"sessions.count.node":      {"sessions", "count", "--by", "node"},
		"sessions.count.member":    {"sessions", "count", "--by", "member"},
		"sessions.count.transport": {"sessions", "count", "--by", "transport"},
		"sessions.kick":            {"sessions", "kick", "--all", "--yes", "--block", "10m"},
		"sessions.kick.keys":       {"sessions", "kick", keyA, keyGone},
		"sessions.kick.dryrun":     {"sessions", "kick", "--all", "--dry-run"},
		"sessions.blocked":         {"sessions", "blocked"},
		"sessions.unblock":         {"sessions", "unblock", "42", "al ice\x1b", `"bob"`},
		"destinations.list":        {"destinations", "list"},
		"presence":                 {"presence", "/topic/room.1"},
		"presence.anonymous":       {"presence", "/topic/room.4"},
		"presence.count":           {"presence", "/topic/room.2", "--count"},
		"nodes.list":               {"nodes", "list"},
		"nodes.show":               {"nodes", "show", nodeA},
		"nodes.drain":              {"nodes", "drain", nodeA, "--yes"},
	} {
		var all strings.Builder
		for _, v := range views {
			s := newSeat(t)
			s.screen = v.screen
			s.cluster.gone[nodeA+"_0000000b"] = true
			s.cluster.blocked = []string{"42", `"bob"`}
			code, stdout, stderr := s.run(append(args, v.args...)...)
			fmt.Fprintf(&all, "# %s: stompgw %s\n%s# stderr:\n%s# exit code %d\n\n", v.name, output.Printable(strings.Join(append(args, v.args...), " ")),
				stdout, stderr, code)
			checkLines(t, name, stdout, v.screen)
			if strings.Join(v.args, " ") == "-o json" && !json.Valid([]byte(stdout)) {
				t.Errorf("%s: not JSON:\n%s", name, stdout)
			}
		}
		clitest.Golden(t, name+".golden", all.String())
	}
}

// checkLines holds that lists on a terminal do not wrap, and nothing moves its cursor.
func checkLines(t *testing.T, name, text string, s output.Screen) {
	t.Helper()
	for line := range strings.Lines(text) {
		line = strings.NewReplacer("\x1b[1m", "", "\x1b[0m", "", "\n", "", "\t", "").Replace(line)
		if output.Printable(line) != line {
			t.Errorf("%s: %q is not safe on a terminal", name, line)
		}
		if list := !strings.Contains(name, ".show"); list && s.Terminal && len([]rune(line)) > s.Width {
			t.Errorf("%s: a line of %d characters on a terminal of %d: %s", name, len([]rune(line)), s.Width, line)
		}
	}
}

// TestSort: in whatever format, and less than all of them.
func TestSort(t *testing.T) {
	for _, tt := range []struct{ args, want string }{
		{"sessions list -o name --sort age", "_0000000b _00000001 _00000001 _0000000a _a"},
		{"sessions list -o name --sort -subs --limit 2", "_00000001 _0000000b"},
		{"sessions list -o name --sort queue", "_0000000a _0000000b _00000001 _00000001 _a"},
		{"nodes list -o name --sort -uptime", nodeA[26:] + " " + nodeB[26:] + " " + nodeX[26:]},
		{"destinations list -o name --sort -subscribers --limit 3", "/topic/room.3/" + strings.Repeat("long/", 10) + "name /topic/room.1 /topic/room.2"},
		{"destinations list -o name --sort members --limit 2", "/topic/room.1 /topic/room.2"},
		{"presence /topic/room.1 -o name --sort -sessions", `7 "auth0|5f7c8ec7c33c6c004bbafe82" 42`},
		{"presence /topic/room.1 -o name --sort since", `7 "auth0|5f7c8ec7c33c6c004bbafe82" 42`},
		{"sessions blocked -o name --sort -left", `"bob" 42`},
		{"sessions count --by member --no-headers --sort sessions", "\"世界\"\t1 -\t7 42\t12"},
	} {
		code, stdout, _ := newSeat(t).run(strings.Fields(tt.args)...)
		var got []string
		for line := range strings.Lines(stdout) {
			line, _, _ = strings.Cut(strings.TrimSpace(line), "\ufffd")
			_, id, isKey := strings.Cut(line, "_")
			switch {
			case isKey:
				line = "_" + id
			case len(line) == len(nodeA):
				line = line[26:]
			}
			got = append(got, line)
		}
		if code != 0 || strings.Join(got, " ") != tt.want {
			t.Errorf("%s: exit code %d, %q, want %s", tt.args, code, got, tt.want)
		}
	}
}

// TestWatchLists: a list comes again until Ctrl-C, on a terminal in the place of the last.
func TestWatchLists(t *testing.T) {
	for _, args := range []string{"sessions list", "nodes list", "sessions blocked", "sessions count", "sessions count --by node",
		"destinations list", "presence /topic/room.1", "presence /topic/room.2 --count"} {
		ctx, cancel := context.WithCancel(t.Context())
		seen := make(writes, 100)
		s := newSeat(t)
		s.ctx, s.stdout, s.screen = ctx, seen, output.Screen{Terminal: true, Width: 80}
		ended := make(chan cli.ExitCode, 1)
		go func() {
			code, _, _ := s.run(append(strings.Fields(args), "--watch=100ms")...)
			ended <- code
		}()
		for range 2 {
			if clear, list := <-seen, <-seen; clear != "\x1b[H\x1b[2J" || !strings.Contains(list, "\n") {
				t.Errorf("%s: %q and %q", args, clear, list)
			}
		}
		cancel()
		if code := <-ended; code != cli.Done {
			t.Errorf("%s: exit code %d", args, code)
		}
	}
}

// TestEmptyLists: they have column names, and are lists in JSON and YAML.
func TestEmptyLists(t *testing.T) {
	var all strings.Builder
	for _, args := range []string{"sessions list", "sessions blocked", "destinations list", "presence /topic/none", "nodes list"} {
		for _, format := range []string{"table", "wide", "json", "jsonl", "yaml", "name"} {
			s := newSeat(t)
			s.cluster = &fakeCluster{}
			code, stdout, stderr := s.run(append(strings.Fields(args), "-o", format)...)
			fmt.Fprintf(&all, "# stompgw %s -o %s\n%s# stderr:\n%s# exit code %d\n\n", args, format, stdout, stderr, code)
		}
	}
	clitest.Golden(t, "empty.golden", all.String())
}

// TestListFlags: what the flags say reaches the walk. Each session says how to go on behind it, unless the order is
// another one.
func TestListFlags(t *testing.T) {
	s := newSeat(t)
	_, stdout, _ := s.run("sessions", "list", "--member", "42", "--node", "17", "--transport", "websocket", "--destination", "/topic/a",
		"--older", "1d2h", "--cursor", "x", "-o", "jsonl")
	want := admin.Filter{Member: "42", Node: "17", Transport: "websocket", Destination: "/topic/a", Older: 26 * time.Hour}
	if s.cluster.filter != want || s.cluster.after != "x" || !strings.HasSuffix(stdout, `,"cursor":"c:00000001"}`+"\n") {
		t.Errorf("the walk is of %+v after %q, want %+v; %s", s.cluster.filter, s.cluster.after, want, stdout)
	}
	if _, stdout, _ := s.run("sessions", "list", "-o", "json", "--sort", "age"); strings.Contains(stdout, "cursor") {
		t.Errorf("%s", stdout)
	}
}

// TestListPages: nodes are asked of pages, not of all sessions together, and not at all for names. The last line says
// how to go on, and only if there is more.
func TestListPages(t *testing.T) {
	for _, tt := range []struct {
		sessions int
		args     []string
		pages    string
		rows     int
		more     string
	}{
		{1200, nil, "[500 500 200]", 1200, ""},
		{1200, []string{"-o", "json"}, "[500 500 200]", 1202, ""},
		{1200, []string{"--limit", "501"}, "[500 1]", 501, "c:00000001"},
		{1200, []string{"--limit", "500"}, "[500]", 500, "c:00000001"},
		{1200, []string{"-o", "name"}, "[]", 1200, ""},
		{5, []string{"--limit", "1"}, "[1]", 1, "c:00000001"},
		{5, []string{"--limit", "5"}, "[5]", 5, ""},
		{5, []string{"--limit", "6"}, "[5]", 5, ""},
		{5, []string{"--limit", "0"}, "[5]", 5, ""},
	} {
		s := newSeat(t)
		s.cluster.sessions = slices.Repeat(s.cluster.sessions[:1], tt.sessions)
		code, stdout, stderr := s.run(append([]string{"sessions", "list", "--no-headers"}, tt.args...)...)
		_, more, _ := strings.Cut(strings.TrimSpace(stderr), "; 1 node did not answer: 1b2c3d4e; more with --cursor ")
		if code != 0 || fmt.Sprint(s.cluster.pages) != tt.pages || strings.Count(stdout, "\n") != tt.rows || more != tt.more {
			t.Errorf("%v: exit code %d, %d lines, pages of %v, want %d, %s; %s", tt.args, code, strings.Count(stdout, "\n"), s.cluster.pages, tt.rows, tt.pages, stderr)
		}
	}
	s := newSeat(t)
	s.cluster.sessions[0].Cursor = "a b'\x1b$x"
	s.want(t, cli.Done, "1 session on 3 live nodes; 1 node did not answer: 1b2c3d4e; more with --cursor 'a b'\\''"+"\ufffd"+"$x'", "sessions", "list", "--limit", "1")
}

// TestDestinationPages: all are asked for, as many at a time as there can be, or no more than are wanted.
func TestDestinationPages(t *testing.T) {
	for _, tt := range []struct{ args, calls, told string }{
		{"", "1000 destinations  behind ; 1000 destinations  behind /topic/00999; 1000 destinations  behind /topic/01999", "2500 destinations"},
		{"--match /topic/* --limit 1200", "1000 destinations /topic/* behind ; 200 destinations /topic/* behind /topic/00999", "1200 destinations; there are more, with a larger --limit"},
		{"--limit 2500", "1000 destinations  behind ; 1000 destinations  behind /topic/00999; 500 destinations  behind /topic/01999", "2500 destinations"},
		{"--limit 1 --sort name", "1000 destinations  behind ; 1000 destinations  behind /topic/00999; 1000 destinations  behind /topic/01999", "2500 destinations"},
	} {
		s := newSeat(t)
		s.cluster.names, s.cluster.silent = nil, nil
		for i := range 2500 {
			s.cluster.names = append(s.cluster.names, registry.Destination{Name: fmt.Sprintf("/topic/%05d", i), Subscribers: 1})
		}
		s.want(t, cli.Done, tt.told, append([]string{"destinations", "list"}, strings.Fields(tt.args)...)...)
		if got := strings.Join(s.cluster.calls, "; "); got != tt.calls {
			t.Errorf("%s: asked for %s, want %s", tt.args, got, tt.calls)
		}
	}
}

// TestListBreaksOff: a list that can't be read to its end is a failure.
func TestListBreaksOff(t *testing.T) {
	s := newSeat(t)
	s.cluster.walkEnds = &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)}
	code, stdout, stderr := s.run("sessions", "list", "-o", "json")
	if code != cli.Unreachable || json.Valid([]byte(stdout)) {
		t.Errorf("exit code %d, %s", code, stdout)
	}
	clitest.Contains(t, stderr, "redis 127.0.0.1:6379 (redis.addrs, default) does not answer: connection reset by peer")
}

// TestOperatorMistakes holds, for each way to go wrong, the one line that is printed and the exit code.
func TestOperatorMistakes(t *testing.T) {
	const keyA = nodeA + "_00000001"
	long := strings.Repeat("x", 201)
	for _, tt := range []struct {
		args []string
		code cli.ExitCode
		want string
	}{
		{[]string{"sessions", "list", "--member", ""}, cli.Usage, "--member is empty: leave it out, or say which; see stompgw sessions list --help"},
		{[]string{"sessions", "show"}, cli.Usage, "SESSION is missing; see stompgw sessions show --help"},
		{[]string{"sessions", "show", "ffff"}, cli.NoMatch, "ffff: no such session; `stompgw sessions list` prints those there are"},
		{[]string{"sessions", "show", "00000001"}, cli.Usage, "00000001 means several sessions, such as 7c0e9d1a-1, 1b2c3d4e-1: say which"},
		{[]string{"sessions", "count", "--by", "age"}, cli.Usage, "--by age: want one of node, member, transport; see stompgw sessions count --help"},
		{[]string{"sessions", "count", "--by", ""}, cli.Usage, "--by : want one of node, member, transport; see stompgw sessions count --help"},

		{[]string{"sessions", "kick"}, cli.Usage, "whose sessions? Give SESSION, --member, --destination or --all; see stompgw sessions kick --help"},
		{[]string{"sessions", "kick", "--yes", "--all=false"}, cli.Usage, "whose sessions? Give SESSION, --member, --destination or --all; see stompgw sessions kick --help"},
		{[]string{"sessions", "kick", "--yes", "--member", ""}, cli.Usage, "--member is empty: leave it out, or say which; see stompgw sessions kick --help"},
		{[]string{"sessions", "kick", "--yes", "--all", "--node", ""}, cli.Usage, "--node is empty: leave it out, or say which; see stompgw sessions kick --help"},
		{[]string{"sessions", "kick", ""}, cli.Usage, "a SESSION is empty: it needs the id of a session; see stompgw sessions kick --help"},
		{[]string{"sessions", "kick", keyA, "--all", "--yes"}, cli.Usage, "SESSION and --all: give only one of them; see stompgw sessions kick --help"},
		{[]string{"sessions", "kick", "--member", "1", "--destination", "/topic/a", "--yes"}, cli.Usage, "--member and --destination: give only one of them; see stompgw sessions kick --help"},
		{[]string{"sessions", "kick", keyA, "--node", "17"}, cli.Usage, "SESSION and --node or --transport: SESSION is enough; see stompgw sessions kick --help"},
		{[]string{"sessions", "kick", "--member", "42"}, cli.Usage, "--member may end many sessions, and there is nobody to ask: add --yes, or --dry-run to see which; see stompgw sessions kick --help"},
		{[]string{"sessions", "kick", "--all"}, cli.Usage, "--all may end many sessions, and there is nobody to ask: add --yes, or --dry-run to see which; see stompgw sessions kick --help"},
		{[]string{"sessions", "kick", keyA, "--rate", "200/"}, cli.Usage, `--rate: "200/" is not a rate: write it like 100/s, 30/m or 10/h; see stompgw sessions kick --help`},
		{[]string{"sessions", "kick", keyA, "--block", "10ms"}, cli.Usage, "--block: 10ms is too short: want 1s or more; see stompgw sessions kick --help"},
		{[]string{"sessions", "kick", keyA, "--code", "99"}, cli.Usage, "--code 99: want a code or word of `stompgw explain`, or a number of your own from 1000 on; see stompgw sessions kick --help"},
		{[]string{"sessions", "kick", keyA, "--code", "1000"}, cli.Usage, "--code 1000 has no reason of its own: give one with --reason; see stompgw sessions kick --help"},
		{[]string{"sessions", "kick", keyA, "--reason", long}, cli.Usage, "--reason: it has 201 bytes: want 200 at most; see stompgw sessions kick --help"},
		{[]string{"sessions", "kick", "--all", "--yes", "--transport", "foo"}, cli.Usage, "--transport foo: want one of websocket, sockjs-websocket, xhr-streaming, xhr-polling, eventsource, htmlfile, jsonp-polling, tcp; see stompgw sessions kick --help"},
		{[]string{"sessions", "list", "--destination", "/topic/{a}"}, cli.Usage, "--destination /topic/{a}: a pattern has no braces: * stands for one segment; see stompgw sessions list --help"},
		{[]string{"sessions", "list", "--sort", "colour"}, cli.Usage, "--sort colour: the columns are session, member, transport, age, subs, address, version, queue, token; see stompgw sessions list --help"},
		{[]string{"sessions", "list", "--sort", "age", "--cursor", "x"}, cli.Usage, "--sort and --cursor: only a list in its own order can be continued; see stompgw sessions list --help"},
		{[]string{"nodes", "list", "--watch=1ms"}, cli.Usage, "--watch: 1ms is too short: want 100ms or more; see stompgw nodes list --help"},
		{[]string{"sessions", "list", "--older", "0"}, cli.Usage, "--older: 0 is too short: want 1ms or more; see stompgw sessions list --help"},
		{[]string{"members", "block", "42", "--for", "0"}, cli.Usage, "--for: 0 is too short: want 1s or more; see stompgw members block --help"},
		{[]string{"sessions", "count", "-o", "name"}, cli.Usage, "-o name: the formats are table, wide, json, jsonl, yaml; see stompgw sessions count --help"},
		{[]string{"sessions", "kick", "ffff", "eeee"}, cli.NoMatch, "ffff, eeee: no such session; `stompgw sessions list` prints those there are"},
		{[]string{"sessions", "kick", keyA, "00000001"}, cli.Usage, "00000001 means several sessions, such as 7c0e9d1a-1, 1b2c3d4e-1: say which"},
		{[]string{"sessions", "kick", "--member", "43", "--yes"}, cli.NoMatch, "no session fits"},

		{[]string{"sessions", "unblock", `"`}, cli.Usage, `MEMBER ": no member has such an id: " is not the JSON of a string; see stompgw sessions unblock --help`},

		{[]string{"destinations", "list", "--match", ""}, cli.Usage, "--match is empty: leave it out for all, or say which; see stompgw destinations list --help"},
		{[]string{"destinations", "list", "--match", "topic"}, cli.Usage, "--match topic: a pattern begins with a slash; see stompgw destinations list --help"},
		{[]string{"destinations", "list", "--limit", "-1"}, cli.Usage, "--limit -1: want a number of destinations, or 0 for all; see stompgw destinations list --help"},
		{[]string{"destinations", "list", "--sort", "size"}, cli.Usage, "--sort size: the columns are name, subscribers, members, anonymous; see stompgw destinations list --help"},
		{[]string{"presence"}, cli.Usage, "DEST is missing; see stompgw presence --help"},
		{[]string{"presence", "/topic/*"}, cli.Usage, "DEST /topic/*: no room: want a destination by its name, which is no pattern and has 1 to 8192 bytes; see stompgw presence --help"},
		{[]string{"presence", "/topic/room.1", "--count", "-o", "name"}, cli.Usage, "--count and -o name: a number is not a name; see stompgw presence --help"},
		{[]string{"presence", "/topic/room.2"}, cli.Failed, "12345 members in /topic/room.2 can't be listed: the rule only counts, or one node has more than presence.limit; --count shows how many there are"},

		{[]string{"nodes", "show", "9"}, cli.NoMatch, "9: no live node has this name: live are 7c0e9d1a (web-1), 1b2c3d4e (stompgw-7d9f8b6c5-x2x7k\ufffd), aaaaaaaa"},
		{[]string{"nodes", "show", "17"}, cli.Usage, "17 means several nodes, 7c0e9d1a, 1b2c3d4e, aaaaaaaa: say which"},
		{[]string{"nodes", "drain", nodeA}, cli.Usage, "the node will end, and there is nobody to ask: add --yes; see stompgw nodes drain --help"},
		{[]string{"nodes", "drain", nodeX, "--yes"}, cli.Failed, "node " + nodeX + " is not a stompgw node, and can't be told: end its process"},
	} {
		s := newSeat(t)
		if stdout := s.want(t, tt.code, "stompgw: "+tt.want, tt.args...); stdout != "" {
			t.Errorf("%q: stdout %q", tt.args, stdout)
		}
		if calls := strings.Join(s.cluster.calls, " "); strings.Contains(calls, "drain") || tt.code == cli.Usage && strings.Contains(calls, "kick") {
			t.Errorf("%q: all the same: %s", tt.args, calls)
		}
	}
}

// TestClusterErrors: what a cluster answers is told with the flag, or the setting, that it is about.
func TestClusterErrors(t *testing.T) {
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	for _, tt := range []struct {
		fault error
		args  string
		code  cli.ExitCode
		want  string
	}{
		{fmt.Errorf("9: %w", admin.ErrNoNode), "sessions kick --all --yes --node 9", cli.NoMatch, "--node 9: no live node has this name: no node is live"},
		{&admin.AmbiguousError{Name: "1", What: "nodes", Keys: []string{"1a", "1b"}}, "sessions kick --all --yes --node 1", cli.Usage, "1 means several nodes, 1a, 1b: say which"},
		{registry.ErrMember, "sessions kick --yes --member x", cli.Usage, "--member x: no member has such an id"},
		{admin.ErrCursor, "sessions kick --yes --all", cli.Usage, "--cursor: no cursor of a list with the same filter; begin again without one"},
		{refused, "sessions kick --yes --all", cli.Unreachable, "redis 127.0.0.1:6379 (redis.addrs, default) does not answer: connection refused; name another with --redis ADDRESS or --config FILE, or use --standalone for a node that was started so"},
		{errors.New("NOAUTH Authentication required."), "sessions kick --yes --all", cli.Unreachable, "redis 127.0.0.1:6379 (redis.password, default) can't be used: NOAUTH Authentication required; name a file that holds the password with redis.password_file, or set STOMPGW_REDIS_PASSWORD"},
		{errors.New("redis: all sentinels specified in configuration are unreachable: WRONGPASS invalid username-password pair"), "sessions kick --yes --all", cli.Unreachable,
			"redis 127.0.0.1:6379 (redis.sentinel.password, default) can't be used: redis: all sentinels specified in configuration are unreachable: WRONGPASS invalid username-password pair; check redis.sentinel.user and the password"},
		{errors.New("LOADING Redis is loading"), "sessions kick --yes --all", cli.Unreachable, "redis 127.0.0.1:6379 (redis.addrs, default) can't be used: LOADING Redis is loading; wait until it is there again"},
		{errors.New("WRONGTYPE of a key"), "sessions kick --yes --all", cli.Failed, "redis 127.0.0.1:6379: WRONGTYPE of a key"},
	} {
		s := newSeat(t)
		s.cluster = &fakeCluster{walkEnds: tt.fault}
		s.want(t, tt.code, "stompgw: "+tt.want, strings.Fields(tt.args)...)
	}
	for _, args := range []string{"sessions list", "sessions show a", "sessions count", "sessions count --by member", "sessions kick a",
		"sessions kick --all --yes", "sessions kick --all --dry-run", "sessions blocked", "sessions unblock a", "nodes list", "nodes show a", "nodes drain a --yes",
		"destinations list", "presence /topic/a", "presence /topic/a --count"} {
		s := newSeat(t)
		s.cluster.fault = refused
		code, _, stderr := s.run(strings.Fields(args)...)
		if code != cli.Unreachable || !strings.Contains(stderr, "redis 127.0.0.1:6379 (redis.addrs, default) does not answer: connection refused; ") {
			t.Errorf("%s without Redis: exit code %d, %s", args, code, stderr)
		}
	}
}

// TestOperatorHelp: each command has a help with examples that work.
func TestOperatorHelp(t *testing.T) {
	root := (&seat{cluster: newFakeCluster(), stdin: strings.NewReader("")}).console().root()
	for _, group := range root.Commands() {
		commands := group.Commands()
		if len(commands) == 0 { // it is none
			commands = append(commands, group)
		}
		for _, cmd := range commands {
			if cmd.Example == "" || cmd.Short == "" {
				t.Errorf("%s has no example", cmd.CommandPath())
			}
			for line := range strings.Lines(cmd.Long + "\n" + cmd.Example) {
				if n := len([]rune(line)) - 1; n > 120 {
					t.Errorf("%s: a line of %d characters: %s", cmd.CommandPath(), n, line)
				}
			}
			for line := range strings.Lines(cmd.Example) {
				checkExample(t, strings.TrimSpace(line))
			}
		}
	}
}

// checkExample holds that the flags of an example exist, and what they say is right.
func checkExample(t *testing.T, line string) {
	t.Helper()
	line, _, _ = strings.Cut(line, " | ")
	args := strings.Fields(strings.NewReplacer("'please reload the page'", "reason", `"$(stompgw sessions list --member 42 -o name`, "0000002a",
		"'/topic/room.*'", "/topic/room.*", " --watch", "", " --config prod.yaml", "").Replace(line))
	s := newSeat(t)
	s.stdin = strings.NewReader("")
	if code, _, stderr := s.run(args[1:]...); code == cli.Usage && !strings.Contains(stderr, "is the beginning") {
		t.Errorf("%s: %s", line, stderr)
	}
}

// TestOutputBroken: what can't be written is an error of the commands too.
func TestOutputBroken(t *testing.T) {
	for _, args := range []string{"sessions list", "sessions show " + nodeB, "sessions count", "sessions kick --all --yes", "sessions blocked", "sessions unblock a",
		"destinations list", "presence /topic/room.1", "presence /topic/room.2 --count", "nodes list", "nodes show " + nodeA, "nodes drain " + nodeA + " --yes"} {
		s := newSeat(t)
		s.stdout = clitest.FullDisk{}
		if code, _, stderr := s.run(strings.Fields(args)...); code != cli.Failed || !strings.Contains(stderr, "can't write the output: no space left on device") {
			t.Errorf("%s: exit code %d, %s", args, code, stderr)
		}
	}
}
