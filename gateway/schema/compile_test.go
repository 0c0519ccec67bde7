package schema

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
)

// text is what files hold.
var text = map[string]string{
	"a/chat.json": `{"$id": "https://example.com/schemas/a/chat.json", "properties": {"user": {"$ref": "../common/user.json"},
		"text": {"$ref": "#text"}, "reply": {"$ref": "#"}}, "$defs": {"text": {"$anchor": "text", "type": "string"}}}`,
	"common/user.json": `{"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "properties": {"id": {"$ref": "#/$defs/id"}}, "$defs": {"id": {"minimum": 1}}}`,
	"bad.json":         "{\n  \"type\": \"strong\"\n}",
	"cut.json":         "{\n  \"type\":\n",
	"large.json":       strings.Repeat(" ", maxFile+1),
	"deep.json":        `{"properties": {"a": {"$ref": "bad.json"}}}`,
}

func files() fs.FS {
	m := fstest.MapFS{}
	for name, data := range text {
		m[name] = &fstest.MapFile{Data: []byte(data)}
	}
	return m
}

func inJSON(t *testing.T, v any) string {
	t.Helper()
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// TestWrongSchemas: each mistake is told with its file and line.
func TestWrongSchemas(t *testing.T) {
	doubling := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `"a%d": {"allOf": [{"$ref": "#/$defs/a%d"}, {"$ref": "#/$defs/a%d"}]},`+"\n", i, i+1, i+1)
		}
		return `{"$ref": "#/$defs/a0", "$defs": {` + "\n" + b.String() + fmt.Sprintf(`"a%d": {"type": "string"}}}`, n)
	}
	for _, test := range []struct{ name, schema, want string }{
		{"no JSON", "{\n\"type\": \"object\",\n}", "t.json:3: is not JSON"},
		{"no UTF-8", "{\n\"title\": \"\xff\"}", "t.json:2: is no UTF-8 text"},
		{"twice", "{\n\"type\": \"object\",\n\"type\": \"string\"}", `t.json:3: "type" stands twice: leave one`},
		{"unknown type", "{\"properties\": {\n\"a\": {\"type\": \"strong\"}}}", "t.json:2: type: value must be one of 'array', 'boolean', 'integer', 'null', 'number', 'object', 'string'"},
		{"no number", "{\"properties\": {\n\"a\": {\n\"maxLength\": \"5\"}}}", "t.json:3: maxLength: got string, want integer"},
		{"no schema", `1`, "t.json:1: got number, want boolean or object"},
		{"pattern", "{\"properties\": {\n\"a\": {\n\"pattern\": \"(?=x)\"}}}", "t.json:3: pattern: '(?=x)' is not valid regex: invalid or unsupported Perl syntax: `(?=`"},
		{"costly pattern", `{"pattern": "^([a-z]{1,100}-){1,100}$"}`, "t.json:1: pattern: '^([a-z]{1,100}-){1,100}$' is not valid regex: invalid repeat count: `{1,100}`"},
		{"long pattern", `{"pattern": "^[a-z]{1,900}$"}`, "t.json:1: pattern: '^[a-z]{1,900}$' is not valid regex: takes 1803 steps for each character: it may take 500"},
		{"a bomb of a number", `{"multipleOf": 1e-999999999}`, "t.json:1: a number is too large, or too long"},
		{"deep", strings.Repeat(`{"not":`, 101) + `true` + strings.Repeat("}", 101), "t.json:1: is nested more than 100 deep"},
		{"objects", `{"anyOf": [` + strings.Repeat(`{},`, 3000) + `{}]}`, "t.json: is too much: a schema may have 3000 objects and 20000 values in all its files"},
		{"too large", string(make([]byte, maxFile+1)), "t.json: is larger than 256 KiB"},
		{"references branch", doubling(20), `t.json:10: has a value checked by more than 10000 subschemas: its references branch too often`},
		{"endless", "{\"properties\": {\n\"a\": {\"anyOf\": [{\"$ref\": \"#/properties/a\"}, {\"type\": \"string\"}]}}}", "t.json:2: refers to itself for the same value, so that checking it would have no end"},
		{"dynamic", "{\"items\":\n{\"$dynamicRef\": \"#a\"}}", "t.json:2: $dynamicRef is not known here: what it means depends on who refers to it; write a $ref"},
		{"another draft", "{\n\"$schema\": \"https://example.com/mine\"}", `t.json:2: $schema "https://example.com/mine" is none that is known here: want https://json-schema.org/draft/2020-12/schema, or leave it out`},

		{"nothing", "{\"items\":\n{\"$ref\": \"#/$defs/a\"}}", `t.json:2: $ref "#/$defs/a" leads to nothing`},
		{"no anchor", "{\"items\":\n{\"$ref\": \"#a\"}}", `t.json:2: $ref "#a" leads to nothing`},
		{"not there", "{\"items\":\n{\"$ref\": \"nowhere.json#/a\"}}", `t.json:2: $ref "nowhere.json#/a" names the file nowhere.json, which can't be read: file does not exist`},
		{"nothing in a file", "{\"items\":\n{\"$ref\": \"common/user.json#/$defs/none\"}}", `t.json:2: $ref "common/user.json#/$defs/none" leads to nothing`},
		{"a folder", "{\"items\":\n{\"$ref\": \"common\"}}", `t.json:2: $ref "common" names the file common, which can't be read: it is no regular file`},
		{"out", "{\"items\":\n{\"$ref\": \"../secret.json\"}}", `t.json:2: $ref "../secret.json" ` + errOutside},
		{"out, escaped", "{\"items\":\n{\"$ref\": \"%2e%2e/secret.json\"}}", `t.json:2: $ref "%2e%2e/secret.json" ` + errOutside},
		{"absolute", "{\"items\":\n{\"$ref\": \"/etc/passwd\"}}", `t.json:2: $ref "/etc/passwd" ` + errOutside},
		{"file:", "{\"items\":\n{\"$ref\": \"file:///etc/passwd\"}}", `t.json:2: $ref "file:///etc/passwd" ` + errOutside},
		{"http:", "{\"items\":\n{\"$ref\": \"http://127.0.0.1:1/a.json#/a\"}}", `t.json:2: $ref "http://127.0.0.1:1/a.json#/a" ` + errOutside},
		{"the schema of schemas", `{"$ref": "https://json-schema.org/draft/2020-12/schema"}`, "t.json: a $ref leads to the schema of schemas, which is not known here"},

		{"in a file", `{"$ref": "bad.json"}`, "bad.json:2: type: value must be one of"},
		{"in a file of a file", `{"$ref": "deep.json"}`, "bad.json:2: type: value must be one of"},
		{"a file that ends early", `{"$ref": "cut.json"}`, "cut.json:3: is not JSON"},
		{"a large file", `{"$ref": "large.json"}`, "large.json: is larger than 256 KiB"},
	} {
		_, err := Compile(Source{Text: []byte(test.schema), Name: "t.json", Files: files()})
		if _, ok := errors.AsType[*Error](err); !ok || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %s", test.name, err, test.want)
		}
	}
}

// TestSymlink: a link that leads out of the folder is not followed, one within it is.
func TestSymlink(t *testing.T) {
	outside, folder := t.TempDir(), t.TempDir()
	for _, name := range []string{filepath.Join(outside, "secret.json"), filepath.Join(folder, "common.json")} {
		if err := os.WriteFile(name, []byte(`{"type": "string"}`), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Symlink(outside, filepath.Join(folder, "out")), os.Symlink("common.json", filepath.Join(folder, "in.json"))); err != nil {
		t.Skip(err) // of a system without
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for ref, fails := range map[string]bool{"out/secret.json": true, "in.json": false} {
		_, err := Compile(Source{Text: []byte(`{"$ref": "` + ref + `"}`), Name: "t.json", Files: root.FS()})
		if (err != nil) != fails || err != nil && !strings.Contains(err.Error(), `t.json:1: $ref "out/secret.json" names the file out/secret.json, which can't be read: path escapes from parent`) {
			t.Errorf("%s: %v", ref, err)
		}
	}
}
