package presence

import (
	"github.com/stompgw/stompgw/gateway/registry"
)

// laterChanges is how many changes are kept while a question is on its way whose answer may be older than they are.
const laterChanges = 64

// part is who is in a room on one node, as far as that has told. Run's goroutine owns it.
type part struct {
	number           uint64             // of the last change that is in it
	people           map[string]someone // by member; nil while there are none
	count, anonymous int
	many             bool // there is nothing but these numbers

	known bool     // the node has answered once
	due   bool     // the node is to be asked
	asked bool     // a question is on its way
	later []change // that came while it was
}

// someone is a member on one node.
type someone struct {
	sessions int
	since    int64
	info     []byte
}

// isSettled reports whether the part is what the node has told, as far as is known.
func (p *part) isSettled() bool { return p.known && !p.due && !p.asked }

// has reports whether the part is what the node had at that number, which is 0 where nobody was there.
func (p *part) has(number uint64) bool {
	if number == 0 {
		return p.count == 0 && p.anonymous == 0
	}
	return p.number == number
}

// apply puts a change into the part, and tells touch about whom. It reports false where something between is missing, or if what comes
// out is not what the node has.
func (p *part) apply(c *change, touch func(member string)) bool {
	switch {
	case c.To <= p.number:
		return true // it is in it
	case c.From != 0 && c.From != p.number, c.From != 0 && p.many && !c.Many:
		return false
	}
	if c.From == 0 || c.Many {
		p.clear(touch)
	}
	for _, who := range c.Changes {
		p.set(who, touch)
	}
	p.number, p.count, p.anonymous, p.many = c.To, c.Count, c.Anonymous, c.Many
	return p.many || len(p.people) == p.count
}

func (p *part) set(who registry.Person, touch func(member string)) {
	member := string(who.Member)
	touch(member)
	if who.Sessions == 0 {
		delete(p.people, member)
		return
	}
	if p.people == nil {
		p.people = map[string]someone{}
	}
	p.people[member] = someone{who.Sessions, who.Since, who.Info}
}

// clear leaves nobody.
func (p *part) clear(touch func(member string)) {
	for member := range p.people {
		touch(member)
	}
	p.people, p.count, p.anonymous, p.many = nil, 0, 0, false
}

// answer makes the part what the node has answered, nil for nobody, and what came later. It reports false as apply does.
func (p *part) answer(all *registry.Present, touch func(member string)) (whole bool) {
	p.clear(touch)
	p.known, p.asked = true, false
	if all != nil {
		p.number, p.count, p.anonymous, p.many = all.Number, all.Count, all.Anonymous, all.Many
		if !all.Many {
			for _, who := range all.Members {
				p.set(who, touch)
			}
		}
	}
	whole = true
	for i := range p.later {
		whole = p.apply(&p.later[i], touch) && whole
	}
	p.later = nil
	return whole
}

// keep keeps a change for when the answer has come. It reports false where there are too many.
func (p *part) keep(c *change) bool {
	if len(p.later) == laterChanges {
		p.later = nil
		return false
	}
	p.later = append(p.later, *c)
	return true
}

// isNewer reports whether s is what counts of one member that two nodes tell of.
func (s someone) isNewer(node string, than someone, thanNode string) bool {
	return s.since > than.since || s.since == than.since && node > thanNode
}
