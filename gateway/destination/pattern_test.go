package destination

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func mustParse(t testing.TB, s string) Pattern {
	t.Helper()
	p, err := Parse(s)
	if err != nil {
		t.Fatalf("%q: %v", s, err)
	}
	return p
}

func TestIsPattern(t *testing.T) {
	for destination, want := range map[string]bool{
		"": false, "/topic/chat": false, "/topic/>": false, "/topic/[a]": false,
		"/topic/*": true, "/topic/a?": true, "/topic/{a": true, "/topic/a}": true,
	} {
		if IsPattern(destination) != want {
			t.Errorf("%q: want %v", destination, want)
		}
	}
}

func TestPatternErrors(t *testing.T) {
	for pattern, want := range map[string]string{
		"":                               "a pattern begins with a slash",
		"topic/*":                        "a pattern begins with a slash",
		"/":                              "an empty segment: write the slashes singly and none at the end",
		"/topic//*":                      "an empty segment: write the slashes singly and none at the end",
		"/topic/*/":                      "an empty segment: write the slashes singly and none at the end",
		"/topic/{room}":                  "a pattern has no braces: * stands for one segment",
		"/topic/}*":                      "a pattern has no braces: * stands for one segment",
		"/**/a/**/b/**":                  "a pattern may have 2 segments that are **",
		strings.Repeat("/*", 33):         "a pattern may have 32 segments",
		"/" + strings.Repeat("a*", 128):  "a pattern may have 256 bytes",
		"/**" + strings.Repeat("/*", 31): "",
		"/" + strings.Repeat("a*", 127):  "",
		"/**/a/**":                       "",
	} {
		p, err := Parse(pattern)
		if want == "" {
			if err != nil || p.String() != pattern {
				t.Errorf("%q: %v, %v", pattern, p, err)
			}
			continue
		}
		if err == nil || err.Error() != want {
			t.Errorf("%q: got %v, want %s", pattern, err, want)
		}
		if p.Match(pattern) || p.Match("/topic") || p.Match("") {
			t.Errorf("%q: what came with the error matches", pattern)
		}
	}
}

func TestWatches(t *testing.T) {
	for pattern, want := range map[string][]string{
		"/topic/chat":  {"/topic/chat"},
		"/topic/*":     {"/topic/*"},
		"/topic/fo*":   {"/topic/*"},
		"/topic/f?/x":  {"/topic/*/x"},
		"/a/***":       {"/a/*"},
		"/a/x**":       {"/a/*"},
		"/a/**":        {"/a/**", "/a"},
		"/a/*/**":      {"/a/*/**", "/a/*"},
		"/a/**/**":     {"/a/**", "/a"},
		"/a/**/b":      {"/a/**"},
		"/a/**/b/**":   {"/a/**"},
		"/a/**/f*/**":  {"/a/**"},
		"/a?/**/*":     {"/*/**"},
		"/**":          {"/**"},
		"/**/**":       {"/**"},
		"/**/b":        {"/**"},
		"/a.>/*/b c/*": {"/a.>/*/b c/*"},
	} {
		if got := mustParse(t, pattern).Watches(); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", pattern, got, want)
		}
	}
}

// watched reports whether a watch brings a destination, in the words of bus.Narrower: a part * is
// any one part, a last part ** is one or more.
func watched(watch, destination string) bool {
	parts, sent := strings.Split(watch, "/"), strings.Split(destination, "/")
	for i, part := range parts {
		switch {
		case part == "**" && i == len(parts)-1:
			return len(sent) > i
		case i == len(sent) || part != "*" && part != sent[i]:
			return false
		}
	}
	return len(sent) == len(parts)
}

// naive says what a pattern or a match means as a regular expression would: wildcards stand for
// characters of no other pattern and not for slashes.
func naive(t testing.TB, pattern string) func(destination string) bool {
	var re strings.Builder
	re.WriteString(`\A(?s:`)
	for part := range strings.SplitSeq(strings.TrimPrefix(pattern, "/"), "/") {
		switch {
		case part == "**":
			re.WriteString(`(?:/[^/*?{}]+)*`)
			continue
		case part == "*" || part[0] == '{':
			re.WriteString(`/[^/*?{}]+`)
			continue
		}
		re.WriteString(`/`)
		if strings.Trim(part, "*") == "" { // *** is for no empty segment either
			re.WriteString(`[^/*?{}]`)
		}
		for _, c := range part {
			switch c {
			case '*':
				re.WriteString(`[^/*?{}]*`)
			case '?':
				re.WriteString(`[^/*?{}]`)
			default:
				re.WriteString(regexp.QuoteMeta(string(c)))
			}
		}
	}
	re.WriteString(`)\z`)
	compiled, err := regexp.Compile(re.String())
	if err != nil {
		t.Fatal(err)
	}
	return func(destination string) bool { return destination != "" && compiled.MatchString(destination) }
}

// paths are all of at most n segments that are among parts.
func paths(n int, parts ...string) (all []string) {
	shorter := []string{""}
	for range n {
		var longer []string
		for _, path := range shorter {
			for _, part := range parts {
				longer = append(longer, path+"/"+part)
			}
		}
		all, shorter = append(all, longer...), longer
	}
	return all
}

// TestShortPatterns holds of all short patterns what the fuzz targets do of those that they come by.
func TestShortPatterns(t *testing.T) {
	destinations := append(paths(4, "a", "b", "ab", ""), "", "a", "/a/*", "/a/a*", "/{a}")
	var patterns []Pattern
	matched := map[string][]bool{}
	for _, s := range paths(3, "a", "ab", "*", "**", "a*", "?") {
		if strings.Count(s, "**") > maxMany {
			continue
		}
		p, want := mustParse(t, s), naive(t, s)
		patterns = append(patterns, p)
		for _, destination := range destinations {
			got := p.Match(destination)
			if got != want(destination) {
				t.Errorf("%s with %q: got %v", s, destination, got)
			}
			matched[s] = append(matched[s], got)
		}
	}
	for _, rule := range patterns {
		m := mustMatcher(t, rule.text)
		for _, p := range patterns {
			if _, ok := m.Covers(p); !ok {
				continue
			}
			for i, destination := range destinations {
				if matched[p.text][i] && !matched[rule.text][i] {
					t.Fatalf("%s covers %s, which matches %q, and does not match it", rule, p, destination)
				}
			}
		}
	}
}

// FuzzPattern holds that a pattern means what a regular expression for it does, and that its watches
// bring, once each, all that it matches.
func FuzzPattern(f *testing.F) {
	for _, seed := range [][2]string{
		{"/topic/*", "/topic/chat"}, {"/a/**/b/**", "/a/x/b/y/b"}, {"/a/fo*o?", "/a/fooooo"}, {"/**", "/"}, {"/**/**", ""},
		{"/a/***", "/a/"}, {"/a/**", "/a"}, {"/*a*a*a*b", "/aaaaaaaa"}, {"/a?", "/a\u00e9"}, {"/*", "/*"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, pattern, destination string) {
		p, err := Parse(pattern)
		if err != nil || !utf8.ValidString(pattern) || !utf8.ValidString(destination) {
			return
		}
		matched := p.Match(destination)
		if want := naive(t, pattern)(destination); matched != want {
			t.Errorf("%q with %q: got %v, want %v", pattern, destination, matched, want)
		}
		if m := mustMatcher(t, pattern); matched != first(m.Match(destination)) {
			t.Errorf("a rule %q does not mean what the pattern does of %q", pattern, destination)
		}
		times := 0
		for _, watch := range p.Watches() {
			if watched(watch, destination) {
				times++
			}
		}
		if times > 1 || matched && times == 0 {
			t.Errorf("%q: its watches %q bring %q %d times", pattern, p.Watches(), destination, times)
		}
	})
}

func first(_ Bindings, ok bool) bool { return ok }

// FuzzCovers holds that a rule that covers a pattern matches whatever the pattern does, and that its
// variables stand for what they were bound to, unless ** leaves that open.
func FuzzCovers(f *testing.F) {
	for _, seed := range [][3]string{
		{"/topic/{room}", "/topic/*", "/topic/a"}, {"/topic/**", "/topic/*/**", "/topic/a/b"}, {"/a/f*", "/a/f*", "/a/foo"},
		{"/**/{x}", "/**/a", "/b/a"}, {"/a/{x}/{y}", "/a/*/b", "/a/c/b"}, {"/*/**", "/**/*", "/a"}, {"/a/??", "/a/\u00e9?", "/a/\u00e9b"},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	f.Fuzz(func(t *testing.T, match, pattern, destination string) {
		m, err := NewMatcher(match)
		if err != nil {
			return
		}
		p, err := Parse(pattern)
		if err != nil {
			return
		}
		covered, ok := m.Covers(p)
		if !ok || !p.Match(destination) {
			return
		}
		b, ok := m.Match(destination)
		if !ok {
			t.Fatalf("%q covers %q, which matches %q, and does not match it", match, pattern, destination)
		}
		for i := range m.variables {
			if covered[i] != "" && covered[i] != b[i] && !strings.Contains(match, "**") {
				t.Errorf("%q covers %q with %q, and binds %q of %q", match, pattern, covered[i], b[i], destination)
			}
		}
	})
}

// BenchmarkMatch has what a client could choose to make matching slow: the time may grow with the
// product of the lengths, no faster.
func BenchmarkMatch(b *testing.B) {
	for _, test := range []struct{ name, pattern, destination string }{
		{"plain", "/topic/*", "/topic/chat"},
		{"wide", "/topic/**", "/topic/a/b/c"},
		{"hostile-segments", "/**" + strings.Repeat("/a", 29) + "/**/b", strings.Repeat("/a", 500)},
		{"hostile-stars", "/" + strings.Repeat("*a", 127) + "b", "/" + strings.Repeat("a", 1000)},
	} {
		b.Run(fmt.Sprintf("%s/bytes=%d", test.name, len(test.destination)), func(b *testing.B) {
			p := mustParse(b, test.pattern)
			b.ReportAllocs()
			for b.Loop() {
				p.Match(test.destination)
			}
		})
	}
}
