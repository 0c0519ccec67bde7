package policy

import (
	"bytes"
	"encoding/json"
	"math/big"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzRewrite holds that the expression "[body]" makes JSON that means the same as what came, or
// refuses what is no JSON, and that what it makes stays as it is when it comes again.
func FuzzRewrite(f *testing.F) {
	for _, seed := range []string{
		``, `null`, `{"chat":"hi"}`, `[1,2.5,-0,1e400,18446744073709551616,9007199254740993]`, `"\ud83d\ude00\ud800\u0000\/"`,
		`{"a":1,"a":[],"":{"b":"c"}}`, "\xff", "\ufeff1", `[[[[[[[[]]]]]]]]`, ` {"x" : [ true,false ] } `, `1 2`, `[1,]`, nest(1001),
	} {
		f.Add([]byte(seed))
	}
	w := rewriteOf(f, `[body]`, "")
	f.Fuzz(func(t *testing.T, body []byte) {
		e, r := apply(w, string(body))
		if r != nil {
			if readable(body) {
				t.Fatalf("refused %q: %v", body, r.Reason)
			}
			return
		}
		if !utf8.Valid(body) || !json.Valid(body) {
			t.Fatalf("%q became %q", body, e.Body)
		}
		if sent, made := meaning(t, body), meaning(t, e.Body); !reflect.DeepEqual([]any{sent}, made) {
			t.Fatalf("%q became %q", body, e.Body)
		}
		inner := e.Body[1 : len(e.Body)-1]
		if again, r := apply(w, string(inner)); r != nil || !bytes.Equal(again.Body, e.Body) {
			t.Fatalf("%q became %q (%v)", inner, again.Body, r)
		}
	})
}

// readable reports whether body is JSON without what CEL has no value for.
func readable(body []byte) bool {
	tooLarge := func(number json.Number) bool {
		_, err := strconv.ParseFloat(string(number), 64)
		_, isInt := new(big.Int).SetString(string(number), 10)
		return err != nil || isInt && !canHold(number)
	}
	return utf8.Valid(body) && json.Valid(body) && !bytes.Contains(body, []byte(strings.Repeat("[", 100))) && !anyNumber(body, tooLarge)
}

func canHold(number json.Number) bool {
	_, signed := strconv.ParseInt(string(number), 10, 64)
	_, unsigned := strconv.ParseUint(string(number), 10, 64)
	return signed == nil || unsigned == nil
}

// anyNumber reports whether one of the numbers in body, those of repeated keys too, is so.
func anyNumber(body []byte, is func(json.Number) bool) bool {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	for {
		token, err := dec.Token()
		if err != nil {
			return false
		}
		if number, ok := token.(json.Number); ok && is(number) {
			return true
		}
	}
}

// meaning is what JSON says, with the numbers that digits alone make, and others as doubles.
func meaning(t *testing.T, text []byte) any {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		t.Fatalf("%q is not JSON: %v", text, err)
	}
	return meant(v)
}

func meant(v any) any {
	switch v := v.(type) {
	case json.Number:
		if !strings.ContainsAny(string(v), ".eE") {
			i, _ := new(big.Rat).SetString(string(v))
			return i.String()
		}
		f, _ := strconv.ParseFloat(string(v), 64)
		return new(big.Rat).SetFloat64(f).String()
	case []any:
		for i := range v {
			v[i] = meant(v[i])
		}
	case map[string]any:
		for key := range v {
			v[key] = meant(v[key])
		}
	}
	return v
}
