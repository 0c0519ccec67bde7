package policy

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestCodes holds what programs rely on. A number or word that has been released never changes.
func TestCodes(t *testing.T) {
	want := []struct {
		code Code
		word string
	}{
		{1, "login"},
		{2, "not_allowed"},
		{3, "no_rule"},
		{4, "pattern"},
		{5, "unavailable"},
		{6, "outcome_unknown"},
		{7, "too_large"},
		{8, "destination"},
		{9, "too_many"},
		{10, "transaction_incomplete"},
		{11, "not_subscribed"},
		{12, "content"},
		{13, "body"},
		{14, "internal"},
		{15, "kicked"},
		{16, "blocked"},
		{17, "too_many_sessions"},
		{18, "subscription_ended"},
	}
	codes := Codes()
	if len(codes) != len(want) {
		t.Fatalf("%d codes, want %d: a new one needs its line here", len(codes), len(want))
	}
	word := regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`)
	numbers, words, messages := map[Code]bool{}, map[string]bool{}, map[string]bool{}
	for i, e := range codes {
		if e.Code != want[i].code || e.Word != want[i].word {
			t.Errorf("entry %d is %d %s, want %d %s", i, e.Code, e.Word, want[i].code, want[i].word)
		}
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

// The table of gateway/README.md is what users read: it has each code with its word.
func TestReadmeHasAllCodes(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range Codes() {
		if row := fmt.Sprintf("| %d | `%s` | ", e.Code, e.Word); !strings.Contains(string(readme), row) {
			t.Errorf("gateway/README.md has no row %q", row)
		}
	}
}
