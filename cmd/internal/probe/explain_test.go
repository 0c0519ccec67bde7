package probe

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stompgw/stompgw/cmd/internal/cli/clitest"
	"github.com/stompgw/stompgw/gateway/policy"
)

// TestExplain: each code is explained by number and word, in lines that fit a terminal.
func TestExplain(t *testing.T) {
	for _, e := range policy.Codes() {
		code, stdout, stderr := run(t, "explain", fmt.Sprint(int(e.Code)))
		if code != 0 || stderr != "" || !strings.HasPrefix(stdout, fmt.Sprintf("%d %s: %s\n\n", e.Code, e.Word, e.Message)) {
			t.Errorf("%d: exit code %d, %q%q", e.Code, code, stdout, stderr)
		}
		if advice()[e.Word] == "" {
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

// TestExplainOne: a code that is named has the same forms as all of them, and its explanation beside.
func TestExplainOne(t *testing.T) {
	for format, want := range map[string]string{
		"json": `{"errorCode":23,"error":"rate","errorMessage":"Too many messages in a short time, try again later","retryable":true,"explanation":"The client has sent more than `,
		"yaml": "errorCode: 23\nerror: \"rate\"\n",
		"name": "rate\n",
	} {
		code, stdout, stderr := run(t, "explain", "23", "-o", format)
		if code != 0 || stderr != "" || !strings.HasPrefix(stdout, want) {
			t.Errorf("-o %s: exit code %d, %q%q", format, code, stdout, stderr)
		}
	}
}

func TestExplainList(t *testing.T) {
	for name, args := range map[string][]string{"explain.golden": nil, "explain.json.golden": {"-o", "json"}} {
		code, stdout, stderr := run(t, append([]string{"explain"}, args...)...)
		if code != 0 || stderr != "" {
			t.Errorf("exit code %d, %q", code, stderr)
		}
		clitest.Golden(t, name, stdout)
	}
}
