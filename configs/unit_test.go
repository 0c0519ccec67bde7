package configs_test

import (
	"bufio"
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

// directives are those of systemd that the unit may use, by section; see systemd.unit(5),
// systemd.service(5), systemd.exec(5) and systemd.kill(5). systemd ignores what it does not know.
var directives = map[string][]string{
	"Unit": {"Description", "Documentation", "After", "Wants", "StartLimitIntervalSec"},
	"Service": {
		"Type", "ExecStart", "ExecReload", "KillSignal", "TimeoutStopSec", "Restart", "RestartSec", "RestartPreventExitStatus",
		"LimitNOFILE", "EnvironmentFile", "Environment", "LoadCredential", "DynamicUser", "UMask",
		"CapabilityBoundingSet", "AmbientCapabilities", "NoNewPrivileges", "PrivateUsers", "PrivateDevices", "PrivateTmp",
		"ProtectSystem", "ProtectHome", "ProtectClock", "ProtectControlGroups", "ProtectHostname", "ProtectKernelLogs",
		"ProtectKernelModules", "ProtectKernelTunables", "ProtectProc", "RemoveIPC", "RestrictAddressFamilies",
		"RestrictNamespaces", "RestrictRealtime", "RestrictSUIDSGID", "LockPersonality", "MemoryDenyWriteExecute",
		"SystemCallArchitectures", "SystemCallFilter", "SystemCallErrorNumber",
	},
	"Install": {"WantedBy"},
}

// unit is what a unit file says, in order, by "Section.Directive".
type unit map[string][]string

// parseUnit finds lines that systemd would not understand, too.
func parseUnit(t *testing.T, text string) unit {
	t.Helper()
	u, section := unit{}, ""
	lines := bufio.NewScanner(strings.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		name, value, ok := strings.Cut(line, "=")
		switch {
		case line == "", line[0] == '#', line[0] == ';':
		case line[0] == '[' && strings.HasSuffix(line, "]"):
			section = line[1 : len(line)-1]
		case !ok || strings.HasSuffix(line, `\`):
			t.Errorf("line %d is no directive: %s", n, line)
		case !slices.Contains(directives[section], name):
			t.Errorf("line %d: there is no %s in [%s]", n, name, section)
		default:
			u[section+"."+name] = append(u[section+"."+name], value)
		}
	}
	return u
}

// one is the value of a directive that stands once; it may be empty.
func (u unit) one(t *testing.T, path string) string {
	t.Helper()
	if values := u[path]; len(values) != 1 {
		t.Fatalf("%s stands %d times, want once", path, len(values))
	}
	return u[path][0]
}

func TestUnit(t *testing.T) {
	u := parseUnit(t, read(t, "stompgw.service"))
	for path, want := range map[string]string{
		"Service.Type":                     "exec",
		"Service.ExecStart":                strings.Join(command, " "),
		"Service.ExecReload":               "/bin/kill -HUP $MAINPID",
		"Service.KillSignal":               "SIGTERM",
		"Service.Restart":                  "on-failure", // so that a node that was drained stays down
		"Service.RestartPreventExitStatus": "2 3",        // usage, configuration
		"Service.LimitNOFILE":              "1048576",
		"Service.DynamicUser":              "yes",
		"Service.CapabilityBoundingSet":    "",
		"Service.NoNewPrivileges":          "yes",
		"Service.ProtectSystem":            "strict",
		"Install.WantedBy":                 "multi-user.target",
	} {
		if got := u.one(t, path); got != want {
			t.Errorf("%s=%s, want %s", path, got, want)
		}
	}
	if first := u["Service.SystemCallFilter"]; len(first) == 0 || first[0] != "@system-service" {
		t.Errorf("SystemCallFilter %v does not begin with what is allowed", first)
	}
	seconds, err := strconv.Atoi(u.one(t, "Service.TimeoutStopSec"))
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
	behind := regexp.MustCompile(`(?m)^#(LoadCredential|Environment)=`)
	u := parseUnit(t, behind.ReplaceAllString(read(t, "stompgw.service"), "$1="))
	secret := secretFile(t)
	environ := map[string]string{"STOMPGW_BUS_KAFKA_SASL_MECHANISM": "scram-sha-512", "STOMPGW_BUS_KAFKA_SASL_USER": "stompgw"}
	var loaded []string
	for _, credential := range u["Service.LoadCredential"] {
		name, _, _ := strings.Cut(credential, ":")
		loaded = append(loaded, name)
	}
	if len(loaded) == 0 || len(loaded) != len(u["Service.Environment"]) {
		t.Fatalf("%d secrets, %d settings that name them", len(loaded), len(u["Service.Environment"]))
	}
	for i, assignment := range u["Service.Environment"] {
		name, value, _ := strings.Cut(assignment, "=")
		if value != "%d/"+loaded[i] {
			t.Errorf("%s does not name the credential before it, %s", assignment, loaded[i])
		}
		environ[name] = secret
	}
	if complaints := check(t, read(t, "kafka.yaml"), environ); complaints != "" {
		t.Error(complaints)
	}
}

// TestUnitVerify asks systemd itself, where there is one.
func TestUnitVerify(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("no systemd-analyze")
	}
	self, err := os.Executable() // it looks whether the program is there
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "stompgw.service")
	text := strings.ReplaceAll(read(t, "stompgw.service"), command[0], self)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), analyze, "verify", "--man=no", file).CombinedOutput()
	if strings.Contains(string(out), "stompgw.service") {
		t.Errorf("%v\n%s", err, out)
	}
}
