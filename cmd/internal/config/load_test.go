package config

import (
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/stompgw/stompgw/bus/natsbus"
	"github.com/stompgw/stompgw/bus/settings"
	"github.com/stompgw/stompgw/gateway/policy"
)

// load reads a file of the given text, named t.yaml in errors.
func load(t *testing.T, text string, flags ...string) (*Config, error) {
	t.Helper()
	t.Chdir(t.TempDir())
	if err := os.WriteFile("t.yaml", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return Load(Source{Drivers: drivers(), File: "t.yaml", Flags: parseFlags(t, flags)})
}

func parseFlags(t *testing.T, args []string) map[string]*pflag.Flag {
	t.Helper()
	set := pflag.NewFlagSet("test", pflag.ContinueOnError)
	def := Default(drivers()...)
	set.String("listen", def.Listen, "")
	set.String("log-level", def.Log.Level, "")
	set.String("nats", natsOf(def).URL.String(), "")
	set.StringSlice("kafka", kafkaOf(def).Brokers, "")
	set.StringSlice("redis", def.Redis.Addrs, "")
	if err := set.Parse(args); err != nil {
		t.Fatal(err)
	}
	return map[string]*pflag.Flag{
		"listen": set.Lookup("listen"), "log.level": set.Lookup("log-level"),
		"bus.nats.url": set.Lookup("nats"), "redis.addrs": set.Lookup("redis"),
		"bus.kafka.brokers": set.Lookup("kafka"),
	}
}

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

// TestEveryKey sets each key in a file and in the environment, and looks where it arrives.
func TestEveryKey(t *testing.T) {
	values := map[string]string{
		"listen": "127.0.0.1:1", "endpoint": "/ws", "tcp.listen": "127.0.0.1:2", "origins": "https://a.example",
		"prefixes.app": "/a", "prefixes.broker": "/t", "prefixes.user": "/session",
		"bus.driver": "nats", "bus.kafka.brokers": "10.0.0.1:9092", "bus.nats.url": "nats://n:4222", "bus.nats.prefix": "p",
		"bus.kafka.topic": "t", "bus.kafka.envelope": "json", "bus.kafka.create": "true", "bus.kafka.partitions": "7", "bus.kafka.replication": "7",
		"bus.nats.user": "u", "bus.nats.password_file": "p", "bus.nats.token_file": "t", "bus.nats.nkey_file": "n", "bus.nats.creds_file": "c",
		"redis.addrs": "10.0.0.2:6379", "redis.prefix": "p-", "embedded.redis": "127.0.0.1:3", "embedded.nats": "127.0.0.1:4",
		"redis.cluster": "true", "redis.db": "7",
		"node.name": "n", "registry.layout": "keys", "registry.heartbeat": "1s", "registry.expiry": "30s",
		"sessions.per_member.max": "7", "sessions.per_member.over": "kick-newest", "auth.jwt.leeway": "1s", "auth.jwt.usage": "a",
		"auth.claims.member": "m", "auth.claims.roles": "r", "auth.claims.usage": "u", "auth.anonymous": "allow", "auth.grace": "2s",
		"auth.revocation.enabled": "false", "auth.revocation.prefix": "p",
		"errors.destination": "/session/queue/e", "errors.fallback": "error",
		"limits.message": "1KiB", "limits.outbound": "2MiB", "limits.connections": "7", "limits.connect_timeout": "3s",
		"sockjs.enabled": "false", "sockjs.echo": "true", "sockjs.cookie_needed": "true", "sockjs.client_url": "/s.js",
		"sockjs.heartbeat": "7s", "sockjs.session_timeout": "8s", "sockjs.stream_limit": "9KiB",
		"heart_beat.send": "5s", "heart_beat.receive": "6s", "heart_beat.hung": "7m0s", "drain.duration": "1m0s", "readiness.redis": "required", "admin.listen": "127.0.0.1:5",
		"log.level": "debug", "log.format": "json",
	}
	for _, k := range Default(drivers()...).keys() {
		value, ok := values[k.path]
		if strings.Contains("."+k.path, ".tls.") || strings.Contains(k.path, ".sasl.") || k.isSecret() {
			continue // they need others beside them: see TestBusFiles and TestRedisFiles
		}
		if k.isItems() || !ok && strings.HasPrefix(k.path, "redis.") {
			continue // the same: see TestWhole and TestRedisFiles
		}
		if !ok && strings.HasPrefix(k.path, "auth.jwt.") {
			continue // the same: see TestTokens
		}
		if !ok {
			t.Errorf("%s has no value in this test", k.path)
			continue
		}
		t.Run(k.path, func(t *testing.T) {
			c, err := load(t, yamlOf(k, value))
			if err != nil {
				t.Fatal(err)
			}
			wantValue(t, c, k.path, value, "t.yaml:"+map[bool]string{true: "2", false: "1"}[strings.Contains(k.path, ".")], k)
			t.Setenv(variable(k.path), value)
			if c, err = load(t, ""); err != nil {
				t.Fatal(err)
			}
			wantValue(t, c, k.path, value, variable(k.path), k)
		})
	}
}

func yamlOf(k key, value string) string {
	if k.isList() {
		value = "[" + value + "]"
	}
	var text strings.Builder
	parts := strings.Split(k.path, ".")
	for i, part := range parts {
		text.WriteString(strings.Repeat("  ", i) + part + ":")
		if i < len(parts)-1 {
			text.WriteString("\n")
		}
	}
	return text.String() + " " + value + "\n"
}

func wantValue(t *testing.T, c *Config, path, value, origin string, k key) {
	t.Helper()
	for _, have := range c.keys() {
		if have.path != path {
			continue
		}
		got := fmt.Sprint(have.shown())
		if k.isList() {
			got = strings.Join(*have.target.(*[]string), ",")
		}
		if got != value {
			t.Errorf("%s is %s, want %s", path, got, value)
		}
	}
	if strings.Count(path, ".") > 1 {
		origin = strings.Replace(origin, ":2", ":3", 1)
	}
	if got := c.Origin(path); got != origin {
		t.Errorf("%s came from %s, want %s", path, got, origin)
	}
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

// TestEmptyVariables: one that is empty wins over the file, and where nothing can be meant by it it is an
// error of its own.
func TestEmptyVariables(t *testing.T) {
	const text = `tcp: {listen: "127.0.0.1:1"}
origins: [https://a.example]
redis: {prefix: "p:", addrs: ["a:1"], password_file: nowhere}
`
	for path, want := range map[string]any{"tcp.listen": "", "origins": []string(nil), "redis.prefix": ""} {
		t.Run(path, func(t *testing.T) {
			t.Setenv(variable(path), "")
			c := loadUnread(t, text)
			if k, _ := keyAt(c.keys(), path); !reflect.DeepEqual(k.value(), want) {
				t.Errorf("is %q, want none", k.value())
			}
			if got := c.Origin(path); got != variable(path) {
				t.Errorf("came from %s", got)
			}
		})
	}
	for path, want := range map[string]string{
		"listen":                   `"" is not an address: write host:port, such as 127.0.0.1:13001`,
		"redis.addrs":              "is empty: want at least one address, such as [127.0.0.1:6379]",
		"log.level":                `"" is none of debug, info, warn, error`,
		"redis.db":                 "the variable is empty: write a value, or unset it",
		"limits.message":           "the variable is empty: write a value, or unset it",
		"drain.duration":           "the variable is empty: write a value, or unset it",
		"sockjs.enabled":           "the variable is empty: write a value, or unset it",
		"redis.password":           "the variable is empty: write the secret, or unset it",
		"auth.jwt.secret":          "the variable is empty: write the secret, or unset it",
		"redis.password_file":      "the variable is empty: write the name of the file, or unset it",
		"auth.jwt.public_key_file": "the variable is empty: write the name of the file, or unset it",
	} {
		t.Run(path, func(t *testing.T) {
			t.Setenv(variable(path), "")
			_, err := load(t, "") // whether the file says something is no matter
			if want := variable(path) + ": " + path + ": " + want; err == nil || err.Error() != want {
				t.Errorf("\n got %v\nwant %s", err, want)
			}
		})
	}
}

// loadUnread is load without the files that the text names.
func loadUnread(t *testing.T, text string) *Config {
	t.Helper()
	t.Chdir(t.TempDir())
	if err := os.WriteFile("t.yaml", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(Source{Drivers: drivers(), File: "t.yaml", Uses: []string{}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestListsOfVariables: what is wrong in a list is blamed on who wrote it, not on the file that it
// replaced.
func TestListsOfVariables(t *testing.T) {
	const text = "redis:\n  addrs:\n    - a:1\n    - b:2\norigins: [https://a.example]\n"
	t.Setenv("STOMPGW_REDIS_ADDRS", "a:1, b")
	_, err := load(t, text)
	if want := `STOMPGW_REDIS_ADDRS: redis.addrs[1]: "b" is not an address: write host:port, such as 127.0.0.1:6379`; err == nil || err.Error() != want {
		t.Errorf("\n got %v\nwant %s", err, want)
	}
	_, err = load(t, text, "--redis", "a")
	if want := `--redis: redis.addrs[0]: "a" is not an address: write host:port, such as 127.0.0.1:6379`; err == nil || err.Error() != want {
		t.Errorf("\n got %v\nwant %s", err, want)
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
	t.Chdir(t.TempDir())
	if err := os.WriteFile("t.yaml", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(Source{Drivers: drivers(), File: "t.yaml", Standalone: true})
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
	t.Chdir(t.TempDir())
	const text = "bus: {driver: nats, nats: {url: 'tls://u:p@far', prefix: p, user: u, token_file: none, tls: {ca: none}}}\n"
	if err := os.WriteFile("t.yaml", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(Source{Drivers: drivers(), File: "t.yaml", Standalone: true})
	if err != nil {
		t.Fatal(err)
	}
	if want := (natsbus.Settings{URL: "nats://127.0.0.1:13004", Prefix: "p"}); !reflect.DeepEqual(*natsOf(c), want) {
		t.Errorf("bus.nats is %+v, want %+v", *natsOf(c), want)
	}
}

func TestRedactURL(t *testing.T) {
	for in, want := range map[string]string{
		"nats://h:4222":                     "nats://h:4222",
		"nats://bob:secret@h:4222":          "nats://REDACTED@h:4222",
		"nats://token@h:4222,tls://b:c@i:1": "nats://REDACTED@h:4222,tls://REDACTED@i:1",
		"nats://bob:sec ret@h":              "(not a URL)",
	} {
		if got := settings.URLs(in).String(); got != want {
			t.Errorf("%q is shown as = %q, want %q", in, got, want)
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
