package probe

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/stompgw/stompgw/cmd/internal/cli/clitest"
)

// TestAsyncapiServers: clients connect to what a node listens on, or to what is named instead. What the document says of rules is held in
// package asyncapi.
func TestAsyncapiServers(t *testing.T) {
	t.Chdir(t.TempDir())
	type server struct{ Host, Pathname, Protocol string }
	for _, tt := range []struct {
		config, args string
		want         map[string]server
	}{
		{"listen: 127.0.0.1:1", "", map[string]server{"websocket": {"127.0.0.1:1", "/stomp", "ws"}}},
		{"endpoint: /x/y", "", map[string]server{"websocket": {"{host}:13001", "/x/y", "ws"}}},
		{"{tcp: {listen: ':2'}, tls: {cert: none, key: none}}", "", map[string]server{"websocket": {"{host}:13001", "/stomp", "wss"}, "tcp": {"{host}:2", "", "stomps"}}},
		{"{listen: '[::]:1', tcp: {listen: '[::1]:2'}}", "", map[string]server{"websocket": {"{host}:1", "/stomp", "ws"}, "tcp": {"[::1]:2", "", "stomp"}}},
		{"listen: 127.0.0.1:1", "--server wss://a.example.com/s --server tcps://a.example.com:61614 --server ws://b:1",
			map[string]server{"wss": {"a.example.com", "/s", "wss"}, "tcps_2": {"a.example.com:61614", "", "stomps"}, "ws_3": {"b:1", "", "ws"}}},
	} {
		clitest.WriteFile(t, "t.yaml", tt.config+"\n")
		code, stdout, stderr := run(t, append([]string{"asyncapi", "--config", "t.yaml", "-o", "json"}, strings.Fields(tt.args)...)...)
		var got struct{ Servers map[string]server }
		if err := json.Unmarshal([]byte(stdout), &got); err != nil || code != 0 || stderr != "" || !reflect.DeepEqual(got.Servers, tt.want) {
			t.Errorf("%s %s: %v, exit code %d, %s got\n%v, want\n%v", tt.config, tt.args, err, code, stderr, got.Servers, tt.want)
		}
	}
}

// TestAsyncapiText: for people it is YAML, with what they call it.
func TestAsyncapiText(t *testing.T) {
	t.Chdir(t.TempDir())
	clitest.WriteFile(t, "t.yaml", "channels: [{match: /topic/a, subscribe: 'true', summary: A room}]\n")
	code, stdout, _ := run(t, "asyncapi", "--config", "t.yaml", "--title", "Chat: one", "--doc-version", "1.4")
	if code != 0 {
		t.Errorf("exit code %d", code)
	}
	clitest.Contains(t, stdout, "asyncapi: \"3.0.0\"\ninfo:\n  title: \"Chat: one\"\n  version: \"1.4\"\n",
		"\n  topic_a:\n    address: \"/topic/a\"\n    summary: \"A room\"\n", "\n  receive_topic_a:\n    action: \"receive\"\n")
}
