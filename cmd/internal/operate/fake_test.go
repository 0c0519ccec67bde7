package operate

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/stompgw/stompgw/admin"
	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/natsbus"
	"github.com/stompgw/stompgw/cmd/internal/cli"
	"github.com/stompgw/stompgw/cmd/internal/config"
	"github.com/stompgw/stompgw/cmd/internal/output"
	"github.com/stompgw/stompgw/gateway/registry"
)

// The nodes of fakeCluster: two of stompgw's, the second of which is silent, and a foreign one.
const (
	nodeA = "1719999999999/7c0e9d1a-0000-4000-8000-000000000001"
	nodeB = "1720000000000/1b2c3d4e-0000-4000-8000-000000000002"
	nodeX = "1720000000001/aaaaaaaa-0000-4000-8000-00000000000x"
)

// noon is the time in all tests of the commands for operators.
func noon() time.Time { return time.Date(2025, 2, 3, 12, 0, 0, 0, time.UTC) }

func ago(d time.Duration) *time.Time { return new(noon().Add(-d).In(time.FixedZone("KST", 9*60*60))) }

// fakeCluster is a cluster without Redis and nodes. What is called is written down.
type fakeCluster struct {
	sessions []admin.Session
	nodes    []admin.Node
	blocks   []admin.Block
	names    []registry.Destination
	rooms    map[string]registry.Present
	live     map[string]registry.Live // by key
	gone     map[string]bool          // sessions that end before they are kicked, by key
	silent   []string
	fault    error       // of every method
	walkEnds error       // of a walk, behind its last session
	stop     func(n int) // called before a session is kicked
	drainErr error
	draining string // a node that is gone when it is asked for the third time
	lookups  int    // of it
	lost     error  // of every method from then on
	calls    []string

	filter  admin.Filter // of the last walk
	after   string
	kick    admin.Kick
	pages   []int // sessions that AskLive was asked of
	blocked []string
}

func newFakeCluster() *fakeCluster {
	session := func(node, id, member, transport string, connected, expires *time.Time) admin.Session {
		return admin.Session{Short: registry.ShortKey(node + "_" + id), Key: node + "_" + id, ID: id, Node: node, Principal: node + "/" + id + "/2025_02_03_T_20_56_48_000_KST",
			Member: json.RawMessage(member), Transport: transport, Version: "1.2", Remote: "192.0.2.7:40001",
			ConnectedAt: connected, ExpiresAt: expires, Cursor: "c:" + id}
	}
	c := &fakeCluster{
		sessions: []admin.Session{
			session(nodeA, "00000001", "42", "websocket", ago(192*time.Second), ago(-252*time.Second)),
			session(nodeA, "0000000a", "null", "tcp", ago(51*time.Hour), nil),
			session(nodeA, "0000000b", `"世界🙂 of the \u001b[2J"`, "sockjs-websocket", ago(0), ago(time.Hour)),
			session(nodeB, "00000001", `"auth0|5f7c8ec7c33c6c004bbafe82"`, "xhr-streaming", ago(time.Minute), ago(-26*time.Hour)),
			{Short: "aaaaaaaa-a\tb'\u202e", Key: nodeX + "_a\tb'\u202e", ID: "a\tb'\u202e", Node: nodeX, Principal: "?", Member: json.RawMessage("7"), Cursor: "c: x"},
		},
		nodes: []admin.Node{
			{Short: "7c0e9d1a", Name: nodeA, Host: "web-1", Address: "10.0.0.7:13001", State: "serving", Sessions: 3, Version: "0.7.0", Bus: "kafka", StartedAt: ago(49 * time.Hour), HeartbeatAt: ago(3 * time.Second),
				Connections: new(4), Ready: new("yes")},
			{Short: "1b2c3d4e", Name: nodeB, Host: "stompgw-7d9f8b6c5-x2x7k\x1b", Address: "[2001:db8::7]:13001", State: "silent", Sessions: 1, Version: "0.7.0", Bus: "nats", StartedAt: ago(48 * time.Hour), HeartbeatAt: ago(-time.Second)},
			{Short: "aaaaaaaa", Name: nodeX, State: "foreign", Sessions: 1},
		},
		blocks: []admin.Block{
			{Member: json.RawMessage("42"), Left: 9*time.Minute + 59*time.Second, Until: *ago(-599 * time.Second)},
			{Member: json.RawMessage(`"bob"`), Left: 26 * time.Hour, Until: *ago(-26 * time.Hour)},
		},
		names: []registry.Destination{
			{Name: "/topic/*", Pattern: true, Subscribers: 1}, {Name: "/topic/a\x1b\u202e", Subscribers: 2},
			{Name: "/topic/room.1", Subscribers: 12, Members: new(3), Anonymous: new(0)},
			{Name: "/topic/room.2", Subscribers: 9, Members: new(12345), Anonymous: new(4)},
			{Name: "/topic/room.3/" + strings.Repeat("long/", 10) + "name", Subscribers: 100},
		},
		rooms: map[string]registry.Present{
			"/topic/room.1": {Destination: "/topic/room.1", Count: 3, Members: []registry.Person{
				{Member: json.RawMessage(`"auth0|5f7c8ec7c33c6c004bbafe82"`), Sessions: 2, Since: ago(time.Minute).UnixMilli()},
				{Member: json.RawMessage("42"), Sessions: 1, Since: ago(51 * time.Hour).UnixMilli(), Info: json.RawMessage(`{"name":"世界🙂\u001b[2J of a long name","avatar":"https://img.example/42.png"}`)},
				{Member: json.RawMessage("7"), Sessions: 12, Since: ago(-time.Second).UnixMilli(), Info: json.RawMessage(`{"name":"Se\u202even"}`)}}},
			"/topic/room.2": {Destination: "/topic/room.2", Count: 12345, Anonymous: 4, Many: true},
			"/topic/room.4": {Destination: "/topic/room.4", Anonymous: 1},
		},
		gone:   map[string]bool{},
		silent: []string{nodeB},
	}
	c.live = map[string]registry.Live{
		c.sessions[0].Key: {Subscriptions: []string{"/topic/chat", "/session/queue/request-error", "/topic/\x1b*"}, Subscribed: 5, Queued: 1536},
		c.sessions[1].Key: {},
		c.sessions[2].Key: {Subscriptions: []string{"/topic/chat"}, Subscribed: 1},
	}
	return c
}

func (c *fakeCluster) called(format string, args ...any) {
	c.calls = append(c.calls, fmt.Sprintf(format, args...))
}

func (c *fakeCluster) Sessions(ctx context.Context, f admin.Filter, after string) iter.Seq2[admin.Session, error] {
	c.called("walk")
	c.filter, c.after = f, after
	return func(yield func(admin.Session, error) bool) {
		if c.fault != nil {
			yield(admin.Session{}, c.fault)
			return
		}
		for _, s := range c.sessions {
			if fits := strings.HasPrefix(s.Node, f.Node) && (f.Member == "" || string(s.Member) == f.Member); fits && !yield(s, ctx.Err()) {
				return
			}
		}
		if c.walkEnds != nil {
			yield(admin.Session{}, c.walkEnds)
		}
	}
}

func (c *fakeCluster) AskLive(_ context.Context, sessions []admin.Session) error {
	c.pages = append(c.pages, len(sessions))
	for i := range sessions {
		if l, ok := c.live[sessions[i].Key]; ok {
			sessions[i].Live = &l
		}
	}
	return c.fault
}

func (c *fakeCluster) Find(_ context.Context, name string) (admin.Session, error) {
	var hits []admin.Session
	for _, s := range c.sessions {
		if strings.HasPrefix(s.Key, name) || slices.Contains([]string{s.Short, s.ID, s.Principal}, name) {
			hits = append(hits, s)
		}
	}
	switch {
	case c.fault != nil:
		return admin.Session{}, c.fault
	case len(hits) == 0:
		return admin.Session{}, fmt.Errorf("%s: %w", name, admin.ErrNoSession)
	case len(hits) > 1:
		return admin.Session{}, &admin.AmbiguousError{Name: name, What: "sessions", Keys: []string{hits[0].Key, hits[1].Key}}
	}
	return hits[0], nil
}

func (c *fakeCluster) Count(_ context.Context, by admin.By) ([]admin.Count, error) {
	c.called("count by %s", by)
	switch by {
	case admin.ByMember:
		return []admin.Count{{Name: "42", Sessions: 12}, {Name: "null", Sessions: 7}, {Name: `"世界"`, Sessions: 1}}, c.fault
	case admin.ByTransport:
		return []admin.Count{{Name: "websocket", Sessions: 19}, {Name: "", Sessions: 1}}, c.fault
	}
	return []admin.Count{{Name: nodeA, Sessions: 15}, {Name: nodeB, Sessions: 5}}, c.fault
}

func (c *fakeCluster) Kick(ctx context.Context, sessions iter.Seq2[admin.Session, error], k admin.Kick) iter.Seq2[admin.Result, error] {
	c.called("kick")
	c.kick = k
	return func(yield func(admin.Result, error) bool) {
		n := 0
		for s, err := range sessions {
			if c.stop != nil {
				c.stop(n)
			}
			if err = errors.Join(err, ctx.Err()); err != nil {
				yield(admin.Result{}, err)
				return
			}
			n++
			r := admin.Result{Session: s, Outcome: admin.Kicked, Blocked: k.Block > 0 && memberCell(s.Member) != "-"}
			switch {
			case s.Node != nodeA:
				r.Outcome = admin.Silent
			case c.gone[s.Key]:
				r.Outcome = admin.Gone
			}
			if !yield(r, nil) {
				return
			}
		}
	}
}

func (c *fakeCluster) Blocks(context.Context) ([]admin.Block, error) { return c.blocks, c.fault }

func (c *fakeCluster) Block(_ context.Context, member string, d time.Duration) error {
	c.called("block %s %s", member, d)
	return c.fault
}

func (c *fakeCluster) Unblock(_ context.Context, member string) (bool, error) {
	if member == `"` {
		return false, fmt.Errorf("%w: %s is not the JSON of a string", registry.ErrMember, member)
	}
	c.called("unblock %s", member)
	return slices.Contains(c.blocked, member), c.fault
}

func (c *fakeCluster) Destinations(_ context.Context, match, after string, limit int) (page []registry.Destination, next string, err error) {
	c.called("%d destinations %s behind %s", limit, match, after)
	for _, d := range c.names {
		switch {
		case d.Name <= after:
		case len(page) == limit:
			return page, page[limit-1].Name, c.fault
		default:
			page = append(page, d)
		}
	}
	return page, "", c.fault
}

func (c *fakeCluster) Present(_ context.Context, room string, counts bool) (registry.Present, error) {
	c.called("present in %s %t", room, counts)
	if strings.Contains(room, "*") || room == "" {
		return registry.Present{}, admin.ErrRoom
	}
	p := c.rooms[room]
	p.Destination = room
	if counts {
		p.Members, p.Many = nil, true
	}
	return p, c.fault
}

func (c *fakeCluster) Nodes(context.Context) ([]admin.Node, error) { return c.nodes, c.fault }

func (c *fakeCluster) FindNode(_ context.Context, name string) (admin.Node, error) {
	if name == c.draining {
		if c.lookups++; c.lookups == 3 {
			c.fault = c.lost
			c.nodes = slices.DeleteFunc(c.nodes, func(n admin.Node) bool { return n.Name == name })
		}
	}
	var hits []admin.Node
	var names []string
	for _, n := range c.nodes {
		if strings.HasPrefix(n.Name, name) || n.Short == name {
			hits, names = append(hits, n), append(names, n.Name)
		}
	}
	switch {
	case c.fault != nil:
		return admin.Node{}, c.fault
	case len(hits) == 0:
		return admin.Node{}, fmt.Errorf("%s: %w", name, admin.ErrNoNode)
	case len(hits) > 1:
		return admin.Node{}, &admin.AmbiguousError{Name: name, What: "nodes", Keys: names}
	}
	return hits[0], nil
}

func (c *fakeCluster) Drain(_ context.Context, node string) (int, error) {
	c.called("drain %s", node)
	c.draining = node
	return 3, c.drainErr
}

func (c *fakeCluster) Silent() []string { return c.silent }

// seat is where an operator sits in a test.
type seat struct {
	cluster *fakeCluster
	screen  output.Screen
	stdin   io.Reader // of somebody who is there; nil for nobody
	stdout  io.Writer // nil for what run returns
	ctx     context.Context
	now     func() time.Time
}

func newSeat(t *testing.T) *seat {
	return &seat{cluster: newFakeCluster(), ctx: t.Context(), now: noon}
}

func (s *seat) console() *console {
	return &console{
		drivers: []bus.Driver{natsbus.Driver()},
		open:    func(*config.Config, time.Duration) (operator, func()) { return s.cluster, func() {} },
		now:     s.now,
		every:   time.Millisecond,
	}
}

func (c *console) root() *cobra.Command { return cli.Group("stompgw", "", c.commands()...) }

// run runs a command to its end.
func (s *seat) run(args ...string) (code cli.ExitCode, stdout, stderr string) {
	var out, errs bytes.Buffer
	stdin, to, told := io.Reader(strings.NewReader("")), io.Writer(&out), io.Writer(&errs)
	if s.stdout != nil {
		to = s.stdout
	}
	if s.screen.Terminal {
		to = fakeTerminal{Writer: to, screen: s.screen}
	}
	if s.stdin != nil {
		stdin, told = fakeTerminal{Reader: s.stdin}, fakeTerminal{Writer: &errs}
	}
	code = cli.ExitCode(cli.Run(s.ctx, s.console().root(), args, stdin, to, told))
	return code, out.String(), errs.String()
}

// want runs a command that ends with a code and one line on stderr, and returns what it prints.
func (s *seat) want(t *testing.T, code cli.ExitCode, line string, args ...string) (stdout string) {
	t.Helper()
	got, stdout, stderr := s.run(args...)
	if got != code || stderr != line+"\n" {
		t.Errorf("%q: exit code %d, %s\n got %swant %s", args, got, stdout, stderr, line)
	}
	return stdout
}

// fakeTerminal has somebody at the other end.
type fakeTerminal struct {
	io.Reader
	io.Writer
	screen output.Screen
}

func (f fakeTerminal) Screen() output.Screen { return f.screen }
