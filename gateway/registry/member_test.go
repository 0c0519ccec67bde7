package registry

import (
	"errors"
	"strings"
	"testing"
)

func TestParseMember(t *testing.T) {
	for text, want := range map[string]string{
		`42`:                   `42`,
		`-1`:                   `-1`,
		`"42"`:                 `"42"`,
		`bob`:                  `"bob"`,
		`"bob"`:                `"bob"`,
		`a<b`:                  `"a\u003cb"`, // as the gateway writes it
		`"a<b"`:                `"a\u003cb"`,
		`"\u0062ob"`:           `"bob"`,
		`042`:                  `"042"`,
		`1e3`:                  `"1e3"`,
		`null`:                 `"null"`,
		`99999999999999999999`: `"99999999999999999999"`, // more than 64 bits: no integer that a token can hold
	} {
		if got, err := ParseMember(text); err != nil || got != want {
			t.Errorf("%s means %s, %v; want %s", text, got, err, want)
		}
	}
	for _, text := range []string{``, `"`, `"bob`, `"bob" "`, `""`, "\xff", "\"\xff\""} {
		if got, err := ParseMember(text); !errors.Is(err, ErrMember) {
			t.Errorf("%s means %q, %v; want ErrMember", text, got, err)
		}
	}
}

func TestCanonicalMember(t *testing.T) {
	for raw, want := range map[string]string{
		`42`: `42`, `"bob"`: `"bob"`, `"\u0062ob"`: `"bob"`, `"a<b"`: `"a\u003cb"`,
		`0`: `0`, `-5`: `-5`, `9223372036854775807`: `9223372036854775807`, `"42"`: `"42"`,
		`null`: "", ``: "", `""`: "", `1.5`: "", `{}`: "", `[1]`: "", `true`: "", `042`: "", `-0`: "", `-05`: "", `+5`: "", `bob`: "", `1 2`: "",
		"\"\xff\"": "", `"` + strings.Repeat("x", 2000) + `"`: "", strings.Repeat("1", 30): "",
	} {
		got, err := CanonicalMember(raw)
		if got != want || errors.Is(err, ErrMember) != (want == "") {
			t.Errorf("%s is member %s, %v; want %s", raw, got, err, want)
		}
	}
}
