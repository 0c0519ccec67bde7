package gateway_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf16"
)

// serverEscapes are the characters that the protocol wants escaped by the server, from 255 on.
func serverEscapes() (list []rune) {
	for r := rune(255); r < 0x10000; r++ {
		switch {
		case 0x200c <= r && r <= 0x200f, 0x2028 <= r && r <= 0x202f, 0x2060 <= r && r <= 0x206f, r >= 0xfff0:
			list = append(list, r)
		}
	}
	return list
}

// clientEscapes are those that clients escape, and then some: all of the basic plane but the surrogates.
func clientEscapes() (list []rune) {
	for r := range rune(0x10000) {
		if !utf16.IsSurrogate(r) {
			list = append(list, r)
		}
	}
	return list
}

func escapes(list []rune) string {
	var b strings.Builder
	for _, r := range list {
		fmt.Fprintf(&b, `\u%04x`, r)
	}
	return `"` + b.String() + `"`
}

// "JSON Unicode Encoding"
func TestSockJSJSONEncoding(t *testing.T) {
	eachWay(t, func(t *testing.T, open func(testing.TB) *browser) {
		t.Run("the server encodes", func(t *testing.T) {
			s := open(t).session(xhrPolling(), "/echo")
			s.say(`["` + string(serverEscapes()) + `"]`)
			s.want("a[" + escapes(serverEscapes()) + "]")
		})
		t.Run("the server decodes", func(t *testing.T) {
			for list := clientEscapes(); len(list) > 0; list = list[min(len(list), 8000):] { // in posts of 48,000 octets
				part := list[:min(len(list), 8000)]
				s := open(t).session(xhrPolling(), "/echo")
				s.say("[" + escapes(part) + "]")
				got, err := s.frame()
				if err != nil {
					t.Fatal(err)
				}
				messages, err := decode(got)
				if err != nil || len(messages) != 1 || messages[0] != string(part) {
					t.Fatalf("from %U on: got %q, %v", part[0], messages, err)
				}
			}
		})
		t.Run("short escapes", func(t *testing.T) {
			s := open(t).session(xhrPolling(), "/echo")
			s.say(`["\u0008\u0009\u000a\u000c\u000d\u0022\u005c\u002f\u0000\u001f\u007f\u00e9"]`)
			s.want(`a["\b\t\n\f\r\"\\/\u0000\u001f` + "\x7fé" + `"]`)
		})
		t.Run("outside the basic plane", func(t *testing.T) {
			s := open(t).session(xhrPolling(), "/echo")
			s.say("[\"\U0001f600\\ud83d\\ude00\U0010ffff\\uD800\\uDC00\"]")
			s.want(`a["\ud83d\ude00\ud83d\ude00\udbff\udfff\ud800\udc00"]`)
		})
		for _, lone := range []string{`["\ud800"]`, `["\udc00x"]`, `["\ud800\ud800\udc00"]`, `["\ude00\ud83d"]`, `["\ud83d\n"]`} {
			t.Run("a lone surrogate "+lone, func(t *testing.T) {
				s := open(t).session(xhrPolling(), "/echo")
				a, err := s.post(lone)
				if err != nil {
					t.Fatal(err)
				}
				if a.StatusCode == 500 { // it is no Unicode
					a.wantIn(500, "Broken JSON encoding.")
					return
				}
				a.want(204, "") // or is replaced, as Unicode says
				got, err := s.frame()
				if err != nil {
					t.Fatal(err)
				}
				var want []string
				json.Unmarshal([]byte(lone), &want)
				if list, err := decode(got); err != nil || len(list) != 1 || list[0] != want[0] {
					t.Errorf("got %q, %v, want %q", got, err, want)
				}
			})
		}
		for _, tr := range allTransports() {
			t.Run("over "+tr.name, func(t *testing.T) {
				s := open(t).session(tr, "/echo")
				s.say(`["` + string(serverEscapes()) + `"]`)
				s.want("a[" + escapes(serverEscapes()) + "]")
			})
		}
	})
}
