package schema

import (
	"fmt"
	"maps"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// maxInPlace bounds how many rules one value has to be checked by, apart from those for what is in it. References that
// branch double it at each step.
const maxInPlace = 10_000

// convert makes rules of what the library has compiled.
func (c *compiler) convert(file string, root *jsonschema.Schema) (*Schema, error) {
	s := &Schema{file: file, docs: map[string]*document{}, refs: map[string]string{}}
	for _, d := range c.docs {
		s.docs[d.file] = d
	}
	m := &converter{compiler: c, made: map[*jsonschema.Schema]*rule{}}
	s.root = m.rule(root)
	for len(m.open) > 0 && m.err == nil {
		next := m.open[0]
		m.open = m.open[1:]
		m.fill(next)
		if next.Ref != nil {
			s.refs[m.where(next)] = m.where(next.Ref)
		}
	}
	if m.err != nil {
		return nil, m.err
	}
	return s, m.checkInPlace()
}

// converter makes rules of one schema.
type converter struct {
	*compiler
	made map[*jsonschema.Schema]*rule
	open []*jsonschema.Schema // whose rules are to be filled in
	err  error                // the first
}

// rule returns the rule of what the library has compiled, nil for nil, which fill completes.
func (m *converter) rule(from *jsonschema.Schema) *rule {
	if from == nil {
		return nil
	}
	r := m.made[from]
	if r == nil {
		r = &rule{}
		m.made[from] = r
		m.open = append(m.open, from)
	}
	return r
}

func (m *converter) rules(from []*jsonschema.Schema) (list []*rule) {
	for _, sub := range from {
		list = append(list, m.rule(sub))
	}
	return list
}

// either is a rule, or what is written as true or false in its place.
func (m *converter) either(from any) *rule {
	switch from := from.(type) {
	case bool:
		return &rule{always: from, never: !from}
	case *jsonschema.Schema:
		return m.rule(from)
	}
	return nil
}

// where is the place of a schema for people, such as "chat.json#/properties/chat".
func (m *converter) where(from *jsonschema.Schema) string {
	address, pointer, _ := strings.Cut(from.Location, "#")
	if text, err := url.PathUnescape(pointer); err == nil {
		pointer = text
	}
	if d := m.docs[address]; d != nil {
		return d.file + "#" + pointer
	}
	return address + "#" + pointer
}

// fill fills in the rule of a schema.
func (m *converter) fill(from *jsonschema.Schema) {
	r := m.made[from]
	r.at = m.where(from)
	if from.Bool != nil {
		r.always, r.never = *from.Bool, !*from.Bool
		return
	}
	_, said := m.find(from.Location)
	if said == nil {
		m.err = &Error{m.docs[m.addresses()[0]].name, 0, "a $ref leads to the schema of schemas, which is not known here"}
		return
	}
	r.ref = m.rule(from.Ref)
	if from.DraftVersion < 2019 && from.Ref != nil {
		return // nothing beside it counts
	}
	r.allOf, r.anyOf, r.oneOf = m.rules(from.AllOf), m.rules(from.AnyOf), m.rules(from.OneOf)
	r.not, r.cond, r.then, r.elseRule = m.rule(from.Not), m.rule(from.If), m.rule(from.Then), m.rule(from.Else)
	m.values(r, from, said)
	r.number = numbersOf(said)
	m.texts(r, from, said)
	m.lists(r, from, said)
	m.objects(r, from, said)
}

// values fills in what is said of values whatever they are.
func (m *converter) values(r *rule, from *jsonschema.Schema, said *value) {
	if from.Types != nil {
		for _, name := range from.Types.ToStrings() {
			r.types |= map[string]kind{"null": isNull, "boolean": isBool, "number": isNumber, "string": isText, "array": isList, "object": isObject}[name]
			if name == "integer" {
				r.integer = true
			}
		}
	}
	if from.Const != nil {
		r.constant = said.member("const")
	}
	if from.Enum != nil {
		r.enum = append([]value{}, said.member("enum").list...) // an empty one lets nothing fit
		slices.SortFunc(r.enum, func(a, b value) int { return compare(&a, &b) })
	}
}

func numbersOf(said *value) *numbers {
	n := &numbers{least: said.bound("minimum"), most: said.bound("maximum"), above: said.bound("exclusiveMinimum"), under: said.bound("exclusiveMaximum"),
		unit: said.bound("multipleOf")}
	if strict := said.member("exclusiveMinimum"); strict != nil && strict.yes && strict.kind == isBool { // draft 4
		n.least, n.above = nil, n.least
	}
	if strict := said.member("exclusiveMaximum"); strict != nil && strict.yes && strict.kind == isBool {
		n.most, n.under = nil, n.most
	}
	if *n == (numbers{}) {
		return nil
	}
	return n
}

// bound returns the number that a keyword says, nil for none.
func (v *value) bound(keyword string) *value {
	if n := v.member(keyword); n != nil && n.kind == isNumber {
		return n
	}
	return nil
}

// counts returns what two keywords say of how many there may be.
func (v *value) counts(least, most string) (from, to int) {
	to = math.MaxInt
	if n := v.bound(least); n != nil {
		from = n.count()
	}
	if n := v.bound(most); n != nil {
		to = n.count()
	}
	return from, to
}

// count is v as a number of things: one that is too large for that is more than there ever are.
func (v *value) count() int {
	n, err := strconv.Atoi(v.number())
	if err != nil {
		return math.MaxInt
	}
	return n
}

// names returns the texts of a list.
func (v *value) names() (list []string) {
	for i := range v.list {
		list = append(list, v.list[i].text)
	}
	return list
}

func (m *converter) texts(r *rule, from *jsonschema.Schema, said *value) {
	t := &texts{}
	t.least, t.most = said.counts("minLength", "maxLength")
	if from.Pattern != nil {
		t.pattern, _ = from.Pattern.(*pattern) // compilePattern has made it
	}
	if *t != (texts{most: math.MaxInt}) {
		r.text = t
	}
}

func (m *converter) lists(r *rule, from *jsonschema.Schema, said *value) {
	l := &lists{unique: from.UniqueItems, contains: m.rule(from.Contains), rest: m.rule(from.UnevaluatedItems), containsLooks: from.DraftVersion >= 2020,
		prefix: m.rules(from.PrefixItems), items: m.rule(from.Items2020), prefixWord: "prefixItems", itemsWord: "items"}
	l.least, l.most = said.counts("minItems", "maxItems")
	switch items := from.Items.(type) {
	case *jsonschema.Schema:
		l.items = m.rule(items)
	case []*jsonschema.Schema:
		l.prefix, l.items, l.prefixWord, l.itemsWord = m.rules(items), m.either(from.AdditionalItems), "items", "additionalItems"
	}
	l.leastContained, l.mostContained = 1, math.MaxInt
	if from.DraftVersion >= 2019 {
		least, most := said.counts("minContains", "maxContains")
		l.mostContained = most
		if said.bound("minContains") != nil {
			l.leastContained = least
		}
	}
	if l.least > 0 || l.most < math.MaxInt || l.unique || l.contains != nil || l.rest != nil || l.prefix != nil || l.items != nil {
		r.list = l
	}
}

func (m *converter) objects(r *rule, from *jsonschema.Schema, said *value) {
	o := &objects{required: from.Required, additional: m.either(from.AdditionalProperties), names: m.rule(from.PropertyNames), rest: m.rule(from.UnevaluatedProperties)}
	o.least, o.most = said.counts("minProperties", "maxProperties")
	if len(from.Properties) > 0 {
		o.properties = make(map[string]*rule, len(from.Properties))
		for name, sub := range from.Properties {
			o.properties[name] = m.rule(sub)
		}
	}
	for re, sub := range from.PatternProperties {
		if p, ok := re.(*pattern); ok {
			o.patterns = append(o.patterns, patternRule{p, m.rule(sub)})
		}
	}
	slices.SortFunc(o.patterns, func(a, b patternRule) int { return strings.Compare(a.String(), b.String()) })
	m.dependents(o, from, said)
	if o.least > 0 || o.most < math.MaxInt || o.required != nil || o.needs != nil || o.dependents != nil ||
		o.properties != nil || o.patterns != nil || o.additional != nil || o.names != nil || o.rest != nil {
		r.object = o
	}
}

// dependents fills in what objects have to have or to fit because they have something.
func (m *converter) dependents(o *objects, from *jsonschema.Schema, said *value) {
	for _, word := range []string{"dependencies", "dependentRequired"} {
		list := said.member(word)
		if list == nil || word == "dependentRequired" && from.DraftVersion < 2019 {
			continue
		}
		for i := range list.list {
			if names := &list.list[i]; names.kind == isList {
				o.needs = append(o.needs, need{names.name, names.names(), word})
			}
		}
	}
	for name, sub := range from.Dependencies {
		if sub, ok := sub.(*jsonschema.Schema); ok {
			o.dependents = append(o.dependents, property{name, m.rule(sub)})
		}
	}
	for name, sub := range from.DependentSchemas {
		o.dependents = append(o.dependents, property{name, m.rule(sub)})
	}
	slices.SortFunc(o.dependents, func(a, b property) int { return strings.Compare(a.name, b.name) })
}

// checkInPlace refuses schemas by which a value would have to be checked without end, or nearly so.
func (m *converter) checkInPlace() error {
	from := map[*rule]*jsonschema.Schema{}
	for schema, r := range m.made {
		from[r] = schema
	}
	fault := func(r *rule, reason string) error { return m.at(from[r].Location, reason, m.docs[m.addresses()[0]]) }
	sizes := map[*rule]int{} // how many rules a value has to fit that has to fit this; 0 while they are counted
	var count func(r *rule) error
	count = func(r *rule) (err error) {
		if n, known := sizes[r]; known {
			if n == 0 {
				err = fault(r, "refers to itself for the same value, so that checking it would have no end")
			}
			return err
		}
		sizes[r] = 0
		n := 1
		r.inPlace(func(sub *rule) {
			if err == nil {
				err = count(sub)
			}
			n = min(n+sizes[sub], maxInPlace+1)
		})
		if err == nil && n > maxInPlace {
			err = fault(r, fmt.Sprintf("has a value checked by more than %d subschemas: its references branch too often", maxInPlace))
		}
		sizes[r] = n
		return err
	}
	for _, r := range slices.SortedFunc(maps.Keys(from), func(a, b *rule) int { return strings.Compare(a.at, b.at) }) {
		if err := count(r); err != nil {
			return err
		}
	}
	return nil
}
