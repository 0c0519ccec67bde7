package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

const schemasText = `
channels:
  - match: /topic/a
    schema: chat.json
    examples: [{chat: hello}, {chat: "5", at: 1.50}, {chat: "a, b: {c}"}]
  - match: /topic/b
    schema:
      properties:
        chat: {$ref: "chat.json#/properties/chat"}
        at: {type: [integer, "null"], maximum: 1e3, const: null, description: "a # b"}
    examples: [true, null, [1, [2]]]
`

// TestShowSchemas: a file is shown by its name, and what stands in the configuration as it can stand there again.
func TestShowSchemas(t *testing.T) {
	c := must(load(t, schemasText))
	show := func(c *Config) string {
		var b bytes.Buffer
		if err := c.WriteYAML(&b, false); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	shown := show(c)
	for _, want := range []string{
		"\n    schema: chat.json\n", `examples: [{chat: hello}, {at: 1.50, chat: "5"}, {chat: 'a, b: {c}'}]`, "examples: [true, null, [1, [2]]]\n",
		`schema: {properties: {at: {const: null, description: 'a # b', maximum: 1000, type: [integer, "null"]}, chat: {$ref: chat.json#/properties/chat}}}`,
	} {
		if !strings.Contains(shown, want) {
			t.Errorf("%s is not in\n%s", want, shown)
		}
	}
	_, rest, _ := strings.Cut(shown, "\nchannels:")
	channels, _, _ := strings.Cut(rest, "\nroutes:")
	if again := show(must(load(t, "channels:"+channels+"\n"))); again != shown {
		t.Errorf("it comes back as\n%s", again)
	}
	for _, origin := range []bool{false, true} {
		var b bytes.Buffer
		if err := c.WriteJSON(&b, origin); err != nil || !json.Valid(b.Bytes()) {
			t.Errorf("%v: %s", err, &b)
		}
		if err := c.WriteYAML(&b, origin); err != nil {
			t.Error(err)
		}
	}
}

// TestSchemaFiles: the files of schemas are those of the configuration, so a reload tells when they change; a command that wants
// no channels reads none.
func TestSchemaFiles(t *testing.T) {
	c := must(load(t, schemasText))
	if names := slices.Sorted(maps.Keys(c.files)); !slices.Equal(names, []string{"chat.json", "t.yaml"}) {
		t.Errorf("it is made of %q", names)
	}
	writeFile(t, "chat.json", `{"properties": {"chat": {}}}`)
	next := must(Load(Source{Drivers: drivers(), File: "t.yaml"}))
	taken := c.Take(next)
	if changed := c.ChangedFiles(taken); !slices.Equal(changed, []string{"chat.json"}) {
		t.Errorf("changed are %q", changed)
	}
	for c, fits := range map[*Config]bool{c: false, taken: true} {
		if r := c.Rules().Contents("/topic/a").Check([]byte(`{"chat": 5}`)); (r == nil) != fits {
			t.Errorf("fits: %v, got %v", fits, r)
		}
	}
	writeFile(t, "chat.json", `{`)
	if none := must(Load(Source{Drivers: drivers(), File: "t.yaml", Uses: []string{}})); none.Rules().Contents("/topic/a") != nil {
		t.Error("a schema is read that nobody wants")
	}
}

// TestIdleSchemas: of the files beside schemas those that no channel uses, by a $ref neither, are told, once each and some of them alone.
func TestIdleSchemas(t *testing.T) {
	enter(t)
	for _, dir := range []string{"schemas/parts/old.json", "elsewhere"} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	writeFile(t, "schemas/chat.json", `{"properties": {"a": {"$ref": "parts/a.json"}}}`)
	for _, name := range []string{"schemas/b.json", "schemas/old.json", "schemas/old.txt", "schemas/parts/a.json", "schemas/parts/b.json", "elsewhere/c.json", "idle.json"} {
		writeFile(t, name, "{}")
	}
	if err := os.Symlink("old.txt", "schemas/linked.json"); err != nil {
		t.Fatal(err)
	}
	writeFile(t, "t.yaml", `channels:
  - {match: /topic/a, schema: schemas/chat.json}
  - {match: /topic/b, schema: schemas/b.json}
  - {match: /topic/c, schema: chat.json}
`)
	from := Source{Drivers: drivers(), File: "t.yaml"}
	c := must(Load(from))
	want := []string{
		"t.yaml:2: channels[0].schema: no channel uses schemas/linked.json, which lies beside schemas: name it in one, or remove it",
		"t.yaml:2: channels[0].schema: no channel uses schemas/old.json, which lies beside schemas: name it in one, or remove it",
		"t.yaml:2: channels[0].schema: no channel uses schemas/parts/b.json, which lies beside schemas: name it in one, or remove it",
	}
	if got := c.Warnings(); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	for i := range 2 * maxIdle {
		writeFile(t, fmt.Sprintf("schemas/idle%d.json", i), "{}")
	}
	if got := c.Take(must(Load(from))).Warnings(); len(got) != maxIdle {
		t.Errorf("%d of many are told", len(got))
	}
}
