package config

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestReadme: its table of keys is the whole table.
func TestReadme(t *testing.T) {
	text, err := os.ReadFile("../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "| key | default | is |\n")
	table, _, _ = strings.Cut(table, "\n\n")
	want := []string{"channels", "routes", issuersPath, sourcesPath}
	for _, k := range Default().keys() {
		if !k.isSecret() {
			want = append(want, k.path)
		}
	}
	slices.Sort(want)
	got := keysOf(table)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("README.md has\n%v\nwant\n%v", got, want)
	}
}

// keysOf reads the first column of a table, where `.b` behind `x.a` is x.b.
func keysOf(table string) (keys []string) {
	quoted := regexp.MustCompile("`([^`]+)`")
	for row := range strings.Lines(table) {
		section := ""
		for _, m := range quoted.FindAllStringSubmatch(strings.Split(row, " | ")[0], -1) {
			name := m[1]
			if strings.HasPrefix(name, ".") {
				name = section + name
			}
			section = name[:max(strings.LastIndex(name, "."), 0)]
			keys = append(keys, name)
		}
	}
	return keys
}
