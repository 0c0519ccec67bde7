package sockjs

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stompgw/stompgw/gateway/internal/ws"
)

// messagesOf returns what the pieces of a payload hold, message by message.
func messagesOf(bare bool, pieces ...[]byte) (got []string, err error) {
	in := inflow{unpacker: unpacker{bare: bare}, apart: true}
	for _, p := range pieces {
		if err := in.take(slices.Clone(p), func(b []byte) { got = append(got, string(b)) }); err != nil {
			return got, err
		}
	}
	if !in.complete() {
		err = errBrokenJSON
	}
	return got, err
}

func TestPayloads(t *testing.T) {
	for _, c := range []struct {
		payload string
		want    []string
		err     error
	}{
		{`["a"]`, []string{"a"}, nil},
		{" [ \"a\" ,\t\"b\\nc\\u0000\" ]\r\n", []string{"a", "b\nc\x00"}, nil},
		{`[]`, nil, nil},
		{`["",""]`, []string{"", ""}, nil},
		{`["\"\\\/\b\f\n\r\t\u00e9\u00C9"]`, []string{"\"\\/\b\f\n\r\téÉ"}, nil},
		{`["\ud83c\udf75🍵"]`, []string{"🍵🍵"}, nil},
		// Half a character is none.
		{`["\ud83c"]`, []string{"\ufffd"}, nil},
		{`["\ud83cx","\udf75","\ud83c\ud83c\udf75","\ud83c\n"]`, []string{"\ufffdx", "\ufffd", "\ufffd🍵", "\ufffd\n"}, nil},
		{``, nil, errNoPayload},
		{`{"a":"b"}`, nil, errNoPayload},
		{`"a"`, nil, errNoPayload},
		{`[1]`, nil, errNoPayload},
		{`null`, nil, errNoPayload},
		{`["a",null]`, nil, errNoPayload},
		{`[["a"]]`, nil, errNoPayload},
		{`["a"`, nil, errBrokenJSON},
		{`["a`, nil, errBrokenJSON},
		{`["a\`, nil, errBrokenJSON},
		{`["\u12`, nil, errBrokenJSON},
		{`["a"] x`, nil, errBrokenJSON},
		{`["a"]]`, nil, errBrokenJSON},
		{`["a",]`, nil, errBrokenJSON},
		{`["a""b"]`, nil, errBrokenJSON},
		{`[,]`, nil, errBrokenJSON},
		{`["\x"]`, nil, errBrokenJSON},
		{`["\u12g4"]`, nil, errBrokenJSON},
		{"[\"\xff\"]", nil, errBrokenJSON},
		{"[\"\n\"]", nil, errBrokenJSON},
		{` `, nil, errBrokenJSON},
		{strings.Repeat("[", 1<<20), nil, errBrokenJSON},
		{strings.Repeat("[", 7_000) + strings.Repeat("]", 7_000), nil, errNoPayload},
		{strings.Repeat(`{"a":`, 3_000), nil, errBrokenJSON},
		{"hello", nil, errBrokenJSON},
		{`['a']`, nil, errBrokenJSON},
		{`["a"]["b"]`, nil, errBrokenJSON},
		{"\ufeff[\"a\"]", nil, errBrokenJSON},
		{"[\"a\"]\x00", nil, errBrokenJSON},
		{"[\"\xed\xa0\x80\"]", nil, errBrokenJSON}, // a surrogate
	} {
		if err := checkPayload([]byte(c.payload)); err != c.err {
			t.Errorf("%.40q: %v, want %v", c.payload, err, c.err)
		}
		if c.err != nil {
			continue
		}
		if got, err := messagesOf(false, []byte(c.payload)); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%.40q: %q, %v; want %q", c.payload, got, err, c.want)
		}
	}
}

// A WebSocket message may be one string too, or nothing.
func TestBarePayloads(t *testing.T) {
	for payload, want := range map[string][]string{"": nil, " \n": nil, "[]": nil, `"a"`: {"a"}, ` "a" `: {"a"}, `["a","b"]`: {"a", "b"}} {
		if got, err := messagesOf(true, []byte(payload)); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %q, %v", payload, got, err)
		}
	}
	for _, payload := range []string{`"a`, `x`, `1`, `"a","b"`, `"a"]`, `["a"]"b"`} {
		if got, err := messagesOf(true, []byte(payload)); err != errBrokenJSON {
			t.Errorf("%q: %q, %v", payload, got, err)
		}
	}
}

// As a stream, what a piece holds is handed on at once, however many messages that is.
func TestPayloadAsStream(t *testing.T) {
	var got []string
	in := inflow{}
	for _, piece := range []string{`["ab","","c`, `d","\ud83c`, `\udf75","\u00e`, `9"`, `]`} {
		if err := in.take([]byte(piece), func(b []byte) { got = append(got, string(b)) }); err != nil {
			t.Fatal(err)
		}
	}
	if want := []string{"abc", "d", "🍵", "é"}; !slices.Equal(got, want) || !in.complete() {
		t.Errorf("%q, complete: %v; want %q", got, in.complete(), want)
	}
}

func TestPayloadApartIsBounded(t *testing.T) {
	in := inflow{apart: true}
	most := strings.Repeat("x", maxApart)
	err := in.take([]byte(`["`+most+`","`+most[1:]), func([]byte) {})
	if err != nil {
		t.Fatal(err)
	}
	if err = in.take([]byte(`xx`), func([]byte) {}); !errors.Is(err, ws.ErrTooBig) {
		t.Errorf("a message over the bound: %v", err)
	}
}

// FuzzPayload holds that what a payload holds is what encoding/json says, and does not depend on where
// the network cut the bytes.
func FuzzPayload(f *testing.F) {
	f.Add([]byte(`["a","b\u00e9"]`), 3, 9)
	f.Add([]byte(`["\ud83c\udf75\ud83c"]`), 8, 12)
	f.Add([]byte(`"a`), 0, 1)
	f.Fuzz(func(t *testing.T, payload []byte, one, two int) {
		if !utf8.Valid(payload) {
			return
		}
		one = min(max(one, 0), len(payload))
		two = min(max(two, one), len(payload))
		whole, err := messagesOf(false, payload)
		split, splitErr := messagesOf(false, payload[:one], payload[one:two], payload[two:])
		if (err == nil) != (splitErr == nil) || err == nil && !slices.Equal(whole, split) {
			t.Fatalf("whole: %q, %v; cut at %d and %d: %q, %v", whole, err, one, two, split, splitErr)
		}
		var list []*string
		jsonErr := json.Unmarshal(payload, &list)
		isList := jsonErr == nil && list != nil && !slices.Contains(list, nil)
		if (err == nil) != isList {
			t.Fatalf("%q: %v, and encoding/json says %v", payload, err, jsonErr)
		}
		if len(payload) > 0 && (checkPayload(payload) == nil) != isList {
			t.Fatalf("%q is said to be right: %v", payload, !isList)
		}
		var stream, want strings.Builder
		in := inflow{}
		if in.take(payload[:one], func(b []byte) { stream.Write(b) }) == nil {
			err = in.take(payload[one:], func(b []byte) { stream.Write(b) }) // which changes payload
		}
		if isList {
			for i := range list {
				want.WriteString(*list[i])
				if whole[i] != *list[i] {
					t.Fatalf("message %d is %q, want %q", i, whole[i], *list[i])
				}
			}
			if err != nil || stream.String() != want.String() {
				t.Errorf("as a stream: %q, %v; want %q", stream.String(), err, want.String())
			}
		}
	})
}

func BenchmarkPayload(b *testing.B) {
	frame, err := json.Marshal([]string{"SEND\ndestination:/topic/chat\ncontent-type:application/json\n\n" + strings.Repeat("x", 200) + "\x00"})
	if err != nil {
		b.Fatal(err)
	}
	piece := make([]byte, len(frame))
	b.SetBytes(int64(len(frame)))
	b.ReportAllocs()
	for b.Loop() {
		copy(piece, frame)
		in := inflow{unpacker: unpacker{bare: true}}
		if err := in.take(piece, func([]byte) {}); err != nil || !in.complete() {
			b.Fatal(err)
		}
	}
}
