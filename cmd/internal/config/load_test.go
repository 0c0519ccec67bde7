package config

import (
	"fmt"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stompgw/stompgw/bus/natsbus"
	"github.com/stompgw/stompgw/bus/settings"
	"github.com/stompgw/stompgw/gateway/policy"
)

// TestDefaults: nothing said, and an empty file, give the defaults.
func TestDefaults(t *testing.T) {
	for name, text := range map[string]string{"empty": "", "comments": "# nothing\n", "an empty document": "---\n"} {
		c, err := load(t, text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want := Default(drivers()...)
		c.Bus.drivers, want.Bus.drivers = nil, nil
		want.origins, want.files, want.rules, want.empty = c.origins, c.files, c.rules, "t.yaml"
		if !reflect.DeepEqual(c, want) {
			t.Errorf("%s:\n got %+v\nwant %+v", name, c, want)
		}
	}
}

// TestEveryKey says something else of each key, in a file and then in the environment, and looks whether
// it arrives, and from where. What it says need not be right.
func TestEveryKey(t *testing.T) {
	for _, k := range Default(drivers()...).keys() {
		if k.isItems() {
			continue // only the file can hold it: see TestWhole
		}
		value := other(k)
		arrives := func(text, origin string) {
			t.Helper()
			c := Default(drivers()...)
			f := parseFile("t.yaml", "", []byte(text), c.keys())
			c.origins = f.origins
			c.merge(f, nil)
			for _, err := range append(f.errs, c.errs...) {
				t.Error(err)
			}
			got, _ := keyAt(c.keys(), k.path)
			if s, secret := got.target.(*settings.Secret); secret {
				got.target = new(s.Reveal())
			}
			if fmt.Sprint(got.shown()) != value && fmt.Sprint(got.shown()) != "["+value+"]" || c.Origin(k.path) != origin {
				t.Errorf("%s is %v from %s, want %s from %s", k.path, got.shown(), c.Origin(k.path), value, origin)
			}
		}
		if !k.isSecret() {
			text := ""
			for depth, part := range strings.Split(k.path, ".") {
				text += "\n" + strings.Repeat("  ", depth) + part + ":"
			}
			in := value
			if k.isList() {
				in = "[" + value + "]"
			}
			arrives(text+" "+in+"\n", fmt.Sprintf("t.yaml:%d", strings.Count(text, "\n")+1))
		}
		t.Setenv(variable(k.path), value)
		arrives("", variable(k.path))
		os.Unsetenv(variable(k.path))
	}
}

// other is a value that k does not have by default.
func other(k key) string {
	switch v := k.value().(type) {
	case bool:
		return strconv.FormatBool(!v)
	case int, string, []string, Files, settings.Secret:
		return "7"
	case time.Duration:
		return "7s"
	case Size, settings.Size:
		return "7KiB"
	case policy.Rate:
		return "7/s"
	case policy.Over:
		return "drop"
	}
	return "x"
}

// TestVariablesAreDistinct: no two keys may have one name in the environment, and none one that
// Kubernetes gives.
func TestVariablesAreDistinct(t *testing.T) {
	seen := map[string]string{}
	for _, k := range Default(drivers()...).keys() {
		name := variable(k.path)
		if other, twice := seen[name]; twice {
			t.Errorf("%s and %s are both %s", k.path, other, name)
		}
		if fromKubernetes(name) {
			t.Errorf("%s looks like a variable of Kubernetes", name)
		}
		seen[name] = k.path
	}
}

// TestPrecedence: file, then environment, then flags.
func TestPrecedence(t *testing.T) {
	const text = "listen: 127.0.0.1:1\nredis: {addrs: [a:1, b:2]}\nlog: {level: warn}\n"
	t.Setenv("STOMPGW_LISTEN", "127.0.0.1:2")
	t.Setenv("STOMPGW_REDIS_ADDRS", "c:3, d:4")
	c := must(load(t, text, "--listen", "127.0.0.1:3"))
	if c.Listen != "127.0.0.1:3" || c.Origin("listen") != "--listen" {
		t.Errorf("listen is %s from %s, want the flag's", c.Listen, c.Origin("listen"))
	}
	if got := strings.Join(c.Redis.Addrs, " "); got != "c:3 d:4" || c.Origin("redis.addrs") != "STOMPGW_REDIS_ADDRS" {
		t.Errorf("redis.addrs is %s from %s, want the environment's", got, c.Origin("redis.addrs"))
	}
	if c.Log.Level != "warn" || c.Origin("log.level") != "t.yaml:3" {
		t.Errorf("log.level is %s from %s, want the file's", c.Log.Level, c.Origin("log.level"))
	}
	if c := must(load(t, text, "--redis", "e:5,f:6")); strings.Join(c.Redis.Addrs, " ") != "e:5 f:6" {
		t.Errorf("redis.addrs is %v, want the flag's", c.Redis.Addrs)
	}
}

// TestEmptyVariables: one that is empty wins over the file. Where nothing can be meant by it, TestSaid has what is
// said.
func TestEmptyVariables(t *testing.T) {
	const text = `tcp: {listen: "127.0.0.1:1"}
origins: [https://a.example]
redis: {prefix: "p:", addrs: ["a:1"], password_file: nowhere}
`
	for path, want := range map[string]any{"tcp.listen": "", "origins": []string(nil), "redis.prefix": ""} {
		t.Run(path, func(t *testing.T) {
			t.Setenv(variable(path), "")
			c, err := loadFrom(t, text, Source{Uses: []string{}}) // without the files that it names
			if err != nil {
				t.Fatal(err)
			}
			if k, _ := keyAt(c.keys(), path); !reflect.DeepEqual(k.value(), want) {
				t.Errorf("is %q, want none", k.value())
			}
			if got := c.Origin(path); got != variable(path) {
				t.Errorf("came from %s", got)
			}
		})
	}
}

func TestRulesAreRead(t *testing.T) {
	c := must(load(t, `
channels:
  - {match: "/topic/{room}", subscribe: "true", send: false, summary: A room}
  - match: /queue/x
routes:
  - {match: "/app/topic/{room}", allow: true, publish: "/topic/{room}"}
`))
	if _, refusal := c.Rules().JudgeSubscribe(&policy.Request{Destination: "/topic/a"}); refusal != nil {
		t.Errorf("SUBSCRIBE /topic/a is refused: %v", refusal.Message)
	}
	if _, refusal := c.Rules().JudgeSubscribe(&policy.Request{Destination: "/queue/x"}); refusal == nil {
		t.Error("SUBSCRIBE /queue/x passes a rule that does not say so")
	}
	if to, refusal := c.Rules().JudgeSend(&policy.Request{Destination: "/app/topic/a"}); refusal != nil || to.Destination != "/topic/a" {
		t.Errorf("SEND /app/topic/a goes to %+v, %v", to, refusal)
	}
}

// TestStandaloneWithFile: --standalone replaces the bus and Redis of a file, but for their prefixes: the embedded
// ones are alone and know no users, and no secret of the file or the environment is needed. A flag replaces those,
// and then all counts.
func TestStandaloneWithFile(t *testing.T) {
	const text = "bus: {driver: nats, nats: {url: 'tls://far', prefix: p, user: u, password_file: none, tls: {ca: none}}}\n" +
		"redis: {addrs: [a:1, b:2], prefix: 'q:', master: m, db: 2, user: u, password_file: none,\n" +
		"  sentinel: {user: s}, tls: {ca: none}}\n" +
		"embedded: {redis: 127.0.0.1:1, nats: 127.0.0.1:2}\n"
	t.Setenv("STOMPGW_REDIS_SENTINEL_PASSWORD", password)
	c := must(loadFrom(t, text, Source{Standalone: true}))
	embedded := natsbus.Settings{URL: "nats://127.0.0.1:2", Prefix: "p", History: natsbus.HistorySettings{Create: true, Replicas: 1, Bytes: 1 << 30}}
	if c.Bus.Driver != "embedded" || *natsOf(c) != embedded {
		t.Errorf("the bus is %+v, want the embedded one with the file's prefix", c.Bus)
	}
	if want := (Redis{Addrs: []string{"127.0.0.1:1"}, Prefix: "q:"}); !reflect.DeepEqual(c.Redis, want) {
		t.Errorf("redis is %+v, want the embedded one with the file's prefix", c.Redis)
	}
	for path, want := range map[string]string{
		"redis.addrs": ByStandalone, "redis.master": ByStandalone, "redis.tls.ca": ByStandalone, "redis.sentinel.password": ByStandalone,
		"redis.prefix": "t.yaml:2", "redis.cluster": ByDefault,
	} {
		if got := c.Origin(path); got != want {
			t.Errorf("%s came from %s, want %s", path, got, want)
		}
	}
	with := func(flags ...string) Source { // without the files that are named
		return Source{Drivers: drivers(), File: "t.yaml", Standalone: true, Flags: parseFlags(t, flags), Uses: []string{}}
	}
	c = must(Load(with("--redis", "x:1", "--nats", "nats://y:2")))
	if natsOf(c).URL != "nats://y:2" || c.Bus.Driver != "nats" || c.Redis.Addrs[0] != "x:1" {
		t.Errorf("bus %+v, redis %+v; want those of the flags", c.Bus, c.Redis)
	}
	c = must(Load(with("--kafka", "z:3")))
	if c.Bus.Driver != "kafka" || kafkaOf(c).Brokers[0] != "z:3" || c.Redis.Addrs[0] != "127.0.0.1:1" {
		t.Errorf("bus %+v, redis %+v; want the flag's Kafka and the embedded Redis", c.Bus, c.Redis)
	}
	all := with("--redis", "x:1")
	all.Uses = nil
	const want = "t.yaml:2: redis.password_file: none can't be read: no such file or directory\nt.yaml:3: redis.tls.ca: none can't be read: no such file or directory"
	if _, err := Load(all); err == nil || err.Error() != want {
		t.Errorf("with --redis\n got %v\nwant %s", err, want)
	}
}

// TestStandaloneOrigins: a development server on this machine may connect to a standalone node, unless
// somebody has said whose pages may.
func TestStandaloneOrigins(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, tt := range []struct {
		name, file, text string
		want             []string
	}{
		{"built in", "", "", []string{"http://localhost:*", "http://127.0.0.1:*"}},
		{"a file that says nothing", "t.yaml", "endpoint: /ws\n", []string{"http://localhost:*", "http://127.0.0.1:*"}},
		{"a file that says who", "t.yaml", "origins: [https://a.example]\n", []string{"https://a.example"}},
		{"a file that says nobody", "t.yaml", "origins: []\n", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			writeFile(t, "t.yaml", tt.text)
			c := must(Load(Source{Drivers: drivers(), File: tt.file, Standalone: true}))
			if !slices.Equal(c.Origins, tt.want) {
				t.Errorf("got %q, want %q", c.Origins, tt.want)
			}
		})
	}
	if c := must(Load(Source{Drivers: drivers(), File: "t.yaml"})); len(c.Origins) > 0 {
		t.Errorf("without --standalone: %q", c.Origins)
	}
}

// TestStandalonePageAPI: the chat page may ask a standalone node, unless somebody has said otherwise. Others have no such API.
func TestStandalonePageAPI(t *testing.T) {
	t.Chdir(t.TempDir())
	for text, want := range map[string]bool{"endpoint: /ws\n": true, "page_api: {enabled: false}\n": false} {
		writeFile(t, "t.yaml", text)
		if c := must(Load(Source{Drivers: drivers(), File: "t.yaml", Standalone: true})); c.PageAPI.Enabled != want {
			t.Errorf("%q: %v", text, c.PageAPI.Enabled)
		}
		if c := must(Load(Source{Drivers: drivers(), File: "t.yaml"})); c.PageAPI.Enabled {
			t.Errorf("%q: on without --standalone", text)
		}
	}
}

// TestRedactURL: nothing shows a password.
func TestRedactURL(t *testing.T) {
	for in, want := range map[string]string{
		"nats://h:4222":                     "nats://h:4222",
		"nats://bob:secret@h:4222":          "nats://REDACTED@h:4222",
		"nats://token@h:4222,tls://b:c@i:1": "nats://REDACTED@h:4222,tls://REDACTED@i:1",
		"nats://bob:sec ret@h":              "(not a URL)",
	} {
		for _, form := range []string{"%s", "%v", "%+v", "%#v"} {
			if got := fmt.Sprintf(form, settings.URLs(in)); got != want {
				t.Errorf("%q is shown as %q by %s, want %q", in, got, form, want)
			}
		}
	}
}

func TestSizeString(t *testing.T) {
	for _, text := range []string{"0B", "1B", "1023B", "1KiB", "64KiB", "1025B", "3MiB", "1GiB"} {
		var s Size
		if err := s.UnmarshalText([]byte(text)); err != nil || s.String() != text {
			t.Errorf("%s comes back as %s, %v", text, s, err)
		}
	}
}
