package sockjs

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/gobwas/ws"
)

func TestFraming(t *testing.T) {
	elements := Framing{}.Append(nil, true, []byte("A\n"), []byte("\n\x00"))
	elements = Framing{}.Append(elements, true, []byte("\n"), nil)
	frame := messagesFrame(elements)
	if want := `a["A\n\n\u0000","\n"]`; string(frame) != want {
		t.Errorf("%s, want %s", frame, want)
	}
	var messages []string
	if err := json.Unmarshal(frame[1:], &messages); err != nil || !slices.Equal(messages, []string{"A\n\n\x00", "\n"}) {
		t.Errorf("%q, %v", messages, err)
	}
}

func TestFramingOfWhatIsNotText(t *testing.T) {
	for _, f := range []interface {
		Append(dst []byte, text bool, head, rest []byte) []byte
	}{Framing{}, webSocketFraming{}} {
		if b := f.Append([]byte("x"), false, []byte("A\n"), []byte("\n\xff\x00")); string(b) != "x" {
			t.Errorf("%T appends %q", f, b[1:])
		}
	}
}

func TestWebSocketFraming(t *testing.T) {
	for _, size := range []int{0, 100, 200, 70_000} {
		body := slices.Repeat([]byte{'"'}, size) // two bytes each
		b := webSocketFraming{}.Append([]byte{}, true, []byte("A\n"), body)
		want := []byte(`a["A\n` + string(slices.Repeat([]byte(`\"`), size)) + `"]`)
		whole, err := ws.CompileFrame(ws.NewTextFrame(want))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(b, whole) {
			t.Errorf("of %d bytes: %.80q, want %.80q", size, b, whole)
		}
	}
}

func TestCloseFrame(t *testing.T) {
	if got := closeFrame(3000, `Go "away"!`); got != `c[3000,"Go \"away\"!"]` {
		t.Error(got)
	}
}

func TestEvent(t *testing.T) {
	got := string(appendEvent(nil, []byte(`a["100 %, %41, \\%"]`), ""))
	if want := "data: a[\"100 \\u0025, \\u002541, \\\\\\u0025\"]\r\n\r\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
