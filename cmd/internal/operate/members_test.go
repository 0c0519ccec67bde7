package operate

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/stompgw/stompgw/cmd/internal/cli"
	"github.com/stompgw/stompgw/cmd/internal/cli/clitest"
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
		{"no time", []string{"42"}, cli.Usage, nil, "stompgw: for how long? Say --for TIME, such as --for 10m; see stompgw members block --help"},
		{"too short", []string{"42", "--for", "1ms"}, cli.Usage, nil, "stompgw: --for: 1ms is too short: want 1s or more; see stompgw members block --help"},
		{"half a text", []string{`"bob`, "--for", "1m"}, cli.Usage, nil,
			`stompgw: MEMBER "bob: no member has such an id: "bob is not the JSON of a string; see stompgw members block --help`},
	} {
		s := newSeat(t)
		code, stdout, stderr := s.run(append([]string{"members", "block"}, tt.args...)...)
		if clitest.WantLine(t, stderr, tt.want); code != tt.code || !slices.Equal(s.cluster.calls, tt.calls) {
			t.Errorf("%s: exit code %d and %q, want %d and %q", tt.name, code, s.cluster.calls, tt.code, tt.calls)
		}
		if tt.code == cli.Done && stdout != "MEMBER\tLEFT\n42\t1h30m\n\"42\"\t1h30m\n\"bob\"\t1h30m\n" {
			t.Errorf("%s: %q", tt.name, stdout)
		}
	}
}

// TestMembersList and unblock are those of sessions.
func TestMembersList(t *testing.T) {
	s := newSeat(t)
	s.cluster.blocked = []string{"42"}
	for args, same := range map[string]string{"list -o json": "blocked -o json", "unblock 42": "unblock 42"} {
		code, stdout, stderr := s.run(append([]string{"members"}, strings.Fields(args)...)...)
		wantCode, wantOut, wantErr := s.run(append([]string{"sessions"}, strings.Fields(same)...)...)
		if code != wantCode || stdout != wantOut || stderr != wantErr || code != cli.Done {
			t.Errorf("members %s: %d, %q, %q; want %d, %q, %q", args, code, stdout, stderr, wantCode, wantOut, wantErr)
		}
	}
}

// TestKickBlocksWithoutSession: the member of --member is kept out although it has no session, when that is
// what was wanted.
func TestKickBlocksWithoutSession(t *testing.T) {
	const blocked = "no session fits; member 77 is blocked for 10m0s"
	for _, tt := range []struct {
		name, stdin string
		args        []string
		fault       error
		code        cli.ExitCode
		block       bool
		want        string
	}{
		{"at once", "", []string{"--member", "77", "--block", "10m", "--yes"}, nil, cli.Done, true, blocked},
		{"after a yes", "y\n", []string{"--member", "77", "--block", "10m"}, nil, cli.Done, true, "No session fits. Block member 77 for 10m0s? [y/N] " + blocked},
		{"after a no", "n\n", []string{"--member", "77", "--block", "10m"}, nil, cli.Failed, false,
			"No session fits. Block member 77 for 10m0s? [y/N] stompgw: the answer was not yes: no session was ended"},
		{"not for certain", "", []string{"--member", "77", "--block", "10m", "--dry-run"}, nil, cli.NoMatch, false, "stompgw: no session fits"},
		{"without a block", "", []string{"--member", "77", "--yes"}, nil, cli.NoMatch, false, "stompgw: no session fits"},
		{"of nobody", "", []string{"--all", "--block", "10m", "--yes"}, nil, cli.NoMatch, false, "stompgw: no session fits"},
	} {
		s := newSeat(t)
		s.cluster.sessions = nil
		if tt.stdin != "" {
			s.stdin = strings.NewReader(tt.stdin)
		}
		code, _, stderr := s.run(append([]string{"sessions", "kick"}, tt.args...)...)
		if got := slices.Contains(s.cluster.calls, "block 77 10m0s"); code != tt.code || got != tt.block {
			t.Errorf("%s: exit code %d and %q, want %d, and a block: %t", tt.name, code, s.cluster.calls, tt.code, tt.block)
		}
		clitest.WantLine(t, stderr, tt.want)
	}
	s := newSeat(t)
	s.cluster.sessions, s.cluster.fault = nil, errors.New("disk full")
	if code, _, stderr := s.run("members", "block", "42", "--for", "1m"); code != cli.Failed || !strings.Contains(stderr, "disk full") {
		t.Errorf("Redis refuses: exit code %d, %q", code, stderr)
	}
}
