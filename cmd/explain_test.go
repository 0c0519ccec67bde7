package cmd

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stompgw/stompgw/gateway/policy"
)

// TestExplain: each code is explained by number and word, in lines that fit a terminal.
func TestExplain(t *testing.T) {
	for _, e := range policy.Codes() {
		code, stdout, stderr := run(t, "explain", fmt.Sprint(int(e.Code)))
		if code != 0 || stderr != "" || !strings.HasPrefix(stdout, fmt.Sprintf("%d %s: %s\n\n", e.Code, e.Word, e.Message)) {
			t.Errorf("%d: exit code %d, %q%q", e.Code, code, stdout, stderr)
		}
		if advice()[e.Code] == "" {
			t.Errorf("there is no advice for %d %s", e.Code, e.Word)
		}
		for line := range strings.Lines(stdout) {
			if n := utf8.RuneCountInString(line) - 1; n > 100 {
				t.Errorf("%d: a line of %d characters: %s", e.Code, n, line)
			}
		}
		if _, byWord, _ := run(t, "explain", e.Word); byWord != stdout {
			t.Errorf("%s is explained otherwise than %d", e.Word, e.Code)
		}
	}
	if len(advice()) != len(policy.Codes()) {
		t.Error("there is advice for codes that don't exist")
	}
}

func TestExplainList(t *testing.T) {
	for name, args := range map[string][]string{"explain.golden": nil, "explain.json.golden": {"-o", "json"}} {
		code, stdout, stderr := run(t, append([]string{"explain"}, args...)...)
		if code != 0 || stderr != "" {
			t.Errorf("exit code %d, %q", code, stderr)
		}
		golden(t, name, stdout)
	}
}

// TestReadme: the tables of commands and exit codes are whole.
func TestReadme(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, group := range newRootCmd(process()).Commands() {
		rows := strings.Join(regexp.MustCompile("(?m)^\\| `"+group.CommandPath()+"[ `].*").FindAllString(string(readme), -1), "\n")
		for _, cmd := range append(group.Commands(), group) {
			if !regexp.MustCompile(`\b` + cmd.Name() + `\b`).MatchString(rows) {
				t.Errorf("README.md has no row that names %s", cmd.CommandPath())
			}
		}
	}
	for _, code := range []exitCode{done, failed, usage, configuration, unreachable, notAllowed, noMatch, partial, timedOut} {
		if row := fmt.Sprintf("\n| %d | ", code); !strings.Contains(string(readme), row) {
			t.Errorf("README.md has no row %q", row)
		}
	}
}
