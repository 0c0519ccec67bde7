package destination

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func mustMatcher(t testing.TB, s string) *Matcher {
	t.Helper()
	m, err := NewMatcher(s)
	if err != nil {
		t.Fatal(err)
	}
	return &m
}

// bound tells what the variables are bound to, "no" when it doesn't match.
func bound(m *Matcher, b Bindings, ok bool) string {
	if !ok {
		return "no"
	}
	return fmt.Sprint(b[:len(m.variables)])
}

func TestMatcher(t *testing.T) {
	for _, test := range []struct {
		match, destination string
		want               string
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
		{"/{kind}/{room}", "/topic/chat", "[topic chat]"},
		{"/{kind}/{room}", "//chat", "no"},
		{"/topic/{a}/x/{b}", "/topic/1/x/2", "[1 2]"},
		{"/topic/{a}/x/{b}", "/topic/1/y/2", "no"},
		{"/topic/{a}/x/{b}", "/topic//x/2", "no"},
		{"/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}", "/1/2/3/4/5/6/7/8", "[1 2 3 4 5 6 7 8]"},

		{"/topic/*", "/topic/a", "[]"},
		{"/topic/*", "/topic/a/b", "no"},
		{"/topic/*", "/topic", "no"},
		{"/topic/*/{a}", "/topic/x/y", "[y]"},
		{"/topic/room-*", "/topic/room-", "[]"},
		{"/topic/room-*", "/topic/room-1", "[]"},
		{"/topic/room-*", "/topic/room", "no"},
		{"/topic/room-*", "/topic/room-1/x", "no"},
		{"/topic/*-x*y", "/topic/a-x-xby", "[]"},
		{"/topic/a?c", "/topic/a\u00e9c", "[]"},
		{"/topic/a?c", "/topic/ac", "no"},
		{"/topic/a?", "/topic/a\xff", "[]"},
		{"/topic/a??", "/topic/a\u00e9", "no"},
		{"/topic/*??b*", "/topic/\uc548bx", "no"}, // three bytes are one character
		{"/topic/a**c", "/topic/abbc", "[]"},
		{"/topic/a**c", "/topic/a/c", "no"},
		{"/topic/***", "/topic/a", "[]"},
		{"/topic/***", "/topic/a/b", "no"},

		{"/topic/**", "/topic", "[]"},
		{"/topic/**", "/topic/a/b/c", "[]"},
		{"/topic/**", "/topics", "no"},
		{"/topic/**", "/topic/", "no"},
		{"/topic/**", "/topic/a//b", "no"},
		{"/**", "/a", "[]"},
		{"/**", "/", "no"},
		{"/**", "", "no"},
		{"/**", "a", "no"},
		{"/**/{last}", "/a/b/c", "[c]"},
		{"/**/{last}", "/c", "[c]"},
		{"/a/**/{x}/b", "/a/1/b/2/b", "[2]"},
		{"/{x}/**/b/**/{y}", "/1/b/2/b/3", "[1 3]"},
		{"/a/**/b/**/c", "/a/x/b/y/b/c", "[]"},
		{"/a/**/b/**/c", "/a/x/y/c", "no"},
		{"/a/**/a/**/a", "/a/a", "no"},
	} {
		m := mustMatcher(t, test.match)
		b, ok := m.Match(test.destination)
		if got := bound(m, b, ok); got != test.want {
			t.Errorf("%s with %q: got %s, want %s", test.match, test.destination, got, test.want)
		}
	}
}

// TestNoWildcardIsBound: what a client puts where a rule has a variable or a wildcard is never
// itself a pattern, which somebody further on could take for one.
func TestNoWildcardIsBound(t *testing.T) {
	for _, match := range []string{"/topic/{room}", "/topic/*", "/topic/**", "/**", "/topic/r*", "/topic/??", "/topic/?*"} {
		for _, hostile := range []string{"*", "**", "r*", "*r", "r?", "??", "{room}", "}r", "{", "r>*"} {
			for _, destination := range []string{"/topic/" + hostile, "/topic/r/" + hostile, "/topic/" + hostile + "/r"} {
				if b, ok := mustMatcher(t, match).Match(destination); ok {
					t.Errorf("%s matches %s and binds %q", match, destination, b[0])
				}
			}
		}
	}
}

func TestMatcherErrors(t *testing.T) {
	for match, want := range map[string]string{
		"":                    `"" does not begin with a slash`,
		"topic/a":             `"topic/a" does not begin with a slash`,
		"/":                   `an empty segment: write the slashes singly and none at the end`,
		"/a//b":               `an empty segment: write the slashes singly and none at the end`,
		"/a/":                 `an empty segment: write the slashes singly and none at the end`,
		"/a/\xff":             `"/a/\xff" is not UTF-8 text`,
		"/{a*}":               `"{a*}": a variable is a whole segment in braces, such as {room}`,
		"/{{a}}":              `"{{a}}": a variable is a whole segment in braces, such as {room}`,
		"/{a":                 `"{a": a variable is a whole segment in braces, such as {room}`,
		"/a}":                 `"a}": a variable is a whole segment in braces, such as {room}`,
		"/{}":                 `"{}": a variable is a whole segment in braces, such as {room}`,
		"/r-{a}":              `"r-{a}": a variable is a whole segment in braces, such as {room}`,
		"/{a}/{a}":            `the variable {a} stands twice`,
		"/1{a}":               `"1{a}": a variable is a whole segment in braces, such as {room}`,
		"/{a}{b}":             `"{a}{b}": a variable is a whole segment in braces, such as {room}`,
		variables(9):          `9 variables are more than the 8 that a rule may have`,
		variables(8) + "/**/": `an empty segment: write the slashes singly and none at the end`,
	} {
		m, err := NewMatcher(match)
		if err == nil || err.Error() != want {
			t.Errorf("%q: got %v, want %s", match, err, want)
		}
		if _, ok := m.Match(match); ok {
			t.Errorf("%q: what came with the error matches", match)
		}
	}
}

// variables is a match with n of them.
func variables(n int) string {
	var s strings.Builder
	for i := range n {
		fmt.Fprintf(&s, "/{v%d}", i)
	}
	return s.String()
}

func TestVariables(t *testing.T) {
	m := mustMatcher(t, "/a/{one}/*/{two-2}")
	for name, want := range map[string]int{"one": 0, "two-2": 1, "two": -1, "": -1, "*": -1} {
		if got := m.Index(name); got != want {
			t.Errorf("Index(%q) is %d, want %d", name, got, want)
		}
	}
	b, _ := m.Match("/a/1/x/2")
	if got := fmt.Sprint(m.Variables(&b)); got != "map[one:1 two-2:2]" {
		t.Error(got)
	}
	b[0] = ""
	if got := fmt.Sprint(m.Variables(&b)); got != "map[two-2:2]" {
		t.Errorf("with an unknown one: %s", got)
	}
}

// TestMeets: two rules meet if there is a destination for both, among small ones all of them.
func TestMeets(t *testing.T) {
	destinations, matches := paths(4, "a", "b", "ab"), paths(3, "a", "b", "{x}", "a*", "**")
	matched := map[string]map[string]bool{} // by match
	for _, match := range matches {
		if m, err := NewMatcher(match); err == nil {
			matched[match] = map[string]bool{}
			for _, d := range destinations {
				if _, ok := m.Match(d); ok {
					matched[match][d] = true
				}
			}
		}
	}
	for one := range matched {
		for two := range matched {
			m, other := mustMatcher(t, one), mustMatcher(t, two)
			want := slices.ContainsFunc(destinations, func(d string) bool { return matched[one][d] && matched[two][d] })
			if got := m.Meets(other); got != want {
				t.Errorf("%s meets %s: %t, want %t", one, two, got, want)
			}
		}
	}
	if mustMatcher(t, "/a").Meets(&Matcher{}) || new(Matcher).Meets(mustMatcher(t, "/**")) {
		t.Error("the zero Matcher meets others")
	}
}

// TestIncludesAndReaches holds what is seen segment by segment against small destinations, all of them.
func TestIncludesAndReaches(t *testing.T) {
	destinations, matches := paths(4, "a", "b", "ab"), paths(2, "a", "{x}", "a*", "*", "**")
	under := func(destination, prefix string) bool {
		return destination == prefix || strings.HasPrefix(destination, prefix+"/")
	}
	for _, one := range matches {
		m, err := NewMatcher(one)
		if err != nil {
			continue // {x} stands in it twice
		}
		for _, two := range matches {
			other, err := NewMatcher(two)
			if err != nil || !m.Includes(&other) {
				continue
			}
			if !strings.HasPrefix(other.Begin()+"/", m.Begin()+"/") {
				t.Errorf("%s includes %s, but begins with %s, and that with %s", one, two, m.Begin(), other.Begin())
			}
			for _, d := range destinations {
				_, includes := m.Match(d)
				if _, included := other.Match(d); included && !includes {
					t.Errorf("%s includes %s, but does not match %s", one, two, d)
				}
			}
		}
		for _, prefix := range paths(2, "a", "b") {
			want := slices.ContainsFunc(destinations, func(d string) bool {
				_, ok := m.Match(d)
				return ok && under(d, prefix)
			})
			if got := m.Reaches(prefix); got != want {
				t.Errorf("%s reaches %s: %t, want %t", one, prefix, got, want)
			}
		}
	}
	for _, pair := range []struct{ one, two string }{
		{"/topic/{room}", "/topic/a"}, {"/topic/{room}", "/topic/{other}"}, {"/topic/**", "/topic/{a}/{b}"}, {"/**", "/topic/**"}, {"/topic/a*", "/topic/ab"},
	} {
		one, _ := NewMatcher(pair.one)
		two, _ := NewMatcher(pair.two)
		if !one.Includes(&two) || two.Includes(&one) != (pair.two == "/topic/{other}") {
			t.Errorf("%s includes %s: %t, and the other way round: %t", pair.one, pair.two, one.Includes(&two), two.Includes(&one))
		}
	}
}

func TestCovers(t *testing.T) {
	for _, test := range []struct {
		match, pattern string
		want           string
	}{
		{"/topic/{room}", "/topic/*", "[]"},
		{"/topic/{room}", "/topic/fo*", "[]"},
		{"/topic/{room}", "/topic/fo?", "[]"},
		{"/topic/{room}", "/topic/**", "no"},
		{"/topic/{room}", "/topic/a/*", "no"},
		{"/topic/{room}", "/*/a", "no"},
		{"/topic/{room}/*", "/topic/a/*", "[a]"},
		{"/topic/{room}/{user}", "/topic/a/*", "[a ]"},
		{"/topic/{room}/{user}", "/topic/*/b", "[ b]"},
		{"/topic/*", "/topic/*", "[]"},
		{"/topic/*", "/topic/f*", "[]"},
		{"/topic/*", "/topic/**", "no"},
		{"/topic/f*", "/topic/f*", "[]"},
		{"/topic/f*", "/topic/*", "no"},
		{"/topic/f?", "/topic/f?", "[]"},
		{"/topic/f?", "/topic/f*", "no"},
		{"/topic/??", "/topic/**", "no"},
		{"/topic/**", "/topic/**", "[]"},
		{"/topic/**", "/topic/*", "[]"},
		{"/topic/**", "/topic/*/a/**", "[]"},
		{"/topic/**", "/*/a", "no"},
		{"/topic/**", "/**", "no"},
		{"/topic/**/{last}", "/topic/**/*", "[]"},
		{"/topic/**/{last}", "/topic/**/a", "[a]"},
		{"/topic/**/{last}", "/topic/**", "no"},
		{"/topic/*/**", "/topic/**", "no"},
		{"/**", "/**", "[]"},
		{"/**", "/*", "[]"},
		{"/a/**/{x}/b/**", "/a/*/b/c/b/**", "[]"},
		{"/a/**/{x}/c/**", "/a/*/c/d/c/**", "[]"},
	} {
		m := mustMatcher(t, test.match)
		b, ok := m.Covers(mustParse(t, test.pattern))
		if got := bound(m, b, ok); got != test.want {
			t.Errorf("%s with %s: got %s, want %s", test.match, test.pattern, got, test.want)
		}
	}
}

// TestMatchAllocs: each SEND and each message to a subscriber by pattern is matched.
func TestMatchAllocs(t *testing.T) {
	m, p := mustMatcher(t, "/topic/{a}/**/x*/{b}"), mustParse(t, "/topic/*/**/x?y/*")
	if n := testing.AllocsPerRun(100, func() {
		if _, ok := m.Match("/topic/1/2/3/xxy/2"); !ok || !p.Match("/topic/1/2/3/xxy/2") {
			t.Error("no match")
		}
	}); n > 0 {
		t.Errorf("a match allocates %v times", n)
	}
}

func TestTemplate(t *testing.T) {
	for _, test := range []struct{ match, publish, destination, want string }{
		{"/app/topic/{channel}", "/topic/{channel}", "/app/topic/chat", "/topic/chat"},
		{"/app/{a}/{b}", "/topic/{b}/{a}", "/app/1/2", "/topic/2/1"},
		{"/app/{a}/{b}", "/topic/{b}", "/app/1/2", "/topic/2"},
		{"/app/{a}", "/topic/all", "/app/1", "/topic/all"},
		{"/app/x/{a}", "/session/queue/{a}", "/app/x/1", "/session/queue/1"},
		{"/app/**/{a}", "/topic/{a}", "/app/x/y/1", "/topic/1"},
	} {
		m := mustMatcher(t, test.match)
		tmpl, err := m.Template(test.publish)
		if err != nil {
			t.Error(err)
			continue
		}
		b, ok := m.Match(test.destination)
		if got := tmpl.Expand(&b); !ok || got != test.want {
			t.Errorf("%s with %s: got %q (matched: %v), want %q", test.publish, test.destination, got, ok, test.want)
		}
	}
}

func TestTemplateErrors(t *testing.T) {
	for publish, want := range map[string]string{
		"/topic/{a}/and/{b}": `match has no variable {b}`,
		"/topic/*":           `"*": the wildcards * and ? can't be used here; a variable of match, such as {room}, can`,
		"/topic/**":          `"**": the wildcards * and ? can't be used here; a variable of match, such as {room}, can`,
		"/topic/a?":          `"a?": the wildcards * and ? can't be used here; a variable of match, such as {room}, can`,
		"topic":              `"topic" does not begin with a slash`,
	} {
		if _, err := mustMatcher(t, "/app/{a}/**").Template(publish); err == nil || err.Error() != want {
			t.Errorf("%q: got %v, want %s", publish, err, want)
		}
	}
}

// FuzzTemplate holds that a match binds exactly what stood in the places of its variables: as a
// template it gives back the destination. A variable never stands for nothing, for more than one
// segment, or for a wildcard.
func FuzzTemplate(f *testing.F) {
	f.Add("/topic/{room}", "/topic/chat")
	f.Add("/{a}/{b}/{c}", "/1/2/3")
	f.Add("/topic/{room}", "/topic/*")
	f.Add("/app/{a}/x", "/app//x")
	f.Add("/", "/")
	f.Fuzz(func(t *testing.T, match, destination string) {
		m, err := NewMatcher(match)
		if err != nil {
			return
		}
		b, ok := m.Match(destination)
		if !ok {
			return
		}
		for i := range m.variables {
			if b[i] == "" || IsPattern(b[i]) || strings.Contains(b[i], "/") {
				t.Errorf("%q with %q: variable %d is bound to %q", match, destination, i, b[i])
			}
		}
		tmpl, err := m.Template(match)
		if err != nil {
			if !strings.ContainsAny(match, "*?") {
				t.Errorf("%q is a match and no template: %v", match, err)
			}
			return
		}
		if back := tmpl.Expand(&b); back != destination {
			t.Errorf("%q matches %q and gives back %q", match, destination, back)
		}
	})
}
