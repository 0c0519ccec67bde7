package schema

import (
	"math/bits"
	"slices"
	"strconv"
	"unicode/utf8"
)

// token is that of an item or a member in a JSON pointer.
func (v *value) token(i int) string {
	if v.kind == isObject {
		return v.list[i].name
	}
	return strconv.Itoa(i)
}

func (c *checker) number(r *rule, v *value) *fault {
	n := r.number
	switch {
	case n.least != nil && compareNumbers(v, n.least) < 0:
		return c.fault(r, "minimum")
	case n.most != nil && compareNumbers(v, n.most) > 0:
		return c.fault(r, "maximum")
	case n.above != nil && compareNumbers(v, n.above) <= 0:
		return c.fault(r, "exclusiveMinimum")
	case n.under != nil && compareNumbers(v, n.under) >= 0:
		return c.fault(r, "exclusiveMaximum")
	case n.unit == nil:
		return nil
	case !c.spend(len(v.text) + len(n.unit.text)): // which divide in some 10 µs at most
		return &c.over
	case !v.isMultiple(n.unit):
		return c.fault(r, "multipleOf")
	}
	return nil
}

func (c *checker) text(r *rule, v *value) *fault {
	t := r.text
	if length := utf8.RuneCountInString(v.text); length < t.least {
		return c.fault(r, "minLength")
	} else if length > t.most {
		return c.fault(r, "maxLength")
	}
	if t.pattern == nil {
		return nil
	}
	matches, f := c.matches(t.pattern, v.text)
	if f == nil && !matches {
		f = c.fault(r, "pattern")
	}
	return f
}

// matches asks a regular expression, which takes some 4 ns for each of its steps.
func (c *checker) matches(p *pattern, text string) (bool, *fault) {
	if !c.spend(1 + len(text)*p.size/8) {
		return false, &c.over
	}
	return p.MatchString(text), nil
}

func (c *checker) list(r *rule, v *value, seen []bool) *fault {
	l := r.list
	switch {
	case len(v.list) < l.least:
		return c.fault(r, "minItems")
	case len(v.list) > l.most:
		return c.fault(r, "maxItems")
	}
	if l.unique {
		if f := c.unique(r, v); f != nil {
			return f
		}
	}
	for i := range v.list {
		sub, word := l.items, l.itemsWord
		if i < len(l.prefix) {
			sub, word = l.prefix[i], l.prefixWord
		}
		if sub == nil {
			break
		}
		if seen != nil {
			seen[i] = true
		}
		if f := c.apply(r, word, sub, &v.list[i]); f != nil {
			return c.below(f, strconv.Itoa(i))
		}
	}
	if l.contains == nil {
		return nil
	}
	return c.contains(r, v, seen)
}

// unique puts the items in order, where equal ones stand side by side.
func (c *checker) unique(r *rule, v *value) *fault {
	if !c.spend(int(v.size) * bits.Len(uint(len(v.list)))) {
		return &c.over
	}
	order := make([]*value, len(v.list))
	for i := range v.list {
		order[i] = &v.list[i]
	}
	slices.SortFunc(order, compare)
	for i := 1; i < len(order); i++ {
		if compare(order[i-1], order[i]) == 0 {
			return c.fault(r, "uniqueItems")
		}
	}
	return nil
}

func (c *checker) contains(r *rule, v *value, seen []bool) *fault {
	l, n := r.list, 0
	for i := range v.list {
		switch c.try(l.contains, &v.list[i], nil) {
		case &c.over:
			return &c.over
		case nil:
			n++
			if seen != nil && l.containsLooks {
				seen[i] = true
			}
		}
	}
	switch {
	case n < l.leastContained && l.leastContained == 1:
		return c.fault(r, "contains")
	case n < l.leastContained:
		return c.fault(r, "minContains")
	case n > l.mostContained:
		return c.fault(r, "maxContains")
	}
	return nil
}

func (c *checker) object(r *rule, v *value, seen []bool) *fault {
	o := r.object
	switch {
	case len(v.list) < o.least:
		return c.fault(r, "minProperties")
	case len(v.list) > o.most:
		return c.fault(r, "maxProperties")
	}
	if f := c.has(r, "required", v, o.required); f != nil {
		return f
	}
	for _, n := range o.needs {
		if v.member(n.name) == nil {
			continue
		}
		if f := c.has(r, n.word, v, n.names); f != nil {
			return f
		}
	}
	for i := range v.list {
		looked, f := c.member(r, &v.list[i])
		if f != nil {
			return c.below(f, v.list[i].name)
		}
		if seen != nil {
			seen[i] = seen[i] || looked
		}
	}
	for _, d := range o.dependents {
		if v.member(d.name) == nil {
			continue
		}
		if f := c.check(d.rule, v, seen); f != nil {
			return f
		}
	}
	return nil
}

// has finds a member that an object has to have and has not.
func (c *checker) has(r *rule, word string, v *value, names []string) *fault {
	if !c.spend(len(names)) {
		return &c.over
	}
	for _, name := range names {
		if v.member(name) == nil {
			return c.below(c.fault(r, word), name)
		}
	}
	return nil
}

// member has one of an object fit what is said of it. looked tells that something was.
func (c *checker) member(r *rule, m *value) (looked bool, f *fault) {
	o := r.object
	if o.names != nil {
		switch c.try(o.names, &value{kind: isText, text: m.name}, nil) {
		case &c.over:
			return false, &c.over
		case &c.no:
			return false, c.fault(r, "propertyNames")
		}
	}
	if sub := o.properties[m.name]; sub != nil {
		looked = true
		if f = c.apply(r, "properties", sub, m); f != nil {
			return looked, f
		}
	}
	for _, p := range o.patterns {
		matches, f := c.matches(p.pattern, m.name)
		if matches {
			looked = true
			f = c.apply(r, "patternProperties", p.rule, m)
		}
		if f != nil {
			return looked, f
		}
	}
	if looked || o.additional == nil {
		return looked, nil
	}
	return true, c.apply(r, "additionalProperties", o.additional, m)
}
