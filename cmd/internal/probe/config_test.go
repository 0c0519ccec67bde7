package probe

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stompgw/stompgw/cmd/internal/cli/clitest"
	"github.com/stompgw/stompgw/cmd/internal/config"
)

// TestConfigDefault: what is printed is a configuration without mistakes, and changes nothing.
func TestConfigDefault(t *testing.T) {
	t.Chdir(t.TempDir())
	code, text, stderr := run(t, "config", "default")
	if code != 0 || stderr != "" {
		t.Fatalf("exit code %d, %s", code, stderr)
	}
	clitest.WriteFile(t, "t.yaml", text)
	if code, stdout, stderr := run(t, "config", "check", "--config", "t.yaml"); code != 0 || stderr != "" {
		t.Errorf("exit code %d, %s%s", code, stdout, stderr)
	}
	_, bare, _ := run(t, "config", "show")
	if _, full, stderr := run(t, "config", "show", "--config", "t.yaml"); full != bare {
		t.Errorf("with a file of defaults it runs with\n%s%s\nwant\n%s", full, stderr, bare)
	}
}

// TestConfigShow: the file, the environment and --standalone, each where it counts.
func TestConfigShow(t *testing.T) {
	t.Chdir(t.TempDir())
	clitest.WriteFile(t, "t.yaml", "listen: 127.0.0.1:1\nlimits:\n  message: 1KiB\n")
	t.Setenv("STOMPGW_REDIS_PASSWORD", "hunter2")
	for _, tt := range []struct {
		args []string
		want []string
	}{
		{nil, []string{"listen: 127.0.0.1:1\n", "  message: 1KiB\n", "  password: REDACTED\n", "  addrs: ['127.0.0.1:6379']\n"}},
		{[]string{"--origin"}, []string{
			"\n  message: 1KiB                             # t.yaml:3\n",
			"\n  password: REDACTED                        # STOMPGW_REDIS_PASSWORD\n",
			"\n  outbound: 1MiB                            # default\n",
		}},
		{[]string{"--origin", "--standalone"}, []string{"\n  addrs: ['127.0.0.1:13003']                # --standalone\n", "\n  password: \"\"                              # --standalone\n"}},
		{[]string{"-o", "json"}, []string{`"listen": "127.0.0.1:1"`, `"password": "REDACTED"`}},
		{[]string{"-o", "json", "--origin"}, []string{`"key": "limits.message",` + "\n    " + `"value": "1KiB",` + "\n    " + `"origin": "t.yaml:3"`}},
	} {
		code, stdout, stderr := run(t, append([]string{"config", "show", "--config", "t.yaml"}, tt.args...)...)
		if code != 0 || stderr != "" {
			t.Errorf("%q: exit code %d, %s", tt.args, code, stderr)
		}
		clitest.Contains(t, stdout, tt.want...)
		if strings.Contains(stdout, "hunter2") {
			t.Errorf("%q shows a password", tt.args)
		}
		if strings.Contains(strings.Join(tt.args, " "), "json") && !json.Valid([]byte(stdout)) {
			t.Errorf("%q is no JSON:\n%s", tt.args, stdout)
		}
	}
}

// TestConfigFound: a command that is told no file finds one, says which, and takes none with --standalone.
func TestConfigFound(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.Chmod(".", 0o755); err != nil { // whatever the umask
		t.Fatal(err)
	}
	clitest.WriteFile(t, "stompgw.yaml", "log: {level: warn}\n")
	clitest.WriteFile(t, "other.yaml", "log: {level: loud}\n")
	level := func(args ...string) string {
		t.Helper()
		code, stdout, stderr := run(t, append([]string{"config", "show", "--origin"}, args...)...)
		if code != 0 {
			return stderr
		}
		return regexp.MustCompile(`\n  level: .*`).FindString(stdout)
	}
	clitest.Contains(t, level(), "warn", "# stompgw.yaml:1")
	clitest.Contains(t, level("--standalone"), "info", "# built-in standalone.yaml")
	clitest.Contains(t, level("--config", "/dev/null"), "info", "# default")
	clitest.Contains(t, level("--config="), "--config is empty: it needs the name of a YAML file")
	_, stdout, _ := run(t, "config", "check")
	clitest.Contains(t, stdout, "stompgw.yaml: no mistakes")
	t.Setenv("STOMPGW_CONFIG", "other.yaml")
	clitest.Contains(t, level(), `stompgw: other.yaml:1: log.level: "loud" is none of debug, info, warn, error`)
	clitest.Contains(t, level("--standalone"), "info", "# built-in standalone.yaml")
	t.Setenv("STOMPGW_CONFIG", "")
	clitest.Contains(t, level(), "stompgw: STOMPGW_CONFIG: the variable is empty")
}

// TestConfigWarnings: what works but should not stay goes to stderr, and is no failure.
func TestConfigWarnings(t *testing.T) {
	t.Chdir(t.TempDir())
	clitest.WriteFile(t, "t.yaml", "registry: {heartbeat: 1s, expiry: 2s}\n")
	code, _, stderr := run(t, "config", "check", "--config", "t.yaml")
	cfg, err := config.Load(config.Source{File: "t.yaml", Drivers: drivers()})
	if err != nil {
		t.Fatal(err)
	}
	if len(cfg.Warnings()) != 1 || code != 0 {
		t.Errorf("exit code %d, warnings %q", code, cfg.Warnings())
	}
	clitest.WantLine(t, stderr, "warning: "+cfg.Warnings()[0])
}
