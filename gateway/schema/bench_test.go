package schema

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// chatSchema is what a channel may well say of its messages.
const chatSchema = `{"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "required": ["room", "text"], "additionalProperties": false,
	"properties": {"room": {"type": "string", "pattern": "^[a-z0-9-]{1,40}$"}, "text": {"type": "string", "minLength": 1, "maxLength": 4000},
	"at": {"type": "integer", "minimum": 0}, "tags": {"type": "array", "maxItems": 200, "uniqueItems": true, "items": {"enum": ["a", "b", "c"]}},
	"of": {"type": "array", "items": {"$ref": "#/$defs/person"}}},
	"$defs": {"person": {"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}, "name": {"type": "string", "maxLength": 100}}}}}`

// chatBody is a body of some bytes, with many values or with few.
func chatBody(size int, many bool) []byte {
	body := `{"room": "room-7", "at": 1764580000000, "tags": ["a", "b"], "of": [`
	for i := 0; many && len(body) < size-60; i++ {
		body += fmt.Sprintf(`{"id": %d, "name": "Ann"}, `, i)
	}
	body += `{"id": 1, "name": "Bob"}], "text": "`
	return []byte(body + strings.Repeat("x", max(1, size-len(body)-2)) + `"}`)
}

// BenchmarkCheck: beside it what encoding/json takes to read the same.
func BenchmarkCheck(b *testing.B) {
	s := compiled(b, chatSchema)
	for _, size := range []int{200, 4096} {
		for _, many := range []bool{false, true} {
			body := chatBody(size, many)
			b.Run(fmt.Sprintf("bytes=%d/many=%v", len(body), many), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if f := s.Check(body, FewSteps); f != nil {
						b.Fatal(f)
					}
				}
			})
			b.Run(fmt.Sprintf("bytes=%d/many=%v/only=encoding-json", len(body), many), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					var v any
					if err := json.Unmarshal(body, &v); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkSteps is what a step takes, with schemas and bodies that take as many as there are: the most that a loop, or a
// worker, is held up.
func BenchmarkSteps(b *testing.B) {
	nested := strings.Repeat(`{"a":`, 900) + "1" + strings.Repeat("}", 900)
	for _, test := range []struct{ name, schema, body string }{
		{"branches", `{"$defs": {"n": {"allOf": [{"additionalProperties": {"$ref": "#/$defs/n"}}, {"additionalProperties": {"$ref": "#/$defs/n"}}]}}, "$ref": "#/$defs/n"}`, nested},
		{"patterns", `{"anyOf": [` + strings.Repeat(`{"items": {"pattern": "(a?){80}a{80}b"}},`, 90) + `false]}`, `["` + strings.Repeat("a", 8000) + `"]`},
		{"short patterns", `{"anyOf": [` + strings.Repeat(`{"items": {"pattern": "^a*b"}},`, 990) + `false]}`, `["` + strings.Repeat("a", 8000) + `"]`},
		{"numbers", `{"anyOf": [` + strings.Repeat(`{"items": {"multipleOf": 0.`+strings.Repeat("3", 380)+`}},`, 90) + `false]}`, `[` + strings.Repeat(strings.Repeat("3", 380)+"4e380,", 20) + `1]`},
		{"unique", `{"anyOf": [` + strings.Repeat(`{"uniqueItems": true, "contains": false},`, 990) + `false]}`, `[` + strings.Repeat(`"aaaaaaaaaaaaaaa",`, 400) + `1]`},
		{"unevaluated", `{"anyOf": [` + strings.Repeat(`{"unevaluatedItems": true, "not": {}},`, 990) + `false]}`, `[` + strings.Repeat(`1,`, 4000) + `1]`},
	} {
		s := compiled(b, test.schema)
		for _, steps := range []int{FewSteps, AllSteps} {
			b.Run(fmt.Sprintf("%s/steps=%d", test.name, steps), func(b *testing.B) {
				rule := ""
				for b.Loop() {
					rule = s.Check([]byte(test.body), steps).Rule
				}
				b.Logf("%s", rule)
			})
		}
	}
}
