package configs_test

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/kafkabus"
	"github.com/stompgw/stompgw/bus/natsbus"
	"github.com/stompgw/stompgw/cmd"
)

// afterDrain is what a node may need between drain.duration and its end: clients that are slow to leave
// have 7 s, the bus has 2 s, and a busy machine needs its time.
const afterDrain = 20 * time.Second

// command is what every deployment runs.
var command = []string{"/usr/local/bin/stompgw", "serve", "--config", "/etc/stompgw/stompgw.yaml"}

// read returns a file, from this folder.
func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.FromSlash(name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// find returns what the first group of an expression matches in a file.
func find(t *testing.T, name, expression string) string {
	t.Helper()
	found := regexp.MustCompile("(?m)" + expression).FindStringSubmatch(read(t, name))
	if found == nil {
		t.Fatalf("%s has no %s", name, expression)
	}
	return found[1]
}

// node is what deployments have to know of a node's configuration.
type node struct {
	Listen string
	Auth   struct {
		JWT struct {
			SecretFile string `yaml:"secret_file"`
		}
	}
	Redis struct {
		PasswordFile string `yaml:"password_file"`
	}
	Drain struct{ Duration time.Duration }
	Admin struct{ Listen string }

	Channels, Routes []map[string]any
}

// readNode takes the text of a configuration, in which all of this stands.
func readNode(t *testing.T, name, text string) (n node) {
	t.Helper()
	if err := yaml.Unmarshal([]byte(text), &n); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if n.Listen == "" || n.Drain.Duration == 0 || n.Admin.Listen == "" {
		t.Fatalf("%s does not say listen, drain.duration and admin.listen, on which deployments depend", name)
	}
	return n
}

// check runs `stompgw config check` on the text of a configuration, with variables in the environment,
// and returns what it complains of; nothing is well.
func check(t *testing.T, text string, environ map[string]string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "stompgw.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, value := range environ {
		t.Setenv(name, value)
	}
	var out, complaints bytes.Buffer
	code := cmd.Main(t.Context(), cmd.Process{
		Args:    []string{"stompgw", "config", "check", "--config", file},
		Stdin:   strings.NewReader(""),
		Stdout:  &out,
		Stderr:  &complaints,
		Drivers: []bus.Driver{kafkabus.Driver(), natsbus.Driver()},
	})
	if (code == 0) != strings.Contains(out.String(), "no mistakes") {
		t.Fatalf("config check ends with %d and says %s", code, &out)
	}
	return complaints.String()
}

// lacking skips a test that misses a program of Linux; with TEST_ALL it fails there.
func lacking(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("TEST_ALL") != "" && runtime.GOOS == "linux" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// secretFile makes a file with a secret that is good for any setting.
func secretFile(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(name, []byte(strings.Repeat("s3cret-", 10)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// optional finds a line of YAML behind a #, such as "#   max: 20", unlike words for people.
var optional = regexp.MustCompile(`(?m)^( *)# ( *(?:- )?[a-z_]+:(?: .*)?)$`)

// TestOptionalSettings: what the files show behind a # are settings, and in their places. Some of them
// exclude each other and most name files, so that only what is no setting counts here.
func TestOptionalSettings(t *testing.T) {
	for _, name := range []string{"kafka.yaml", "nats.yaml", "spring.yaml", "standalone.yaml"} {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(read(t, name), "sources: []", "sources:", 1) // its items come to light
			if n := len(optional.FindAllString(text, -1)); n < 3 {
				t.Errorf("%d optional settings found, want some", n)
			}
			complaints := check(t, optional.ReplaceAllString(text, "$1$2"), nil)
			for line := range strings.Lines(complaints) {
				for _, mistake := range []string{"there is no such", "not YAML", "is set twice", "want keys below"} {
					if strings.Contains(line, mistake) {
						t.Error(line)
					}
				}
			}
		})
	}
}
