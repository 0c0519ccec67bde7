package schema

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
)

// kind is what a value of JSON is.
type kind uint8

const (
	isNull kind = 1 << iota
	isBool
	isNumber
	isText
	isList
	isObject
)

// charsAStep is how many bytes of a text are looked at in the time of a step.
const charsAStep = 64

// value is one of JSON. Two are equal in the sense of JSON Schema if compare says so.
type value struct {
	kind kind
	yes  bool   // of a bool; of a number, that it is below 0
	exp  int16  // of a number, which is its digits × 10^exp
	line int32  // on which it begins, from 1
	size int32  // how much there is to compare: about the values in it, itself too
	name string // under which it stands in an object
	text string // or the digits of a number, with a zero neither in front nor behind: none for 0

	list []value // items; or members, in the order of their names
}

// member returns the member of a name, nil if there is none.
func (v *value) member(name string) *value {
	if v.kind != isObject {
		return nil
	}
	i, ok := slices.BinarySearchFunc(v.list, name, func(m value, name string) int { return strings.Compare(m.name, name) })
	if !ok {
		return nil
	}
	return &v.list[i]
}

// compare puts all values into an order. That of numbers is the usual one.
func compare(a, b *value) int {
	if a.kind != b.kind {
		return cmp.Compare(a.kind, b.kind)
	}
	switch a.kind {
	case isNumber:
		return compareNumbers(a, b)
	case isText:
		return strings.Compare(a.text, b.text)
	case isBool:
		if a.yes == b.yes {
			return 0
		}
		return map[bool]int{false: -1, true: 1}[a.yes]
	}
	if d := cmp.Compare(len(a.list), len(b.list)); d != 0 {
		return d
	}
	for i := range a.list {
		if d := strings.Compare(a.list[i].name, b.list[i].name); d != 0 {
			return d
		}
		if d := compare(&a.list[i], &b.list[i]); d != 0 {
			return d
		}
	}
	return 0
}

// plain is v as encoding/json has it, with json.Number for numbers.
func (v *value) plain() any {
	switch v.kind {
	case isBool:
		return v.yes
	case isNumber:
		return json.Number(v.number())
	case isText:
		return v.text
	case isList:
		list := make([]any, len(v.list))
		for i := range v.list {
			list[i] = v.list[i].plain()
		}
		return list
	case isObject:
		object := make(map[string]any, len(v.list))
		for i := range v.list {
			object[v.list[i].name] = v.list[i].plain()
		}
		return object
	}
	return nil
}
