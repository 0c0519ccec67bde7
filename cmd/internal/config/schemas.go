package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/stompgw/stompgw/gateway/schema"
)

// saidSchema is what a channel says of its schema: the name of a file, or the schema itself.
type saidSchema struct {
	file   string // below the folder, or empty
	text   []byte // in JSON, on the lines on which it stands in the configuration
	name   string // of the configuration, for errors
	folder string // of the configuration; empty is the working directory
}

// json reads the value of a key that takes JSON: a schema, or a list of whatever.
func (f *file) json(n *yaml.Node, k key) {
	if k.isList() {
		f.examples(n, k)
		return
	}
	said := saidSchema{name: f.name, folder: f.folder}
	switch {
	case n.Kind == yaml.ScalarNode && n.Tag == "!!str":
		if said.file = path.Clean(filepath.ToSlash(n.Value)); !fs.ValidPath(said.file) || said.file == "." {
			f.fault(n, k.path, "%q is not a file below this one's folder: want one such as schemas/chat.json", n.Value)
			return
		}
	case n.Kind == yaml.MappingNode:
		var ok bool
		if said.text, ok = f.asJSON(n, k.path, 1); !ok {
			return
		}
	default:
		f.fault(n, k.path, "is %s: want the name of a file, or a schema itself, such as {type: object}", kind(n))
		return
	}
	if f.schemas == nil {
		f.schemas = map[string]saidSchema{}
	}
	f.schemas[k.path] = said
}

// examples reads a list of whatever.
func (f *file) examples(n *yaml.Node, k key) {
	if n.Kind != yaml.SequenceNode {
		f.fault(n, k.path, "is %s: want a list, such as [{chat: hello}]", kind(n))
		return
	}
	values := []string{}
	for i, item := range n.Content {
		full := fmt.Sprintf("%s[%d]", k.path, i)
		f.origins[full] = f.at(item)
		text, ok := f.asJSON(item, full, item.Line)
		if !ok {
			return
		}
		values = append(values, oneLine(text))
	}
	f.values[k.path] = values
}

// Bounds of what is written as JSON: an alias stands for a value however often.
const (
	maxJSONDepth  = 100
	maxJSONValues = 20_000
	maxJSON       = MiB
)

// asJSON writes what stands at n as JSON, each value on the line on which it stands, of which the first is the line from.
func (f *file) asJSON(n *yaml.Node, path string, from int) (text []byte, ok bool) {
	before := len(f.errs)
	w := jsonLines{line: from, left: maxJSONValues, deepest: maxJSONDepth, most: int(maxJSON)}
	w.fault = func(n *yaml.Node, format string, args ...any) {
		f.fault(n, path, format, args...)
		w.left = 0 // one is enough
	}
	w.value(n, 0)
	return w.out, len(f.errs) == before
}

// jsonLines writes JSON.
type jsonLines struct {
	out  []byte
	line int  // of the next byte
	bare bool // & and <, of which conditions are full, stand as they are

	left    int                                            // values that may come yet
	deepest int                                            // how deep they may be nested
	most    int                                            // bytes of out
	fault   func(n *yaml.Node, format string, args ...any) // notes a mistake
}

// value writes the value of n.
func (w *jsonLines) value(n *yaml.Node, depth int) {
	if w.left--; w.left < 0 || depth > w.deepest || len(w.out) > w.most {
		if w.left >= -1 {
			w.fault(n, "is too much: want %d values at most, nested %d deep, and %s", maxJSONValues, maxJSONDepth, maxJSON)
		}
		w.left = -2
		return
	}
	if strings.HasPrefix(n.Tag, "!") && !strings.HasPrefix(n.Tag, "!!") {
		w.fault(n, "is of the type %s, which JSON does not have: if it is text, put it in quotes", n.Tag)
		return
	}
	for ; w.line < n.Line; w.line++ {
		w.out = append(w.out, '\n')
	}
	switch n.Kind {
	case yaml.AliasNode:
		w.value(n.Alias, depth+1)
	case yaml.MappingNode:
		w.mapping(n, depth)
	case yaml.SequenceNode:
		w.out = append(w.out, '[')
		for i, item := range n.Content {
			if i > 0 {
				w.out = append(w.out, ',')
			}
			w.value(item, depth+1)
		}
		w.out = append(w.out, ']')
	default:
		w.scalar(n)
	}
}

func (w *jsonLines) mapping(n *yaml.Node, depth int) {
	w.out = append(w.out, '{')
	said := map[string]bool{}
	for i := 0; i < len(n.Content); i += 2 {
		name, value := aimed(n.Content[i]), n.Content[i+1]
		switch {
		case name.Kind != yaml.ScalarNode || name.Tag == "!!merge":
			w.fault(name, "has a key that JSON can't have: want a text")
			return
		case said[name.Value]:
			w.fault(name, "has %q twice: keep one", name.Value)
			return
		}
		said[name.Value] = true
		if i > 0 {
			w.out = append(w.out, ',')
		}
		w.text(name.Value)
		w.out = append(w.out, ':')
		w.value(value, depth+1)
	}
	w.out = append(w.out, '}')
}

func (w *jsonLines) scalar(n *yaml.Node) {
	switch n.Tag {
	case "!!str", "!!timestamp":
		w.text(n.Value)
	case "!!null":
		w.out = append(w.out, "null"...)
	case "!!bool":
		w.out = append(w.out, strings.ToLower(n.Value)...)
	case "!!int", "!!float", "": // of what tree makes
		if !json.Valid([]byte(n.Value)) {
			w.fault(n, "%s is not a JSON number: write it like 31 or 1.5", n.Value)
			return
		}
		w.out = append(w.out, n.Value...)
	default:
		w.fault(n, "is of the type %s, which JSON does not have: if it is text, put it in quotes", n.Tag)
	}
}

// text writes a text of a file, which is UTF-8.
func (w *jsonLines) text(s string) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(!w.bare)
	enc.Encode(s) // a text always can be
	w.out = append(w.out, bytes.TrimSuffix(b.Bytes(), []byte("\n"))...)
}

// oneLine is what asJSON has written, without its lines.
func oneLine(text []byte) string { return string(bytes.ReplaceAll(text, []byte("\n"), nil)) }

// loadSchemas compiles the schemas of channels, if these are wanted. Those of the same file are one.
func (c *Config) loadSchemas() {
	if !c.uses("channels") || len(c.schemas) == 0 {
		return
	}
	loaded := map[string]*schema.Schema{}
	for i := range c.Channels {
		path := fmt.Sprintf("channels[%d].schema", i)
		said, is := c.schemas[path]
		if !is {
			continue
		}
		s := loaded[said.file]
		if s == nil || said.file == "" {
			var err error
			if s, err = said.compile(); err != nil {
				c.failSchema(path, &said, err)
				continue
			}
			loaded[said.file] = s
		}
		c.Channels[i].Schema = s
		for file, sum := range s.Files() {
			c.files[filepath.Join(said.folder, filepath.FromSlash(file))] = sum
		}
	}
	c.findIdle()
}

// idle is a file that looks like a schema, and that no channel uses.
type idle struct {
	path string // of a setting that names one beside it, such as "channels[2].schema"
	file string // such as "schemas/old.json"
}

// Bounds of what is looked through.
const (
	maxBeside = 1000 // files of a folder
	maxIdle   = 10   // that are told
)

// findIdle looks beside the files of schemas for others. In the folder of the configuration itself JSON of any kind may stand, so that one
// is left out.
func (c *Config) findIdle() {
	seen := map[string]bool{".": true}
	for i := range c.Channels {
		at := fmt.Sprintf("channels[%d].schema", i)
		s, said := c.Channels[i].Schema, c.schemas[at]
		if s == nil {
			continue
		}
		for _, file := range slices.Sorted(maps.Keys(s.Files())) {
			dir := path.Dir(file)
			if seen[dir] {
				continue
			}
			seen[dir] = true
			for _, name := range filesOf(filepath.Join(said.folder, filepath.FromSlash(dir))) {
				beside := path.Join(dir, name)
				_, isUsed := c.files[filepath.Join(said.folder, filepath.FromSlash(beside))]
				if path.Ext(name) == ".json" && !isUsed && len(c.idle) < maxIdle {
					c.idle = append(c.idle, idle{at, beside})
				}
			}
		}
	}
}

// filesOf are the names of the files of a folder, as far as it can be read, in order.
func filesOf(folder string) (names []string) {
	f, err := os.Open(folder)
	if err != nil {
		return nil
	}
	defer f.Close() // of what was only read
	entries, _ := f.ReadDir(maxBeside)
	for _, e := range entries {
		if !e.IsDir() { // a link, too, as all files of a ConfigMap are
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names
}

// compile reads no file outside of the folder, whatever links there are in it.
func (s *saidSchema) compile() (*schema.Schema, error) {
	folder := s.folder
	if folder == "" {
		folder = "."
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, fmt.Errorf("the folder %s can't be read: %s", folder, reason(err))
	}
	defer root.Close() // of what was only read
	if s.file != "" {
		return schema.Load(root.FS(), s.file)
	}
	return schema.Compile(schema.Source{Text: s.text, Name: s.name, Files: root.FS()})
}

// failSchema notes what is wrong with a schema: where it stands, if that is in the configuration itself.
func (c *Config) failSchema(path string, said *saidSchema, err error) {
	own, ok := errors.AsType[*schema.Error](err)
	if ok && own.File == said.name && own.Line > 0 {
		c.errs = append(c.errs, &Error{fmt.Sprintf("%s:%d", own.File, own.Line), path, own.Reason})
		return
	}
	c.fail(path, "%v", err)
}

// jsonNode is what k holds, as the file would say it.
func (k key) jsonNode() *yaml.Node {
	switch v := k.value().(type) {
	case []string:
		list := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
		for _, text := range v {
			list.Content = append(list.Content, valueNode(fromJSON(text)))
		}
		return list
	case *schema.Schema:
		if v != nil && v.File() == "" {
			return valueNode(fromJSON(v.String()))
		}
		return textNode(v.String(), false)
	}
	return textNode("", false)
}

// fromJSON reads what was written as JSON.
func fromJSON(text string) (v any) {
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	if dec.Decode(&v) != nil { // which is then the text that it is
		return text
	}
	return v
}

// valueNode is a value of JSON, on one line.
func valueNode(v any) *yaml.Node {
	switch v := v.(type) {
	case string:
		return textNode(v, false)
	case map[string]any:
		n := &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle}
		for _, name := range slices.Sorted(maps.Keys(v)) {
			add(n, name, valueNode(v[name]))
		}
		return n
	case []any:
		n := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
		for _, item := range v {
			n.Content = append(n.Content, valueNode(item))
		}
		return n
	case nil:
		return &yaml.Node{Kind: yaml.ScalarNode, Value: "null"}
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Value: fmt.Sprint(v)} // a number or a bool
}
