package schema

import (
	"fmt"
	"strings"
	"testing"
)

// TestBombs: whatever a schema and a body are, checking ends within its steps, and says so where these are not enough. The
// library would take for ever on some of these, or all memory.
func TestBombs(t *testing.T) {
	nested := func(n int, open, shut string) string {
		return strings.Repeat(open, n) + "1" + strings.Repeat(shut, n)
	}
	many := func(n int, one func(i int) string) string {
		var b strings.Builder
		for i := range n {
			b.WriteString("," + one(i))
		}
		return "[" + b.String()[1:] + "]"
	}
	number := func(i int) string { return fmt.Sprint(i) }
	const tree = `{"$defs": {"node": {"oneOf": [{"properties": {"a": {"$ref": "#/$defs/node"}}, "not": {"required": ["a"]}},
		{"properties": {"a": {"$ref": "#/$defs/node"}}, "required": ["a"]}, {"type": "number"}]}}, "$ref": "#/$defs/node"}`
	const branching = `{"$defs": {"node": {"allOf": [{"additionalProperties": {"$ref": "#/$defs/node"}}, {"additionalProperties": {"$ref": "#/$defs/node"}}]}}, "$ref": "#/$defs/node"}`
	for _, test := range []struct{ name, schema, body, rule string }{
		{"nested", `true`, nested(1001, "[", "]"), RuleDepth},
		{"nested far too deep", `true`, strings.Repeat("[", 5_000_000), RuleDepth},
		{"nested, and looked at", `{"$defs": {"a": {"items": {"$ref": "#/$defs/a"}, "allOf": [{"$ref": "#/$defs/b"}]}, "b": {"anyOf": [{"type": "array"}, {"type": "number"}]}}, "$ref": "#/$defs/a"}`,
			nested(1000, "[", "]"), ""},
		{"values", `true`, many(100_000, number), RuleValues},
		{"branches in a tree", tree, nested(900, `{"a":`, "}"), RuleCost},
		{"branches twice", branching, nested(900, `{"a":`, "}"), RuleCost},
		{"numbers to be divided", `{"items": {"multipleOf": 1e-400}}`, many(9000, func(i int) string { return fmt.Sprintf("%de-400", i+1) }), ""},
		{"long numbers to be divided", `{"items": {"multipleOf": 0.` + strings.Repeat("3", 390) + `}}`, many(2500, func(int) string { return strings.Repeat("3", 390) + "4" }), "multipleOf"},
		{"a huge exponent", `{"multipleOf": 0.01}`, "1e999999999", RuleNumber},
		{"equal numbers", `{"uniqueItems": true}`, many(32_000, number), ""},
		{"the last two equal", `{"uniqueItems": true}`, strings.TrimSuffix(many(32_000, number), "]") + ",31999.0]", "uniqueItems"},
		{"lists that begin alike", `{"uniqueItems": true}`, many(180, func(i int) string { return many(180, func(int) string { return "1" })[:359] + fmt.Sprintf("%d]", i) }), ""},
		{"lists in lists to be compared", `{"items": {"uniqueItems": true}}`, many(1000, func(i int) string { return many(30, number) }), ""},
		{"a regular expression", `{"items": {"pattern": "(a*)*(a|aa)*b"}}`, many(100, func(int) string { return `"` + strings.Repeat("a", 600) + `"` }), "pattern"},
		{"one on a long text", `{"pattern": "(x+x+)+y|(a?){80}a{80}"}`, `"` + strings.Repeat("a", 79) + strings.Repeat("x", 10_000) + `"`, "pattern"},
		{"one on many names", `{"patternProperties": {"(a?){80}a{80}$": false}}`, "{" + strings.Trim(many(300, func(i int) string { return fmt.Sprintf(`"%s%d":1`, strings.Repeat("a", 50), i) }), "[]") + "}", ""},
		{"nothing looked at", `{"unevaluatedItems": false, "anyOf": [` + strings.Repeat(`{"contains": {"type": "string"}},`, 100) + `{}]}`, many(30_000, number), RuleCost},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := compiled(t, test.schema)
			got := ""
			if f := s.Check([]byte(test.body), AllSteps); f != nil {
				got = f.Rule
			}
			if got != test.rule {
				t.Errorf("got %q, want %q", got, test.rule)
			}
			if f := s.Check([]byte(test.body), 1); f == nil {
				t.Error("one step is enough")
			}
		})
	}
}
