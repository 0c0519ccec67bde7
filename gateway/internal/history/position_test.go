package history

import (
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stompgw/stompgw/bus"
)

func TestPlace(t *testing.T) {
	for _, want := range []Place{
		{After: []bus.Position{{Log: 1, Term: 0, Offset: 0}}, Told: time.Unix(0, 0)},
		{After: []bus.Position{{Log: math.MaxUint64, Term: math.MaxUint32, Offset: math.MaxUint64}}, Told: time.Unix(1796000000, 0)},
		{After: many(maxLogs), Told: time.Unix(1796000000, 0)},
	} {
		text := want.String()
		got, ok := ParsePlace(text)
		if !ok || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v %t, want %+v", text, got, ok, want)
		}
		if len(text) > maxPosition || strings.ContainsAny(text, ":\n\r\\ ") {
			t.Errorf("%d bytes, or a byte that STOMP writes otherwise: %s", len(text), text)
		}
	}
}

func many(n int) (list []bus.Position) {
	for i := range n {
		list = append(list, bus.Position{Log: math.MaxUint64 - uint64(i), Term: math.MaxUint32, Offset: math.MaxUint64 - 1})
	}
	return list
}

// TestNoPlace: what can't be told is no text, and what is no text of ours no place: cut, mistyped, or of too many logs.
func TestNoPlace(t *testing.T) {
	for _, p := range []Place{{Told: time.Now()}, {After: many(maxLogs + 1), Told: time.Now()}} {
		if text := p.String(); text != "" {
			t.Errorf("%d logs are %s", len(p.After), text)
		}
	}
	whole := Place{After: many(2), Told: time.Now()}.String()
	for n := range len(whole) {
		if _, ok := ParsePlace(whole[:n]); ok {
			t.Errorf("the first %d of %d characters pass", n, len(whole))
		}
		other := []byte(whole)
		if other[n]++; string(other) != whole {
			if _, ok := ParsePlace(string(other)); ok {
				t.Errorf("%s passes for %s", other, whole)
			}
		}
	}
	if _, ok := ParsePlace(strings.Repeat("A", maxPosition+1)); ok {
		t.Error("a text of any length passes")
	}
}

// FuzzPlace: whatever a client sends, a place that is read is the one that was written.
func FuzzPlace(f *testing.F) {
	f.Add("")
	f.Add(Place{After: many(1), Told: time.Unix(1796000000, 0)}.String())
	f.Add(Place{After: many(maxLogs), Told: time.Unix(0, 0)}.String())
	f.Fuzz(func(t *testing.T, text string) {
		if p, ok := ParsePlace(text); ok && (p.String() != text || len(p.After) == 0 || len(p.After) > maxLogs) {
			t.Errorf("%q is %+v", text, p)
		}
	})
}
