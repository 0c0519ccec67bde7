package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/bus/bustest/servers"
	"github.com/stompgw/stompgw/cmd/internal/cli/clitest"
)

// apiKey may do everything.
const apiKey = "a-key-of-the-tests-of-32-bytes-or-more"

// backend is what asks a node over HTTP.
type backend struct {
	*node
	url  string
	key  string
	file string // that holds it
}

func newBackend(t *testing.T) *backend {
	return &backend{key: apiKey, file: filepath.Join(t.TempDir(), "api.key")}
}

// startBackend starts a node with an API.
func startBackend(t *testing.T, redis, bus string) *backend {
	t.Helper()
	b := newBackend(t)
	b.node = startNode(t, redis, bus+b.section(t))
	return b
}

// section makes the key, and the section of the API.
func (b *backend) section(t *testing.T) (yaml string) {
	t.Helper()
	addr := freeAddr(t)
	b.url = "http://" + addr + "/v1"
	clitest.WriteFile(t, b.file, b.key+"\n")
	return fmt.Sprintf("\napi:\n  listen: %s\n  keys:\n    - {name: shop-backend, key_file: %s, scopes: [publish, read, operate]}\n", addr, b.file)
}

// ask makes a request, and reads an answer of JSON.
func (b *backend) ask(t *testing.T, method, path, body string) (status int, answer map[string]any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, b.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+b.key)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil {
		err = json.Unmarshal(text, &answer)
	}
	if err != nil {
		t.Fatalf("%s %s: %d %s: %v", method, path, resp.StatusCode, text, err)
	}
	return resp.StatusCode, answer
}

// want is ask for an answer that has to be like that; a name with dots leads into it.
func (b *backend) want(t *testing.T, method, path, body string, status int, fields ...string) map[string]any {
	t.Helper()
	got, answer := b.ask(t, method, path, body)
	if got != status {
		t.Fatalf("%s %s %s: %d %v, want %d", method, path, body, got, answer, status)
	}
	for i := 0; i < len(fields); i += 2 {
		if text := fmt.Sprint(answer[fields[i]]); text != fields[i+1] {
			t.Errorf("%s %s: %s is %s, want %s", method, path, fields[i], text, fields[i+1])
		}
	}
	return answer
}

// TestAsyncAPI: a node tells backends what the command tells of its configuration.
func TestAsyncAPI(t *testing.T) {
	b := startBackend(t, servers.Redis(t).Addr, natsAt(servers.NATS(t, 0).Addr))
	_, served := b.ask(t, "GET", "/asyncapi.json", "")
	var printed map[string]any
	if err := json.Unmarshal([]byte(b.cli(t, "asyncapi", "-o", "json")), &printed); err != nil || len(printed) == 0 || !reflect.DeepEqual(served, printed) {
		t.Errorf("%v: the node tells\n%v\nand the command\n%v", err, served, printed)
	}
}

// TestAPI: a backend does over HTTP what there is to do, on two nodes with a real broker and Redis.
func TestAPI(t *testing.T) {
	redis, bus := servers.Redis(t).Addr, natsAt(servers.NATS(t, 0).Addr)
	b := startBackend(t, redis, bus)
	other := startNode(t, redis, bus)
	c := connect(t, other.Addr)
	c.subscribe(t, "/topic/a")
	c.subscribe(t, "/session/queue/b")
	var id string
	bustest.Eventually(t, "the session is listed", func() bool {
		list, _ := b.want(t, "GET", "/sessions?destination=/topic/a", "", 200)["sessions"].([]any)
		if len(list) == 1 {
			id, _ = list[0].(map[string]any)["id"].(string)
		}
		return id != ""
	})

	b.want(t, "POST", "/publish", `{"destination": "/topic/a", "body": "to all"}`, 200, "envelopes", "1")
	if f := c.expect(t, "MESSAGE"); f.body != "to all" {
		t.Errorf("got %q", f.body)
	}
	b.want(t, "POST", "/publish", `{"destination": "/queue/b", "body": "to one", "session": "`+id+`"}`, 200, "envelopes", "1")
	if f := c.expect(t, "MESSAGE"); f.body != "to one" {
		t.Errorf("got %q", f.body)
	}
	b.want(t, "GET", "/sessions/"+id, "", 200, "transport", "tcp")
	b.want(t, "GET", "/destinations?match=/topic/*", "", 200, "destinations", "[map[destination:/topic/a pattern:false subscribers:1]]")
	b.want(t, "GET", "/members/42", "", 200, "online", "false", "sessions", "[]")
	b.want(t, "PUT", "/members/%22alice%22/block", `{"seconds": 600}`, 200, "member", "alice")
	b.want(t, "GET", "/members/%22alice%22", "", 200, "member", "alice")
	b.want(t, "DELETE", "/members/%22alice%22/block", "", 200, "was_blocked", "true")
	b.want(t, "GET", "/blocks", "", 200, "blocks", "[]")
	b.want(t, "POST", "/policy/test", `{"command": "SUBSCRIBE", "destination": "/topic/a"}`, 200, "allowed", "true", "rule", "channels[0]")

	c.subscribe(t, errorChannel)
	b.want(t, "POST", "/subscriptions/end", `{"session": "`+id+`", "destination": "/topic/a"}`, 200, "ended", "1")
	if f := c.expect(t, "MESSAGE"); !strings.Contains(f.body, "subscription_ended") {
		t.Errorf("got %q", f.body)
	}
	b.want(t, "DELETE", "/sessions/"+id+"?reason=good-bye", "", 200, "kicked", "1")
	c.expect(t, "ERROR")
	other.awaitSays(t, `by="api key shop-backend" whom="session `+id+`" sessions=1`)
	b.want(t, "POST", "/sessions/kick", `{"member": 7, "block_seconds": 600}`, 200, "kicked", "0")
	b.want(t, "GET", "/sessions?member=7", "", 200, "sessions", "[]")
	other.awaitSays(t, `an operator blocked a member" by="api key shop-backend" member=7 for=10m0s`)

	_, uuid, _ := strings.Cut(other.name(t), "/")
	b.want(t, "POST", "/nodes/"+uuid+"/drain", "", 200)
	bustest.Eventually(t, "the node has ended", func() bool { return !other.Running() })
	nodes, _ := b.want(t, "GET", "/nodes", "", 200)["nodes"].([]any)
	if len(nodes) != 1 {
		t.Errorf("%d nodes", len(nodes))
	}
	if strings.Contains(b.Output()+other.Output(), b.key) {
		t.Error("a log has the key")
	}
}

// TestAPIMember: what a backend sends to a member reaches that one, of that issuer, and is known by no other name.
func TestAPIMember(t *testing.T) {
	b, dir := newBackend(t), t.TempDir()
	for _, issuer := range []string{"main", "shop", "other"} {
		clitest.WriteFile(t, filepath.Join(dir, issuer), issuerSecret(issuer))
	}
	text := fmt.Sprintf(memberConfig, servers.Redis(t).Addr, natsAt(servers.NATS(t, 0).Addr)) + b.section(t)
	b.node = serve(t, clitest.WriteFile(t, filepath.Join(dir, "stompgw.yaml"), text))
	of := map[string]*client{}
	for _, issuer := range []string{"main", "shop"} {
		c := connect(t, b.Addr, "Authorization", "Bearer "+tokenOf(t, issuer, 7))
		c.subscribe(t, "/member/queue/x")
		c.subscribe(t, "/session/queue/x")
		of[issuer] = c
	}
	b.want(t, "POST", "/publish", `{"member": 7, "destination": "/queue/x", "body": "1"}`, 200)
	b.want(t, "POST", "/publish", `{"member": 7, "issuer": "x", "destination": "/queue/x", "body": "2"}`, 200)
	b.want(t, "POST", "/publish", `{"member": "7", "destination": "/queue/x", "body": "nobody's"}`, 200)
	b.want(t, "POST", "/publish", `{"member": 7, "issuer": "other", "destination": "/queue/x"}`, 422)
	b.want(t, "POST", "/publish", `{"member": 7, "to": "sessions", "destination": "/queue/x", "body": "3"}`, 200, "envelopes", "2")
	for issuer, want := range map[string]string{"main": "/member/queue/x 1 /session/queue/x 3", "shop": "/member/queue/x 2 /session/queue/x 3"} {
		var got []string
		for range 2 {
			f := of[issuer].expect(t, "MESSAGE")
			got = append(got, f.headers["destination"]+" "+f.body)
		}
		slices.Sort(got) // two destinations have no order
		if strings.Join(got, " ") != want {
			t.Errorf("the member of %s got %s, want %s", issuer, got, want)
		}
	}
}

// TestAPIByCurl: curl alone will do.
func TestAPIByCurl(t *testing.T) {
	b := startBackend(t, servers.Redis(t).Addr, natsAt(servers.NATS(t, 0).Addr))
	out, err := exec.CommandContext(t.Context(), "curl", "-sS", "--fail-with-body", "-H", "Authorization: Bearer "+b.key, b.url+"/publish",
		"--json", `{"destination": "/topic/a", "body": "hello"}`).CombinedOutput()
	if err != nil || string(out) != "{\"envelopes\":1}\n" {
		t.Errorf("%v: %s", err, out)
	}
}

// TestAPIKeysRotate: SIGHUP takes another key, and the old one is good no more.
func TestAPIKeysRotate(t *testing.T) {
	b := startBackend(t, servers.Redis(t).Addr, natsAt(servers.NATS(t, 0).Addr))
	b.want(t, "GET", "/blocks", "", 200)
	next := strings.Repeat("n", 40)
	clitest.WriteFile(t, b.file, next)
	b.Signal(t, syscall.SIGHUP)
	b.awaitSays(t, "msg=reloaded")
	b.want(t, "GET", "/blocks", "", 401)
	b.key = next
	b.want(t, "GET", "/blocks", "", 200)
	clitest.WriteFile(t, b.file, "short")
	b.Signal(t, syscall.SIGHUP)
	b.awaitSays(t, "holds a key of 5 bytes")
	b.want(t, "GET", "/blocks", "", 200)
}

// TestAPIOutage: a broker that is gone is 503, one that hangs 504, and both pass.
func TestAPIOutage(t *testing.T) {
	t.Parallel() // it waits for outages
	n := servers.NATS(t, 0)
	b := startBackend(t, servers.Redis(t).Addr, natsAt(n.Addr))
	const message = `{"destination": "/topic/a", "body": "hello"}`
	b.want(t, "POST", "/publish", message, 200)
	resume := suspend(t, n)
	b.want(t, "POST", "/publish", message, 504, "error", "outcome_unknown")
	resume()
	bustest.Eventually(t, "it publishes again", func() bool { status, _ := b.ask(t, "POST", "/publish", message); return status == 200 })
	n.Stop(t)
	bustest.Eventually(t, "it refuses", func() bool {
		status, answer := b.ask(t, "POST", "/publish", message)
		return status == 503 && answer["error"] == "unavailable"
	})
	n.Start(t)
	bustest.Eventually(t, "it publishes again", func() bool { status, _ := b.ask(t, "POST", "/publish", message); return status == 200 })
}
