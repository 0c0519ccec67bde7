package cmd

import (
	"context"
	"os/exec"
	"strings"
	"testing"
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
		contains(t, script, "stompgw", "__complete")
		_, help, _ := run(t, "completion", shell, "--help")
		contains(t, help, "Examples:\n", "stompgw completion "+shell+" ")
		if check == nil {
			continue
		}
		if _, err := exec.LookPath(check[0]); err != nil {
			continue
		}
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		cmd := exec.CommandContext(ctx, check[0], check[1:]...)
		cmd.Stdin = strings.NewReader(script)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s does not read its script: %v\n%s", shell, err, out)
		}
	}
	_, help, _ := run(t, "completion")
	contains(t, help, "bash ", "zsh ", "fish ", "powershell ")
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
