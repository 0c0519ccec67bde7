package config

import (
	"fmt"
	"os"
	"reflect"
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
			for _, err := range append(f.errs, c.merge(f, nil)...) {
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
	case Size:
		return "7KiB"
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
	c, err := load(t, text, "--listen", "127.0.0.1:3")
	if err != nil {
		t.Fatal(err)
	}
	if c.Listen != "127.0.0.1:3" || c.Origin("listen") != "--listen" {
		t.Errorf("listen is %s from %s, want the flag's", c.Listen, c.Origin("listen"))
	}
	if got := strings.Join(c.Redis.Addrs, " "); got != "c:3 d:4" || c.Origin("redis.addrs") != "STOMPGW_REDIS_ADDRS" {
		t.Errorf("redis.addrs is %s from %s, want the environment's", got, c.Origin("redis.addrs"))
	}
	if c.Log.Level != "warn" || c.Origin("log.level") != "t.yaml:3" {
		t.Errorf("log.level is %s from %s, want the file's", c.Log.Level, c.Origin("log.level"))
	}
	if c, err = load(t, text, "--redis", "e:5,f:6"); err != nil || strings.Join(c.Redis.Addrs, " ") != "e:5 f:6" {
		t.Errorf("redis.addrs is %v, %v, want the flag's", c.Redis.Addrs, err)
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
	c, err := load(t, `
channels:
  - {match: "/topic/{room}", subscribe: "true", send: false, summary: A room}
  - match: /queue/x
routes:
  - {match: "/app/topic/{room}", allow: true, publish: "/topic/{room}"}
`)
	if err != nil {
		t.Fatal(err)
	}
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

// TestStandaloneWithFile: --standalone replaces the bus and Redis of a file, a flag replaces those.
func TestStandaloneWithFile(t *testing.T) {
	const text = "bus: {driver: nats, nats: {url: nats://far:4222, prefix: p}}\nredis: {addrs: [far:6379], prefix: 'q:'}\n" +
		"embedded: {redis: 127.0.0.1:1, nats: 127.0.0.1:2}\n"
	c, err := loadFrom(t, text, Source{Standalone: true})
	if err != nil {
		t.Fatal(err)
	}
	if c.Bus.Driver != "embedded" || *natsOf(c) != (natsbus.Settings{URL: "nats://127.0.0.1:2", Prefix: "p"}) {
		t.Errorf("the bus is %+v, want the embedded one with the file's prefix", c.Bus)
	}
	if want := (Redis{Addrs: []string{"127.0.0.1:1"}, Prefix: "q:"}); !reflect.DeepEqual(c.Redis, want) {
		t.Errorf("redis is %+v, want the embedded one with the file's prefix", c.Redis)
	}
	c, err = Load(Source{Drivers: drivers(), File: "t.yaml", Standalone: true, Flags: parseFlags(t, []string{"--redis", "x:1", "--nats", "nats://y:2"})})
	if err != nil || natsOf(c).URL != "nats://y:2" || c.Bus.Driver != "nats" || c.Redis.Addrs[0] != "x:1" {
		t.Errorf("bus %+v, redis %+v, %v; want those of the flags", c.Bus, c.Redis, err)
	}
	c, err = Load(Source{Drivers: drivers(), File: "t.yaml", Standalone: true, Flags: parseFlags(t, []string{"--kafka", "z:3"})})
	if err != nil || c.Bus.Driver != "kafka" || kafkaOf(c).Brokers[0] != "z:3" || c.Redis.Addrs[0] != "127.0.0.1:1" {
		t.Errorf("bus %+v, redis %+v, %v; want the flag's Kafka and the embedded Redis", c.Bus, c.Redis, err)
	}
}

// TestStandaloneWithLogin: the embedded server knows no users, and no secret of the file is needed.
func TestStandaloneWithLogin(t *testing.T) {
	const text = "bus: {driver: nats, nats: {url: 'tls://u:p@far', prefix: p, user: u, token_file: none, tls: {ca: none}}}\n"
	c, err := loadFrom(t, text, Source{Standalone: true})
	if err != nil {
		t.Fatal(err)
	}
	if want := (natsbus.Settings{URL: "nats://127.0.0.1:13004", Prefix: "p"}); !reflect.DeepEqual(*natsOf(c), want) {
		t.Errorf("bus.nats is %+v, want %+v", *natsOf(c), want)
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
