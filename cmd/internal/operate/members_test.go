package operate

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/stompgw/stompgw/cmd/internal/cli"
)

// TestMembersBlock: connected or not, by the number or the text.
func TestMembersBlock(t *testing.T) {
	for _, tt := range []struct {
		name  string
		args  []string
		code  cli.ExitCode
		calls []string
		want  string
	}{
		{"a number, texts", []string{"42", `"42"`, "bob", "--for", "1h30m"}, cli.Done,
			[]string{`block 42 1h30m0s`, `block "42" 1h30m0s`, `block "bob" 1h30m0s`}, "3 members blocked"},
		{"nobody", []string{"--for", "1m"}, cli.Usage, nil, "stompgw: MEMBER is missing; see stompgw members block --help"},
		{"an empty one", []string{"", "--for", "1m"}, cli.Usage, nil, "stompgw: a MEMBER is empty; see stompgw members block --help"},
		{"no time", []string{"42"}, cli.Usage, nil, "stompgw: for how long? Give --for TIME, such as --for 10m; see stompgw members block --help"},
		{"too short", []string{"42", "--for", "1ms"}, cli.Usage, nil, "stompgw: --for: 1ms is too short: want 1s or more; see stompgw members block --help"},
		{"half a text", []string{`"bob`, "--for", "1m"}, cli.Usage, nil,
			`stompgw: MEMBER "bob: no member has such an id: "bob is not the JSON of a string; see stompgw members block --help`},
	} {
		s := newSeat(t)
		stdout := s.want(t, tt.code, tt.want, append([]string{"members", "block"}, tt.args...)...)
		if !slices.Equal(s.cluster.calls, tt.calls) || tt.code == cli.Done && stdout != "MEMBER\tLEFT\n42\t1h30m\n\"42\"\t1h30m\n\"bob\"\t1h30m\n" {
			t.Errorf("%s: %q and %q, want %q", tt.name, stdout, s.cluster.calls, tt.calls)
		}
	}
}

// TestMembersUnblock: members list and unblock are those of sessions.
func TestMembersUnblock(t *testing.T) {
	s := newSeat(t)
	s.cluster.blocked = []string{`42`, `"bob"`}
	for _, group := range []string{"members", "sessions"} {
		s.want(t, cli.Done, "2 members unblocked", group, "unblock", "42", "bob")
		s.want(t, cli.Partial, "1 member unblocked", group, "unblock", "42", "x")
		s.want(t, cli.NoMatch, "0 members unblocked", group, "unblock", "x", "y")
	}
	_, list, _ := s.run("members", "list", "-o", "json")
	if _, same, _ := s.run("sessions", "blocked", "-o", "json"); list != same || list == "" {
		t.Errorf("%q, want %q", list, same)
	}
}

// TestKickBlocksWithoutSession: the member of --member is kept out although it has no session, when that is
// what was wanted.
func TestKickBlocksWithoutSession(t *testing.T) {
	const blocked = "no session fits; member 77 is blocked for 10m0s"
	for _, tt := range []struct {
		name, stdin string
		args        []string
		code        cli.ExitCode
		block       bool
		want        string
	}{
		{"at once", "", []string{"--member", "77", "--block", "10m", "--yes"}, cli.Done, true, blocked},
		{"after a yes", "y\n", []string{"--member", "77", "--block", "10m"}, cli.Done, true, "No session fits. Block member 77 for 10m0s? [y/N] " + blocked},
		{"after a no", "n\n", []string{"--member", "77", "--block", "10m"}, cli.Failed, false,
			"No session fits. Block member 77 for 10m0s? [y/N] stompgw: the answer was not yes: no session was ended"},
		{"not for certain", "", []string{"--member", "77", "--block", "10m", "--dry-run"}, cli.NoMatch, false, "stompgw: no session fits"},
		{"without a block", "", []string{"--member", "77", "--yes"}, cli.NoMatch, false, "stompgw: no session fits"},
		{"of nobody", "", []string{"--all", "--block", "10m", "--yes"}, cli.NoMatch, false, "stompgw: no session fits"},
	} {
		s := newSeat(t)
		s.cluster.sessions = nil
		if tt.stdin != "" {
			s.stdin = strings.NewReader(tt.stdin)
		}
		s.want(t, tt.code, tt.want, append([]string{"sessions", "kick"}, tt.args...)...)
		if got := slices.Contains(s.cluster.calls, "block 77 10m0s"); got != tt.block {
			t.Errorf("%s: %q, want a block: %t", tt.name, s.cluster.calls, tt.block)
		}
	}
	s := newSeat(t)
	s.cluster.sessions, s.cluster.fault = nil, errors.New("disk full")
	if code, _, stderr := s.run("members", "block", "42", "--for", "1m"); code != cli.Failed || !strings.Contains(stderr, "disk full") {
		t.Errorf("Redis refuses: exit code %d, %q", code, stderr)
	}
}
