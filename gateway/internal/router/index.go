package router

import "strings"

// index finds the watches by pattern that a destination falls under, for a bus that brings
// everything. What a pattern means there is what bus.Narrower says.
type index struct {
	size               int // of watches
	absolute, relative node
}

// node is a place in the tree of the watches' parts. Each is visited once at most when a destination
// is looked up, so a lookup costs no more than there are parts of watches.
type node struct {
	parts map[string]*node // next, by the text of the part
	any   *node            // next, whatever the part is: "*"
	end   *interest        // of the watch that ends here
	below *interest        // of the watch that goes on from here with "**" alone
}

func (x *index) add(watch string, in *interest) {
	x.size++
	root, rest := x.root(watch)
	root.set(rest, in)
}

func (x *index) remove(watch string) {
	x.size--
	root, rest := x.root(watch)
	root.set(rest, nil)
}

// appendMatches appends the interests of the watches that destination falls under.
func (x *index) appendMatches(dst []*interest, destination string) []*interest {
	root, rest := x.root(destination)
	return root.appendMatches(dst, rest)
}

// root returns the tree of a watch or a destination, and its parts.
func (x *index) root(s string) (root *node, parts string) {
	if parts, ok := strings.CutPrefix(s, "/"); ok {
		return &x.absolute, parts
	}
	return &x.relative, s
}

// set notes the interest of the watch whose parts from here on are rest; nil takes it out.
func (n *node) set(rest string, in *interest) {
	part, rest, more := strings.Cut(rest, "/")
	if part == "**" && !more {
		n.below = in
		return
	}
	next := n.next(part)
	if more {
		next.set(rest, in)
	} else {
		next.end = in
	}
	if next.isEmpty() {
		n.drop(part)
	}
}

// next returns the place after this one for a part of a watch, a new one if there is none.
func (n *node) next(part string) *node {
	if part == "*" {
		if n.any == nil {
			n.any = &node{}
		}
		return n.any
	}
	if n.parts == nil {
		n.parts = map[string]*node{}
	}
	if n.parts[part] == nil {
		n.parts[part] = &node{}
	}
	return n.parts[part]
}

func (n *node) isEmpty() bool {
	return len(n.parts) == 0 && n.any == nil && n.end == nil && n.below == nil
}

func (n *node) drop(part string) {
	if part == "*" {
		n.any = nil
	} else {
		delete(n.parts, part)
	}
}

// appendMatches appends the interests of the watches that match the parts of rest from here on,
// which are one at least.
func (n *node) appendMatches(dst []*interest, rest string) []*interest {
	if n.below != nil {
		dst = append(dst, n.below)
	}
	part, rest, more := strings.Cut(rest, "/")
	for _, next := range [...]*node{n.parts[part], n.any} {
		switch {
		case next == nil:
		case more:
			dst = next.appendMatches(dst, rest)
		case next.end != nil:
			dst = append(dst, next.end)
		}
	}
	return dst
}
