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

// itemKeys returns the settings of the item at a path. A secret has none but its file.
func itemKeys(path string, item reflect.Value) []key {
	return slices.DeleteFunc(keysOf(path, item.Addr().Interface()), func(k key) bool {
		_, secret := k.target.(*settings.Secret)
		return secret
	})
}

// newItem returns the settings of an item of k of which nothing is said.
func (k key) newItem() []key {
	keys := itemKeys("", reflect.New(reflect.TypeOf(k.target).Elem().Elem()).Elem())
	setDefaults(keys)
	return keys
}

// items returns the settings of each item of k, but for those that are empty as they are by default.
func (k key) items() (all [][]key) {
	list, initial := reflect.ValueOf(k.target).Elem(), k.newItem()
	for i := range list.Len() {
		var said []key
		for j, f := range itemKeys("", list.Index(i)) {
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

// items reads the list of items that k is: makes them, and the keys of what may stand in each.
func (f *file) items(n *yaml.Node, k key) {
	if n.Kind != yaml.SequenceNode {
		f.fault(n, k.path, "is %s: want a list, each item beginning with `- %s:`", kind(n), k.newItem()[0].path)
		return
	}
	list := reflect.ValueOf(k.target).Elem()
	list.Set(reflect.MakeSlice(list.Type(), len(n.Content), len(n.Content)))
	for i, item := range n.Content {
		full := fmt.Sprintf("%s[%d]", k.path, i)
		f.origins[full] = f.at(item)
		keys := itemKeys(full, list.Index(i))
		setDefaults(keys)
		f.keys = append(f.keys, keys...)
		before := len(f.errs)
		f.section(aimed(item), full, keys)
		if len(f.errs) == before {
			f.require(item, full, keys)
		}
	}
	if len(n.Content) == 0 {
		list.SetZero()
	}
}

// require tells what an item has to have and does not.
func (f *file) require(n *yaml.Node, path string, keys []key) {
	var required []string
	for _, k := range keys {
		if k.isRequired() {
			required = append(required, k.name())
		}
	}
	for _, name := range required {
		if strings.Join(f.values[join(path, name)], "") == "" {
			f.fault(n, path, "has no %s: every item of this list needs %s", name, strings.Join(required, ", "))
		}
	}
}
