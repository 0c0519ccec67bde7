package operate

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/stompgw/stompgw/admin"
	"github.com/stompgw/stompgw/cmd/internal/cli"
	"github.com/stompgw/stompgw/cmd/internal/config"
	"github.com/stompgw/stompgw/cmd/internal/output"
)

// TestOffers holds what a shell is offered behind the words so far.
func TestOffers(t *testing.T) {
	const nothing = ":4\n" // no file names either
	node := func(n admin.Node) string {
		return n.Short + "\t" + output.Printable(orNone(n.Host)) + ", " + n.State + ", " + cli.Count(n.Sessions, "session") + "\n"
	}
	nodes := newFakeCluster().nodes
	for _, tt := range []struct {
		words []string
		want  string
	}{
		{[]string{"sessions", "show", ""}, "7c0e9d1a-1\tmember 42, websocket\n7c0e9d1a-a\tmember -, tcp\n" +
			"7c0e9d1a-b\tmember \"世界🙂 of the \\u001b[2J\", sockjs-websocket\n" +
			"1b2c3d4e-1\tmember \"auth0|5f7c8ec7c33c6c004bbafe82\", xhr-streaming\n" +
			"aaaaaaaa-a\ufffdb'\ufffd\tmember 7,\n" + nothing},
		{[]string{"sessions", "show", nodeA + "_0000000a"}, nodeA + "_0000000a\tmember -, tcp\n" + nothing},
		{[]string{"sessions", "show", nodeB[:15]}, nodeB + "_00000001\tmember \"auth0|5f7c8ec7c33c6c004bbafe82\", xhr-streaming\n" + nothing},
		{[]string{"sessions", "show", "1b"}, "1b2c3d4e-1\tmember \"auth0|5f7c8ec7c33c6c004bbafe82\", xhr-streaming\n" + nothing},
		{[]string{"sessions", "show", "9"}, nothing},
		{[]string{"sessions", "show", "a", ""}, nothing},
		{[]string{"sessions", "kick", nodeA, nodeA + "_00000001"}, nodeA + "_00000001\tmember 42, websocket\n" + nothing},
		{[]string{"sessions", "list", "--node", ""}, node(nodes[0]) + node(nodes[1]) + node(nodes[2]) + nothing},
		{[]string{"sessions", "list", "--node", "1719"}, nodeA + "\tserving, 3 sessions\n" + nothing},
		{[]string{"nodes", "show", "web"}, "web-1\t7c0e9d1a, serving, 3 sessions\n" + nothing},
		{[]string{"nodes", "drain", "x", ""}, nothing},
		{[]string{"sessions", "unblock", ""}, "42\tfor 9m59s\nbob\tfor 1d2h\n" + nothing},
		{[]string{"sessions", "count", "--by", ""}, "node\nmember\ntransport\n" + nothing},
		{[]string{"sessions", "list", "-o", "y"}, "table\nwide\njson\njsonl\nyaml\nname\n" + nothing}, // the shell chooses
		{[]string{"sessions", "list", "--member", ""}, nothing},
		{[]string{"destinations", "list", "--sort", ""}, "name\nsubscribers\nmembers\nanonymous\n" + nothing},
		{[]string{"destinations", "l"}, "list\tList what clients of all live nodes have subscribed to\n" + nothing},
		{[]string{"presence", "/topic/a", ""}, nothing},
	} {
		s := newSeat(t)
		code, stdout, _ := s.run(append([]string{"__complete"}, tt.words...)...)
		if code != 0 || stdout != tt.want {
			t.Errorf("%q: exit code %d\n got %q\nwant %q", tt.words, code, stdout, tt.want)
		}
		s.cluster.fault = errors.New("no Redis")
		if tt.words[0] == "nodes" || tt.words[1] == "show" || tt.words[1] == "kick" || tt.words[1] == "unblock" {
			if code, stdout, _ := s.run(append([]string{"__complete"}, tt.words...)...); code != 0 || stdout != nothing {
				t.Errorf("%q without Redis: exit code %d, %q", tt.words, code, stdout)
			}
		}
	}
}

// TestOffersAreBounded: a shell does not wait for a cluster, and is not flooded.
func TestOffersAreBounded(t *testing.T) {
	s := newSeat(t)
	c := s.console()
	hung := &hungCluster{fakeCluster: s.cluster}
	c.open = func(_ *config.Config, patience time.Duration) (operator, func()) {
		if patience <= 0 || patience >= offerTimeout {
			t.Errorf("nodes are waited for for %s", patience)
		}
		return hung, func() { hung.closed = true }
	}
	var out bytes.Buffer
	if code := cli.Run(t.Context(), c.root(), []string{"__complete", "sessions", "show", ""}, nil, &out, io.Discard); code != 0 || out.String() != ":4\n" || !hung.closed {
		t.Errorf("exit code %d, %q, closed %t", code, &out, hung.closed)
	}
	first := s.cluster.sessions[0]
	for range 1000 {
		s.cluster.sessions = append(s.cluster.sessions, first)
	}
	if _, stdout, _ := s.run("__complete", "sessions", "show", nodeA); strings.Count(stdout, "\n") != offerMost+1 {
		t.Errorf("%d lines are offered", strings.Count(stdout, "\n"))
	}
	if _, stdout, _ := s.run("__complete", "sessions", "show", "--config", "none.yaml", ""); stdout != ":4\n" {
		t.Errorf("offered without a configuration: %q", stdout)
	}
}

// hungCluster never says anything.
type hungCluster struct {
	*fakeCluster
	closed bool
}

func (c *hungCluster) Sessions(ctx context.Context, _ admin.Filter, _ string) iter.Seq2[admin.Session, error] {
	return func(yield func(admin.Session, error) bool) {
		<-ctx.Done()
		yield(admin.Session{}, ctx.Err())
	}
}

// TestTypedMember: what is offered means the member, with quotes only where they are needed.
func TestTypedMember(t *testing.T) {
	for id, want := range map[string]string{`42`: `42`, `"42"`: `"42"`, `"bob"`: `bob`, `"a\"b"`: `"a\"b"`, `"a\u003cb"`: `"a\u003cb"`} {
		if got := typedMember(id); got != want {
			t.Errorf("%s is typed as %s, want %s", id, got, want)
		}
	}
}
