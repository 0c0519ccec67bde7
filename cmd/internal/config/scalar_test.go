package config

import (
	"strings"
	"testing"

	"github.com/stompgw/stompgw/gateway/policy"
)

// TestExpressionErrors holds what a mistake in an expression looks like, in each way that YAML has
// to write a text: the line of the file, and below it the place.
func TestExpressionErrors(t *testing.T) {
	const before = "# a comment\nroutes:\n  - match: /app/{room}\n    allow: 'true'\n    publish: /topic/{room}\n" // 5 lines
	const after = "\n    headers: '{}'\nlisten: 127.0.0.1:0 # chat\n"
	const undeclared = "routes[0].body: undeclared reference to 'chat'\n"
	for _, tt := range []struct{ name, text, want string }{
		{"plain", `    body: body.a + chat`,
			"t.yaml:6: " + undeclared + "    body.a + chat\n             ^"},
		{"single quotes", `    body: '{"content": chat}'`,
			"t.yaml:6: " + undeclared + "    {\"content\": chat}\n                ^"},
		{"single quotes with quotes in them", `    body: '{''content'': chat}'`,
			"t.yaml:6: " + undeclared + "    {'content': chat}\n                ^"},
		{"double quotes", `    body: "{\"content\": chat}"`,
			"t.yaml:6: " + undeclared + "    {\"content\": chat}\n                ^"},
		{"double quotes with several lines in them", `    body: "{\n\t\"content\": chat\n}"`,
			"t.yaml:6: " + undeclared + "    \t\"content\": chat\n    \t           ^"},
		{"other letters", `    body: '"안녕" + chat'`,
			"t.yaml:6: " + undeclared + "    \"안녕\" + chat\n           ^"},
		{"on the next line", "    body:\n\n      '{\"content\": chat}'",
			"t.yaml:8: " + undeclared + "    {\"content\": chat}\n                ^"},
		{"below |", "    body: |\n      {\n        \"content\": chat\n      }",
			"t.yaml:8: " + undeclared + "      \"content\": chat\n                 ^"},
		{"below |- and a comment", "    body: |-  # what the page shows\n\n      {\"content\":\n         chat}",
			"t.yaml:9: " + undeclared + "       chat}\n       ^"},
		{"below >", "    body: >\n      {\n      \"content\":\n      chat\n      }",
			"t.yaml:9: " + undeclared + "    chat\n    ^"},
		{"below >-, of one line", "    body: >-\n      {\"content\": chat}",
			"t.yaml:7: " + undeclared + "    {\"content\": chat}\n                ^"},
		{"plain, over lines", "    body: body.a +\n      chat +\n      body.b",
			"t.yaml:7: " + undeclared + "    chat +\n    ^"},
		{"single quotes, over lines", "    body: '{\"it''s\":\n      1, \"b\": chat}'",
			"t.yaml:7: " + undeclared + "    1, \"b\": chat}'\n            ^"},
		{"double quotes, over lines", "    body: \"{\\\"a\\\":\n      1, \\\"b\\\": chat}\"",
			"t.yaml:7: " + undeclared + "    1, \\\"b\\\": chat}\"\n              ^"},
		{"something missing at the end", "    body: |\n      {\"content\":\n       body.chat",
			"t.yaml:8: routes[0].body: the expression ends too early\n     body.chat\n              ^"},
		{"something missing at the end, over lines", "    body: >-\n      {\"content\":\n       body.chat",
			"t.yaml:8: routes[0].body: the expression ends too early\n    body.chat\n             ^"},
		{"nothing but blanks", "    body: '  '",
			"t.yaml:6: routes[0].body: is blank: leave it out, or write an expression"},
		{"Windows", "    body: >\r\n      {\r\n      \"content\": chat\r\n      }\r",
			"t.yaml:8: " + undeclared + "    \"content\": chat\n               ^"},
		{"several", "    body: |\n      {\"a\": b,\n      \"c\": d}",
			"t.yaml:7: routes[0].body: undeclared reference to 'b'\n    {\"a\": b,\n          ^\n" +
				"t.yaml:8: routes[0].body: undeclared reference to 'd'\n    \"c\": d}\n         ^"},
		{"unknown key", "    summary: x", "t.yaml:6: routes[0].summary: there is no such key; here stand match, allow, publish, body, headers"},
		{"a whole", "    body: timestamp(text)",
			"t.yaml:6: routes[0].body: is a time: want a map with keys of text, a list, text, bytes, a number, true or false, or null\n    timestamp(text)\n    ^"},
		{"too long", "    body:\n      '" + strings.Repeat("x", 5000) + "'",
			"t.yaml:6: routes[0].body: is 5000 characters long: an expression may have 4096"},
		{"no text", "    body: {a: b}", "t.yaml:6: routes[0].body: is a section: want a single value; put one in quotes that begins with {"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := load(t, before+tt.text+after)
			if err == nil || err.Error() != tt.want {
				t.Errorf("got\n%v\nwant\n%s", err, tt.want)
			}
		})
	}
}

// TestExpressionAlias: a mistake stands where the text does, not where it is used.
func TestExpressionAlias(t *testing.T) {
	_, err := load(t, "channels:\n  - match: /topic/a\n    summary: &bad |\n      {\"a\": room}\n"+
		"routes:\n  - match: /app/b\n    allow: 'true'\n    publish: /topic/b\n    headers: *bad\n")
	const want = "t.yaml:4: routes[0].headers: undeclared reference to 'room'\n    {\"a\": room}\n          ^"
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

// TestExpressions: what the file says comes to work.
func TestExpressions(t *testing.T) {
	c, err := load(t, "routes:\n  - match: /app/a\n    allow: 'true'\n    publish: /topic/a\n    body: |\n      {\"a\": 1}\n    headers: '{}'\n")
	if err != nil {
		t.Fatal(err)
	}
	if to, refusal := c.Rules().JudgeSend(&policy.Request{Destination: "/app/a"}); refusal != nil || to.Rewrite == nil {
		t.Errorf("SEND /app/a goes to %+v, %v", to, refusal)
	}
}
