package gateway_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/stompgw/stompgw"

// mayImport is the floor plan: what each package of the module may import of the module. An import
// points downwards, from cmd over admin and gateway to bus; a new package needs a line here.
var mayImport = map[string][]string{
	"cmd/stompgw": {"cmd", "bus", "bus/kafkabus", "bus/natsbus"},

	"cmd": {
		"cmd/internal/operate", "cmd/internal/message", "cmd/internal/bench", "cmd/internal/probe", "cmd/internal/cli", "cmd/internal/config",
		"cmd/internal/embedded", "cmd/internal/page", "admin", "admin/api", "gateway", "gateway/asyncapi", "gateway/auth", "gateway/auth/redislist", "gateway/policy", "gateway/registry",
		"gateway/registry/redisregistry", "bus",
	},
	"cmd/internal/operate": {
		"cmd/internal/cli", "cmd/internal/config", "cmd/internal/output", "admin", "gateway", "gateway/destination", "gateway/policy",
		"gateway/registry", "bus",
	},
	"cmd/internal/message": {
		"cmd/internal/cli", "cmd/internal/client", "cmd/internal/config", "cmd/internal/nearest", "cmd/internal/output", "admin", "gateway", "gateway/policy",
		"gateway/registry", "bus",
	},
	"cmd/internal/bench": {"cmd/internal/cli", "cmd/internal/client", "cmd/internal/config", "cmd/internal/output", "gateway/stomp"},
	"cmd/internal/probe": {
		"cmd/internal/cli", "cmd/internal/config", "cmd/internal/output", "admin", "gateway/asyncapi", "gateway/auth", "gateway/auth/redislist", "gateway/destination",
		"gateway/policy", "gateway/registry", "gateway/registry/redisregistry", "bus",
	},
	"cmd/internal/cli": {
		"cmd/internal/config", "cmd/internal/output", "admin", "gateway", "gateway/asyncapi", "gateway/auth", "gateway/policy", "gateway/registry",
		"gateway/registry/redisregistry", "bus",
	},
	"cmd/internal/cli/clitest": {"bus/bustest", "cmd/internal/cli"},
	"cmd/internal/client":      {"gateway/stomp"},
	"cmd/internal/config":      {"cmd/internal/nearest", "configs", "gateway/auth", "gateway/destination", "gateway/origin", "gateway/policy", "gateway/schema", "bus", "bus/settings"},
	"cmd/internal/embedded":    {},
	"cmd/internal/nearest":     {},
	"cmd/internal/output":      {},
	"cmd/internal/page":        {},

	"admin": {"gateway", "gateway/destination", "gateway/policy", "gateway/registry", "gateway/registry/redisregistry", "gateway/schema", "gateway/stomp", "bus"},

	"admin/api": {"admin", "gateway", "gateway/auth", "gateway/policy", "gateway/problem", "gateway/registry", "gateway/registry/redisregistry", "gateway/schema", "bus", "bus/seldom"},

	"gateway": {
		"gateway/internal/front", "gateway/internal/history", "gateway/internal/loop", "gateway/internal/pageapi", "gateway/internal/presence", "gateway/internal/router", "gateway/internal/session", "gateway/internal/sockjs",
		"gateway/internal/tcp", "gateway/internal/ws", "gateway/auth", "gateway/destination", "gateway/origin", "gateway/policy", "gateway/problem", "gateway/registry", "gateway/stomp", "bus", "bus/seldom",
	},
	"gateway/internal/front": {
		"gateway/internal/sockjs", "gateway/internal/tcp", "gateway/internal/ws", "gateway/internal/session", "gateway/internal/loop",
		"gateway/origin", "gateway/stomp", "bus/seldom",
	},
	"gateway/internal/sockjs":   {"gateway/internal/ws", "gateway/internal/session", "gateway/internal/loop"},
	"gateway/internal/ws":       {"gateway/internal/session", "gateway/internal/loop"},
	"gateway/internal/tcp":      {"gateway/internal/session", "gateway/internal/loop"},
	"gateway/internal/session":  {"gateway/internal/router", "gateway/internal/loop", "gateway/auth", "gateway/destination", "gateway/policy", "gateway/registry", "gateway/schema", "gateway/stomp", "bus", "bus/seldom"},
	"gateway/internal/router":   {"gateway/internal/history", "gateway/internal/loop", "gateway/destination", "gateway/policy", "gateway/registry", "gateway/stomp", "bus", "bus/seldom"},
	"gateway/internal/presence": {"gateway/internal/router", "gateway/registry", "bus"},
	"gateway/internal/pageapi":  {"gateway/auth", "gateway/policy", "gateway/problem", "gateway/registry", "bus", "bus/seldom"},
	"gateway/internal/history":  {"bus"},
	"gateway/internal/loop":     {},

	"gateway/asyncapi":               {"gateway/policy", "gateway/schema", "bus/settings"},
	"gateway/policy":                 {"gateway/destination", "gateway/schema", "gateway/stomp", "bus", "bus/settings"},
	"gateway/problem":                {"gateway/policy", "gateway/schema"},
	"gateway/schema":                 {},
	"gateway/auth":                   {"gateway/destination"},
	"gateway/auth/redislist":         {},
	"gateway/destination":            {},
	"gateway/origin":                 {},
	"gateway/registry":               {},
	"gateway/registry/redisregistry": {"gateway/registry"},
	"gateway/stomp":                  {},

	"configs":                      {},
	"configs/examples/orders-nats": {},

	"bus":                        {"bus/settings"},
	"bus/bustest":                {"bus"},
	"bus/bustest/servers":        {"bus/bustest"},
	"bus/kafkabus":               {"bus/kafkabus/internal/form", "bus/kafkabus/internal/wire", "bus", "bus/seldom", "bus/settings"},
	"bus/kafkabus/internal/form": {"bus/kafkabus/internal/wire", "bus"},
	"bus/kafkabus/internal/wire": {},
	"bus/membus":                 {"bus"},
	"bus/natsbus":                {"bus", "bus/seldom", "bus/settings"},
	"bus/seldom":                 {},
	"bus/settings":               {},
}

// outside are packages of others that only some of ours may import; test files are free to.
var outside = []struct {
	path   string
	why    string
	mayUse func(pkg string) bool
}{
	{"github.com/spf13/", "only cmd reads flags, files and the environment", under("cmd")},
	{"github.com/mattn/", "only output knows how wide a text is on a terminal", under("cmd/internal/output")},
	{"github.com/gobwas/", "only the WebSocket transport, and a client of it, know WebSocket", under("gateway/internal/ws", "cmd/internal/client", "cmd/internal/bench")},
	{"github.com/redis/", "only the Redis registry and what opens or asks it know Redis", under("cmd", "admin", "gateway/auth/redislist", "gateway/registry/redisregistry")},
	{"github.com/golang-jwt/", "only auth reads tokens, and cmd makes some for tests", under("cmd", "gateway/auth")},
	{"github.com/nats-io/", "only the NATS bus, cmd, which can embed the server, and an example of a backend know NATS", under("cmd", "bus/natsbus", "configs/examples/orders-nats")},
	{"github.com/segmentio/", "only the Kafka bus, and the servers of the tests, know Kafka", under("bus/kafkabus", "bus/bustest/servers")},
	{"github.com/twmb/franz-go/pkg/kmsg", "only the Kafka bus knows what Kafka's requests are made of", under("bus/kafkabus")},
	{"github.com/twmb/franz-go/pkg/kfake", "another Kafka is for the servers of the tests", under("bus/bustest/servers")},
	{"github.com/twmb/franz-go/pkg/kgo", "another Kafka client is for tests", nobody},
	{"github.com/santhosh-tekuri/", "only the package for it reads JSON Schemas", under("gateway/schema")},
	{"cel.dev/", "only the policy knows how expressions are evaluated", under("gateway/policy")},
	{"github.com/prometheus/", "only admin shows figures to Prometheus, and bench has its reader of /proc", under("admin", "cmd/internal/bench")},
	{"golang.org/x/time/", "only the session counts what its client sends", under("gateway/internal/session")},
	{"github.com/danielgtaylor/", "only the API knows how it is described", under("admin/api")},
	{"text/template", "one template makes the linker keep every exported method, 9 MiB of them", nobody},
	{"html/template", "one template makes the linker keep every exported method, 9 MiB of them", nobody},
	{"log", "logs are slog, handed in", nobody},
}

func under(dirs ...string) func(string) bool {
	return func(pkg string) bool {
		return slices.ContainsFunc(dirs, func(dir string) bool { return pkg == dir || strings.HasPrefix(pkg, dir+"/") })
	}
}

func nobody(string) bool { return false }

// TestImports compares every import of the module's packages with the floor plan, as each of the
// systems sees it that the gateway is built for.
func TestImports(t *testing.T) {
	for _, goos := range []string{"linux", "darwin", "windows"} {
		t.Run(goos, func(t *testing.T) {
			packages := list(t, goos)
			if len(packages) == 0 {
				t.Fatal("go list found no package")
			}
			for pkg, imports := range packages {
				allowed, planned := mayImport[pkg]
				if !planned {
					t.Errorf("%s is not in the floor plan: give it a line in mayImport", pkg)
				}
				for _, path := range imports {
					if ours, ok := strings.CutPrefix(path, module+"/"); ok {
						if planned && !slices.Contains(allowed, ours) {
							t.Errorf("%s imports %s, which the floor plan does not allow", pkg, ours)
						}
						continue
					}
					checkOutside(t, pkg, path)
				}
			}
		})
	}
	t.Run("READMEs", checkReadmes)
}

func checkOutside(t *testing.T, pkg, path string) {
	for _, rule := range outside {
		matches := path == rule.path || strings.HasSuffix(rule.path, "/") && strings.HasPrefix(path, rule.path)
		if matches && !rule.mayUse(pkg) {
			t.Errorf("%s imports %s: %s", pkg, path, rule.why)
		}
	}
}

// checkReadmes: the README of a folder tells what each package in it is for.
func checkReadmes(t *testing.T) {
	for pkg := range mayImport {
		folder, _, _ := strings.Cut(pkg, "/")
		readme, err := os.ReadFile("../" + folder + "/README.md")
		if err != nil {
			t.Fatal(err)
		}
		if !regexp.MustCompile("`([^`]*/)?"+path.Base(pkg)+"`").Match(readme) && pkg != folder {
			t.Errorf("%s/README.md does not tell of %s", folder, pkg)
		}
	}
}

// list returns the imports of each package of the module, test files left out, by its folder.
func list(t *testing.T, goos string) map[string][]string {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", "./...")
	cmd.Dir = ".."
	cmd.Env = append(os.Environ(), "GOOS="+goos, "CGO_ENABLED=0")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.Bytes())
	}
	packages := map[string][]string{}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return packages
		} else if err != nil {
			t.Fatal(err)
		}
		packages[strings.TrimPrefix(p.ImportPath, module+"/")] = p.Imports
	}
}
