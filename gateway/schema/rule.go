package schema

import "regexp"

// rule is a schema, or a part of one, as values are checked by it. It never changes once made.
type rule struct {
	at            string // where it stands, such as "chat.json#/properties/chat"
	always, never bool   // everything fits, or nothing, and the rest says nothing

	types    kind     // of which one has to be; 0 for any
	integer  bool     // beside types, a number may be that is whole
	constant *value   // nil for none
	enum     []value  // in order; nil for none
	number   *numbers // nil where nothing is said of them
	text     *texts
	list     *lists
	object   *objects

	// What else the same value has to fit.
	ref                  *rule
	allOf, anyOf, oneOf  []*rule
	not                  *rule
	cond, then, elseRule *rule
}

// numbers is what a schema says of numbers; nil is nothing.
type numbers struct {
	least, most, above, under *value
	unit                      *value
}

// texts is what it says of texts.
type texts struct {
	least, most int // characters
	pattern     *pattern
}

// pattern is a regular expression, in which a text has to have a match.
type pattern struct {
	*regexp.Regexp
	size int // steps for a character at most
}

// lists is what a schema says of lists.
type lists struct {
	least, most int // items
	unique      bool

	prefix []*rule // of the first items, each its own
	items  *rule   // of those behind them
	rest   *rule   // of those that nothing has looked at

	// Keywords of prefix and items, which drafts call otherwise.
	prefixWord, itemsWord string

	contains                      *rule
	leastContained, mostContained int
	containsLooks                 bool // rest is not for what is contained
}

// objects is what a schema says of objects.
type objects struct {
	least, most int // members
	required    []string
	needs       []need
	dependents  []property // what objects have to fit that have a member of that name

	properties map[string]*rule
	patterns   []patternRule
	additional *rule // of members that the two say nothing of
	names      *rule // of the names of members, each a text
	rest       *rule // of members that nothing has looked at
}

// need is which members an object has to have that has one of that name.
type need struct {
	name  string
	names []string
	word  string // the keyword, which drafts call otherwise
}

// property is a rule for what has a name.
type property struct {
	name string
	rule *rule
}

// patternRule is a rule for members whose names match.
type patternRule struct {
	*pattern
	rule *rule
}

// unevaluated returns what a value of a kind has to fit where nothing else looks at it, nil for anything.
func (r *rule) unevaluated(k kind) *rule {
	switch {
	case k == isObject && r.object != nil:
		return r.object.rest
	case k == isList && r.list != nil:
		return r.list.rest
	}
	return nil
}

// inPlace calls visit for what the same value has to fit, too.
func (r *rule) inPlace(visit func(*rule)) {
	for _, sub := range []*rule{r.ref, r.not, r.cond, r.then, r.elseRule} {
		if sub != nil {
			visit(sub)
		}
	}
	for _, list := range [][]*rule{r.allOf, r.anyOf, r.oneOf} {
		for _, sub := range list {
			visit(sub)
		}
	}
	if r.object != nil {
		for _, d := range r.object.dependents {
			visit(d.rule)
		}
	}
}
