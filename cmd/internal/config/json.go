package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// object is a JSON object whose members stay in order.
type object []member

type member struct {
	name  string
	value any
}

// MarshalJSON implements json.Marshaler.
func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // conditions are full of & and <
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		if err := enc.Encode(m.name); err != nil {
			return nil, err
		}
		b.WriteByte(':')
		if err := enc.Encode(m.value); err != nil {
			return nil, err
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// with returns o with a value below the names of path, whose sections are the last ones of o or new.
func (o object) with(path []string, value any) object {
	if len(path) == 1 {
		return append(o, member{path[0], value})
	}
	if last := len(o) - 1; last < 0 || o[last].name != path[0] {
		o = append(o, member{path[0], object(nil)})
	}
	section := &o[len(o)-1]
	section.value = section.value.(object).with(path[1:], value)
	return o
}

// WriteJSON writes every setting as it counts, a secret as REDACTED: an object like the file. With origin
// it is a list of the keys, each with its value and where that came from.
func (c *Config) WriteJSON(w io.Writer, origin bool) error {
	var whole object
	list := []object{}
	note := func(path string, value any) {
		list = append(list, object{{"key", path}, {"value", value}, {"origin", c.source(path)}})
	}
	for _, k := range c.keys() {
		var value any
		if k.isItems() {
			value = objects(k, note)
		} else {
			value = k.shown()
		}
		if items, ok := value.([]object); !ok || len(items) == 0 {
			note(k.path, value)
		}
		whole = whole.with(strings.Split(k.path, "."), value)
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if origin {
		return enc.Encode(list)
	}
	return enc.Encode(whole)
}

// objects returns the items of a list, and tells note each of their settings.
func objects(k key, note func(path string, value any)) []object {
	all := []object{}
	for i, fields := range k.items() {
		var o object
		for _, f := range fields {
			value := f.shown()
			o = append(o, member{f.path, value})
			note(fmt.Sprintf("%s[%d].%s", k.path, i, f.path), value)
		}
		all = append(all, o)
	}
	return all
}
