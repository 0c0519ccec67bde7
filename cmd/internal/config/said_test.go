package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// TestSaid: testdata/said has files of settings, and behind each what is said of it: its mistakes, each with
// where it is, its key, what is wrong and what would be right; or else what people are warned of. Lines before a
// file that begin with $ are variables beside it. UPDATE_GOLDEN=1 writes what is said.
func TestSaid(t *testing.T) {
	for _, path := range must(filepath.Glob("testdata/said/*.txtar")) {
		archive := must(txtar.ParseFile(path))
		for i := 0; i < len(archive.Files); i += 2 {
			file, want := archive.Files[i], &archive.Files[i+1]
			t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar")+"/"+file.Name, func(t *testing.T) {
				got := said(t, string(file.Data))
				if os.Getenv("UPDATE_GOLDEN") != "" {
					want.Data = []byte(got)
				}
				if got != string(want.Data) {
					t.Errorf("\n got %s\nwant %s", got, want.Data)
				}
				if strings.Contains(got, password) {
					t.Error("a password is shown")
				}
			})
		}
		if os.Getenv("UPDATE_GOLDEN") != "" {
			writeFile(t, path, string(txtar.Format(archive)))
		}
	}
}

// said is what is said of a file of settings, a line end behind it.
func said(t *testing.T, text string) string {
	t.Helper()
	for strings.HasPrefix(text, "$ ") {
		line, rest, _ := strings.Cut(text[len("$ "):], "\n")
		name, value, _ := strings.Cut(line, "=")
		t.Setenv(name, value)
		text = rest
	}
	c, err := load(t, text)
	if err != nil {
		return err.Error() + "\n"
	}
	var lines strings.Builder
	for _, warning := range c.Warnings() {
		lines.WriteString(warning + "\n")
	}
	return lines.String()
}
