package schema

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Bounds of a body, those of expressions in CEL too.
const (
	maxNesting = 1000    // lists and objects in one another
	maxValues  = 100_000 // of which each takes 64 bytes of memory, and 2 of the body
)

// manyOpen is for how many values there is room at first, at most.
const manyOpen = 1024

// parser reads one JSON text (RFC 8259). Half a surrogate pair is read as U+FFFD, as by encoding/json. An object that
// has a name twice is a fault, since programs don't agree on what it means.
type parser struct {
	text string
	at   int
	line int32

	nesting, values int     // that may come yet
	open            []value // in the lists and objects that are not closed
}

// parse reads the whole of a text. The line of a fault is that on which it came up.
func parse(text []byte, nesting, values int) (value, *fault) {
	p := &parser{text: string(text), line: 1, nesting: nesting, values: values}
	p.open = make([]value, 0, min(bytes.Count(text, []byte{','})+1, manyOpen))
	if !utf8.Valid(text) {
		before := text[:len(text)-len(bytes.TrimLeftFunc(text, func(r rune) bool { return r != utf8.RuneError }))]
		return value{}, &fault{rule: RuleUTF8, line: 1 + int32(bytes.Count(before, []byte{'\n'}))}
	}
	v, f := p.value()
	if f == nil && p.next() != 0 {
		f = p.fault(RuleJSON)
	}
	return v, f
}

func (p *parser) fault(rule string) *fault { return &fault{rule: rule, line: p.line} }

// next skips blanks and returns the byte behind them, 0 at the end. A 0 within is none of JSON either.
func (p *parser) next() byte {
	for ; p.at < len(p.text); p.at++ {
		switch c := p.text[p.at]; c {
		case '\n':
			p.line++
		case ' ', '\t', '\r':
		case 0:
			return 1
		default:
			return c
		}
	}
	return 0
}

// takes skips c, if it comes next.
func (p *parser) takes(c byte) bool {
	if p.next() != c {
		return false
	}
	p.at++
	return true
}

func (p *parser) value() (v value, f *fault) {
	c := p.next()
	v.line, v.size = p.line, 1
	if p.values--; p.values < 0 {
		return v, p.fault(RuleValues)
	}
	switch c {
	case '{', '[':
		if p.nesting--; p.nesting < 0 {
			return v, p.fault(RuleDepth)
		}
		p.at++
		if c == '{' {
			f = p.object(&v)
		} else {
			f = p.list(&v)
		}
		p.nesting++
	case '"':
		v.kind = isText
		v.text, f = p.string()
		v.size += int32(len(v.text) / charsAStep)
	case 'n':
		f = p.word(&v, "null", isNull)
	case 't':
		v.yes = true
		f = p.word(&v, "true", isBool)
	case 'f':
		f = p.word(&v, "false", isBool)
	default:
		f = p.number(&v)
	}
	return v, f
}

// list reads what follows [.
func (p *parser) list(v *value) *fault {
	v.kind = isList
	first := len(p.open)
	if p.takes(']') {
		return nil
	}
	for {
		item, f := p.value()
		if f != nil {
			return f.below(strconv.Itoa(len(p.open) - first))
		}
		p.open = append(p.open, item)
		switch {
		case p.takes(','):
		case p.takes(']'):
			p.close(v, first)
			return nil
		default:
			return p.fault(RuleJSON)
		}
	}
}

// object reads what follows {.
func (p *parser) object(v *value) *fault {
	v.kind = isObject
	first := len(p.open)
	if p.takes('}') {
		return nil
	}
	for {
		if p.next() != '"' {
			return p.fault(RuleJSON)
		}
		name, f := p.string()
		if f != nil {
			return f
		}
		if !p.takes(':') {
			return p.fault(RuleJSON)
		}
		member, f := p.value()
		if f != nil {
			return f.below(name)
		}
		member.name = name
		p.open = append(p.open, member)
		switch {
		case p.takes(','):
		case p.takes('}'):
			p.close(v, first)
			return v.order()
		default:
			return p.fault(RuleJSON)
		}
	}
}

// close gives v what has been read since it was opened.
func (p *parser) close(v *value, first int) {
	if v.list = p.open; first == 0 {
		p.open = nil // all of it is the outermost
	} else {
		v.list, p.open = slices.Clone(p.open[first:]), p.open[:first]
	}
	for i := range v.list {
		v.size += v.list[i].size
	}
}

// order puts the members of an object into the order of their names.
func (v *value) order() *fault {
	slices.SortStableFunc(v.list, func(a, b value) int { return strings.Compare(a.name, b.name) })
	for i := 1; i < len(v.list); i++ {
		if m := &v.list[i]; m.name == v.list[i-1].name {
			return (&fault{rule: RuleTwice, line: m.line}).below(m.name)
		}
	}
	return nil
}

func (p *parser) word(v *value, word string, kind kind) *fault {
	v.kind = kind
	if !strings.HasPrefix(p.text[p.at:], word) {
		return p.fault(RuleJSON)
	}
	p.at += len(word)
	return nil
}

func (p *parser) number(v *value) *fault {
	start := p.at
	p.skip("-")
	whole := p.digits()
	ok := whole == 1 || whole > 1 && p.text[p.at-whole] != '0'
	if p.skip(".") {
		ok = p.digits() > 0 && ok
	}
	if p.skip("eE") {
		p.skip("+-")
		ok = p.digits() > 0 && ok
	}
	switch {
	case !ok:
		return p.fault(RuleJSON)
	case !v.setNumber(p.text[start:p.at]):
		return p.fault(RuleNumber)
	}
	return nil
}

// skip skips a byte that is one of some.
func (p *parser) skip(some string) bool {
	if p.at == len(p.text) || strings.IndexByte(some, p.text[p.at]) < 0 {
		return false
	}
	p.at++
	return true
}

// digits skips digits, and returns how many.
func (p *parser) digits() (n int) {
	for p.skip("0123456789") {
		n++
	}
	return n
}

// string reads one from its quotation mark on.
func (p *parser) string() (string, *fault) {
	p.at++
	start := p.at
	for ; p.at < len(p.text); p.at++ {
		switch c := p.text[p.at]; {
		case c == '"':
			p.at++
			return p.text[start : p.at-1], nil
		case c == '\\':
			return p.escaped([]byte(p.text[start:p.at]))
		case c < ' ':
			return "", p.fault(RuleJSON)
		}
	}
	return "", p.fault(RuleJSON)
}

// escaped reads on from the first escape; s is what stands before it.
func (p *parser) escaped(s []byte) (string, *fault) {
	for p.at < len(p.text) {
		c := p.text[p.at]
		p.at++
		switch {
		case c == '"':
			return string(s), nil
		case c < ' ':
			return "", p.fault(RuleJSON)
		case c != '\\':
			s = append(s, c)
		case p.skip("u"):
			r, ok := p.rune()
			if !ok {
				return "", p.fault(RuleJSON)
			}
			s = utf8.AppendRune(s, r)
		default:
			const names, meant = `"\/bfnrt`, "\"\\/\b\f\n\r\t"
			if p.at == len(p.text) || strings.IndexByte(names, p.text[p.at]) < 0 {
				return "", p.fault(RuleJSON)
			}
			s = append(s, meant[strings.IndexByte(names, p.text[p.at])])
			p.at++
		}
	}
	return "", p.fault(RuleJSON)
}

// rune reads what follows \u, and the other half of a surrogate pair.
func (p *parser) rune() (r rune, ok bool) {
	if r, ok = p.hex(); !ok || !utf16.IsSurrogate(r) {
		return r, ok
	}
	before := p.at
	if p.skip(`\`) && p.skip("u") {
		if low, ok := p.hex(); ok {
			if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
				return pair, true
			}
		}
	}
	p.at = before // of what is no other half
	return utf8.RuneError, true
}

// hex reads four hexadecimal digits.
func (p *parser) hex() (rune, bool) {
	if len(p.text)-p.at < 4 {
		return 0, false
	}
	n, err := strconv.ParseUint(p.text[p.at:p.at+4], 16, 32)
	if err != nil || strings.ContainsAny(p.text[p.at:p.at+4], "_+-xX") {
		return 0, false
	}
	p.at += 4
	return rune(n), true
}
