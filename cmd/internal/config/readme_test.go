package config

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

const (
	readme     = "../../../configs/README.md"
	tableBegin = "<!-- settings: generated, see cmd/internal/config -->\n"
	tableEnd   = "<!-- /settings -->\n"
)

// TestReadme: its table of settings is the one made of the keys. UPDATE_GOLDEN=1 writes it instead.
func TestReadme(t *testing.T) {
	text := must(os.ReadFile(readme))
	before, rest, begins := strings.Cut(string(text), tableBegin)
	table, after, ends := strings.Cut(rest, tableEnd)
	if !begins || !ends {
		t.Fatalf("configs/README.md has no table between %s and %s", tableBegin, tableEnd)
	}
	want := settingsTable(allKeys())
	if os.Getenv("UPDATE_GOLDEN") != "" {
		writeFile(t, readme, before+tableBegin+want+tableEnd+after)
		return
	}
	if table != want {
		t.Errorf("configs/README.md has\n%s\nwant\n%s\nUPDATE_GOLDEN=1 go test ./cmd/internal/config -run Readme writes it",
			beyond(table, want), beyond(want, table))
	}
}

// beyond returns the lines of text that other has not.
func beyond(text, other string) string {
	var more []string
	lines := strings.Split(other, "\n")
	for line := range strings.SplitSeq(text, "\n") {
		if !slices.Contains(lines, line) {
			more = append(more, line)
		}
	}
	return strings.Join(more, "\n")
}

// settingsTable is the table of keys in Markdown, a row for each.
func settingsTable(keys []key) string {
	var table strings.Builder
	row := func(name, def, is string) { fmt.Fprintf(&table, "| `%s` | %s | %s |\n", name, def, is) }
	table.WriteString("| key | default | is |\n|---|---|---|\n")
	for _, k := range keys {
		switch {
		case k.isSecret():
			row(variable(k.path), "(none)", k.is())
		case k.isItems():
			row(k.path, "`[]`", k.is()+"; in the file alone")
		case k.isRequired() && strings.Contains(k.path, "[]"):
			row(k.path, "(needed)", k.is())
		default:
			row(k.path, code(k), k.is())
		}
	}
	return table.String()
}

// code is the value of a key as people would write it in a file.
func code(k key) string {
	switch v := k.shown().(type) {
	case []string:
		return "`[" + strings.Join(v, ", ") + "]`"
	case string:
		if v == "" {
			return "`\"\"`"
		}
		return "`" + v + "`"
	default:
		return fmt.Sprintf("`%v`", v)
	}
}

// TestDescriptions: each key and field says what it is, in a line that fits into a table and a comment,
// and names all words that it takes.
func TestDescriptions(t *testing.T) {
	const width = 110 // in characters
	for _, k := range allKeys() {
		switch n := utf8.RuneCountInString(k.is()); {
		case k.is() == "":
			t.Errorf("%s says nothing", k.path)
		case n > width:
			t.Errorf("%s has %d characters, want %d at most: %s", k.path, n, width, k.is())
		case strings.ContainsAny(k.is(), "|\n") || strings.Count(k.is(), "`")%2 != 0:
			t.Errorf("%s breaks the table: %s", k.path, k.is())
		case strings.HasSuffix(k.is(), "."):
			t.Errorf("%s ends in a full stop: %s", k.path, k.is())
		}
		for _, word := range k.words {
			if !strings.Contains(k.is(), "`"+word+"`") && word != "" {
				t.Errorf("%s does not say that it may be %s: %s", k.path, word, k.is())
			}
		}
	}
}

// allKeys are all settings, those of items too.
func allKeys() (all []key) {
	for _, k := range Default(drivers()...).keys() {
		all = append(all, k)
		if k.isItems() {
			for _, f := range k.newItem() {
				f.path = k.path + "[]." + f.path
				all = append(all, f)
			}
		}
	}
	return all
}
