package schema

import "slices"

// Steps that checking a body may take: about one for each rule that is applied to a value. One takes some 30 ns.
const (
	AllSteps = 2_000_000
	FewSteps = 20_000 // what an event loop has time for
)

// maxDepth bounds how deep rules are in one another while a body is checked, as each takes memory of the stack.
const maxDepth = 4000

// checker checks one body.
type checker struct {
	left, depth int // steps, and rules in one another, that may come yet
	quiet       int // how many rules there are for which a fault is an answer, whatever it is

	over, no fault // the cost is too high; something does not fit, in quiet
}

func (c *checker) spend(steps int) bool {
	c.left -= steps
	return c.left >= 0
}

// fault is that a value does not fit a keyword of r.
func (c *checker) fault(r *rule, keyword string) *fault {
	if c.quiet > 0 {
		return &c.no
	}
	return &fault{rule: keyword, at: r.at}
}

// below says in what a fault is.
func (c *checker) below(f *fault, token string) *fault {
	if f == &c.no || f == &c.over {
		return f
	}
	return f.below(token)
}

// apply has a value fit what a keyword of r says of it.
func (c *checker) apply(r *rule, keyword string, sub *rule, v *value) *fault {
	if sub.never {
		return c.fault(r, keyword)
	}
	return c.check(sub, v, nil)
}

// try tells whether a value fits, with c.no if it does not. Of what it fits, seen learns what it has looked at.
func (c *checker) try(r *rule, v *value, seen []bool) *fault {
	var looked []bool
	if seen != nil {
		if !c.spend(len(seen) / 4) {
			return &c.over
		}
		looked = make([]bool, len(seen))
	}
	c.quiet++
	f := c.check(r, v, looked)
	c.quiet--
	if f == nil {
		for i, is := range looked {
			seen[i] = seen[i] || is
		}
	} else if f != &c.over {
		f = &c.no
	}
	return f
}

// check returns why v does not fit r, nil if it does. Where seen is not nil, it learns which items or members were
// looked at.
func (c *checker) check(r *rule, v *value, seen []bool) *fault {
	switch {
	case r.always:
		return nil
	case r.never:
		return c.fault(r, "false")
	case c.depth == 0 || !c.spend(1+len(v.text)/charsAStep+len(v.list)/2):
		return &c.over
	}
	c.depth--
	defer func() { c.depth++ }()
	rest, looked := r.unevaluated(v.kind), seen
	if rest != nil {
		if !c.spend(len(v.list) / 8) {
			return &c.over
		}
		looked = make([]bool, len(v.list))
	}
	if f := c.keywords(r, v, looked); f != nil || rest == nil {
		return f
	}
	for i := range seen {
		seen[i] = true
	}
	return c.rest(r, rest, v, looked)
}

// rest has those items or members fit that nothing has looked at.
func (c *checker) rest(r, rest *rule, v *value, looked []bool) *fault {
	word := "unevaluatedItems"
	if v.kind == isObject {
		word = "unevaluatedProperties"
	}
	for i := range v.list {
		if looked[i] {
			continue
		}
		if f := c.apply(r, word, rest, &v.list[i]); f != nil {
			return c.below(f, v.token(i))
		}
	}
	return nil
}

func (c *checker) keywords(r *rule, v *value, seen []bool) *fault {
	if wants := r.types != 0 || r.integer; wants && v.kind&r.types == 0 && !(r.integer && v.kind == isNumber && v.isInteger()) {
		return c.fault(r, "type")
	}
	if (r.constant != nil || r.enum != nil) && !c.spend(int(v.size)) {
		return &c.over
	}
	if r.constant != nil && compare(v, r.constant) != 0 {
		return c.fault(r, "const")
	}
	if r.enum != nil {
		if _, ok := slices.BinarySearchFunc(r.enum, v, func(one value, v *value) int { return compare(&one, v) }); !ok {
			return c.fault(r, "enum")
		}
	}
	var f *fault
	switch {
	case v.kind == isNumber && r.number != nil:
		f = c.number(r, v)
	case v.kind == isText && r.text != nil:
		f = c.text(r, v)
	case v.kind == isList && r.list != nil:
		f = c.list(r, v, seen)
	case v.kind == isObject && r.object != nil:
		f = c.object(r, v, seen)
	}
	if f != nil {
		return f
	}
	return c.inPlace(r, v, seen)
}

// inPlace has v fit other rules.
func (c *checker) inPlace(r *rule, v *value, seen []bool) *fault {
	if r.ref != nil {
		if f := c.check(r.ref, v, seen); f != nil {
			return f
		}
	}
	for _, sub := range r.allOf {
		if f := c.check(sub, v, seen); f != nil {
			return f
		}
	}
	if f := c.some(r, v, seen); f != nil {
		return f
	}
	if r.not != nil {
		switch c.try(r.not, v, nil) {
		case nil:
			return c.fault(r, "not")
		case &c.over:
			return &c.over
		}
	}
	if r.cond == nil {
		return nil
	}
	next := r.then
	switch c.try(r.cond, v, seen) {
	case &c.over:
		return &c.over
	case &c.no:
		next = r.elseRule
	}
	if next == nil {
		return nil
	}
	return c.check(next, v, seen)
}

// some has v fit one of some rules, or one alone. Where seen is nil it does not matter which others it fits.
func (c *checker) some(r *rule, v *value, seen []bool) *fault {
	fits := func(rules []*rule, enough int) (n int, f *fault) {
		for _, sub := range rules {
			switch c.try(sub, v, seen) {
			case &c.over:
				return n, &c.over
			case nil:
				if n++; n == enough {
					return n, nil
				}
			}
		}
		return n, nil
	}
	if r.anyOf != nil {
		enough := 1
		if seen != nil {
			enough = len(r.anyOf)
		}
		if n, f := fits(r.anyOf, enough); f != nil {
			return f
		} else if n == 0 {
			return c.fault(r, "anyOf")
		}
	}
	if r.oneOf != nil {
		if n, f := fits(r.oneOf, 2); f != nil {
			return f
		} else if n != 1 {
			return c.fault(r, "oneOf")
		}
	}
	return nil
}
