package schema

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// Rules of a Fault that are not keywords of JSON Schema.
const (
	RuleJSON   = "json"      // it is not one JSON text
	RuleUTF8   = "utf-8"     // it is not UTF-8
	RuleTwice  = "duplicate" // an object has a name twice
	RuleNumber = "number"    // a number has more than 400 characters, or an exponent beyond 400
	RuleDepth  = "depth"     // its lists and objects are nested more than 1,000 deep
	RuleValues = "values"    // it has more than 100,000 values
	RuleCost   = "cost"      // it takes too many steps to check
)

// Fault is why a body does not fit a schema: the first reason, with members in the order of their names.
type Fault struct {
	// Pointer is the place in the body (RFC 6901); if a member is missing or not allowed, that of the member; empty means
	// the whole body. Its names are the sender's own, so it is only for the sender. If it would be longer than 256 bytes
	// it is cut, and ends with "…".
	Pointer string `json:"pointer"`
	Rule    string `json:"rule"` // the keyword, such as "maxLength", or one of those above
	At      string `json:"-"`    // where in the schema that is, such as "chat.json#/properties/chat"; empty for no keyword
}

// Error says where in the schema the rule is, and nothing of the body: it is for logs.
func (f *Fault) Error() string {
	if f.At == "" {
		return f.Rule
	}
	return f.At + ": " + f.Rule
}

// maxPointer bounds a Pointer, in bytes.
const maxPointer = 256

// fault is a Fault in the making.
type fault struct {
	rule   string
	at     string
	line   int32    // of a text that is no JSON
	tokens []string // of its pointer, the last first
}

// below adds the token of what f is in.
func (f *fault) below(token string) *fault {
	f.tokens = append(f.tokens, token)
	return f
}

func (f *fault) told() *Fault {
	slices.Reverse(f.tokens)
	return &Fault{Pointer: pointer(f.tokens), Rule: f.rule, At: f.at}
}

// pointer writes a JSON pointer, or its beginning.
func pointer(tokens []string) string {
	var b strings.Builder
	for _, token := range tokens {
		b.WriteString("/" + escape(token))
		if b.Len() > maxPointer {
			text := b.String()
			end := maxPointer - len("…")
			for !utf8.RuneStart(text[end]) {
				end--
			}
			return text[:end] + "…"
		}
	}
	return b.String()
}

func escape(token string) string {
	if !strings.ContainsAny(token, "~/") {
		return token
	}
	return strings.ReplaceAll(strings.ReplaceAll(token, "~", "~0"), "/", "~1")
}
