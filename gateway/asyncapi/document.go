package asyncapi

import (
	"encoding/json"
	"strings"

	"github.com/stompgw/stompgw/gateway/policy"
	"github.com/stompgw/stompgw/gateway/schema"
)

// Options say what the rules don't know.
type Options struct {
	Title, Version string // of the document, neither empty
	Servers        []Server
	Tokens         bool // clients can log in, with a JSON Web Token
	MustLogIn      bool // and must, at CONNECT
}

// Server is where clients connect.
type Server struct {
	Name        string // such as "websocket", for programs
	Host        string // and port; "{host}" stands for a name that the reader of the document must know
	Path        string // of a URL; empty for none
	Protocol    string // ws, wss, stomp or stomps
	Description string
}

// Document is an AsyncAPI document.
type Document struct{ root object }

// MarshalJSON implements json.Marshaler.
func (d *Document) MarshalJSON() ([]byte, error) { return d.root.MarshalJSON() }

const about = "The destinations of a STOMP gateway, as a client sees them. The application that this document is about is such a client: " +
	"it receives the MESSAGEs of what it has subscribed to, and sends. Destinations are the addresses of channels; where several fit one, " +
	"the rule of the lowest number decides. What the gateway refuses it answers on the channel for errors, and the connection stays."

// New describes the rules. It leaves out those that never decide, and what nobody may do.
func New(rules *policy.Catalogue, o Options) *Document {
	b := builder{rules: rules, tokens: o.Tokens, places: map[*schema.Schema]string{}}
	b.addErrors()
	shadowed := map[string]bool{}
	for _, s := range rules.Shadows() {
		shadowed[s.Rule] = true
	}
	for _, rule := range rules.Outlines() {
		if !shadowed[rule.Path] {
			b.add(rule)
		}
	}
	d := &Document{object{
		{"asyncapi", "3.0.0"},
		{"info", object{{"title", o.Title}, {"version", o.Version}, {"description", about}}},
	}}
	d.root.set("servers", servers(o))
	channels, operations := b.all()
	d.root.set("channels", channels)
	d.root.set("operations", operations)
	schemas := object{{"refusal", refusalSchema()}}
	if b.hasPresence {
		schemas.set("presence", presenceSchema())
	}
	if len(b.backends) > 0 {
		schemas.set("sender", senderSchema())
	}
	components := object{{"schemas", append(schemas, b.schemas...)}}
	components.set("channels", b.backends)
	if o.Tokens {
		components.set("securitySchemes", object{{scheme, object{
			{"type", "http"}, {"scheme", "bearer"}, {"bearerFormat", "JWT"},
			{"description", "In the header Authorization of CONNECT, as Bearer TOKEN; one in another frame counts for that frame."},
		}}})
	}
	d.root.set("components", components)
	return d
}

// scheme is how clients log in.
const scheme = "jwt"

func security() []object { return []object{ref("components/securitySchemes/" + scheme)} }

func servers(o Options) (list object) {
	for _, s := range o.Servers {
		said := object{{"host", s.Host}}
		said.set("pathname", s.Path)
		said.set("protocol", s.Protocol)
		said.set("description", s.Description)
		if strings.Contains(s.Host, "{host}") {
			said.set("variables", object{{"host", object{{"default", "localhost"}, {"description", "a name or address of the gateway"}}}})
		}
		if o.Tokens && o.MustLogIn {
			said.set("security", security())
		}
		list.set(s.Name, said)
	}
	return list
}

// refusalSchema is what is sent to the error destination.
func refusalSchema() object {
	var codes, words []any
	var means []string
	for _, e := range policy.Codes() {
		codes, words = append(codes, e.Code), append(words, e.Word)
		means = append(means, e.Word+": "+e.Message)
	}
	text := object{{"type", "string"}}
	return object{
		{"type", "object"},
		{"description", "why a frame was refused"},
		{"required", []string{"clientRequestCode", "errorCode", "errorMessage", "error", "retryable"}},
		{"properties", object{
			{"clientRequestCode", object{{"type", []string{"string", "null"}}, {"description", "the header client-request-code of the frame"}}},
			{"errorCode", object{{"type", "integer"}, {"enum", codes}}},
			{"errorMessage", text},
			{"error", object{{"type", "string"}, {"enum", words}, {"description", strings.Join(means, "; ")}}},
			{"retryable", object{{"type", "boolean"}, {"description", "the same frame may pass later"}}},
			{"retryAfterMs", object{{"type", "integer"}}},
			{"receiptId", object{{"type", "string"}, {"description", "of the RECEIPT that will not come"}}},
			{"destination", text},
			{"schema", object{
				{"type", "object"}, {"description", "of schema: where in the body, as a JSON pointer, and by which of its rules"},
				{"properties", object{{"pointer", text}, {"rule", text}}},
			}},
		}},
	}
}

// senderSchema is what a backend is told of who sends.
func senderSchema() object {
	says := func(name, what string) member {
		return member{name, object{{"type", "string"}, {"description", what}}}
	}
	return object{
		{"type", "object"},
		{"description", "who has sent it, as the gateway knows it; beside these stand the sender's own headers"},
		{"required", []string{"correlation-id", "stomp-destination", "stomp-principal", "stomp-session"}},
		{"properties", object{
			says("correlation-id", "what an answer says it is one to"),
			says("stomp-destination", "where the client has sent it"),
			says("stomp-principal", "the session that an answer is addressed to"),
			says("stomp-session", "the session as lists name it"),
			says(policy.HeaderMember, "the member, by the name in its destinations; nobody has none"),
		}},
	}
}

// presenceSchema is what tells of a room.
func presenceSchema() object {
	number := object{{"type", "integer"}}
	return object{
		{"type", "object"},
		{"description", "who is subscribed to a destination: everybody (here), or what has changed since"},
		{"required", []string{"type"}},
		{"properties", object{
			{"type", object{{"type", "string"}, {"enum", []string{"here", "joined", "changed", "left", "count", "paused"}}}},
			{"members", object{{"type", "array"}, {"items", object{
				{"type", "object"},
				{"required", []string{"member"}},
				{"properties", object{{"member", object{{"type", []string{"integer", "string"}}}}, {"info", object{{"type", "object"}}}}},
			}}}},
			{"count", object{{"type", "integer"}, {"description", "members that are present"}}},
			{"anonymous", object{{"type", "integer"}, {"description", "sessions of nobody that are"}}},
			{"part", number},
			{"parts", number},
		}},
	}
}

// example is JSON, for people.
func example(text string) []object { return []object{{{"payload", json.RawMessage(text)}}} }
