package config

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestSyntax: what is no YAML, or other YAML than was meant, is told with its line and what to write.
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

		{"tab", "log:\n\tlevel: info\n", "t.yaml:2: is not YAML: a tab stands before the text: YAML takes spaces alone"},
		{"tab after spaces", "log:\n  level: warn\n\tformat: text\n", "t.yaml:3: is not YAML: a tab stands before the text: YAML takes spaces alone"},
		{"at sign", "listen: @x\n", "t.yaml:1: is not YAML: found character that cannot start any token: put a value in quotes that begins with @, ` or %"},
		{"star", "origins: [*]\n", "t.yaml:1: is not YAML: did not find expected alphabetic or numeric character: put a value in quotes that begins with * or &"},
		{"star before a name", "log: {level: warn}\nlisten: *all\n", "t.yaml:2: is not YAML: *all stands for nothing: put a value in quotes that begins with *"},
		{"colon in a value", "log:\n  level: a: b\n", "t.yaml:2: is not YAML: mapping values are not allowed in this context: put a value in quotes that has a colon and a space in it, and see that the line before has a colon"},
		{"no colon", "listen: :1\nlog\n", "t.yaml:2: is not YAML: could not find expected ':': write key: value, here or on the line before"},
		{"indentation", "log:\n  level: warn\n format: text\n", "t.yaml:3: is not YAML: did not find expected key: in the section that begins there, a line is indented otherwise than those beside it, or is no key: value"},
		{"list that is open", "origins: [a, b\nlog: {level: warn}\n", "t.yaml:2: is not YAML: did not find expected ',' or ']': put a comma between the items, or close the list"},
		{"brace that is open", "log: {level: warn\nlisten: x\n", "t.yaml:2: is not YAML: did not find expected ',' or '}': put a comma between the entries, or close the brace"},
		{"quote that is open", "listen: \"abc\n", "t.yaml:2: is not YAML: found unexpected end of stream: a quote is opened and not closed, perhaps lines before"},
		{"backslash", "origins: [\"a\\q\"]\n", "t.yaml:1: is not YAML: found unknown escape character: put a text with a backslash in single quotes"},
		{"exclamation mark", "channels:\n  - match: /topic/x\n    subscribe: !has(claims.banned)\n", "t.yaml:3: channels[0].subscribe: begins with !, which YAML takes for the name of a type: put the value in quotes"},
		{"exclamation mark before a value", "log: {level: !x loud}\n", "t.yaml:1: log.level: begins with !, which YAML takes for the name of a type: put the value in quotes"},
		{"braces", "channels:\n  - match: {room}\n", "t.yaml:2: channels[0].match: is a section: want a single value; put one in quotes that begins with {"},

		{"second document", "log: {level: warn}\n---\nlisten: x\n", "t.yaml:2: begins a second YAML document: leave one, without --- lines between"},
		{"second document that is none", "log: {level: warn}\n---\n\tx\n", "t.yaml:3: is not YAML: a tab stands before the text: YAML takes spaces alone"},
		{"merge key", "log:\n  <<: {level: warn}\n", "t.yaml:2: log: has a merge key (<<), which is not understood here: write the keys out"},
		{"merge key of a rule", "channels:\n  - <<: {match: /topic/a}\n", "t.yaml:2: channels[0]: has a merge key (<<), which is not understood here: write the keys out"},
		{"anchor of its own", "tls: {x: &x a, cert: *x, key: *x}\n", "t.yaml:1: tls.x: there is no such key; here stand cert, key"},
		{"alias that holds itself", "log: &a\n  level: *a\n", "t.yaml:1: log.level: is a section: want a single value"},
		{"rules by an alias", "channels: &c [{match: /topic/a}]\nroutes: *c\n", "t.yaml:1: routes[0]: has no allow: every item of this list needs match, allow, publish\n" +
			"t.yaml:1: routes[0]: has no publish: every item of this list needs match, allow, publish"},
		{"key with a dot", "log.level: warn\n", "t.yaml:1: log.level: there is no such key: write a section for each part, as log: {level: info}"},
		{"list without a value", "origins:\n", "t.yaml:1: origins: is empty: want a list, such as [a, b], or [] for none"},
		{"zeros", "limits: {connections: 010}\n", `t.yaml:1: limits.connections: "010" is not a whole number, such as 10`},
		{"number beyond bounds", "limits: {connections: 99999999999999999999}\n", "t.yaml:1: limits.connections: 99999999999999999999 is out of bounds: want a number nearer to 0"},
		{"size beyond bounds", "limits: {message: 99999999999999999999}\n", `t.yaml:1: limits.message: "99999999999999999999" is too large: sizes go up to 2GiB`},
		{"host with a space", "listen: \"a b:1\"\n", `t.yaml:1: listen: "a b:1" is not an address: write host:port, such as 127.0.0.1:13001`},
		{"port with a sign", "listen: \"h:+1\"\n", `t.yaml:1: listen: "h:+1" has no port from 0 to 65535, such as 127.0.0.1:13001`},
		{"server without a name", "redis: {addrs: [\":6379\"]}\n", `t.yaml:1: redis.addrs[0]: ":6379" names no server: write host:port, such as 127.0.0.1:6379`},
		{"server without a port", "bus: {kafka: {brokers: [\"h:0\"]}}\n", `t.yaml:1: bus.kafka.brokers[0]: "h:0" names no server: write host:port, such as 127.0.0.1:9092`},
		{"a port twice", "listen: 0.0.0.0:13001\nadmin: {listen: 127.0.0.1:13001}\n", "t.yaml:2: admin.listen: 127.0.0.1:13001 is the address of listen too: take another port"},
		{"a port twice, the other way round", "listen: 127.0.0.1:7\ntcp: {listen: \":7\"}\n", "t.yaml:2: tcp.listen: :7 is the address of listen too: take another port"},
		{"a message that the embedded bus can't carry", "bus: {driver: embedded}\nlimits: {message: 64MiB, outbound: 64MiB}\n", "t.yaml:2: limits.message: 64MiB is more than the embedded bus carries: want 63MiB at most"},
		{"heart-beat beyond timers", "heart_beat: {send: 25d}\n", "t.yaml:1: heart_beat.send: is over 24d, and timers of browsers hold no more: want less, or 0s for none"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := load(t, tt.text); err == nil || err.Error() != tt.want {
				t.Errorf("\n got %v\nwant %s", err, tt.want)
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

func TestSplitLines(t *testing.T) {
	for text, want := range map[string][]string{
		"": {""}, "a": {"a"}, "a\n": {"a", ""}, "a\r\nb\rc\n\nd": {"a", "b", "c", "", "d"}, "\r\r\n\n": {"", "", "", ""}, "a\u0085b\u2028\u2029c": {"a", "b", "", "c"}, "\xff\n\xc2": {"\xff", "\xc2"},
	} {
		if got := splitLines(text); !slices.Equal(got, want) {
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
