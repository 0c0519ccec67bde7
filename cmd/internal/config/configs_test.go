package config

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/stompgw/stompgw/configs"
	"github.com/stompgw/stompgw/gateway/policy"
)

// TestStandalone: the file that comes with the program is what --standalone uses, and says nothing
// that --standalone would change. Without a file there is an API as well, with a key that nobody else has.
func TestStandalone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "standalone.yaml")
	writeFile(t, path, string(configs.Standalone()))
	built := must(Load(Source{Drivers: drivers(), Standalone: true}))
	copied := must(Load(Source{Drivers: drivers(), File: path}))
	if a := built.API; a.Listen != standaloneAPI || len(a.Keys) != 1 || len(a.Keys[0].Secret.Reveal()) < minKey || !reflect.DeepEqual(a.Keys[0].Scopes, scopes()) {
		t.Errorf("a standalone node has the API %+v", a)
	}
	for addr, keys := range map[string]int{"127.0.0.1:9999": 1, "": 0} {
		flags := parseFlags(t, []string{"--api-listen=" + addr})
		if a := must(Load(Source{Drivers: drivers(), Standalone: true, Flags: flags})).API; a.Listen != addr || len(a.Keys) != keys {
			t.Errorf("with --api-listen %q it has the API %+v", addr, a)
		}
	}
	built.API = API{}
	copied.Standalone, copied.Bus.drivers, built.Bus.drivers = true, nil, nil
	copied.origins, copied.scalars, copied.files, copied.rules = built.origins, built.scalars, built.files, built.rules
	if !reflect.DeepEqual(built, copied) {
		t.Errorf("--standalone runs with\n%+v, configs/standalone.yaml says\n%+v", built, copied)
	}
	for _, addr := range []string{built.Listen, built.Admin.Listen, built.Embedded.Redis, built.Embedded.NATS} {
		if !strings.HasPrefix(addr, "127.0.0.1:") {
			t.Errorf("a standalone node listens on %s, want loopback", addr)
		}
	}
}

// TestConfigsShowEveryKey: the commented files are where people learn of a setting. Those of a bus
// are in the file of that bus, others in that of --standalone; some are behind a #.
func TestConfigsShowEveryKey(t *testing.T) {
	for _, k := range Default(drivers()...).keys() {
		parts := strings.Split(k.path, ".")
		file, name := "standalone.yaml", k.name()+":"
		switch {
		case parts[0] == "tls":
			continue
		case parts[0] == "bus" && len(parts) > 2:
			file = parts[1] + ".yaml"
		}
		if k.isSecret() {
			name = variable(k.path)
		}
		if !strings.Contains(sectionOf(readConfig(t, file), parts[0]), name) {
			t.Errorf("%s does not show %s", file, k.path)
		}
	}
}

// sectionOf returns the lines of a top section, in what may be comments.
func sectionOf(text, name string) string {
	var section strings.Builder
	in := false
	for line := range strings.Lines(text) {
		bare := strings.TrimPrefix(line, "# ")
		if bare != "" && bare[0] >= 'a' && bare[0] <= 'z' {
			in = strings.HasPrefix(bare, name+":")
		}
		if in {
			section.WriteString(line)
		}
	}
	return section.String()
}

func readConfig(t *testing.T, name string) string {
	t.Helper()
	text := must(os.ReadFile(filepath.Join("../../../configs", name)))
	return string(text)
}

// TestConfigs loads each file that comes with the program, and some of what it is for.
func TestConfigs(t *testing.T) {
	found := map[string]*Config{}
	for name, driver := range map[string]string{"standalone.yaml": "embedded", "kafka.yaml": "kafka", "nats.yaml": "nats", "spring.yaml": "kafka"} {
		c := must(Load(Source{Drivers: drivers(), File: filepath.Join("../../../configs", name)}))
		if c.Bus.Driver != driver {
			t.Errorf("%s is for %s, want %s", name, c.Bus.Driver, driver)
		}
		if warnings := c.Warnings(); len(warnings) > 0 {
			t.Errorf("%s: %q", name, warnings)
		}
		found[name] = c
	}
	own := found["standalone.yaml"]
	for _, name := range []string{"kafka.yaml", "nats.yaml"} {
		if c := found[name]; !reflect.DeepEqual(matches(c), matches(own)) || !reflect.DeepEqual(c.Routes, own.Routes) {
			t.Errorf("the rules of %s are not those of standalone.yaml, so the chat page does not work", name)
		}
	}
	spring := found["spring.yaml"]
	if k := kafkaOf(spring); k.Topic != "stomp_send-message" || k.Envelope != "json" || spring.Redis.Prefix != "" ||
		spring.Registry.Layout != "keys" || spring.Limits.Message != 10*MiB {
		t.Errorf("spring.yaml is %+v, prefix %q, %+v, %s; want the sample's values", k, spring.Redis.Prefix, spring.Registry, spring.Limits.Message)
	}
	for _, destination := range []string{"/topic/test-channel", "/topic/p/x", "/topic/p/*", "/session/queue/x"} {
		if _, refusal := spring.Rules().JudgeSubscribe(&policy.Request{Destination: destination}); refusal != nil {
			t.Errorf("spring.yaml refuses SUBSCRIBE %s: %s", destination, refusal.Message)
		}
	}
}

// matches are the channels of c, without the words for people, and what the chat page does without.
func matches(c *Config) (list []policy.Channel) {
	for _, channel := range c.Channels {
		channel.Summary, channel.History = "", policy.History{} // the brokers of others need not be able to keep any
		channel.Presence, channel.PresenceInfo = policy.PresenceNone, ""
		list = append(list, channel)
	}
	return list
}
