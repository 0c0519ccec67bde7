package sockjs

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

func TestParseMessages(t *testing.T) {
	for _, c := range []struct {
		payload string
		want    []string
		err     error
	}{
		{`["a"]`, []string{"a"}, nil},
		{` [ "a" , "b\nc\u0000" ] `, []string{"a", "b\nc\x00"}, nil},
		{`[]`, nil, nil},
		{`["\ud83c\udf75"]`, []string{"🍵"}, nil},
		{`["\ud83c"]`, []string{"\ufffd"}, nil}, // half a character is none
		{``, nil, errNoPayload},
		{`{"a":"b"}`, nil, errNoPayload},
		{`"a"`, nil, errNoPayload},
		{`[1]`, nil, errNoPayload},
		{`null`, nil, errNoPayload},
		{`["a",null]`, nil, errNoPayload},
		{`[["a"]]`, nil, errNoPayload},
		{`["a"`, nil, errBrokenJSON},
		{`["a"] x`, nil, errBrokenJSON},
		{`["a",]`, nil, errBrokenJSON},
		{"[\"\xff\"]", nil, errBrokenJSON},
		{"[\"\n\"]", nil, errBrokenJSON},
		{` `, nil, errBrokenJSON},
		{strings.Repeat("[", 1<<20), nil, errBrokenJSON},
	} {
		got, err := parseMessages([]byte(c.payload))
		if err != c.err || err == nil && !slices.Equal(got, c.want) {
			t.Errorf("%.40q: %q, %v; want %q, %v", c.payload, got, err, c.want, c.err)
		}
	}
}

func TestParseMessage(t *testing.T) {
	for payload, want := range map[string][]string{"": nil, " \n": nil, "[]": nil, `"a"`: {"a"}, `["a","b"]`: {"a", "b"}} {
		if got, err := parseMessage([]byte(payload)); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %q, %v", payload, got, err)
		}
	}
	for payload, want := range map[string]error{`"a`: errBrokenJSON, `x`: errBrokenJSON, `1`: errNoPayload} {
		if got, err := parseMessage([]byte(payload)); err != want || len(got) > 0 && got[0] != "" {
			t.Errorf("%q: %q, %v; want %v", payload, got, err, want)
		}
	}
}

// FuzzMessage holds that what the messages of a WebSocket hold does not depend on where its frames
// were cut, and is what JSON says.
func FuzzMessage(f *testing.F) {
	f.Add([]byte(`["a","b"]`), 3)
	f.Add([]byte(`"a`), 0)
	f.Fuzz(func(t *testing.T, payload []byte, cut int) {
		take := func(pieces ...[]byte) (got []string, err error) {
			m := &message{max: 1 << 20}
			for i, p := range pieces {
				err = m.Take(true, p, i == len(pieces)-1, func(b []byte) { got = append(got, string(b)) })
			}
			return got, err
		}
		cut = min(max(cut, 0), len(payload))
		whole, err := take(payload)
		split, splitErr := take(slices.Clone(payload[:cut]), payload[cut:])
		if err != splitErr || !slices.Equal(whole, split) {
			t.Fatalf("whole: %q, %v; cut at %d: %q, %v", whole, err, cut, split, splitErr)
		}
		if err == nil && len(whole) > 0 {
			again, _ := json.Marshal(whole)
			if back, err := take(again); err != nil || !slices.Equal(back, whole) {
				t.Errorf("%q is read back as %q, %v", whole, back, err)
			}
		}
	})
}
