package schema

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// FuzzCheck holds that a body fits exactly where the library says so, and is read exactly where encoding/json reads it, but for
// what has a name of its own in this package.
func FuzzCheck(f *testing.F) {
	for _, schema := range []string{
		chatSchema, `true`,
		`{"$defs": {"n": {"properties": {"a": {"$ref": "#/$defs/n"}}, "maxProperties": 2}}, "$ref": "#/$defs/n", "unevaluatedProperties": {"type": "string"}}`,
		`{"prefixItems": [{"const": {"a": [1, 2.0]}}], "items": {"enum": ["a", 1, null, [true]]}, "contains": {"minimum": 2}, "minContains": 2, "unevaluatedItems": false}`,
		`{"oneOf": [{"required": ["a"]}, {"dependentSchemas": {"b": {"propertyNames": {"maxLength": 3}}}}], "if": {"minProperties": 2}, "then": {"patternProperties": {"^a": {"multipleOf": 0.5}}}, "else": false}`,
		`{"anyOf": [{"items": {"type": ["integer", "null"]}}, {"uniqueItems": true, "maxItems": 4}], "not": {"contains": {"exclusiveMaximum": 0}}, "unevaluatedItems": {"type": "number"}}`,
		`{"$schema": "http://json-schema.org/draft-07/schema#", "items": [{"type": "string"}], "additionalItems": {"maximum": 5}, "dependencies": {"a": ["b"], "c": {"required": ["d"]}}, "definitions": {"x": {}}}`,
		`{"$schema": "http://json-schema.org/draft-04/schema#", "maximum": 5, "exclusiveMaximum": true, "id": "x"}`,
	} {
		for _, body := range []string{`{"a": {"a": 1}, "b": "x"}`, `[{"a": [1.0, 2]}, "a", 1e0, 2, 3]`, `{"a": 1.5, "ab": 0.25, "c": null}`, `["x", 5, 6]`, `-5.0e0`,
			`"\ud83d\ude00\ud83d\n"`, `{"room": "a", "text": "b", "of": [{"id": 1}]}`} {
			f.Add(schema, body)
		}
	}
	huge := regexp.MustCompile(`[0-9]{15,}|[0-9][eE]`) // as a number of things, of which the library has other ideas
	f.Fuzz(func(t *testing.T, text, body string) {
		v, fault := parse([]byte(body), maxNesting, maxValues)
		own := fault != nil && slices.Contains([]string{RuleTwice, RuleNumber, RuleDepth, RuleValues}, fault.rule)
		if valid := json.Valid([]byte(body)) && utf8.ValidString(body); valid != (fault == nil) && !own {
			t.Fatalf("%q: %+v, but valid is %v", body, fault, valid)
		}
		if fault != nil || len(text) > 500 || strings.Contains(text, "format") || huge.MatchString(text) || nesting(&v) > 3 {
			return
		}
		s, err := Compile(Source{Text: []byte(text), Name: "t"})
		if err != nil {
			return
		}
		got := s.Check([]byte(body), FewSteps)
		if got != nil && got.Rule == RuleCost {
			return
		}
		lib := jsonschema.NewCompiler()
		lib.UseLoader(nil)
		doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
		if err != nil {
			t.Fatalf("%q is no JSON to the library: %v", text, err)
		}
		if err := lib.AddResource("config:///", doc); err != nil {
			t.Fatal(err)
		}
		compiled, err := lib.Compile("config:///")
		if err != nil {
			t.Fatal(err)
		}
		read, err := jsonschema.UnmarshalJSON(bytes.NewReader([]byte(body)))
		if err != nil {
			t.Fatal(err)
		}
		if want := compiled.Validate(read); (want == nil) != (got == nil) {
			t.Errorf("%s\n%s\ngot  %+v\nwant %v", text, body, got, want)
		}
	})
}

func nesting(v *value) (n int) {
	for i := range v.list {
		n = max(n, 1+nesting(&v.list[i]))
	}
	return n
}
