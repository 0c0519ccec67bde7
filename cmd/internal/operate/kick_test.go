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
	"github.com/stompgw/stompgw/gateway"
	"github.com/stompgw/stompgw/gateway/policy"
)

func TestKickFlags(t *testing.T) {
	s := newSeat(t)
	if code, _, stderr := s.run("sessions", "kick", "--destination", "/topic/a", "--node", "1719", "--transport", "tcp", "--yes",
		"--reason", "come back later", "--code", "1234", "--rate", "120/m", "--block", "1d"); code != cli.Partial {
		t.Errorf("exit code %d, %s", code, stderr)
	}
	if want := (admin.Kick{Kick: gateway.Kick{Reason: "come back later", Code: 1234}, Rate: 2, Block: 24 * time.Hour, Whom: "destination /topic/a, node 1719, transport tcp"}); s.cluster.kick != want {
		t.Errorf("kicked with %+v, want %+v", s.cluster.kick, want)
	}
	if want := (admin.Filter{Destination: "/topic/a", Node: "1719", Transport: "tcp"}); s.cluster.filter != want {
		t.Errorf("kicked %+v, want %+v", s.cluster.filter, want)
	}
	for code, want := range map[string]policy.Code{"kicked": 15, "16": 16, "too_many_sessions": 17} {
		if s.run("sessions", "kick", "0000000a", "--code", code); s.cluster.kick != (admin.Kick{Kick: gateway.Kick{Code: want}, Whom: "session 0000000a"}) {
			t.Errorf("--code %s: kicked with %+v", code, s.cluster.kick)
		}
	}
}

// TestKickCodes holds the exit code, and the last line, of what became of sessions.
func TestKickCodes(t *testing.T) {
	const a1, a2, b1 = nodeA + "_00000001", nodeA + "_0000000a", nodeB + "_00000001"
	for _, tt := range []struct {
		name string
		keys []string
		gone []string
		code cli.ExitCode
		want string
	}{
		{"all kicked", []string{a1, a2}, nil, cli.Done, "2 sessions kicked"},
		{"one that is named twice", []string{a1, a1, a1[:len(a1)-1]}, nil, cli.Done, "1 session kicked"},
		{"some gone", []string{a1, a2}, []string{a2}, cli.Partial, "1 session kicked, 1 already gone"},
		{"all gone", []string{a1, a2}, []string{a1, a2}, cli.NoMatch, "0 sessions kicked, 2 already gone"},
		{"some unknown", []string{"ffff", a2, "eeee"}, nil, cli.Partial, "1 session kicked, 2 not found"},
		{"silent", []string{b1}, nil, cli.Partial, "0 sessions kicked, 1 of silent nodes, which may be kicked or not"},
		{"silent and gone", []string{a1, b1}, []string{a1}, cli.Partial, "0 sessions kicked, 1 already gone, 1 of silent nodes, which may be kicked or not"},
	} {
		s := newSeat(t)
		for _, key := range tt.gone {
			s.cluster.gone[key] = true
		}
		if tt.name == "one that is named twice" {
			s.cluster.sessions = s.cluster.sessions[:1]
		}
		if stdout := s.want(t, tt.code, tt.want, append([]string{"sessions", "kick", "-o", "json"}, tt.keys...)...); !json.Valid([]byte(stdout)) {
			t.Errorf("%s: %s", tt.name, stdout)
		}
	}
}

// TestKickUnasked: nodes that don't say who is subscribed may have more sessions.
func TestKickUnasked(t *testing.T) {
	s := newSeat(t)
	s.want(t, cli.Partial, "3 sessions kicked; 1 node did not answer: 1b2c3d4e", "sessions", "kick", "--destination", "/topic/a", "--node", nodeA, "--yes")
	s.cluster.sessions = nil
	s.want(t, cli.NoMatch, "stompgw: no session fits; 1 node did not answer: 1b2c3d4e", "sessions", "kick", "--destination", "/topic/a", "--yes")
}

// TestKickAsks: sessions of a filter end only when somebody says yes, and nothing is asked about keys.
func TestKickAsks(t *testing.T) {
	const question = "End 5 sessions of 3 nodes? [y/N] "
	for answer, yes := range map[string]bool{"y\n": true, "Yes \r\n": true, "YES": true, "n\n": false, "\n": false, "": false, "yy\n": false, "no\ny\n": false,
		strings.Repeat(" ", 2000) + "y\n": false} {
		s := newSeat(t)
		s.stdin = strings.NewReader(answer)
		code, stdout, stderr := s.run("sessions", "kick", "--all")
		if kicks := slices.Contains(s.cluster.calls, "kick"); kicks != yes || (stdout != "") != yes || !strings.HasPrefix(stderr, question) ||
			!yes && (code != cli.Failed || stderr != question+"stompgw: the answer was not yes: no session was ended\n") {
			t.Errorf("%q: exit code %d, %q, %q", answer, code, s.cluster.calls, stderr)
		}
	}
	for _, args := range [][]string{{"--all", "--yes"}, {"--all", "--dry-run"}, {nodeA + "_00000001"}} {
		s := newSeat(t)
		s.stdin = strings.NewReader("")
		if _, _, stderr := s.run(append([]string{"sessions", "kick"}, args...)...); strings.Contains(stderr, "?") {
			t.Errorf("%v: asked %q", args, stderr)
		}
	}
	s := newSeat(t)
	s.stdin, s.cluster.sessions = strings.NewReader("y\n"), nil
	s.want(t, cli.NoMatch, "stompgw: no session fits", "sessions", "kick", "--all")
}

// TestDryRun ends nothing, whatever the other flags are.
func TestDryRun(t *testing.T) {
	for _, args := range [][]string{{"--all"}, {"--all", "--yes"}, {nodeA + "_00000001"}, {nodeA + "_00000001", "--yes", "--block", "1h"}} {
		s := newSeat(t)
		code, stdout, stderr := s.run(append([]string{"sessions", "kick", "--dry-run", "--no-headers"}, args...)...)
		if calls := strings.Join(s.cluster.calls, " "); strings.Contains(calls, "kick") || code != 0 {
			t.Errorf("%v: exit code %d, %s", args, code, calls)
		}
		for line := range strings.Lines(stdout) {
			if !strings.HasSuffix(line, "\twould be kicked\n") {
				t.Errorf("%v: %s", args, line)
			}
		}
		clitest.Contains(t, stderr, " would be kicked")
	}
}

// TestKickBreaksOff: who stops it, or loses Redis, learns what was done.
func TestKickBreaksOff(t *testing.T) {
	for _, format := range []string{"json", "table"} {
		for _, tt := range []struct {
			stopAt   int // sessions, behind which Ctrl-C comes
			walkEnds error
			code     cli.ExitCode
			rows     int
			want     []string
		}{
			{2, nil, cli.Failed, 2, []string{"2 sessions kicked, perhaps more\nstompgw: interrupted\n"}},
			{-1, &net.OpError{Op: "read", Err: errors.New("gone")}, cli.Unreachable, 5, []string{"3 sessions kicked, perhaps more\nstompgw: redis ", "does not answer: gone"}},
		} {
			s := newSeat(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			s.ctx, s.cluster.walkEnds = ctx, tt.walkEnds
			s.cluster.stop = func(n int) {
				if n == tt.stopAt {
					cancel()
				}
			}
			code, stdout, stderr := s.run("sessions", "kick", "--all", "--yes", "-o", format)
			if code != tt.code || strings.Count(stdout, "kicked")+strings.Count(stdout, "node silent") != tt.rows || format == "json" && !json.Valid([]byte(stdout)) {
				t.Errorf("exit code %d\n%s", code, stdout)
			}
			clitest.Contains(t, stderr, tt.want...)
		}
	}
}

// writes tells of each write.
type writes chan string

func (w writes) Write(b []byte) (int, error) {
	w <- string(b)
	return len(b), nil
}

// TestKickShows: rows don't wait for others when these take their time.
func TestKickShows(t *testing.T) {
	s := newSeat(t)
	now := noon()
	s.now = func() time.Time { now = now.Add(time.Second); return now }
	seen := make(writes, 100)
	s.stdout = seen
	rows := 0
	s.cluster.stop = func(n int) { // n sessions are kicked, and the rows of all are there
		for len(seen) > 0 {
			rows += strings.Count(<-seen, "\n")
		}
		if rows != n {
			t.Errorf("%d rows are written, want %d", rows, n)
		}
	}
	if code, _, stderr := s.run("sessions", "kick", "--all", "--yes", "--no-headers"); code != cli.Partial {
		t.Errorf("exit code %d, %s", code, stderr)
	}
}

// TestKickUnread: what has begun is finished though nobody reads what became of it, and the exit code
// says so. A disk that is full is told.
func TestKickUnread(t *testing.T) {
	for _, tt := range []struct {
		fault error
		code  cli.ExitCode
		want  string
	}{
		{cli.ErrEnough, cli.Done, "1200 sessions kicked"},
		{syscall.ENOSPC, cli.Failed, "1200 sessions kicked, perhaps more\nstompgw: can't write the output: no space left on device"},
	} {
		s := newSeat(t)
		s.cluster.sessions = slices.Repeat(s.cluster.sessions[:1], 1200)
		s.stdout = broken{tt.fault}
		kicked := 0
		s.cluster.stop = func(int) { kicked++ }
		if s.want(t, tt.code, tt.want, "sessions", "kick", "--all", "--yes"); kicked != 1200 {
			t.Errorf("%v: %d kicked", tt.fault, kicked)
		}
	}
}

// broken takes nothing.
type broken struct{ err error }

func (b broken) Write([]byte) (int, error) { return 0, b.err }

func TestDrain(t *testing.T) {
	for _, tt := range []struct {
		name, stdin string
		args        []string
		fault       error
		code        cli.ExitCode
		want        string
		told        bool
	}{
		{"yes", "y\n", []string{nodeA[:13]}, nil, cli.Done, "Drain node 7c0e9d1a (web-1), which has 3 sessions, and end it? [y/N] the node lets 3 sessions go, and ends", true},
		{"no", "n\n", []string{nodeA}, nil, cli.Failed, "Drain node 7c0e9d1a (web-1), which has 3 sessions, and end it? [y/N] stompgw: the answer was not yes: nothing was done", false},
		{"silent", "", []string{nodeB, "--yes"}, fmt.Errorf("node %s: %w", nodeB, admin.ErrSilent), cli.TimedOut,
			"stompgw: node " + nodeB + ": the node did not answer; it may drain or not: see `stompgw nodes list`", true},
		{"wait", "", []string{nodeA, "--yes", "--wait"}, nil, cli.Done, "the node lets 3 sessions go, and ends\nthe node has ended", true},
		{"refused", "", []string{nodeA, "--yes"}, fmt.Errorf("node %s: does not know what that is", nodeA), cli.Failed,
			"stompgw: node " + nodeA + ": does not know what that is", true},
	} {
		s := newSeat(t)
		s.stdin, s.cluster.drainErr = strings.NewReader(tt.stdin), tt.fault
		s.want(t, tt.code, tt.want, append([]string{"nodes", "drain"}, tt.args...)...)
		if told := len(s.cluster.calls) > 0; told != tt.told {
			t.Errorf("%s: told %t, want %t", tt.name, told, tt.told)
		}
	}
	// The Redis of a standalone node ends with it, which no other's may.
	for flag, want := range map[string]cli.ExitCode{"--standalone": cli.Done, "--redis=127.0.0.1:1": cli.Unreachable} {
		s := newSeat(t)
		s.cluster.lost = &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
		if code, _, stderr := s.run("nodes", "drain", nodeA, "--yes", "--wait", flag); code != want {
			t.Errorf("%s: exit code %d, want %d: %s", flag, code, want, stderr)
		}
	}
}
