package schema

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// TestParse: a text is read where encoding/json reads it, as what that reads, and told else with its place.
func TestParse(t *testing.T) {
	for _, text := range []string{
		`null`, ` true `, "\n[false]\r\n\t", `{}`, `[]`, `[[], {}]`, `{"a": {"b": [1, "x"]}, "": null}`, `"\u00e4\n\"\\\/\b\f\r\t"`, `"\ud83d\ude00"`, `"\ud83dx"`, `"\ude00\ud83d"`,
		`0`, `-0`, `10`, `-1.5`, `1e2`, `1E+2`, `1e-2`, `100000000000000000000000001`, `0.000001`, `120e18`, `1.25e20`,
		``, ` `, `nul`, `nulll`, `[1,]`, `[,1]`, `{"a"}`, `{"a":}`, `{a: 1}`, `{"a": 1,}`, `[1 2]`, `{"a": 1 "b": 2}`, `"`, `"\`, `"\x"`, `"\u12"`, `"\u+123"`, "\"\n\"", "\"\x1f\"",
		`01`, `-`, `1.`, `.5`, `+1`, `1e`, `1e+`, `0x1`, `1_0`, `NaN`, `1 1`, `[1]]`, "\x00", "1\x00", `{"a": [tru]}`,
	} {
		var want any
		dec := json.NewDecoder(strings.NewReader(text))
		dec.UseNumber()
		valid := json.Valid([]byte(text)) && dec.Decode(&want) == nil
		v, f := parse([]byte(text), maxNesting, maxValues)
		switch {
		case valid != (f == nil):
			t.Errorf("%q: %+v, want valid: %v", text, f, valid)
		case valid && !reflect.DeepEqual(rounded(v.plain()), rounded(want)):
			t.Errorf("%q: %v, want %v", text, v.plain(), want)
		case !valid && f.told().Rule != RuleJSON:
			t.Errorf("%q: %+v", text, f.told())
		}
	}
	if _, f := parse([]byte(`{"a": [1, {"b/c": tru}]}`), maxNesting, maxValues); f == nil || f.told().Pointer != "/a/1/b~1c" {
		t.Errorf("it is at %+v", f)
	}
}

// rounded has numbers as doubles, however they were written.
func rounded(v any) any {
	switch v := v.(type) {
	case json.Number:
		f, err := v.Float64()
		if err != nil {
			return err
		}
		return f + 0 // no -0
	case []any:
		for i := range v {
			v[i] = rounded(v[i])
		}
	case map[string]any:
		for name := range v {
			v[name] = rounded(v[name])
		}
	}
	return v
}

// TestNumbers: numbers are equal, in order, whole and multiples by what they are, not by how they are written.
func TestNumbers(t *testing.T) {
	number := func(text string) *value {
		v := &value{}
		if !v.setNumber(text) {
			t.Fatal(text)
		}
		return v
	}
	inOrder := []string{"-1e400", "-12.5", "-12", "-0.5", "-5e-400", "0", "5e-400", "0.1", "0.12", "0.5", "1", "1.0000000000000000000001", "9", "10", "11", "99", "100", "1e3", "1e400"}
	for i, a := range inOrder {
		for j, b := range inOrder {
			if got := compare(number(a), number(b)); (got < 0) != (i < j) || (got == 0) != (i == j) {
				t.Errorf("%s and %s: %d", a, b, got)
			}
		}
	}
	for _, same := range [][]string{{"0", "-0", "0.0", "0e5"}, {"100", "1e2", "100.0", "0.1e3", "1000e-1"}, {"-1.5", "-15e-1", "-1.50"}} {
		for _, text := range same {
			if compare(number(text), number(same[0])) != 0 {
				t.Errorf("%s is not %s", text, same[0])
			}
		}
	}
	for text, whole := range map[string]bool{"1.0": true, "1.5": false, "15e-1": false, "10e-1": true, "0.0": true, "1e400": true, "1e-400": false} {
		if number(text).isInteger() != whole {
			t.Errorf("%s is whole: %v", text, !whole)
		}
	}
	for _, test := range []struct {
		v, unit string
		want    bool
	}{
		{"0.3", "0.1", true}, {"0.35", "0.1", false}, {"-9", "3", true}, {"-10", "3", false}, {"1e300", "7", false}, {"7e300", "7", true}, {"0", "0.3", true}, {"4.5", "1.5", true},
		{"12345678901234567890", "10", true}, {"123456789012345678901", "10", false}, {"1e400", "1e-400", true}, {"1e-400", "1e400", false}, {"3", "0.0000000000000000003", true},
	} {
		if got := number(test.v).isMultiple(number(test.unit)); got != test.want {
			t.Errorf("%s of %s: %v", test.v, test.unit, got)
		}
	}
}
