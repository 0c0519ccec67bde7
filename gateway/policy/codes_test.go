package policy

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"testing"
)

// TestCodes holds that no number, word or message stands for two things, and that all can be told.
func TestCodes(t *testing.T) {
	word := regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`)
	numbers, words, messages := map[Code]bool{}, map[string]bool{}, map[string]bool{}
	for _, e := range Codes() {
		if numbers[e.Code] || words[e.Word] || messages[e.Message] {
			t.Errorf("%d %s: number, word or message stands twice", e.Code, e.Word)
		}
		numbers[e.Code], words[e.Word], messages[e.Message] = true, true, true
		if !word.MatchString(e.Word) || e.Message == "" {
			t.Errorf("%d %q %q: want a word in lower case, and a message", e.Code, e.Word, e.Message)
		}
		if r := Refuse(e.Code); r.Explanation != e || r.RetryAfter != 0 {
			t.Errorf("Refuse(%d) is %+v", e.Code, r)
		}
	}
}

func TestRefuseUnknownCode(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a code without an explanation was let pass")
		}
	}()
	Refuse(999)
}

// TestReadmeHasAllCodes: the table of gateway/README.md is what programs rely on. A number or word that has been
// released never changes, nor goes from there.
func TestReadmeHasAllCodes(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for _, e := range Codes() {
		rows = append(rows, fmt.Sprintf("| %d | `%s` | ", e.Code, e.Word))
	}
	if got := regexp.MustCompile("(?m)^\\| \\d+ \\| `\\w+` \\| ").FindAllString(string(readme), -1); !slices.Equal(got, rows) {
		t.Errorf("gateway/README.md has\n%q, want\n%q", got, rows)
	}
}
