package sockjs

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestEscape(t *testing.T) {
	for _, c := range []struct{ name, text, want, script string }{
		{"letters", "Grüße, 世界", "Grüße, 世界", ""},
		{"what JSON asks for", "\"\\\x00\x1f", `\"\\\u0000\u001f`, ""},
		{"short escapes", "\b\f\n\r\t", `\b\f\n\r\t`, ""},
		{"nothing more of ASCII", "\x7f/'<>&", "\x7f/'<>&", "\x7f/'\\u003c>&"},
		{"first and last of each mangled range", "\u200c\u200f\u2028\u202f\u2060\u206f\ufff0\uffff", `\u200c\u200f\u2028\u202f\u2060\u206f\ufff0\uffff`, ""},
		{"their neighbours", "\u200b\u2010\u2027\u2030\u205f\u2070\uffef", "\u200b\u2010\u2027\u2030\u205f\u2070\uffef", ""},
		{"outside the basic plane", "🍵\U00010000\U0010ffff", `\ud83c\udf75\ud800\udc00\udbff\udfff`, ""},
		{"the end of a script element", "</script>", "</script>", `\u003c/script>`},
	} {
		if c.script == "" {
			c.script = c.want
		}
		if got := string(appendEscaped([]byte("> "), []byte(c.text), false)); got != "> "+c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
		if got := string(appendEscaped(nil, []byte(c.text), true)); got != c.script {
			t.Errorf("%s, in a script: %q, want %q", c.name, got, c.script)
		}
	}
}

// FuzzEscape holds that a browser reads back what was written, and that nothing is on the way that
// browsers mangle.
func FuzzEscape(f *testing.F) {
	f.Add("MESSAGE\ncontent-length:3\n\n\"a\"\x00", true)
	f.Add("\u200c🍵</script>", false)
	f.Fuzz(func(t *testing.T, text string, script bool) {
		if !utf8.ValidString(text) {
			return
		}
		got := `"` + string(appendEscaped(nil, []byte(text), script)) + `"`
		var back string
		if err := json.Unmarshal([]byte(got), &back); err != nil || back != text {
			t.Fatalf("%q is written as %s and read as %q, %v", text, got, back, err)
		}
		for _, r := range got {
			if r < ' ' || r >= utf8.RuneSelf && mangled(r) || script && r == '<' {
				t.Errorf("%s holds %q", got, r)
			}
		}
	})
}

func BenchmarkElement(b *testing.B) {
	head := []byte("MESSAGE\nsubscription:sub-0\n")
	rest := []byte("destination:/topic/chat\nmessage-id:7c0e-1234\ncontent-type:application/json\ncontent-length:200\n\n" +
		strings.Repeat("x", 200) + "\x00")
	dst := make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		dst = Framing{}.Append(dst[:0], true, head, rest)
	}
}
