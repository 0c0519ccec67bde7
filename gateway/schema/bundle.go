package schema

import (
	"net/url"
	"strings"
)

// Document returns the whole schema as a value for encoding/json: other files are below its $defs, and every $ref points
// inside it. at is its place in a larger document, such as "#/components/schemas/room"; "#" means a document of its own.
// The caller may change it.
func (s *Schema) Document(at string) any {
	b := &bundle{Schema: s, at: strings.TrimPrefix(at, "#"), names: map[string]string{}}
	main := s.docs[s.file]
	if main.root.kind != isObject {
		return main.root.plain()
	}
	defs := main.root.member("$defs")
	for file := range s.docs {
		name := file
		for defs != nil && defs.member(name) != nil {
			name += "_"
		}
		b.names[file] = name
	}
	out := b.object(main, &main.root, "")
	if len(s.docs) == 1 {
		return out
	}
	all, _ := out["$defs"].(map[string]any)
	if all == nil {
		all = map[string]any{}
		out["$defs"] = all
	}
	for file, d := range s.docs {
		if d != main {
			all[b.names[file]] = b.value(d, &d.root, "")
		}
	}
	return out
}

// bundle makes one document of a schema.
type bundle struct {
	*Schema
	at    string            // a JSON pointer
	names map[string]string // of files below $defs
}

func (b *bundle) value(d *document, v *value, pointer string) any {
	switch v.kind {
	case isObject:
		return b.object(d, v, pointer)
	case isList:
		list := make([]any, len(v.list))
		for i := range v.list {
			list[i] = b.value(d, &v.list[i], pointer+"/"+v.token(i))
		}
		return list
	}
	return v.plain()
}

// object is what stands at a pointer of d. It has no $id, by which what its $refs say would mean something else.
func (b *bundle) object(d *document, v *value, pointer string) map[string]any {
	out := make(map[string]any, len(v.list))
	for i := range v.list {
		m := &v.list[i]
		to, isRef := b.refs[d.file+"#"+pointer]
		switch {
		case m.name == "$ref" && m.kind == isText && isRef:
			out[m.name] = b.ref(to)
		case m.kind == isText && (m.name == "$id" || m.name == "$schema" && (d.file != b.file || b.at != "")):
		case isData(m.name):
			out[m.name] = m.plain()
		default:
			out[m.name] = b.value(d, m, pointer+"/"+escape(m.name))
		}
	}
	return out
}

// ref is a $ref to a place such as "common.json#/$defs/name".
func (b *bundle) ref(to string) string {
	file, pointer, _ := strings.Cut(to, "#")
	if file != b.file {
		pointer = "/$defs/" + escape(b.names[file]) + pointer
	}
	return "#" + strings.TrimPrefix((&url.URL{Fragment: b.at + pointer}).String(), "#")
}
