package ws

import (
	"bytes"
	"testing"
	"unicode/utf8"
)

// texts are the cases that RFC 3629 section 3 tells apart.
func texts() map[string]struct {
	text  string
	valid bool
} {
	return map[string]struct {
		text  string
		valid bool
	}{
		"empty":                     {"", true},
		"ASCII":                     {"SEND", true},
		"two bytes":                 {"gr\u00fc\u00dfe", true},
		"three bytes":               {"\u20ac\u4e16", true},
		"four bytes":                {"\U0001f600\U0010ffff", true},
		"last before surrogates":    {"\ud7ff\ue000", true},
		"noncharacters":             {"\ufffe\uffff", true},
		"NUL":                       {"a\x00b", true},
		"lone continuation":         {"a\x80b", false},
		"no continuation":           {"\xc3(", false},
		"overlong of two bytes":     {"\xc0\xaf", false},
		"overlong of three bytes":   {"\xe0\x9f\xbf", false},
		"overlong of four bytes":    {"\xf0\x8f\xbf\xbf", false},
		"high surrogate":            {"\xed\xa0\x80", false},
		"low surrogate":             {"\xed\xbf\xbf", false},
		"over U+10FFFF":             {"\xf4\x90\x80\x80", false},
		"five bytes":                {"\xf8\x88\x80\x80\x80", false},
		"six bytes":                 {"\xfc\x84\x80\x80\x80\x80", false},
		"FE":                        {"\xfe", false},
		"FF":                        {"\xff", false},
		"ends in a two-byte char":   {"a\xc3", false},
		"ends in a three-byte char": {"a\xe2\x82", false},
		"ends in a four-byte char":  {"a\xf0\x9f\x98", false},
		"char cut by another":       {"\xe2\x82\xe2\x82\xac", false},
	}
}

// validate feeds pieces as one message.
func validate(pieces ...[]byte) bool {
	var v validator
	for _, p := range pieces {
		if v.feed(p) < len(p) {
			return false
		}
	}
	return v.whole()
}

// TestValidator cuts every text at every two places.
func TestValidator(t *testing.T) {
	for name, c := range texts() {
		t.Run(name, func(t *testing.T) {
			if utf8.ValidString(c.text) != c.valid {
				t.Fatal("the table is wrong")
			}
			b := []byte(c.text)
			for i := range len(b) + 1 {
				for j := i; j <= len(b); j++ {
					if got := validate(b[:i], b[i:j], b[j:]); got != c.valid {
						t.Errorf("cut at %d and %d: %v, want %v", i, j, got, c.valid)
					}
				}
			}
		})
	}
}

// TestValidatorFailsFast holds that feed stops at the first byte that no text could continue with.
func TestValidatorFailsFast(t *testing.T) {
	for name, c := range texts() {
		t.Run(name, func(t *testing.T) {
			b := []byte(c.text)
			want := 0
			for want < len(b) && hopeful(b[:want+1]) {
				want++
			}
			for cut := range len(b) + 1 {
				var v validator
				got := v.feed(b[:cut])
				if got == cut {
					got += v.feed(b[cut:])
				}
				if got != want {
					t.Errorf("cut at %d: stopped after %d bytes, want %d", cut, got, want)
				}
			}
		})
	}
}

// hopeful reports whether some bytes after b would make valid UTF-8 of it. Of the continuation
// bytes it tries those at the ends of the ranges that RFC 3629 section 4 names.
func hopeful(b []byte) bool {
	ends := []byte{0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf}
	for _, rest := range [][]byte{{}, {0x80}, {0x80, 0x80}} {
		if utf8.Valid(append(bytes.Clone(b), rest...)) {
			return true
		}
		for _, first := range ends {
			if utf8.Valid(append(append(bytes.Clone(b), first), rest...)) {
				return true
			}
		}
	}
	return false
}

// FuzzValidator holds that what is valid does not depend on where the text is cut.
func FuzzValidator(f *testing.F) {
	for _, c := range texts() {
		f.Add([]byte(c.text), uint16(1), uint16(2))
	}
	f.Fuzz(func(t *testing.T, text []byte, first, second uint16) {
		i := int(first) % (len(text) + 1)
		j := i + int(second)%(len(text)-i+1)
		if got, want := validate(text[:i], text[i:j], text[j:]), utf8.Valid(text); got != want {
			t.Errorf("cut at %d and %d: %v, want %v", i, j, got, want)
		}
	})
}
