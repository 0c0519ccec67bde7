package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/stompgw/stompgw/bus/settings"
)

// isItems reports whether k is a list of items, which only the file can hold.
func (k key) isItems() bool {
	t := reflect.TypeOf(k.target).Elem()
	return t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct
}

// itemKeys returns the settings of an item, by their names in it. A secret has none but its file.
func itemKeys(item reflect.Value) []key {
	return slices.DeleteFunc(keysOf("", item.Addr().Interface()), func(k key) bool {
		_, secret := k.target.(*settings.Secret)
		return secret
	})
}

// newItem returns the settings of an item of k of which nothing is said.
func (k key) newItem() []key {
	keys := itemKeys(reflect.New(reflect.TypeOf(k.target).Elem().Elem()).Elem())
	setDefaults(keys)
	return keys
}

// items returns the settings of each item of k, but for those that are empty as they are by default.
func (k key) items() (all [][]key) {
	list, initial := reflect.ValueOf(k.target).Elem(), k.newItem()
	for i := range list.Len() {
		var said []key
		for j, f := range itemKeys(list.Index(i)) {
			if !f.isEmpty() || !initial[j].isEmpty() {
				said = append(said, f)
			}
		}
		all = append(all, said)
	}
	return all
}

// isEmpty reports whether nothing is said of k, or nothing but no.
func (k key) isEmpty() bool { return reflect.ValueOf(k.target).Elem().IsZero() }

// readItems reads the list of items that k is.
func (f *file) readItems(n *yaml.Node, k key) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind != yaml.SequenceNode {
		f.fault(n, k.path, "is %s: want a list, each item beginning with `- %s:`", kind(n), k.newItem()[0].path)
		return
	}
	list := reflect.ValueOf(k.target).Elem()
	list.Set(reflect.MakeSlice(list.Type(), len(n.Content), len(n.Content)))
	for i, item := range n.Content {
		full := fmt.Sprintf("%s[%d]", k.path, i)
		f.origins[full] = f.at(item)
		keys := itemKeys(list.Index(i))
		setDefaults(keys)
		f.item(item, full, keys)
	}
	if len(n.Content) == 0 {
		list.SetZero()
	}
}

func (f *file) item(n *yaml.Node, path string, keys []key) {
	var names, required []string
	for _, k := range keys {
		names = append(names, k.path)
		if k.required {
			required = append(required, k.path)
		}
	}
	before := len(f.errs)
	f.entries(n, path, func(name string, at, value *yaml.Node) {
		full := path + "." + name
		if i := slices.Index(names, name); i >= 0 {
			k := keys[i]
			k.path = full
			f.set(at, value, k)
			return
		}
		reason := "there is no such key; here stand " + strings.Join(names, ", ")
		if near := Nearest(name, names); near != "" {
			reason = "there is no such key; did you mean " + near + "?"
		}
		f.fault(at, full, "%s", reason)
	})
	if len(f.errs) > before {
		return
	}
	for _, k := range keys {
		if k.required && k.isEmpty() {
			f.fault(n, path, "has no %s: every item of this list needs %s", k.path, strings.Join(required, ", "))
		}
	}
}

// set reads the value of one setting of an item.
func (f *file) set(name, value *yaml.Node, k key) {
	before := len(f.errs)
	values := f.read(value, k)
	if !k.isList() {
		f.note(k.path, value)
	}
	if len(f.errs) > before {
		return
	}
	if err := k.set(values); err != nil {
		f.fault(name, k.path, "%v", err)
	}
}
