package session

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/gateway/asyncapi"
	"github.com/stompgw/stompgw/gateway/policy"
	"github.com/stompgw/stompgw/gateway/schema"
)

// compiled is a schema that is one.
func compiled(t testing.TB, text string) *schema.Schema {
	t.Helper()
	s, err := schema.Compile(schema.Source{Text: []byte(text), Name: "t.json"})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// newSchemaRig is a rig where /topic/a carries a chat, whatever comes there, and /topic/slow what takes long to check.
func newSchemaRig(t testing.TB, configure ...func(*Host)) *rig {
	t.Helper()
	b := bustest.NewFake()
	return newRigWith(t, b, b, policy.Rules{
		Channels: []policy.Channel{
			{Match: "/topic/a", Send: "true", Schema: compiled(t, `{"type": "object", "properties": {"chat": {"type": "string"}}, "required": ["chat"], "additionalProperties": false}`)},
			{Match: "/topic/slow", Send: "true", Schema: compiled(t, `{"items": {"pattern": "(a?){80}a{80}"}}`)},
			{Match: "/topic/free", Send: "true"},
		},
		Routes: []policy.Route{
			{Match: "/app/as/{name}", Allow: "true", Publish: "/topic/a", Body: `{vars.name: body}`},
			{Match: "/app/free", Allow: "true", Publish: "/topic/free"},
			{Match: "/app/plain", Allow: "true", Publish: "/topic/a"},
		},
	}, configure...)
}

func sendBody(destination, body string, header ...string) string {
	return "SEND\ndestination:" + destination + "\n" + strings.Join(append(header, ""), "\n") + "\n" + body + "^@"
}

// TestSchema: what does not fit is refused, with its place and rule, and no word of it in the log; what fits is published as
// it came, in order. Bodies of any size are judged alike.
func TestSchema(t *testing.T) {
	for _, size := range []int{1, large} {
		text := `"` + strings.Repeat("secret", size) + `"`
		for _, test := range []struct{ name, destination, body, told, reason string }{
			{"fits", "/topic/a", `{"chat": ` + text + `}`, "", ""},
			{"does not fit", "/topic/a", `{"chat": [` + text + `]}`, `"schema":{"pointer":"/chat","rule":"type"}`, "channels[0].schema: #/properties/chat: type"},
			{"one too many", "/topic/a", `{"chat": "", "secret": ` + text + `}`, `"schema":{"pointer":"/secret","rule":"additionalProperties"}`, "channels[0].schema: #: additionalProperties"},
			{"no JSON", "/topic/a", text[1:], `"schema":{"pointer":"","rule":"json"}`, "channels[0].schema: json"},
			{"by a route", "/app/plain", text, `"schema":{"pointer":"","rule":"type"}`, "channels[0].schema: #: type"},
			{"rewritten, fits", "/app/as/chat", text, "", ""},
			{"rewritten, does not", "/app/as/other", text, `"schema":{"pointer":"/chat","rule":"required"}`, "channels[0].schema: #: required"},
			{"elsewhere", "/app/free", text, "", ""},
		} {
			t.Run(fmt.Sprint(test.name, size), func(t *testing.T) {
				p := newSchemaRig(t).connect("1.2").errors()
				p.ask(sendBody(test.destination, test.body, "receipt:r"))
				if test.told == "" {
					if got := p.bus.Taken(); len(got) != 1 {
						t.Fatalf("the bus has %.100q", got)
					}
					p.settle(0, nil)
					p.want(receipt("r"))
					return
				}
				if body := p.wantRefusal("schema"); !strings.Contains(body, test.told) || !strings.Contains(body, `"retryable":false,"receiptId":"r"`) {
					t.Errorf("refusal %s, want %s", body, test.told)
				}
				if got := p.bus.Bodies(); len(got) != 0 {
					t.Errorf("the bus has %.100q", got)
				}
				if log := p.logs.String(); !strings.Contains(log, test.reason) || strings.Contains(log, "secret") || strings.Contains(log, "level=WARN") {
					t.Errorf("log: %s", log)
				}
			})
		}
	}
}

// TestSchemaElsewhere: what takes long is checked beside the loop, small as it is: its session waits, and no other does.
func TestSchemaElsewhere(t *testing.T) {
	r := newSchemaRig(t)
	p, other := r.connect("1.2").errors(), r.connect("1.2")
	release := sync.OnceFunc(r.occupy())
	defer release()
	slow := `["` + strings.Repeat("a", 2000) + `"]`
	p.feed(sendBody("/topic/slow", slow) + sendBody("/topic/slow", `["`+strings.Repeat("b", 2000)+`"]`) + sendBody("/topic/free", "next"))
	if !p.conn.paused || !p.s.Paused() {
		t.Fatal("the session reads on")
	}
	other.feed(sendBody("/topic/slow", `["`+strings.Repeat("a", 80)+`"]`))
	if got := r.bus.Bodies(); len(got) != 1 {
		t.Fatalf("the bus has %.100q", got)
	}
	release()
	p.resumed()
	if got := r.bus.Bodies(); len(got) != 3 || !slices.Equal(got[1:], []string{slow, "next"}) {
		t.Fatalf("the bus has %.100q", got)
	}
	if body := p.wantRefusal("schema"); !strings.Contains(body, `{"pointer":"/0","rule":"pattern"}`) {
		t.Errorf("refusal %s", body)
	}
}

// TestSchemaInTransaction: a SEND that does not fit is refused as it comes, and the others are published at COMMIT.
func TestSchemaInTransaction(t *testing.T) {
	for _, size := range []int{1, large} {
		p := newSchemaRig(t).connect("1.2").errors()
		p.ask("BEGIN\ntransaction:t\n\n^@" + sendBody("/topic/a", `{"chat": ""}`, "transaction:t") +
			sendBody("/topic/a", `"`+strings.Repeat("x", size)+`"`, "transaction:t"))
		p.wantRefusal("schema")
		p.feed("COMMIT\ntransaction:t\nreceipt:c\n\n^@")
		p.settle(0, nil)
		p.wantRefusal("transaction_incomplete")
		if got := p.bus.Bodies(); !slices.Equal(got, []string{`{"chat": ""}`}) {
			t.Errorf("the bus has %.100q", got)
		}
	}
}

// TestSchemaReplaced: rules that are reloaded count for the next SEND; one on its way has been judged.
func TestSchemaReplaced(t *testing.T) {
	r := newSchemaRig(t)
	p := r.connect("1.2").errors()
	release := sync.OnceFunc(r.occupy())
	defer release()
	p.feed(sendBody("/topic/a", `{"chat": "`+strings.Repeat("x", large)+`"}`) + sendBody("/topic/a", `{"chat": ""}`))
	rules := compile(t, policy.Rules{
		Channels: []policy.Channel{{Match: "/topic/a", Send: "true", Schema: compiled(t, `{"type": "integer"}`)}},
	})
	r.do(func() { r.host.Reload(rules, func(int) {}) })
	release()
	p.resumed()
	p.wantRefusal("schema")
	if got := p.bus.Taken(); len(got) != 1 {
		t.Errorf("the bus has %.100q", got)
	}
}

// TestRefusalIsDocumented: the document for programs has all that a refusal may say.
func TestRefusalIsDocumented(t *testing.T) {
	rules, err := policy.New(policy.Rules{Prefixes: policy.DefaultPrefixes()})
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(asyncapi.New(rules, asyncapi.Options{Title: "a", Version: "1"}))
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		Components struct {
			Schemas map[string]struct{ Properties map[string]any }
		}
	}
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	documented := d.Components.Schemas["refusal"].Properties
	for i := range reflect.TypeFor[refusal]().NumField() {
		name, _, _ := strings.Cut(reflect.TypeFor[refusal]().Field(i).Tag.Get("json"), ",")
		if documented[name] == nil {
			t.Errorf("the document says nothing of %s", name)
		}
		delete(documented, name)
	}
	if len(documented) > 0 {
		t.Errorf("the document tells of %v", documented)
	}
}

// BenchmarkSchema is a SEND of some bytes from the bytes of the frame to the bus: to a channel without a schema, where no
// other has one; to one without where others have; and to one with a schema, straight and by a route.
func BenchmarkSchema(b *testing.B) {
	chat := compiled(b, `{"type": "object", "required": ["room", "text"], "additionalProperties": false, "properties": {
		"room": {"type": "string", "pattern": "^[a-z0-9-]{1,40}$"}, "text": {"type": "string", "minLength": 1, "maxLength": 8000}, "at": {"type": "integer", "minimum": 0}}}`)
	free, held := policy.Channel{Match: "/topic/free", Send: "true"}, policy.Channel{Match: "/topic/held", Send: "true", Schema: chat}
	for _, size := range []int{200, 4096} {
		body := `{"room": "room-7", "at": 1764580000000, "text": "`
		body += strings.Repeat("x", size-len(body)-2) + `"}`
		for _, test := range []struct {
			name, destination string
			channels          []policy.Channel
		}{
			{"none", "/topic/free", []policy.Channel{free}},
			{"elsewhere", "/topic/free", []policy.Channel{free, held}},
			{"schema", "/topic/held", []policy.Channel{free, held}},
			{"route-none", "/app/free", []policy.Channel{free}},
			{"route-elsewhere", "/app/free", []policy.Channel{free, held}},
			{"route-schema", "/app/held", []policy.Channel{free, held}},
		} {
			b.Run(fmt.Sprintf("%s/bytes=%d", test.name, size), func(b *testing.B) {
				fake := bustest.NewFake()
				r := newRigWith(b, fake, nullBus{fake}, policy.Rules{Channels: test.channels,
					Routes: []policy.Route{{Match: "/app/{room}", Allow: "true", Publish: "/topic/{room}"}}})
				p := r.connect("1.2")
				frame := []byte(strings.ReplaceAll(sendBody(test.destination, body), "^@", "\x00"))
				work := make([]byte, len(frame))
				b.ReportAllocs()
				r.do(func() {
					for b.Loop() {
						p.s.Feed(work[:copy(work, frame)])
					}
				})
				if n := r.host.Stats.Published.Load(); n < uint64(b.N) {
					b.Fatalf("%d of %d are published", n, b.N)
				}
			})
		}
	}
}
