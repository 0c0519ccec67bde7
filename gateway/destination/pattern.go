package destination

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Bounds of what clients subscribe by: each message is matched with it.
const (
	maxPattern  = 256 // bytes
	maxSegments = 32
	maxMany     = 2 // segments **
)

// Pattern is what a client subscribes to: a pattern or, without a wildcard, one destination.
type Pattern struct {
	text     string
	segments []segment
}

// Parse reads a client's pattern: at most 256 bytes and 32 segments, of which two may be **, and no
// variables.
func Parse(s string) (Pattern, error) {
	if len(s) > maxPattern {
		return Pattern{}, fmt.Errorf("a pattern may have %d bytes", maxPattern)
	}
	if strings.ContainsAny(s, "{}") {
		return Pattern{}, errors.New("a pattern has no braces: * stands for one segment")
	}
	rest, ok := strings.CutPrefix(s, "/")
	if !ok {
		return Pattern{}, errors.New("a pattern begins with a slash")
	}
	p := Pattern{text: s}
	for part := range strings.SplitSeq(rest, "/") {
		if part == "" {
			return Pattern{}, errEmpty
		}
		p.segments = append(p.segments, newSegment(part))
	}
	if len(p.segments) > maxSegments {
		return Pattern{}, fmt.Errorf("a pattern may have %d segments", maxSegments)
	}
	if some := slices.DeleteFunc(slices.Clone(p.segments), isSingle); len(some) > maxMany {
		return Pattern{}, fmt.Errorf("a pattern may have %d segments that are **", maxMany)
	}
	return p, nil
}

func isSingle(s segment) bool { return s.kind != many }

// String is the pattern as it was parsed.
func (p Pattern) String() string { return p.text }

// Match reports whether p matches a destination.
func (p Pattern) Match(destination string) bool {
	var b Bindings
	return len(p.segments) > 0 && match(p.segments, destination, false, &b)
}

// Watches returns what a bus.Narrower must deliver for p. Together they match everything that p does,
// perhaps more, and no destination is matched by two of them. Each is a destination, or has segments that
// are *, perhaps with one ** at the end that stands for one segment or more.
func (p Pattern) Watches() []string {
	var prefix strings.Builder
	for i := range p.segments {
		switch seg := &p.segments[i]; seg.kind {
		case literal:
			prefix.WriteString("/" + seg.text)
		case many:
			watches := []string{prefix.String() + "/**"}
			if prefix.Len() > 0 && !slices.ContainsFunc(p.segments[i:], isSingle) { // ** may stand for no segment
				watches = append(watches, prefix.String())
			}
			return watches
		default:
			prefix.WriteString("/*")
		}
	}
	return []string{prefix.String()}
}
