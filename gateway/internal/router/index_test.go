package router

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stompgw/stompgw/bus/bustest"
)

func TestIndex(t *testing.T) {
	for _, test := range []struct{ watch, in, out string }{
		{"/topic/*", "/topic/a /topic/ /topic/*", "/topic /topic/a/b /other/a topic/a /"},
		{"/*/a", "/topic/a //a /*/a", "/a /topic/b /topic/a/ a/a"},
		{"/topic/**", "/topic/a /topic/ /topic/a/b/c /topic//", "/topic /topica /other/a topic/a"},
		{"/**", "/ /a /a/b //", "a a/b **"},
		{"**", "a a/b a/ *", "/ /a"},
		{"*/a", "b/a a/a", "/a a b/b"},
		{"/*/x/**", "/a/x/b //x/ /a/x/x/x", "/a/x /a/b/x/b"},
		{"/a/**/b", "/a/**/b", "/a/x/b /a/b"}, // only a last one stands for anything
		{"/a*/*", "/a*/b", "/ab/b"},
	} {
		var x index
		in := &interest{watch: test.watch}
		x.add(test.watch, in)
		for _, destination := range strings.Fields(test.in) {
			if got := x.appendMatches(nil, destination); len(got) != 1 || got[0] != in {
				t.Errorf("%s is found %d times for %s", test.watch, len(got), destination)
			}
		}
		for _, destination := range strings.Fields(test.out) {
			if got := x.appendMatches(nil, destination); len(got) != 0 {
				t.Errorf("%s is found for %s", test.watch, destination)
			}
		}
	}
}

// randomly joins some of the given parts.
func randomly(rnd *rand.Rand, parts ...string) string {
	var b strings.Builder
	for i := range 1 + rnd.IntN(4) {
		if i > 0 || rnd.IntN(8) > 0 {
			b.WriteByte('/')
		}
		b.WriteString(parts[rnd.IntN(len(parts))])
	}
	return b.String()
}

// TestIndexModel compares an index with a list that is searched, while watches come and go.
func TestIndexModel(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	var x index
	model := map[string]*interest{}
	for range 5000 {
		watch := randomly(rnd, "*", "**", "a", "b", "")
		if model[watch] == nil {
			model[watch] = &interest{watch: watch}
			x.add(watch, model[watch])
		} else if rnd.IntN(2) == 0 {
			delete(model, watch)
			x.remove(watch)
		}
		destination := randomly(rnd, "a", "b", "c", "", "**")
		got := map[string]bool{}
		for _, in := range x.appendMatches(nil, destination) {
			if got[in.watch] {
				t.Fatalf("%s is found twice for %s", in.watch, destination)
			}
			got[in.watch] = true
		}
		for watch := range model {
			if want := bustest.Matches(watch, destination); got[watch] != want {
				t.Fatalf("%s is found for %s: %t, want %t", watch, destination, got[watch], want)
			}
			delete(got, watch)
		}
		if len(got) > 0 || x.size != len(model) {
			t.Fatalf("%d watches of %d; found though they are gone: %v", x.size, len(model), got)
		}
	}
	for watch := range model {
		x.remove(watch)
	}
	if x.size != 0 || !x.absolute.isEmpty() || !x.relative.isEmpty() {
		t.Errorf("an empty index holds %+v", x)
	}
}
