package configs_test

import (
	"encoding/json"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

// compose is what the tests want to know of compose.yaml.
type compose struct {
	Services map[string]service
	Configs  map[string]struct{ File string }
	Networks map[string]struct{ Internal bool }
}

type service struct {
	Image           string
	Command         []string
	Environment     map[string]string
	Configs         []struct{ Source, Target string }
	Healthcheck     struct{ Test []string }
	Networks, Ports []string
	Restart         string
	StopGracePeriod time.Duration `yaml:"stop_grace_period"`
}

func readCompose(t *testing.T) (c compose) {
	t.Helper()
	if err := yaml.Unmarshal([]byte(read(t, "compose.yaml")), &c); err != nil {
		t.Fatal(err)
	}
	if names := slices.Sorted(maps.Keys(c.Services)); !slices.Equal(names, []string{"kafka", "nginx", "redis", "stompgw-1", "stompgw-2"}) {
		t.Fatalf("the services are %v", names)
	}
	return c
}

// nodes are the services that run stompgw.
func (c compose) nodes() []service {
	return []service{c.Services["stompgw-1"], c.Services["stompgw-2"]}
}

// TestComposeVerify asks the loader of Docker Compose itself, which knows what a file may say. What the file
// names is there.
func TestComposeVerify(t *testing.T) {
	const loader = "github.com/compose-spec/compose-go/v2/cmd"
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-modfile=../tools.mod", "-o", os.DevNull, loader).CombinedOutput(); err != nil {
		lacking(t, "no "+loader+": "+string(out))
	}
	out, err := exec.CommandContext(t.Context(), "go", "tool", "-modfile=../tools.mod", loader, "-format", "json", "compose.yaml").Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, err.(*exec.ExitError).Stderr)
	}
	var c struct {
		Configs           map[string]struct{ File string }
		Networks, Volumes map[string]any
		Services          map[string]struct {
			Build       *struct{ Context, Dockerfile string }
			DependsOn   map[string]struct{ Condition string } `json:"depends_on"`
			Healthcheck any
			Networks    map[string]any
			Volumes     []struct{ Source string }
		}
	}
	if err := json.Unmarshal(out, &c); err != nil {
		t.Fatal(err)
	}
	var files []string
	for _, config := range c.Configs {
		files = append(files, config.File)
	}
	for name, s := range c.Services {
		if s.Build != nil {
			files = append(files, filepath.Join(s.Build.Context, s.Build.Dockerfile))
		}
		for other, d := range s.DependsOn {
			if d.Condition == "service_healthy" && c.Services[other].Healthcheck == nil {
				t.Errorf("%s waits for %s, which does not tell whether it is healthy", name, other)
			}
		}
		for _, volume := range s.Volumes {
			if _, known := c.Volumes[volume.Source]; !known {
				t.Errorf("%s: there is no volume %s", name, volume.Source)
			}
		}
		for network := range s.Networks {
			if _, known := c.Networks[network]; !known {
				t.Errorf("%s: there is no network %s", name, network)
			}
		}
	}
	for _, file := range files {
		if _, err := os.Stat(file); err != nil {
			t.Error(err)
		}
	}
}

// TestCompose: what comes from elsewhere is of one version, and from outside only nginx can be reached, from
// this machine.
func TestCompose(t *testing.T) {
	c := readCompose(t)
	for name, s := range c.Services {
		if s.Image != "stompgw" && !pinned.MatchString(s.Image) {
			t.Errorf("%s: %s is no version", name, s.Image)
		}
		for _, network := range s.Networks {
			if !c.Networks[network].Internal && name != "nginx" {
				t.Errorf("%s is on the network %s", name, network)
			}
		}
		if (len(s.Ports) > 0) != (name == "nginx") {
			t.Errorf("%s: ports %v", name, s.Ports)
		}
	}
	if ports := c.Services["nginx"].Ports; len(ports) != 1 || !strings.HasPrefix(ports[0], "127.0.0.1:") {
		t.Errorf("nginx: ports %v, want one on loopback", ports)
	}
	tested := find(t, "../bus/bustest/servers/testdata/kafka/pom.xml", `<version>(.*?)</version>`)
	if image := c.Services["kafka"].Image; image != "apache/kafka:"+tested {
		t.Errorf("Kafka is %s, the tests run with %s", image, tested)
	}
}

// TestComposeNodes: the nodes run as the image does, take their settings, find what they need, and have
// the time to drain.
func TestComposeNodes(t *testing.T) {
	c := readCompose(t)
	text := read(t, "kafka.yaml")
	n := readNode(t, "kafka.yaml", text)
	for _, s := range c.nodes() {
		if s.Image != "stompgw" || len(s.Command) > 0 || len(s.Configs) != 1 {
			t.Fatalf("%+v: want the image as Dockerfile makes it, with a configuration", s)
		}
		if config := s.Configs[0]; config.Target != command[3] || c.Configs[config.Source].File != "kafka.yaml" {
			t.Errorf("the configuration is %+v", config)
		}
		if want := n.Drain.Duration + afterDrain; s.StopGracePeriod < want {
			t.Errorf("stop_grace_period %s would cut a drain off: want %s or more", s.StopGracePeriod, want)
		}
		if s.Restart != "on-failure" {
			t.Errorf("restart: %s brings back nodes that were drained", s.Restart)
		}
		if want := c.Services["kafka"].Environment["KAFKA_ADVERTISED_LISTENERS"]; "PLAINTEXT://"+s.Environment["STOMPGW_BUS_KAFKA_BROKERS"] != want {
			t.Errorf("nodes look for Kafka at %s, it is at %s", s.Environment["STOMPGW_BUS_KAFKA_BROKERS"], want)
		}
		if got := s.Environment["STOMPGW_REDIS_ADDRS"]; got != "redis:6379" {
			t.Errorf("nodes look for Redis at %s", got)
		}
		if port(t, n.Listen) != "13001" {
			t.Errorf("nginx looks for nodes at 13001, not %s", n.Listen)
		}
		settings := maps.Clone(s.Environment)
		delete(settings, "TZ")
		if complaints := check(t, text, settings); complaints != "" {
			t.Error(complaints)
		}
	}
}

// TestComposeHealth: what is asked whether the cluster is there is in it.
func TestComposeHealth(t *testing.T) {
	c := readCompose(t)
	asked := map[string]bool{}
	for _, arg := range c.Services["nginx"].Healthcheck.Test {
		u, err := url.Parse(arg)
		if err != nil || u.Scheme != "http" {
			continue
		}
		asked[u.Hostname()] = true
		switch s, isService := c.Services[u.Hostname()]; {
		case isService && (u.Path != "/readyz" || u.Port() != port(t, s.Environment["STOMPGW_ADMIN_LISTEN"])):
			t.Errorf("%s is not where a node says whether it is ready", arg)
		case !isService && (u.Hostname() != "127.0.0.1" || !strings.HasSuffix(c.Services["nginx"].Ports[0], ":"+u.Port())):
			t.Errorf("%s is not where nginx listens", arg)
		}
	}
	if len(asked) != 1+len(c.nodes()) {
		t.Errorf("asked are %v, want nginx and each node", asked)
	}
}

// TestComposeNginx runs what the container of nginx runs, up to nginx, and looks at the configuration
// that it makes of nginx.conf.
func TestComposeNginx(t *testing.T) {
	shell, err := exec.LookPath("/bin/sh")
	if err != nil {
		t.Skip("no /bin/sh")
	}
	c := readCompose(t)
	s := c.Services["nginx"]
	if len(s.Command) != 3 || len(s.Configs) != 1 || c.Configs[s.Configs[0].Source].File != "nginx.conf" {
		t.Fatalf("command %q, configs %v", s.Command, s.Configs)
	}
	dir := t.TempDir()
	original, err := filepath.Abs("nginx.conf")
	if err != nil {
		t.Fatal(err)
	}
	script := strings.NewReplacer(s.Configs[0].Target, original, "/tmp/", dir+"/", "exec nginx ", "echo ").Replace(s.Command[2])
	out, err := exec.CommandContext(t.Context(), shell, s.Command[1], script).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	made := read(t, filepath.Join(dir, "nginx", "nginx.conf"))
	if want := strings.Fields(string(out)); !slices.Contains(want, filepath.Join(dir, "nginx", "nginx.conf")) {
		t.Errorf("nginx is started with %s", out)
	}
	servers := regexp.MustCompile(`(?m)^ *server (\S+) max_fails`).FindAllStringSubmatch(made, -1)
	if len(servers) != 2 || servers[0][1] != "stompgw-1:13001" || servers[1][1] != "stompgw-2:13001" {
		t.Errorf("the nodes are %v", servers)
	}
	if !strings.Contains(made, "listen 8080;") || strings.Contains(strings.Join(lines(made), "\n"), "127.0.0.1") {
		t.Errorf("addresses of one machine are left over:\n%s", made)
	}
	if nginx, err := exec.LookPath("nginx"); err == nil {
		verifyNginx(t, nginx, strings.NewReplacer("stompgw-1", "127.0.0.1", "stompgw-2", "localhost").Replace(made))
	}
}

// verifyNginx lets nginx read a configuration whose hosts it can find here.
func verifyNginx(t *testing.T, nginx, text string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "nginx.conf")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), nginx, "-t", "-p", t.TempDir(), "-c", file).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
