package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/bus/bustest/servers"
	"github.com/stompgw/stompgw/cmd/internal/cli/clitest"
)

// TestSchema: a body has to fit what its channel carries, on each way to it, and a wrong schema takes nothing away.
func TestSchema(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	schema := clitest.WriteFile(t, filepath.Join(folder, "chat.json"), `{"type": "object", "properties": {"chat": {"$ref": "text.json"}}, "required": ["chat"]}`)
	clitest.WriteFile(t, filepath.Join(folder, "text.json"), `{"type": "string", "maxLength": 5}`)
	b := newBackend(t)
	b.node = serve(t, clitest.WriteFile(t, filepath.Join(folder, "stompgw.yaml"), fmt.Sprintf(`
listen: 127.0.0.1:0
redis: { addrs: ["%s"] }
channels:
  - { match: "/topic/{room}", subscribe: "true", send: "true", schema: chat.json, examples: [{chat: hello}] }
  - { match: "/session/queue/{name}", subscribe: "true" }
routes:
  - { match: "/app/{room}", allow: "true", publish: "/topic/{room}", body: '{"chat": text}' }
drain: { duration: 1s }
%s`, servers.Redis(t).Addr, natsAt(servers.NATS(t, 0).Addr)+b.section(t))))

	c := connect(t, b.Addr)
	c.subscribe(t, "/session/queue/request-error")
	c.subscribe(t, "/topic/a")
	heard := func(body string) {
		t.Helper()
		if f := c.expect(t, "MESSAGE"); f.body != body {
			t.Errorf("got %q, want %q", f.body, body)
		}
	}
	refused := func(pointer, rule string) {
		t.Helper()
		want := fmt.Sprintf(`"schema":{"pointer":%q,"rule":%q}`, pointer, rule)
		if f := c.expect(t, "MESSAGE"); !strings.Contains(f.body, `"errorCode":22,`) || !strings.Contains(f.body, want) {
			t.Errorf("got %q, want %s", f.body, want)
		}
	}
	c.send(t, "SEND", `{"chat": "hello!"}`, "destination", "/topic/a")
	refused("/chat", "maxLength")
	c.send(t, "SEND", `{"chat": "one"}`, "destination", "/topic/a")
	heard(`{"chat": "one"}`)
	c.send(t, "SEND", "hello!", "destination", "/app/a")
	refused("/chat", "maxLength")
	c.send(t, "SEND", "two", "destination", "/app/a")
	heard(`{"chat":"two"}`)

	answer := b.want(t, "POST", "/publish", `{"destination": "/topic/a", "body": "{}"}`, 422, "error", "schema", "code", "22")
	if where := fmt.Sprint(answer["schema"]); where != "map[pointer:/chat rule:required]" {
		t.Errorf("it says %s", where)
	}
	b.want(t, "POST", "/publish", `{"destination": "/topic/a", "body": "{\"chat\": \"three\"}"}`, 200)
	heard(`{"chat": "three"}`)

	if err := b.fails(t, "publish", "/topic/a", "{}"); !strings.Contains(err, `the body does not fit the schema of "/topic/a": at "/chat", by required; --force publishes all the same`) {
		t.Errorf("publish says %s", err)
	}
	b.cli(t, "publish", "/topic/a", "{}", "--force")
	heard(`{}`)

	clitest.WriteFile(t, schema, `{"type": "strong"}`)
	if err := b.fails(t, "config", "check"); !strings.Contains(err, "stompgw.yaml:5: channels[0].schema: chat.json:1: type: value must be one of") {
		t.Errorf("config check says %s", err)
	}
	b.reload(t, "not reloaded")
	c.send(t, "SEND", `{"chat": "hello!"}`, "destination", "/topic/a")
	refused("/chat", "maxLength")
	clitest.WriteFile(t, schema, `{"type": "object"}`)
	b.reload(t, "chat.json")
	c.send(t, "SEND", `{"chat": "hello!"}`, "destination", "/topic/a")
	heard(`{"chat": "hello!"}`)
}

// reload sends SIGHUP, and returns when the log has a line more with some text.
func (n *node) reload(t *testing.T, text string) {
	t.Helper()
	before := strings.Count(n.Output(), text)
	n.Signal(t, syscall.SIGHUP)
	bustest.Eventually(t, "the log says "+text, func() bool { return strings.Count(n.Output(), text) > before })
}

// fails runs a command as cli does, which has to fail, and returns what it says of that.
func (n *node) fails(t *testing.T, args ...string) (says string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], append(args, "--config", n.config)...)
	cmd.Env = append(os.Environ(), n.Env...)
	out, err := cmd.CombinedOutput()
	if err == nil {
		t.Fatalf("stompgw %s: %s", strings.Join(args, " "), out)
	}
	return string(out)
}
