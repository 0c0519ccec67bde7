package asyncapi

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// parameter is what stands in an address in braces.
type parameter struct{ name, description string }

// addressed writes what a rule has for match as an address, in which all that is not fixed is a parameter. Variables keep their
// names where AsyncAPI takes those, and wildcards get some.
func addressed(match string) (address string, parameters []parameter) {
	a := addresser{}
	segments := strings.Split(match, "/")
	for _, s := range segments { // which have the names first
		if name, ok := variable(s); ok && name == safe(name) {
			a.taken = append(a.taken, name)
		}
	}
	for i, s := range segments {
		segments[i] = a.segment(s)
	}
	return strings.Join(segments, "/"), a.parameters
}

// addressedSubject is addressed of a subject of NATS, in which variables alone are not fixed, and may stand in any place, and repeatedly.
func addressedSubject(subject string) (address string, parameters []parameter) {
	a, places := addresser{}, map[string]string{} // of variables
	var b strings.Builder
	for rest := subject; rest != ""; {
		text, behind, begins := strings.Cut(rest, "{")
		name, after, _ := strings.Cut(behind, "}")
		b.WriteString(text)
		if begins {
			if places[name] == "" {
				places[name] = a.invent(strings.Trim(safe(name), "_"), "the segment {"+name+"} of the rule, with =HH for each byte but letters, digits, _ and -")
			}
			b.WriteString(places[name])
		}
		rest = after
	}
	return b.String(), a.parameters
}

// addresser makes the parameters of one address.
type addresser struct {
	taken      []string
	parameters []parameter
}

func (a *addresser) segment(s string) string {
	name, isVariable := variable(s)
	switch {
	case isVariable && name == safe(name):
		return a.place(name, "one segment")
	case isVariable:
		return a.invent(strings.Trim(safe(name), "_"), fmt.Sprintf("one segment, {%s} of the rule", name))
	case s == "**":
		return a.invent("path", "any number of segments with slashes between them; where it is none, there is no slash before it")
	case s == "*":
		return a.invent("segment", "one segment")
	}
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == '*' && i > 0 && s[i-1] == '*': // as one is
		case r == '*':
			b.WriteString(a.invent("text", "any text without a slash, none too"))
		case r == '#': // which begins a fragment in an address
			b.WriteString(a.invent("hash", "the character #"))
		case r == '?':
			b.WriteString(a.invent("character", "one character"))
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// invent makes a parameter whose name is like that, and not taken.
func (a *addresser) invent(like, description string) string {
	if like == "" {
		like = "segment"
	}
	name := unlike(like, a.taken)
	a.taken = append(a.taken, name)
	return a.place(name, description)
}

// place makes a parameter, and returns what stands for it.
func (a *addresser) place(name, description string) string {
	a.parameters = append(a.parameters, parameter{name, description})
	return "{" + name + "}"
}

// variable returns the name of a variable that a segment is.
func variable(segment string) (name string, ok bool) {
	name, ok = strings.CutPrefix(segment, "{")
	return strings.TrimSuffix(name, "}"), ok
}

// unlike is a name like that which is not taken yet.
func unlike(name string, taken []string) string {
	for n, free := 2, name; ; n++ {
		if !slices.Contains(taken, free) {
			return free
		}
		free = fmt.Sprintf("%s_%d", name, n)
	}
}

// safe has _ in the place of all that a name in a document, or in a program that is made of it, can't have.
func safe(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '-' || r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r)) {
			return r
		}
		return '_'
	}, text)
}
