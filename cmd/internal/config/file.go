package config

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/stompgw/stompgw/cmd/internal/nearest"
)

// file is what a YAML file says: the values of keys, as texts. Nothing is parsed further than that, so
// that file, environment and flags are parsed in one place.
type file struct {
	name   string
	folder string // by which relative paths in it go; empty is the working directory
	keys   []key  // those that may stand in it, and those of the items that do
	values map[string][]string

	lines   []string
	scalars map[string]scalar // what the items of lists say, by path
	schemas map[string]saidSchema
	origins origins
	errs    []error
}

// parseFile reads the text of a configuration. The name is for errors.
func parseFile(name, folder string, text []byte, keys []key) *file {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	f := &file{
		name: name, folder: folder, values: map[string][]string{}, keys: keys, origins: origins{},
		lines: lineEnd.Split(string(text), -1),
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
		f.section(root, "", keys)
	}
	return f
}

func (f *file) fault(n *yaml.Node, path, format string, args ...any) {
	f.errs = append(f.errs, &Error{f.at(n), path, fmt.Sprintf(format, args...)})
}

func (f *file) at(n *yaml.Node) string { return fmt.Sprintf("%s:%d", f.name, n.Line) }

// section reads a mapping whose keys are settings, or further sections, and notes where they stand.
func (f *file) section(n *yaml.Node, path string, keys []key) {
	if n.Kind != yaml.MappingNode {
		f.fault(n, path, "is %s: want keys below it, each with a value", kind(n))
		return
	}
	lines := map[string]int{}
	for i := 0; i < len(n.Content); i += 2 {
		at, value := n.Content[i], aimed(n.Content[i+1])
		full := join(path, at.Value)
		if at.Tag == "!!merge" {
			f.fault(at, path, "has a merge key (<<), which is not understood here: write the keys out")
			continue
		}
		if first, twice := lines[full]; twice {
			f.fault(at, full, "is set twice, first on line %d: keep one", first)
			continue
		}
		lines[full], f.origins[full] = at.Line, f.at(at)
		switch k, known := keyAt(keys, full); {
		case strings.Contains(at.Value, "."):
			f.fault(at, full, "there is no such key: write a section for each part, as log: {level: info}")
		case known && k.isItems():
			f.items(value, k)
		case known && k.isSecret():
			f.fault(at, full, "must not be in this file: write it to a file of its own, name that with %s_file, or set %s",
				full, variable(full))
		case known && k.holdsJSON():
			f.json(value, k)
		case known:
			f.values[full] = f.read(value, k)
		case slices.ContainsFunc(keys, func(k key) bool { return isIn(k.path, full) }):
			f.section(value, full, keys)
		default:
			f.fault(at, full, "%s", unknown(path, at.Value, keys))
		}
	}
}

// aimed returns what an alias stands for; all else is itself.
func aimed(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// unknown says what a key that does not exist might have meant: one beside it, or one that is called alike
// elsewhere.
func unknown(path, name string, keys []key) string {
	var all, beside []string // paths of keys and sections, as they stand in the table
	for _, k := range keys {
		for i, r := range k.path + "." {
			if r == '.' && !k.isSecret() && !slices.Contains(all, k.path[:i]) {
				all = append(all, k.path[:i])
			}
		}
	}
	for _, p := range all {
		if p == join(path, lastPart(p)) {
			beside = append(beside, p)
		}
	}
	if near := cmp.Or(alike(name, beside), alike(name, all)); near != "" {
		return "there is no such key; did you mean " + near + "?"
	}
	return "there is no such key; here stand " + strings.Join(lastParts(beside), ", ")
}

// alike returns the first of some paths whose last part is nearest to name, or is part of it (outbound_limit has
// outbound), or "".
func alike(name string, paths []string) string {
	names := lastParts(paths)
	isPart := func(part string) bool { return strings.Contains(nearest.Plain(name), nearest.Plain(part)) }
	i := slices.Index(names, nearest.Word(name, names))
	if i < 0 {
		i = slices.IndexFunc(names, isPart)
	}
	if i < 0 {
		return ""
	}
	return paths[i]
}

func lastPart(path string) string { return path[strings.LastIndexByte(path, '.')+1:] }

func lastParts(paths []string) (names []string) {
	for _, path := range paths {
		names = append(names, lastPart(path))
	}
	return names
}

// read reads the value or values of a key. Those that name files go by the folder of this one.
func (f *file) read(n *yaml.Node, k key) (values []string) {
	switch {
	case k.isAny():
		return []string{f.any(n, k.path)}
	case k.isList():
		values = f.list(n, k)
	default:
		values = []string{f.text(n, k.path)}
		f.note(k.path, n)
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
	want := "a list, such as [a, b], or [] for none"
	switch scalar := n.Kind == yaml.ScalarNode; {
	case scalar && k.isFiles():
		return []string{f.text(n, k.path)}
	case k.isFiles():
		want = "the name of a file, or a list of them"
	case scalar && n.Tag != "!!null":
		want = fmt.Sprintf("a list, such as [%q]", n.Value)
	}
	if n.Kind != yaml.SequenceNode {
		f.fault(n, k.path, "is %s: want %s", kind(n), want)
		return nil
	}
	values := []string{}
	for i, item := range n.Content {
		full := fmt.Sprintf("%s[%d]", k.path, i)
		f.origins[full] = f.at(item)
		values = append(values, f.text(aimed(item), full))
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
