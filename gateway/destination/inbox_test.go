package destination

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

func TestInbox(t *testing.T) {
	for _, test := range []struct{ label, member, want string }{
		{"", `7`, "7"},
		{"", `-5`, "-5"},
		{"", `0`, "0"},
		{"", `9223372036854775807`, "9223372036854775807"},
		{"", `-9223372036854775808`, "-9223372036854775808"},
		{"", `"bob"`, "bob"},
		{"", `"Bob_b-2"`, "Bob_b-2"},
		{"", `"42"`, "%342"},
		{"", `"-5"`, "%2D5"},
		{"", `"0"`, "%30"},
		{"", `"007"`, "007"},
		{"", `"-0"`, "-0"},
		{"", `"9223372036854775808"`, "9223372036854775808"}, // no integer of 64 bits
		{"", `"4 2"`, "4%202"},
		{"", `"*"`, "%2A"},
		{"", `"**"`, "%2A%2A"},
		{"", `"{a}"`, "%7Ba%7D"},
		{"", `"a/b"`, "a%2Fb"},
		{"", `"a:b"`, "a%3Ab"},
		{"", `"%34"`, "%2534"},
		{"", `"a\u003cb"`, "a%3Cb"},
		{"", `"ü"`, "%C3%BC"},
		{"", `"null"`, "null"},
		{"x", `7`, "x:7"},
		{"x", `"7"`, "x:%37"},
		{"a_B-9", `"x:7"`, "a_B-9:x%3A7"},
	} {
		i := NewInbox(test.label, test.member)
		if got := i.String(); got != test.want {
			t.Errorf("%s of %q is %s, want %s", test.member, test.label, got, test.want)
		}
		if back, err := ParseInbox(test.want); back != i || err != nil {
			t.Errorf("%s is %+v, %v; want %+v", test.want, back, err, i)
		}
	}
}

// TestInboxSpelling: what is nobody's segment is refused, with the right one where that can be told.
func TestInboxSpelling(t *testing.T) {
	for segment, want := range map[string]string{
		"a%2fb": "write a%2Fb", "a%62": "write ab", "%37 ": "write 7%20", "4%32": "write %342", "%34%32": "write %342",
		"+5": "write %2B5", "a b": "write a%20b", "*": "write %2A", "**": "write %2A%2A", "{member}": "write %7Bmember%7D",
		"%": "write %25", "%4": "write %254", "%zz": "write %25zz", "%+1": "write %25%2B1", "x:a:b": "write x:a%3Ab", "ü": "write %C3%BC",
		"": "of 1 to 256 bytes", "x:": "of 1 to 256 bytes", "%FF": "of text", "\xff": "of text", "%EF%BF%BD": "of text",
		strings.Repeat("a", 257): "of 1 to 256 bytes",
		":7":                     "before its colon", "a b:7": "before its colon", "é:7": "before its colon", strings.Repeat("a", 65) + ":7": "before its colon",
	} {
		if i, err := ParseInbox(segment); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is %+v, %v; want an error with %q", segment, i, err, want)
		}
	}
}

// FuzzInbox holds that a segment and a member stand for each other, and that none holds what would make
// it a pattern, a path or another's.
func FuzzInbox(f *testing.F) {
	for _, text := range []string{"7", "-5", "bob", "42", "%342", "*", "a/b", "x:7", "%2f", "ü", "-0", "007", "", "%"} {
		f.Add("", text, text)
		f.Add("x", text, "x:"+text)
	}
	f.Fuzz(func(t *testing.T, label, text, segment string) {
		if i, err := ParseInbox(segment); err == nil && i.String() != segment {
			t.Errorf("%q is %+v, which is written %q", segment, i, i)
		}
		if label != "" && CheckLabel(label) != nil || len(text) > maxMember {
			return
		}
		quoted, _ := json.Marshal(text)
		members := []string{string(quoted)}
		if isInteger(text) {
			members = append(members, text)
		}
		var segments []string
		for _, member := range members {
			i := NewInbox(label, member)
			made := i.String()
			if strings.ContainsAny(made, "/*?{}") || slices.Contains(segments, made) {
				t.Errorf("%s of %q is %q", member, label, made)
			}
			segments = append(segments, made)
			if text == "" || strings.ContainsRune(text, '\uFFFD') {
				continue // no member's
			}
			if back, err := ParseInbox(made); back != i || err != nil {
				t.Errorf("%s of %q is %q, which is %+v, %v", member, label, made, back, err)
			}
		}
	})
}
