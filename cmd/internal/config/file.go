package config

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// file is what a YAML file says: the values of keys, as texts. Nothing is parsed further than that, so
// that file, environment and flags are parsed in one place; only lists of items, which stand nowhere
// else, go to their targets at once.
type file struct {
	name   string
	folder string // by which relative paths in it go; empty is the working directory
	values map[string][]string

	keys    []key // those that may stand in it
	lines   []string
	scalars map[string]scalar // what the items of lists say, by path
	origins origins
	errs    []error
}

// parseFile reads the text of a configuration. The name is for errors.
func parseFile(name, folder string, text []byte, keys []key) *file {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	f := &file{
		name: name, folder: folder, values: map[string][]string{}, keys: keys, origins: origins{},
		lines: splitLines(string(text)),
	}
	if err := f.checkText(text); err != nil {
		f.errs = append(f.errs, err)
		return f
	}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	var doc yaml.Node
	switch err := dec.Decode(&doc); {
	case errors.Is(err, io.EOF): // an empty file is all defaults
		return f
	case err != nil:
		f.errs = append(f.errs, f.syntaxError(err))
		return f
	}
	var next yaml.Node
	if err := dec.Decode(&next); err != io.EOF {
		f.errs = append(f.errs, f.severalDocuments(&next, err))
		return f
	}
	if root := doc.Content[0]; root.Tag != "!!null" {
		f.section(root, "")
	}
	return f
}

func (f *file) fault(n *yaml.Node, path, format string, args ...any) {
	f.errs = append(f.errs, &Error{f.at(n), path, fmt.Sprintf(format, args...)})
}

func (f *file) at(n *yaml.Node) string { return fmt.Sprintf("%s:%d", f.name, n.Line) }

// section reads a mapping whose keys are settings or further sections.
func (f *file) section(n *yaml.Node, path string) {
	f.entries(n, path, func(name string, key, value *yaml.Node) {
		full := join(path, name)
		switch k, known := keyAt(f.keys, full); {
		case strings.Contains(name, "."):
			f.fault(key, full, "there is no such key: write a section for each part, as log: {level: info}")
		case known && k.isItems():
			f.readItems(value, k)
		case known && k.isSecret():
			f.fault(key, full, "must not stand in this file: write it to a file of its own, name that with %s_file, or set %s",
				full, variable(full))
		case known:
			f.values[full] = f.read(value, k)
		case f.isSection(full):
			f.section(value, full)
		default:
			f.fault(key, full, "%s", f.unknown(path, name))
		}
	})
}

// entries calls visit for each entry of a mapping, and notes where it stands.
func (f *file) entries(n *yaml.Node, path string, visit func(name string, key, value *yaml.Node)) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind != yaml.MappingNode {
		f.fault(n, path, "is %s: want keys below it, each with a value", kind(n))
		return
	}
	if merge := mergeKey(n); merge != nil {
		f.fault(merge, path, "has a merge key (<<), which is not understood here: write the keys out")
		return
	}
	lines := map[string]int{}
	for i := 0; i < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		full := join(path, key.Value)
		if first, twice := lines[key.Value]; twice {
			f.fault(key, full, "stands twice, first on line %d: leave one", first)
			continue
		}
		lines[key.Value] = key.Line
		f.origins[full] = f.at(key)
		visit(key.Value, key, value)
	}
}

// mergeKey returns the key of a mapping that takes another's entries in, nil for none.
func mergeKey(n *yaml.Node) *yaml.Node {
	for i := 0; i < len(n.Content); i += 2 {
		if n.Content[i].Tag == "!!merge" {
			return n.Content[i]
		}
	}
	return nil
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func (f *file) isSection(path string) bool {
	return slices.ContainsFunc(f.keys, func(k key) bool { return strings.HasPrefix(k.path, path+".") })
}

// unknown says what a key that does not exist might have meant: one beside it, or one that is
// called alike elsewhere.
func (f *file) unknown(path, name string) string {
	beside := f.beside(path)
	if near := cmp.Or(Nearest(name, beside), partOf(name, beside)); near != "" {
		return "there is no such key; did you mean " + join(path, near) + "?"
	}
	if alike := f.alike(name); alike != "" {
		return "there is no such key; did you mean " + alike + "?"
	}
	return "there is no such key; here stand " + strings.Join(beside, ", ")
}

// alike returns the path of the key or section whose own name is nearest to name, or is part of
// it (outbound_limit has outbound), or "".
func (f *file) alike(name string) string {
	paths := map[string]string{} // by their last part, the first of the table's order
	for _, k := range slices.Backward(f.keys) {
		if k.isSecret() {
			continue
		}
		parts := strings.Split(k.path, ".")
		for i, part := range parts {
			paths[part] = strings.Join(parts[:i+1], ".")
		}
	}
	names := slices.Sorted(maps.Keys(paths))
	return paths[cmp.Or(Nearest(name, names), partOf(name, names))]
}

// partOf returns the first of names that is part of name, or "".
func partOf(name string, names []string) string {
	for _, part := range names {
		if strings.Contains(plain(name), plain(part)) {
			return part
		}
	}
	return ""
}

// beside returns the names that may stand in a section, in order.
func (f *file) beside(path string) []string {
	names := map[string]bool{}
	add := func(key string) {
		rest, ok := key, true
		if path != "" {
			rest, ok = strings.CutPrefix(key, path+".")
		}
		if ok {
			name, _, _ := strings.Cut(rest, ".")
			names[name] = true
		}
	}
	for _, k := range f.keys {
		if !k.isSecret() {
			add(k.path)
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// read reads the value or values of a key. Those that name files go by the folder of this one.
func (f *file) read(n *yaml.Node, k key) (values []string) {
	if k.isList() {
		values = f.list(n, k)
	} else {
		values = []string{f.text(n, k.path)}
	}
	if f.folder != "" && k.namesFiles() {
		for i, name := range values {
			if name != "" && !filepath.IsAbs(name) {
				values[i] = filepath.Join(f.folder, name)
			}
		}
	}
	return values
}

// text reads a single value, whatever its type in YAML.
func (f *file) text(n *yaml.Node, path string) string {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	switch {
	case strings.HasPrefix(n.Tag, "!") && !strings.HasPrefix(n.Tag, "!!"): // as of !has(x), which is "has(x)", a tag, and no value
		f.fault(n, path, "begins with !, which YAML takes for the name of a type: put the value in quotes")
	case n.Kind == yaml.MappingNode && n.Style&yaml.FlowStyle != 0:
		f.fault(n, path, "is %s: want a single value; put one in quotes that begins with {", kind(n))
	case n.Kind != yaml.ScalarNode:
		f.fault(n, path, "is %s: want a single value", kind(n))
	case n.Tag == "!!null":
		f.fault(n, path, "has no value: write one, or leave it out")
	}
	return n.Value
}

func (f *file) list(n *yaml.Node, k key) []string {
	path := k.path
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	switch {
	case k.isFiles() && n.Kind == yaml.ScalarNode:
		return []string{f.text(n, path)}
	case k.isFiles() && n.Kind != yaml.SequenceNode:
		f.fault(n, path, "is %s: want the name of a file, or a list of them", kind(n))
		return nil
	case n.Kind == yaml.ScalarNode && n.Tag != "!!null":
		f.fault(n, path, "is %s: want a list, such as [%q]", kind(n), n.Value)
		return nil
	case n.Kind != yaml.SequenceNode:
		f.fault(n, path, "is %s: want a list, such as [a, b], or [] for none", kind(n))
		return nil
	}
	values := []string{}
	for i, item := range n.Content {
		full := fmt.Sprintf("%s[%d]", path, i)
		f.origins[full] = f.at(item)
		values = append(values, f.text(item, full))
	}
	return values
}

func kind(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a section"
	case yaml.SequenceNode:
		return "a list"
	}
	if n.Tag == "!!null" {
		return "empty"
	}
	return "a single value"
}
