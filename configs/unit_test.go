package configs_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestUnit: what others depend on, and the time to drain.
func TestUnit(t *testing.T) {
	unit := lines(read(t, "stompgw.service"))
	for _, want := range []string{
		"Type=exec",
		"ExecStart=" + strings.Join(command, " "),
		"ExecReload=/bin/kill -HUP $MAINPID",
		"KillSignal=SIGTERM",
		"Restart=on-failure",           // so that a node that was drained stays down
		"RestartPreventExitStatus=2 3", // usage, configuration
		"LimitNOFILE=1048576",
		"DynamicUser=yes",
		"CapabilityBoundingSet=",
		"NoNewPrivileges=yes",
		"ProtectSystem=strict",
		"SystemCallFilter=@system-service",
		"WantedBy=multi-user.target",
	} {
		if !slices.Contains(unit, want) {
			t.Errorf("the unit has no line %s", want)
		}
	}
	seconds, err := strconv.Atoi(find(t, "stompgw.service", `^TimeoutStopSec=(\d+)$`))
	if err != nil {
		t.Fatal(err)
	}
	n := readNode(t, "kafka.yaml", read(t, "kafka.yaml"))
	if want := n.Drain.Duration + afterDrain; time.Duration(seconds)*time.Second < want {
		t.Errorf("TimeoutStopSec=%d would cut a drain off: want %s or more", seconds, want)
	}
}

// TestUnitSecrets: the lines for secrets that wait behind a # give the node what they say.
func TestUnitSecrets(t *testing.T) {
	pairs := regexp.MustCompile(`(?m)^#LoadCredential=(.+?):.*\n#Environment=(\w+)=%d/(.+)$`).FindAllStringSubmatch(read(t, "stompgw.service"), -1)
	if n := strings.Count(read(t, "stompgw.service"), "\n#LoadCredential="); n == 0 || n != len(pairs) {
		t.Fatalf("%d secrets, %d of them with a setting that names them", n, len(pairs))
	}
	environ := map[string]string{"STOMPGW_BUS_KAFKA_SASL_MECHANISM": "scram-sha-512", "STOMPGW_BUS_KAFKA_SASL_USER": "stompgw"}
	secret := secretFile(t)
	for _, pair := range pairs {
		if pair[1] != pair[3] {
			t.Errorf("%s does not name the credential before it, %s", pair[2], pair[1])
		}
		environ[pair[2]] = secret
	}
	if complaints := check(t, read(t, "kafka.yaml"), environ); complaints != "" {
		t.Error(complaints)
	}
}

// TestUnitVerify asks systemd itself, which tells of lines and directives that it does not know.
func TestUnitVerify(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		lacking(t, "no systemd-analyze; get it with: apt-get install systemd")
	}
	self, err := os.Executable() // it looks whether the program is there
	if err != nil {
		t.Fatal(err)
	}
	text := read(t, "stompgw.service")
	asComment := regexp.MustCompile(`(?m)^#(LoadCredential|Environment)=`)
	for name, unit := range map[string]string{"stompgw.service": text, "stompgw-secrets.service": asComment.ReplaceAllString(text, "$1=")} {
		file := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(file, []byte(strings.ReplaceAll(unit, command[0], self)), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.CommandContext(t.Context(), analyze, "verify", "--man=no", file).CombinedOutput()
		if strings.Contains(string(out), name) {
			t.Errorf("%v\n%s", err, out)
		}
	}
}
