package config

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestSyntax: what is no text, and how lines end, beside what TestSaid has.
func TestSyntax(t *testing.T) {
	const noText = ": is no UTF-8 text: an editor can save it as UTF-8"
	const loud = `log.level: "loud" is none of debug, info, warn, error`
	for _, tt := range []struct{ name, text, want string }{
		{"byte order mark", "\ufefflog: {level: loud}\n", "t.yaml:1: " + loud},
		{"UTF-16", "\xff\xfel\x00o\x00g\x00:\x00\n\x00", "t.yaml" + noText},
		{"UTF-16 without its mark", "l\x00o\x00g\x00:\x00\n\x00", "t.yaml" + noText},
		{"Latin-1", "# fine\nlog: {level: l\xe4ut}\n", "t.yaml:2" + noText},
		{"control character", "# fine\nlog: {level: \"\x07\"}\n", "t.yaml:2: holds the character U+0007, which nobody sees and YAML refuses: delete it"},
		{"second mark", "log: {level: warn}\n\ufefflisten: x\n", "t.yaml:2: holds the character U+FEFF, which nobody sees and YAML refuses: delete it"},
		{"Windows", "log:\r\n  level: loud\r\n", "t.yaml:2: " + loud},
		{"carriage returns alone", "log: {level: warn}\rchannels:\r  - match: /topic/x\r    subscribe: |\r      true &&\r      yes\r",
			"t.yaml:6: channels[0].subscribe: undeclared reference to 'yes'\n    yes\n    ^"},
		{"line ends of Unicode", "# a \u2028# b \u2029# c \u0085channels:\n  - match: /topic/x\n    subscribe: yes\n",
			"t.yaml:6: channels[0].subscribe: undeclared reference to 'yes'\n    yes\n    ^"},
		{"Windows, below >", "channels:\r\n  - match: /topic/x\r\n    subscribe: >\r\n      true &&\r\n      yes\r\n",
			"t.yaml:5: channels[0].subscribe: undeclared reference to 'yes'\n    yes\n    ^"},
		{"a long expression", "channels: [{match: /topic/x, subscribe: '" + strings.Repeat("x", 5000) + "'}]\n",
			"t.yaml:1: channels[0].subscribe: is 5000 characters long: an expression may have 4096"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := said(t, tt.text); got != tt.want+"\n" {
				t.Errorf("\n got %s\nwant %s", got, tt.want)
			}
		})
	}
}

// TestAliases: a value may be written once and stand for others.
func TestAliases(t *testing.T) {
	c, err := load(t, "channels:\n  - {match: &m /topic/a, subscribe: \"true\"}\nroutes:\n  - {match: /app/a, allow: \"true\", publish: *m}\n")
	if err != nil || c.Routes[0].Publish != "/topic/a" {
		t.Errorf("%v, %v", c, err)
	}
}

func TestLargeFile(t *testing.T) {
	_, err := Load(Source{Drivers: drivers(), File: "/dev/zero"})
	if want := "/dev/zero: is larger than 16MiB, so it can't be the right file; --config takes a YAML file"; err == nil || err.Error() != want {
		t.Errorf("\n got %v\nwant %s", err, want)
	}
}

func TestLineEnd(t *testing.T) {
	for text, want := range map[string][]string{
		"": {""}, "a": {"a"}, "a\n": {"a", ""}, "a\r\nb\rc\n\nd": {"a", "b", "c", "", "d"}, "\r\r\n\n": {"", "", "", ""}, "a\u0085b\u2028\u2029c": {"a", "b", "", "c"}, "\xff\n\xc2": {"\xff", "\xc2"},
	} {
		if got := lineEnd.Split(text, -1); !slices.Equal(got, want) {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}

// FuzzParseFile holds that any bytes are a file or have mistakes, each on a line that there is.
func FuzzParseFile(f *testing.F) {
	for _, seed := range []string{
		"log: {level: warn}\r", "a\r\rchannels:\r - {match: x}\r", "channels: &c [{match: \"a\n b\", send: |\n   x\n}]\nroutes: *c\n", "\ufeffx: *x", "x: {<<: 1}\n---\n",
		"# \u2028\u0085\nchannels:\n - match: >\n     a\n", "log:\n\tx: !a b\n", "? [a]\n: b\n", "auth: {issuers: [{issuer: a, audience: [b]}]}\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		c := Default(drivers()...)
		parsed := parseFile("t.yaml", "", text, c.keys())
		for _, err := range parsed.errs {
			fault, ok := errors.AsType[*Error](err)
			if !ok {
				t.Fatalf("%v is of another kind", err)
			}
			line, ok := strings.CutPrefix(fault.Where, "t.yaml:")
			if n, err := strconv.Atoi(line); ok && (err != nil || n < 1 || n > len(parsed.lines)) {
				t.Errorf("%v: there are %d lines", fault, len(parsed.lines))
			}
		}
	})
}
