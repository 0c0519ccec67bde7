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
// that --standalone would change.
func TestStandalone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "standalone.yaml")
	if err := os.WriteFile(path, configs.Standalone(), 0o600); err != nil {
		t.Fatal(err)
	}
	built, err := Load(Source{Standalone: true})
	if err != nil {
		t.Fatal(err)
	}
	copied, err := Load(Source{File: path})
	if err != nil {
		t.Fatal(err)
	}
	copied.Standalone = true
	copied.origins, copied.scalars, copied.rules = built.origins, built.scalars, built.rules
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
// are in the file of that bus, some of them behind a #, as those of tokens are.
func TestConfigsShowEveryKey(t *testing.T) {
	f := parseFile("standalone.yaml", configs.Standalone(), Default().keys())
	for _, k := range Default().keys() {
		_, shown := f.values[k.path]
		name := k.path[strings.LastIndex(k.path, ".")+1:] + ":"
		switch {
		case strings.HasPrefix(k.path, "tls."):
			continue
		case k.isSecret():
			name = variable(k.path)
			fallthrough
		case home(k.path) != "" && !shown:
			shown = strings.Contains(readConfig(t, home(k.path)), name)
		}
		if !shown {
			t.Errorf("no file of configs/ shows %s", k.path)
		}
	}
}

// home is the file that shows a key behind a #, "" for none.
func home(path string) string {
	section, rest, _ := strings.Cut(path, ".")
	switch {
	case section == "bus":
		bus, _, _ := strings.Cut(rest, ".")
		return bus + ".yaml"
	case section == "auth":
		return "standalone.yaml"
	}
	return ""
}

func readConfig(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../../configs", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestConfigs loads each file that comes with the program, and some of what it is for.
func TestConfigs(t *testing.T) {
	paths, err := filepath.Glob("../../../configs/*.yaml")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no files: %v", err)
	}
	found := map[string]*Config{}
	for _, path := range paths {
		if found[filepath.Base(path)], err = Load(Source{File: path}); err != nil {
			t.Error(err)
		}
	}
	if t.Failed() {
		return
	}
	for name, driver := range map[string]string{"standalone.yaml": "embedded", "kafka.yaml": "kafka", "nats.yaml": "nats", "spring.yaml": "kafka"} {
		if found[name] == nil || found[name].Bus.Driver != driver {
			t.Errorf("%s is missing, or not for %s", name, driver)
		}
	}
	own := found["standalone.yaml"]
	for _, name := range []string{"kafka.yaml", "nats.yaml"} {
		if c := found[name]; !reflect.DeepEqual(matches(c), matches(own)) || !reflect.DeepEqual(c.Routes, own.Routes) {
			t.Errorf("the rules of %s are not those of standalone.yaml, so the chat page does not work", name)
		}
	}
	spring := found["spring.yaml"]
	if k := spring.Bus.Kafka; k.Topic != "stomp_send-message" || k.Envelope != "json" || spring.Redis.Prefix != "" || spring.Limits.Message != 10*MiB {
		t.Errorf("spring.yaml is %+v, prefix %q, %s; want the sample's values", k, spring.Redis.Prefix, spring.Limits.Message)
	}
	for _, destination := range []string{"/topic/test-channel", "/topic/p/x", "/topic/p/*", "/session/queue/x"} {
		if _, refusal := spring.Rules().JudgeSubscribe(&policy.Request{Destination: destination}); refusal != nil {
			t.Errorf("spring.yaml refuses SUBSCRIBE %s: %s", destination, refusal.Message)
		}
	}
}

// matches are the channels of c, without the words for people.
func matches(c *Config) (list []policy.Channel) {
	for _, channel := range c.Channels {
		channel.Summary = ""
		list = append(list, channel)
	}
	return list
}
