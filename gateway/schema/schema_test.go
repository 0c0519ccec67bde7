package schema

import (
	"strings"
	"testing"
)

// compiled is a schema that is one.
func compiled(t testing.TB, text string) *Schema {
	t.Helper()
	s, err := Compile(Source{Text: []byte(text), Name: "t.json"})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestCheck: what does not fit is told with its place and the rule, and nothing else of it.
func TestCheck(t *testing.T) {
	const chat = `{"type": "object", "required": ["chat"], "additionalProperties": false, "propertyNames": {"maxLength": 10},
		"properties": {"chat": {"type": "string", "minLength": 1, "maxLength": 5}, "n": {"type": "integer", "minimum": 1, "maximum": 9.5},
		"list": {"type": "array", "maxItems": 3, "uniqueItems": true, "prefixItems": [{"const": 1}], "items": {"multipleOf": 0.01}},
		"never": false, "some": {"oneOf": [{"type": "string"}, {"type": "integer"}, {"minimum": 5}]}, "a/b~c": {"enum": ["x", 1, null]}}}`
	const late = `{"$defs": {"named": {"properties": {"name": {"pattern": "^[a-z]+$"}}, "dependentRequired": {"name": ["id"]}}},
		"$ref": "#/$defs/named", "if": {"required": ["id"]}, "then": {"properties": {"id": {"exclusiveMinimum": 0}}}, "unevaluatedProperties": false}`
	for _, test := range []struct{ schema, body, pointer, rule, at string }{
		{chat, `{"chat": "hello"}`, "", "", ""},
		{chat, ` {"chat":"\u00e4\ud83d\ude00xyz","n":1.0,"list":[1.0,2.55,-3e0],"a\/b~c":1e0} `, "", "", ""},
		{chat, `{"chat": "hello!"}`, "/chat", "maxLength", "#/properties/chat"},
		{chat, `{"chat": ""}`, "/chat", "minLength", "#/properties/chat"},
		{chat, `{"chat": 1}`, "/chat", "type", "#/properties/chat"},
		{chat, `{}`, "/chat", "required", "#"},
		{chat, `[]`, "", "type", "#"},
		{chat, `{"chat": "x", "other": 1}`, "/other", "additionalProperties", "#"},
		{chat, `{"chat": "x", "other names": 1}`, "/other names", "propertyNames", "#"},
		{chat, `{"chat": "x", "never": 1}`, "/never", "properties", "#"},
		{chat, `{"chat": "x", "n": 1.5}`, "/n", "type", "#/properties/n"},
		{chat, `{"chat": "x", "n": 0}`, "/n", "minimum", "#/properties/n"},
		{chat, `{"chat": "x", "n": 10}`, "/n", "maximum", "#/properties/n"},
		{chat, `{"chat": "x", "list": [2]}`, "/list/0", "const", "#/properties/list/prefixItems/0"},
		{chat, `{"chat": "x", "list": [1, 2.555]}`, "/list/1", "multipleOf", "#/properties/list/items"},
		{chat, `{"chat": "x", "list": [1, 2, 20e-1]}`, "/list", "uniqueItems", "#/properties/list"},
		{chat, `{"chat": "x", "list": [1, 2, 3, 4]}`, "/list", "maxItems", "#/properties/list"},
		{chat, `{"chat": "x", "some": 5}`, "/some", "oneOf", "#/properties/some"},
		{chat, `{"chat": "x", "some": 1.5}`, "/some", "oneOf", "#/properties/some"},
		{chat, `{"chat": "x", "a/b~c": "y"}`, "/a~1b~0c", "enum", "#/properties/a~1b~0c"},
		{late, `{"name": "x", "id": 1}`, "", "", ""},
		{late, `{"name": "x"}`, "/id", "dependentRequired", "#/$defs/named"},
		{late, `{"name": "X", "id": 1}`, "/name", "pattern", "#/$defs/named/properties/name"},
		{late, `{"id": 0}`, "/id", "exclusiveMinimum", "#/then/properties/id"},
		{late, `{"id": 1, "more": 1}`, "/more", "unevaluatedProperties", "#"},
		{`{"contains": {"const": 1}, "maxContains": 1}`, `[0]`, "", "contains", "#"},
		{`{"contains": {"const": 1}, "maxContains": 1}`, `[1, 1]`, "", "maxContains", "#"},
		{`{"not": {"type": "null"}}`, `null`, "", "not", "#"},
		{`false`, `1`, "", "false", "#"},

		{`true`, ``, "", RuleJSON, ""},
		{`true`, `{"a": 1} 2`, "", RuleJSON, ""},
		{`true`, "{\"a\": 1}\x00", "", RuleJSON, ""},
		{`true`, `{"a": [1, x]}`, "/a/1", RuleJSON, ""},
		{`true`, "\"\xff\"", "", RuleUTF8, ""},
		{`true`, `{"b": {"a": 1, "x": 1, "a": 2}}`, "/b/a", RuleTwice, ""},
		{`true`, `{"a": 1e999999999}`, "/a", RuleNumber, ""},
		{`true`, `[1e-401]`, "/0", RuleNumber, ""},
		{`true`, `[` + strings.Repeat("1", 401) + `]`, "/0", RuleNumber, ""},
		{`true`, `[1.7976931348623157e308, 5e-324, ` + strings.Repeat("9", 400) + `]`, "", "", ""},
	} {
		s := compiled(t, test.schema)
		f := s.Check([]byte(test.body), AllSteps)
		if f == nil {
			f = &Fault{}
		}
		if *f != (Fault{test.pointer, test.rule, test.at}) {
			t.Errorf("%.100s: %+v, want %q %q %q", test.body, *f, test.pointer, test.rule, test.at)
		}
	}
}

// TestPointer: what a sender has made up is told to a bound, on a boundary of characters.
func TestPointer(t *testing.T) {
	s := compiled(t, `{"additionalProperties": {"additionalProperties": false}}`)
	f := s.Check([]byte(`{"`+strings.Repeat("ä", 1000)+`": {"x": 1}}`), AllSteps)
	if f == nil || len(f.Pointer) > maxPointer || !strings.HasSuffix(f.Pointer, "ää…") || f.Rule != "additionalProperties" {
		t.Errorf("got %+v", f)
	}
}

// TestFiles: a schema may be of several files, and is told as one.
func TestFiles(t *testing.T) {
	s, err := Compile(Source{File: "a/chat.json", Text: []byte(text["a/chat.json"]), Files: files()})
	if err != nil {
		t.Fatal(err)
	}
	for body, want := range map[string]string{
		`{"user": {"id": 1}, "text": "x"}`: "",
		`{"user": {"id": 0}}`:              "/user/id common/user.json#/$defs/id: minimum",
		`{"user": 1}`:                      "/user common/user.json#: type",
		`{"text": 1}`:                      "/text a/chat.json#/$defs/text: type",
		`{"reply": {"user": 1}}`:           "/reply/user common/user.json#: type",
	} {
		got := ""
		if f := s.Check([]byte(body), AllSteps); f != nil {
			got = f.Pointer + " " + f.Error()
		}
		if got != want {
			t.Errorf("%s: %s, want %s", body, got, want)
		}
	}
	if s.String() != "a/chat.json" || len(s.Files()) != 2 {
		t.Errorf("it is %s, of %q", s, s.Files())
	}
	const at = "/components/schemas/room"
	for at, want := range map[string]string{
		"#": `{"$defs":{"common/user.json":{"$defs":{"id":{"minimum":1}},"properties":{"id":{"$ref":"#/$defs/common~1user.json/$defs/id"}},"type":"object"},` +
			`"text":{"$anchor":"text","type":"string"}},"properties":{"reply":{"$ref":"#"},"text":{"$ref":"#/$defs/text"},"user":{"$ref":"#/$defs/common~1user.json"}}}`,
		"#" + at: `{"$defs":{"common/user.json":{"$defs":{"id":{"minimum":1}},"properties":{"id":{"$ref":"#` + at + `/$defs/common~1user.json/$defs/id"}},"type":"object"},` +
			`"text":{"$anchor":"text","type":"string"}},"properties":{"reply":{"$ref":"#` + at + `"},"text":{"$ref":"#` + at + `/$defs/text"},"user":{"$ref":"#` + at + `/$defs/common~1user.json"}}}`,
	} {
		if got := inJSON(t, s.Document(at)); got != want {
			t.Errorf("at %s it is\n%s, want\n%s", at, got, want)
		}
	}
	again := compiled(t, inJSON(t, s.Document("#")))
	if f := again.Check([]byte(`{"reply": {"user": {"id": 0}}}`), AllSteps); f == nil || f.Pointer != "/reply/user/id" {
		t.Errorf("as one document it finds %+v", f)
	}
}
