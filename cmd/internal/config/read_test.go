package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// readTest is a file that is no configuration.
type readTest struct {
	Items []struct {
		Name  string `key:"name" required:"true"`
		Any   Any    `key:"any"`
		Below struct {
			Any Any `key:"any"`
		} `key:"below"`
	} `key:"items"`
}

func readText(t *testing.T, text string) (f readTest, where func(string) string, err error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "t.yaml")
	writeFile(t, path, text)
	where, err = ReadYAML(path, MiB, &f)
	if err != nil {
		err = fmt.Errorf("%s", strings.ReplaceAll(err.Error(), path, "t.yaml"))
	}
	return f, where, err
}

// TestAny: what YAML says is JSON, in its order, with aliases as what they stand for.
func TestAny(t *testing.T) {
	for said, want := range map[string]string{
		`{mu: 42, rl: [A, "b\n"], z: {a: null, b: ~}, at: 2025-02-03}`: `{"mu":42,"rl":["A","b\n"],"z":{"a":null,"b":null},"at":"2025-02-03"}`,
		`text <&>`:        `"text \u003c\u0026\u003e"`,
		`"5"`:             `"5"`,
		`5`:               `5`,
		`-1.5e3`:          `-1.5e3`,
		`true`:            `true`,
		`{1: 2, true: 3}`: `{"1":2,"true":3}`,
		`[&a {x: 1}, *a]`: `[{"x":1},{"x":1}]`,
		`[]`:              `[]`,
		`{}`:              `{}`,
		`0x1F`:            `t.yaml:3: items[0].any: 0x1F is not a JSON number: write it like 31 or 1.5`,
		`{a: True}`:       `{"a":true}`,
		`!x y`:            `t.yaml:3: items[0].any: is of the type !x, which JSON does not have: if it is text, put it in quotes`,
		`~`:               `t.yaml:3: items[0].any: has no value: write one, or leave it out`,
		`{a: 1, a: 2}`:    `t.yaml:3: items[0].any: has "a" twice: keep one`,
		`{[a]: 1}`:        `t.yaml:3: items[0].any: has a key that JSON can't have: want a text`,
		`{<<: {a: 1}}`:    `t.yaml:3: items[0].any: has a key that JSON can't have: want a text`,
		`&a [*a]`:         `t.yaml:3: items[0].any: is too much: want 20000 values at most, nested 100 deep, and 1MiB`,
		strings.Repeat("[", 101) + strings.Repeat("]", 101): `["deep"]`,
		strings.Repeat("[", 102) + strings.Repeat("]", 102): `t.yaml:3: items[0].any: is too much: want 20000 values at most, nested 100 deep, and 1MiB`,
	} {
		if want == `["deep"]` {
			want = said
		}
		f, _, err := readText(t, "items:\n  - name: a\n    any: "+said+"\n")
		switch {
		case err != nil && err.Error() != want:
			t.Errorf("%s: %v, want %s", said, err, want)
		case err == nil && string(f.Items[0].Any) != want:
			t.Errorf("%s: %s, want %s", said, f.Items[0].Any, want)
		}
	}
}

// TestAnyBounded: a small file does not stand for a large value.
func TestAnyBounded(t *testing.T) {
	bomb := "items:\n  - {name: a, any: &a0 [x,x,x,x,x,x,x,x,x,x]}\n"
	for i := 1; i <= 20; i++ {
		bomb += fmt.Sprintf("  - {name: a, any: &a%d [%s]}\n", i, strings.Repeat(fmt.Sprintf("*a%d,", i-1), 10))
	}
	long := strings.Repeat("x", 1000)
	for want, text := range map[string]string{"t.yaml:2: items[5].any: is too much": bomb, "t.yaml:3: items[1].any: is too much": "items:\n  - {name: a, any: &a " + long + "}\n" +
		"  - {name: b, any: [" + strings.Repeat("*a,", 2000) + "]}\n"} {
		f, _, err := readText(t, text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
		for _, item := range f.Items {
			if len(item.Any) > 2*int(maxJSON) {
				t.Errorf("%d bytes are kept", len(item.Any))
			}
		}
	}
}

// TestReadYAML is as strict as configurations are read, and tells where things stand.
func TestReadYAML(t *testing.T) {
	f, where, err := readText(t, "items:\n  - name: a\n  - name: b\n    below:\n      any: [1]\n")
	if err != nil || len(f.Items) != 2 || string(f.Items[1].Below.Any) != "[1]" || f.Items[0].Any != nil {
		t.Fatalf("%+v, %v", f, err)
	}
	for path, line := range map[string]string{"items[1]": ":3", "items[1].below.any": ":5", "items[1].below.other": ":4", "items[0].any": ":2"} {
		if got := where(path); !strings.HasSuffix(got, line) {
			t.Errorf("%s stands at %s, want %s", path, got, line)
		}
	}
	for text, want := range map[string]string{
		"":                               "t.yaml:1: it is empty",
		"# nothing\n":                    "t.yaml:1: it is empty",
		"{}":                             "t.yaml:1: it is empty",
		"- name: a\n":                    "t.yaml:1: is a list: want keys below it, each with a value",
		"itms: []":                       "t.yaml:1: itms: there is no such key; did you mean items?",
		"items: {a: b}":                  "t.yaml:1: items: is a section: want a list, each item beginning with `- name:`",
		"items:\n  - {any: 1}":           "t.yaml:2: items[0]: has no name: every item of this list needs name",
		"items:\n  - {name: a, nam: b}":  "t.yaml:2: items[0].nam: there is no such key; did you mean items[0].name?",
		"items:\n  - {name: a, name: b}": "t.yaml:2: items[0].name: is set twice, first on line 2: keep one",
		"items: [":                       "t.yaml:1: is not YAML: did not find expected node content: write a value, or leave the key out",
		"items: []\n---\nitems: []":      "t.yaml:2: begins a second YAML document: keep one, without --- lines between",
	} {
		if _, _, err := readText(t, text); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	large := filepath.Join(t.TempDir(), "large.yaml")
	if err := os.WriteFile(large, make([]byte, MiB+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadYAML(large, MiB, &f); err == nil || err.Error() != large+": is larger than 1MiB, so it can't be the right file" {
		t.Errorf("%v", err)
	}
}
