package policy_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/gateway/policy"
	"github.com/stompgw/stompgw/gateway/schema"
)

// schemaOf compiles a schema that is one.
func schemaOf(t testing.TB, text string) *schema.Schema {
	t.Helper()
	s, err := schema.Compile(schema.Source{Text: []byte(text), Name: "t.json"})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// contentRules are channels with schemas, and without.
func contentRules(t testing.TB) policy.Rules {
	return policy.Rules{
		Prefixes: policy.DefaultPrefixes(), ErrorDestination: "/session/queue/request-error",
		Channels: []policy.Channel{
			{Match: "/topic/free", Send: "true"},
			{Match: "/topic/{room}", Send: "true", Schema: schemaOf(t, `{"required": ["text"]}`), Examples: []string{`{"text": "hello"}`}},
			{Match: "/member/{member}/queue/{name}", Send: "true", Schema: schemaOf(t, `{"type": "integer"}`)},
			{Match: "/session/queue/{name}", Send: "true", Schema: schemaOf(t, `{"type": "string"}`)},
		},
		Routes: []policy.Route{
			{Match: "/app/to/{room}", Allow: "true", Publish: "/topic/{room}", Body: `{"text": body.chat}`},
			{Match: "/app/mine/{room}", Allow: "true", Publish: "/session/queue/{room}"},
			{Match: "/app/of/{member}", Allow: "true", Publish: "/member/{member}/queue/x"},
			{Match: "/app/out/{room}", Allow: "true", Publish: "/elsewhere/{room}"},
		},
	}
}

// TestContents: what is published has to fit what its own channel carries, on whichever way it comes there.
func TestContents(t *testing.T) {
	c, err := policy.New(contentRules(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ destination, body, want string }{
		{"/topic/free", "whatever", ""},
		{"/topic/a", `{"text": 1}`, ""},
		{"/topic/a", `{}`, "channels[1] /text required channels[1].schema: #: required"},
		{"/member/42/queue/x", `"text"`, "channels[2]  type channels[2].schema: #: type"},
		{"/session/queue/x", `1`, "channels[3]  type channels[3].schema: #: type"},
		{"/app/to/a", `{"chat": 1}`, ""},
		{"/app/to/free", `{"chat": 1}`, ""},
		{"/app/mine/a", `1`, "channels[3]  type channels[3].schema: #: type"},
		{"/app/of/42", `"1"`, "channels[2]  type channels[2].schema: #: type"},
		{"/app/out/a", `{`, ""},
	} {
		target, refusal := c.JudgeSend(&policy.Request{Destination: test.destination})
		if refusal != nil {
			t.Fatalf("%s: %v", test.destination, refusal.Reason)
		}
		e := bus.Envelope{Destination: target.Destination, Body: []byte(test.body)}
		if target.Rewrite != nil {
			if r := target.Rewrite.Apply(context.Background(), &e, 1000); r != nil {
				t.Fatal(r.Reason)
			}
		}
		if other := c.Contents(target.Destination); other != target.Contents {
			t.Errorf("%s: %v, but Contents of %s are %v", test.destination, target.Contents, target.Destination, other)
		}
		glance, decided := target.Contents.Glance(e.Body)
		if got := toldOf(target.Contents.Check(e.Body)); got != test.want || toldOf(glance) != got || !decided {
			t.Errorf("%s %s: %q, want %q", test.destination, test.body, got, test.want)
		}
	}
}

// toldOf is what a refusal by a schema says.
func toldOf(r *policy.Refusal) string {
	if r == nil {
		return ""
	}
	if r.Code != policy.CodeSchema || r.Retryable {
		return "another refusal: " + r.Word
	}
	return r.Rule + " " + r.Fault.Pointer + " " + r.Fault.Rule + " " + r.Reason.Error()
}

// TestGlance: what takes too long for a loop is left undecided.
func TestGlance(t *testing.T) {
	rules := contentRules(t)
	rules.Channels[0].Schema = schemaOf(t, `{"items": {"pattern": "(a?){80}a{80}b"}}`)
	c, err := policy.New(rules)
	if err != nil {
		t.Fatal(err)
	}
	body := []byte(`["` + strings.Repeat("a", 4000) + `"]`)
	if r, decided := c.Contents("/topic/free").Glance(body); r != nil || decided {
		t.Errorf("%v, decided: %v", r, decided)
	}
	if r := c.Contents("/topic/free").Check(body); toldOf(r) != "channels[0] /0 pattern channels[0].schema: #/items: pattern" {
		t.Errorf("%s", toldOf(r))
	}
}

// TestExamples: one that does not fit is told with its path.
func TestExamples(t *testing.T) {
	rules := contentRules(t)
	rules.Channels[1].Examples = append(rules.Channels[1].Examples, `{"chat": "hello"}`)
	_, err := policy.New(rules)
	want := policy.RuleError{Path: "channels[1].examples[1]", Reason: `does not fit the schema: at "/text", by #: required`}
	if fault, ok := errors.AsType[*policy.RuleError](err); !ok || *fault != want {
		t.Errorf("got %v, want %v", err, &want)
	}
}
