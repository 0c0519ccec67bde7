package asyncapi_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stompgw/stompgw/gateway/asyncapi"
	"github.com/stompgw/stompgw/gateway/policy"
	"github.com/stompgw/stompgw/gateway/schema"
)

func mustNew(t testing.TB, r policy.Rules, o asyncapi.Options) string {
	t.Helper()
	r.Prefixes, r.ErrorDestination = policy.DefaultPrefixes(), "/session/queue/errors"
	rules, err := policy.New(r)
	if err != nil {
		t.Fatal(err)
	}
	o.Title, o.Version = "Chat", "1.2.3"
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(asyncapi.New(rules, o)); err != nil {
		t.Fatal(err)
	}
	return text.String()
}

// everyKind are rules of every kind.
func everyKind(t testing.TB) policy.Rules {
	t.Helper()
	chat, err := schema.Compile(schema.Source{Text: []byte(`{"$defs": {"text": {"type": "string", "maxLength": 99}}, "type": "object", "properties": {"chat": {"$ref": "#/$defs/text"}}}`)})
	if err != nil {
		t.Fatal(err)
	}
	return policy.Rules{
		Channels: []policy.Channel{
			{Match: "/topic/fixed", Subscribe: "true", Send: "true", Summary: "All &\n<everybody>"},
			{Match: "/topic/room-*", Subscribe: "true", Presence: policy.PresenceMembers, History: policy.History{Size: 10, TTL: time.Minute}},
			{Match: "/topic/orders/{member}/**", Subscribe: `string(claims.mu) == vars.member && claims.a < 2`, Patterns: true},
			{Match: "/topic/closed"},
			{Match: "/topic/chat", Subscribe: "true", Send: "true", Schema: chat, Examples: []string{`{"chat":"hello"}`, `{}`}, From: true,
				Limits: policy.Limits{Rate: policy.Rate{Times: 5, Per: time.Second}, Message: 4096}},
			{Match: "/topic/said", Subscribe: "true", Examples: []string{`"hello"`}},
			{Match: "/topic/fixed", Subscribe: "false", Send: "true"},
			{Match: "/presence/topic/room-1", Subscribe: "session.member == 1"},
			{Match: "/member/7/queue/{name}", Subscribe: `claims.ok == true`, Send: "true"},
			{Match: "/member/{member}/queue/{name}", Subscribe: "true", Summary: "An inbox"},
			{Match: "/session/queue/errors", Subscribe: "claims.a == 1", Send: "true"},
			{Match: "/**", Subscribe: "true"},
		},
		Routes: []policy.Route{
			{Match: "/app/orders/{id}", Allow: `"mu" in claims`, Publish: "/topic/orders/{id}/new", Body: `{"id": vars.id}`, Headers: `{"x-id": vars.id}`},
			{Match: "/app/pay", Allow: "true", To: policy.To{Topic: "payments"}},
			{Match: "/app/ship", Allow: "true", Publish: "/topic/fixed", To: policy.To{Subject: "ship.in"}},
			{Match: "/app/chat", Allow: "true", Publish: "/topic/chat", To: policy.To{Topic: "chat-in"}},
			{Match: "/app/chat/{room}", Allow: "true", Publish: "/topic/chat", Body: `{"chat": text}`, To: policy.To{Subject: "chat.{room}"}},
			{Match: "/app/closed", Allow: "false", Publish: "/topic/fixed"},
		},
	}
}

// TestDocument holds the document of rules of every kind; a parser of others takes it in testdata/browser. UPDATE_GOLDEN=1 writes it.
func TestDocument(t *testing.T) {
	got := mustNew(t, everyKind(t), asyncapi.Options{Tokens: true, MustLogIn: true, Servers: []asyncapi.Server{
		{Name: "websocket", Host: "{host}:443", Path: "/stomp", Protocol: "wss", Description: "STOMP over WebSocket"},
		{Name: "tcp", Host: "10.0.0.1:61613", Protocol: "stomp"},
	}})
	const path = "testdata/document.json"
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is not what is made now:\n%s", path, got)
	}
	checkReferences(t, got)
}

// checkReferences follows all pointers of a document.
func checkReferences(t *testing.T, text string) {
	t.Helper()
	var root any
	if err := json.Unmarshal([]byte(text), &root); err != nil {
		t.Fatal(err)
	}
	all := regexp.MustCompile(`"\$ref": "#/([^"]+)"`).FindAllStringSubmatch(text, -1)
	if len(all) == 0 {
		t.Error("nothing points anywhere")
	}
	for _, found := range all {
		at := root
		for name := range strings.SplitSeq(found[1], "/") {
			at = at.(map[string]any)[name]
		}
		if at == nil {
			t.Errorf("%s is not there", found[1])
		}
	}
}

// TestNobody: without tokens, rules and servers the document says no more than where refusals go.
func TestNobody(t *testing.T) {
	text := mustNew(t, policy.Rules{}, asyncapi.Options{MustLogIn: true})
	var d struct {
		Channels, Operations, Components map[string]any
		Servers                          any
	}
	if err := json.Unmarshal([]byte(text), &d); err != nil || len(d.Channels) != 1 || len(d.Operations) != 1 || d.Servers != nil || len(d.Components) != 1 {
		t.Errorf("%v in %s", err, text)
	}
	checkReferences(t, text)
}

// TestNames: channels of different addresses have different names, whatever is in those.
func TestNames(t *testing.T) {
	var r policy.Rules
	for _, match := range []string{"/topic/a_b", "/topic/a/b", "/topic/a-b", "/topic/a.b", "/토픽", "/방", "/topic/a_b_2"} {
		r.Channels = append(r.Channels, policy.Channel{Match: match, Subscribe: "true"})
	}
	text := mustNew(t, r, asyncapi.Options{})
	for _, name := range []string{"topic_a_b", "topic_a_b_2", "topic_a_b_3", "topic_a_b_4", "channel", "channel_2", "topic_a_b_2_2"} {
		if !strings.Contains(text, fmt.Sprintf("\n    %q: {\n      \"address\"", name)) {
			t.Errorf("no channel is called %s in\n%s", name, text)
		}
	}
	checkReferences(t, text)
}

// TestOneAddress: rules whose matches are written as one address, such as a variable called path and **, have all that they say in the document.
func TestOneAddress(t *testing.T) {
	compile := func(text string) *schema.Schema {
		s, err := schema.Compile(schema.Source{Text: []byte(text)})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	text := mustNew(t, policy.Rules{
		Channels: []policy.Channel{
			{Match: "/topic/one/{x}", Schema: compile(`{"const": "one"}`)},
			{Match: "/topic/all", Schema: compile(`{"const": "all"}`)},
		},
		Routes: []policy.Route{
			{Match: "/app/{path}", Allow: "true", Publish: "/topic/one/{path}", To: policy.To{Topic: "one"}},
			{Match: "/app/**", Allow: "true", Publish: "/topic/all", To: policy.To{Topic: "all"}},
		},
	}, asyncapi.Options{})
	var d struct {
		Components struct{ Channels, Schemas map[string]any }
	}
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"one", "all"} {
		if !strings.Contains(fmt.Sprint(d.Components.Channels), "address:"+want+" ") || !strings.Contains(fmt.Sprint(d.Components.Schemas), "const:"+want+"]") {
			t.Errorf("nothing is told of what is read from %s: %v", want, d.Components.Channels)
		}
	}
	checkReferences(t, text)
}

// BenchmarkDocument: backends may ask for it at any time.
func BenchmarkDocument(b *testing.B) {
	for _, n := range []int{10, 1000} {
		r := policy.Rules{Prefixes: policy.DefaultPrefixes()}
		for i := range n {
			r.Channels = append(r.Channels, policy.Channel{Match: fmt.Sprintf("/topic/r%d/{x}", i), Subscribe: "true", Summary: "A room", Presence: policy.PresenceMembers})
			r.Routes = append(r.Routes, policy.Route{Match: fmt.Sprintf("/app/r%d/{x}", i), Allow: "true", Publish: "/topic/r1/{x}"})
		}
		rules, err := policy.New(r)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("rules=%d", 2*n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := json.Marshal(asyncapi.New(rules, asyncapi.Options{Title: "a", Version: "1"})); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
