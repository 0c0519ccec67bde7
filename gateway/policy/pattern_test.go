package policy

import (
	"fmt"
	"strings"
	"testing"
)

func mustPattern(t testing.TB, s string) pattern {
	t.Helper()
	p, err := parsePattern(s, "match")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPatternMatch(t *testing.T) {
	for _, test := range []struct {
		pattern, destination string
		want                 string // the bindings, "no" when it must not match
	}{
		{"/topic/chat", "/topic/chat", "[]"},
		{"/topic/chat", "/topic/Chat", "no"},
		{"/topic/chat", "/topic/chat/", "no"},
		{"/topic/chat", "/topic/chat/a", "no"},
		{"/topic/chat", "/topic", "no"},
		{"/topic/chat", "topic/chat", "no"},
		{"/topic/chat", "//topic/chat", "no"},
		{"/topic/chat", "", "no"},
		{"/topic", "/topic", "[]"},
		{"/topic", "/", "no"},
		{"/{a}", "/", "no"},
		{"/topic/{room}", "/topic/chat", "[chat]"},
		{"/topic/{room}", "/topic/a:b\nc \u00e9", "[a:b\nc \u00e9]"},
		{"/topic/{room}", "/topic/", "no"},
		{"/topic/{room}", "/topic/a/b", "no"},
		{"/topic/{room}", "/topic/*", "no"},
		{"/topic/{room}", "/topic/a*", "no"},
		{"/topic/{room}", "/topic/**", "no"},
		{"/topic/{room}", "/topic/a?", "no"},
		{"/topic/{room}", "/topic/{room}", "no"},
		{"/topic/{room}", "/topic/}", "no"},
		{"/{kind}/{room}", "/topic/chat", "[topic chat]"},
		{"/{kind}/{room}", "//chat", "no"},
		{"/topic/{a}/x/{b}", "/topic/1/x/2", "[1 2]"},
		{"/topic/{a}/x/{b}", "/topic/1/y/2", "no"},
		{"/topic/{a}/x/{b}", "/topic//x/2", "no"},
		{"/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}", "/1/2/3/4/5/6/7/8", "[1 2 3 4 5 6 7 8]"},
	} {
		p := mustPattern(t, test.pattern)
		got := "no"
		if b, ok := p.match(test.destination); ok {
			got = fmt.Sprint(b[:p.variables()])
		}
		if got != test.want {
			t.Errorf("%s with %q: got %s, want %s", test.pattern, test.destination, got, test.want)
		}
	}
}

// variables is how many p binds.
func (p pattern) variables() (n int) {
	for _, seg := range p.segments {
		if seg.variable != "" {
			n++
		}
	}
	return n
}

func TestTemplateExpand(t *testing.T) {
	for _, test := range []struct{ match, publish, destination, want string }{
		{"/app/topic/{channel}", "/topic/{channel}", "/app/topic/chat", "/topic/chat"},
		{"/app/{a}/{b}", "/topic/{b}/{a}", "/app/1/2", "/topic/2/1"},
		{"/app/{a}/{b}", "/topic/{b}", "/app/1/2", "/topic/2"},
		{"/app/{a}", "/topic/{a}/and/{a2}", "", ""},
		{"/app/{a}", "/topic/all", "/app/1", "/topic/all"},
		{"/app/x/{a}", "/session/queue/{a}", "/app/x/1", "/session/queue/1"},
	} {
		p := mustPattern(t, test.match)
		tmpl, err := parseTemplate(test.publish, p, "publish")
		if test.want == "" {
			if err == nil {
				t.Errorf("%s for %s: no error", test.publish, test.match)
			}
			continue
		}
		if err != nil {
			t.Error(err)
			continue
		}
		b, ok := p.match(test.destination)
		if got := tmpl.expand(b); !ok || got != test.want {
			t.Errorf("%s with %s: got %q (matched: %v), want %q", test.publish, test.destination, got, ok, test.want)
		}
	}
}

func TestMatchAllocs(t *testing.T) {
	p := mustPattern(t, "/topic/{a}/x/{b}")
	if n := testing.AllocsPerRun(100, func() { p.match("/topic/1/x/2") }); n > 0 {
		t.Errorf("a match allocates %v times", n)
	}
}

// FuzzPattern holds that a pattern binds exactly what stood in the places of its variables: as a
// template it gives back the destination. A variable never stands for nothing, for more than one
// segment, or for a wildcard.
func FuzzPattern(f *testing.F) {
	f.Add("/topic/{room}", "/topic/chat")
	f.Add("/{a}/{b}/{c}", "/1/2/3")
	f.Add("/topic/{room}", "/topic/*")
	f.Add("/app/{a}/x", "/app//x")
	f.Add("/", "/")
	f.Fuzz(func(t *testing.T, match, destination string) {
		p, err := parsePattern(match, "match")
		if err != nil {
			return
		}
		tmpl, err := parseTemplate(match, p, "publish")
		if err != nil {
			t.Fatalf("%q is a pattern and no template: %v", match, err)
		}
		b, ok := p.match(destination)
		if !ok {
			return
		}
		if back := tmpl.expand(b); back != destination {
			t.Errorf("%q matches %q and gives back %q", match, destination, back)
		}
		for i, bound := range b[:p.variables()] {
			if bound == "" || IsPattern(bound) || strings.Contains(bound, "/") {
				t.Errorf("%q with %q: variable %d is bound to %q", match, destination, i, bound)
			}
		}
		if p.variables() == 0 && match != destination {
			t.Errorf("%q matches %q", match, destination)
		}
	})
}
