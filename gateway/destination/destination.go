// Package destination is the grammar of destinations: segments between slashes, the patterns that
// clients subscribe by, and those that rules are written for.
//
// A pattern follows Spring's AntPathMatcher: in a segment * stands for any text and ? for one
// character, and a segment ** stands for any number of segments, including none. A wildcard never stands
// for an empty segment, nor for one that holds a wildcard itself. Nothing here keeps or changes its
// arguments.
package destination

import (
	"errors"
	"strings"
)

// IsPattern reports whether a destination holds a character that makes a subscription to it one by
// pattern.
func IsPattern(destination string) bool { return strings.ContainsAny(destination, "*?{}") }

// errEmpty is what is wrong with a//b and a/.
var errEmpty = errors.New("an empty segment: write the slashes singly and none at the end")

// IsUnder reports whether a destination is prefix itself or below it.
func IsUnder(destination, prefix string) bool {
	rest, ok := strings.CutPrefix(destination, prefix)
	return ok && (rest == "" || rest[0] == '/')
}
