package cmd

import (
	"context"
	"os/exec"
	"strings"
	"testing"

	"github.com/stompgw/stompgw/cmd/internal/cli/clitest"
)

// TestCompletionScripts: each shell gets a script of its own, which those shells that are there can read, and the
// help says how to install it.
func TestCompletionScripts(t *testing.T) {
	for shell, check := range map[string][]string{
		"bash": {"bash", "-n"}, "zsh": {"zsh", "-n"}, "fish": {"fish", "--no-execute"}, "powershell": nil,
	} {
		code, script, stderr := run(t, "completion", shell)
		if code != 0 || stderr != "" {
			t.Errorf("%s: exit code %d, %s", shell, code, stderr)
		}
		clitest.Contains(t, script, "stompgw", "__complete")
		_, help, _ := run(t, "completion", shell, "--help")
		clitest.Contains(t, help, "stompgw completion "+shell+" ")
		if check == nil {
			continue
		}
		if _, err := exec.LookPath(check[0]); err != nil {
			continue
		}
		ctx, cancel := context.WithTimeout(t.Context(), clitest.Patience)
		defer cancel()
		cmd := exec.CommandContext(ctx, check[0], check[1:]...)
		cmd.Stdin = strings.NewReader(script)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s does not read its script: %v\n%s", shell, err, out)
		}
	}
	_, help, _ := run(t, "completion")
	clitest.Contains(t, help, "bash ", "zsh ", "fish ", "powershell ")
}

// TestComplete: the scripts ask the program, which knows its commands and flags.
func TestComplete(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"config", "sh"}, "show\t"},
		{[]string{"completion", "f"}, "fish\t"},
		{[]string{"config", "check", "--con"}, "--connect\t"},
	} {
		code, stdout, _ := run(t, append([]string{"__complete"}, tt.args...)...)
		if code != 0 || !strings.HasPrefix(stdout, tt.want) && !strings.Contains(stdout, "\n"+tt.want) {
			t.Errorf("%q: exit code %d, %q", tt.args, code, stdout)
		}
	}
}

// TestOfferedWords: what the configuration and the program itself know is offered too.
func TestOfferedWords(t *testing.T) {
	t.Chdir(t.TempDir())
	clitest.WriteFile(t, "c.yaml", "channels: [{match: /topic/chat, subscribe: true}, {match: \"/topic/room/{id}\", subscribe: true}, {match: \"/topic/room/*/log\", subscribe: true}]\n"+
		"routes: [{match: /app/chat, publish: /topic/chat, allow: true}]\n")
	const done, more = ":4\n", ":6\n" // no file names; and no space behind
	for _, tt := range []struct{ words, want string }{
		{"publish -c c.yaml /topic/c", "/topic/chat\n" + done},
		{"publish -c c.yaml /topic/chat ", done},
		{"history -c c.yaml /topic/c", "/topic/chat\n" + done},
		{"history -c c.yaml /topic/chat ", done},
		{"history --after ", done},
		{"presence -c c.yaml /topic/r", "/topic/room/\n" + more},
		{"presence -c c.yaml /topic/chat ", done},
		{"destinations list -c c.yaml --match /topic/c", "/topic/chat\n" + done},
		{"subscribe -c c.yaml /topic/chat /t", "/topic/chat\n/topic/room/\n" + more},
		{"sessions kick -c c.yaml --destination /topic/r", "/topic/room/\n" + more},
		{"channels show -c c.yaml /topic/c", "/topic/chat\n" + done},
		{"channels show -c c.yaml /topic/chat ", done},
		{"policy test ", "SUBSCRIBE\nSEND\n" + done},
		{"policy test -c c.yaml SEND /a", "/app/chat\n" + done},
		{"policy test -c none.yaml SEND /a", done},
	} {
		words := strings.Split(tt.words, " ")
		if code, stdout, _ := run(t, append([]string{"__complete"}, words...)...); code != 0 || stdout != tt.want {
			t.Errorf("%s: exit code %d, %q, want %q", tt.words, code, stdout, tt.want)
		}
	}
	if _, stdout, _ := run(t, "__complete", "explain", ""); !strings.HasPrefix(stdout, "login\tNeed Login\nnot_allowed\t") {
		t.Errorf("codes: %q", stdout)
	}
}
