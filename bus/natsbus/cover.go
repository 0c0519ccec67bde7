package natsbus

import (
	"slices"
	"strings"
)

// A rule's pattern says more than NATS can: in a part there may be *, ? and {name}, and a part "**" is any number
// of parts anywhere. So a stream captures a superset of what has history, and nodes decide by the rules. A
// server refuses a stream of which two subjects have anything in common, so what overlaps becomes one that is
// wider still.

// mostCaptured is how many subjects a stream has, so that a server is not asked for thousands: it compares each with each.
const mostCaptured = 1000

// capture returns subjects without overlap that cover all destinations of patterns below prefix, and all of
// those in held, which the stream has already.
func capture(prefix string, patterns, held []string) []string {
	subjects := slices.Clone(held)
	for _, pattern := range patterns {
		subjects = append(subjects, cover(prefix, pattern)...)
	}
	slices.Sort(subjects)
	if subjects = slices.Compact(subjects); len(subjects) <= mostCaptured {
		return disjoint(subjects)
	}
	return disjoint(append(slices.Clone(held), prefix+".d.>"))
}

// cover returns the subjects of what pattern matches.
func cover(prefix, pattern string) []string {
	rest, absolute := strings.CutPrefix(pattern, "/")
	if !absolute {
		return nil // it has no history
	}
	subject := prefix + ".d"
	parts := splitPattern(rest)
	for i, part := range parts {
		if part == "**" {
			wide := []string{subject + ".>"}
			if i > 0 && !slices.ContainsFunc(parts[i:], func(part string) bool { return part != "**" }) {
				wide = append(wide, subject) // it may stand for no part
			}
			return wide
		}
		if strings.ContainsAny(part, "*?{}") {
			subject += ".*"
		} else {
			subject = string(appendToken([]byte(subject+"."), part))
		}
	}
	return []string{subject}
}

// splitPattern cuts a pattern at its slashes, but for those in braces.
func splitPattern(pattern string) (parts []string) {
	depth, from := 0, 0
	for i := range len(pattern) {
		switch pattern[i] {
		case '{':
			depth++
		case '}':
			depth = max(depth-1, 0)
		case '/':
			if depth == 0 {
				parts = append(parts, pattern[from:i])
				from = i + 1
			}
		}
	}
	return append(parts, pattern[from:])
}

// disjoint returns subjects, sorted, that cover the given ones and have nothing in common.
func disjoint(subjects []string) []string {
	var apart []string
	for len(subjects) > 0 {
		next := subjects[0]
		subjects = subjects[1:]
		i := slices.IndexFunc(apart, func(other string) bool { return overlap(next, other) })
		if i < 0 {
			apart = append(apart, next)
			continue
		}
		wide, _ := widen(next, apart[i])
		subjects = append(subjects, wide) // which may overlap others now
		apart = slices.Delete(apart, i, i+1)
	}
	slices.Sort(apart)
	return apart
}

// overlap reports whether some subject matches both.
func overlap(a, b string) bool {
	_, ok := widen(a, b)
	return ok
}

// widen returns one that matches all that two overlapping ones do. ok is false if they don't overlap.
func widen(a, b string) (wide string, ok bool) {
	as, bs := strings.Split(a, "."), strings.Split(b, ".")
	for i := range min(len(as), len(bs)) {
		switch {
		case as[i] == ">" || bs[i] == ">":
			return strings.Join(append(as[:i], ">"), "."), true
		case as[i] == bs[i]:
		case as[i] == "*" || bs[i] == "*":
			as[i] = "*"
		default:
			return "", false
		}
	}
	return strings.Join(as, "."), len(as) == len(bs)
}

// covers reports whether each of wanted lies within one of subjects.
func covers(subjects, wanted []string) bool {
	for _, want := range wanted {
		within := func(s string) bool {
			wide, ok := widen(s, want)
			return ok && wide == s
		}
		if !slices.ContainsFunc(subjects, within) {
			return false
		}
	}
	return true
}
