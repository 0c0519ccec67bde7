package schema

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Bounds of a schema.
const (
	maxFile    = 256 << 10 // bytes of a file
	maxFiles   = 32
	maxDeep    = 100    // lists and objects in one another
	maxAll     = 20_000 // values in all its files
	maxObjects = 3000   // of these, objects, of which most are subschemas
)

// Error is what is wrong with a schema.
type Error struct {
	File   string // or the Name of a text from no file
	Line   int    // from 1; 0 for the whole file
	Reason string
}

func (e *Error) Error() string {
	if e.Line == 0 {
		return e.File + ": " + e.Reason
	}
	return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Reason)
}

// document is one of the texts that a schema is made of.
type document struct {
	file string // empty for the text that stands in none
	name string // for errors
	root value
	sum  [sha256.Size]byte // of the text
}

// scheme is that of the addresses by which the library knows documents: none that anybody may load.
const scheme = "config"

// address is that of a file, which may be empty.
func address(file string) string {
	return (&url.URL{Scheme: scheme, Path: "/" + file}).String()
}

func (d *document) fault(v *value, format string, args ...any) *Error {
	return &Error{d.name, int(v.line), fmt.Sprintf(format, args...)}
}

// readFile reads a file, or its beginning where it is too large.
func readFile(files fs.FS, name string) (text []byte, err error) {
	f, err := files.Open(name)
	if err == nil {
		defer f.Close()                                                    // it was only read
		if info, err := f.Stat(); err == nil && !info.Mode().IsRegular() { // a pipe may never end
			return nil, errors.New("can't be read: it is no regular file")
		}
		text, err = io.ReadAll(io.LimitReader(f, maxFile+1))
	}
	if cause, ok := errors.AsType[*fs.PathError](err); ok {
		err = cause.Err
	}
	if err != nil {
		return nil, fmt.Errorf("can't be read: %w", err)
	}
	return text, nil
}

// newDocument reads a text.
func newDocument(file, name string, text []byte) (*document, error) {
	d := &document{file: file, name: name}
	if len(text) > maxFile {
		return nil, &Error{name, 0, fmt.Sprintf("is larger than %d KiB", maxFile>>10)}
	}
	root, f := parse(text, maxDeep, maxAll)
	if f != nil {
		return nil, &Error{name, int(f.line), d.unread(f)}
	}
	d.root, d.sum = root, sha256.Sum256(text)
	return d, d.review(&d.root)
}

// unread says why a text can't be read.
func (d *document) unread(f *fault) string {
	switch f.rule {
	case RuleUTF8:
		return "is no UTF-8 text"
	case RuleTwice:
		return fmt.Sprintf("%q stands twice: leave one", f.tokens[0])
	case RuleNumber:
		return "a number is too large, or too long"
	case RuleDepth:
		return fmt.Sprintf("is nested more than %d deep", maxDeep)
	case RuleValues:
		return fmt.Sprintf("has more than %d values", maxAll)
	}
	return "is not JSON"
}

// drafts are those that a schema may name.
func drafts() []string {
	return []string{"https://json-schema.org/draft/2020-12/schema", "https://json-schema.org/draft/2019-09/schema",
		"http://json-schema.org/draft-07/schema", "http://json-schema.org/draft-06/schema", "http://json-schema.org/draft-04/schema"}
}

// review finds what the library would take, or would take otherwise than is meant.
func (d *document) review(v *value) error {
	for i := range v.list {
		m := &v.list[i]
		switch {
		case v.kind == isList:
		case isData(m.name):
			continue
		case m.name == "$schema" && m.kind == isText && !slices.Contains(drafts(), strings.TrimSuffix(m.text, "#")):
			return d.fault(m, "$schema %q is none that is known here: want %s, or leave it out", m.text, drafts()[0])
		case m.name == "$ref" && m.kind == isText:
			if why := d.reviewRef(m.text); why != "" {
				return d.fault(m, "$ref %q %s", m.text, why)
			}
		case (m.name == "$dynamicRef" || m.name == "$recursiveRef") && m.kind == isText:
			return d.fault(m, "%s is not known here: what it means depends on who refers to it; write a $ref", m.name)
		}
		if err := d.review(m); err != nil {
			return err
		}
	}
	return nil
}

// isData reports whether a keyword is one below which anything may stand.
func isData(keyword string) bool {
	return keyword == "const" || keyword == "enum" || keyword == "default" || keyword == "examples"
}

const errOutside = "leads out of the configuration's folder: want a file in it or below it, such as common.json"

// reviewRef says what is wrong with what a $ref says, "" for nothing that can be seen from that.
func (d *document) reviewRef(ref string) string {
	u, err := url.Parse(ref)
	switch {
	case err != nil:
		return "is no address: want one such as common.json#/$defs/name"
	case u.Scheme != "" && u.Scheme != "http" && u.Scheme != "https": // of those one may be an $id, and none is loaded
		return errOutside
	case u.Scheme == "" && u.Host == "" && u.Path == "":
		return ""
	case u.Scheme == "" && (u.Host != "" || strings.HasPrefix(u.Path, "/") || strings.Contains(u.Path, `\`)):
		return errOutside
	case u.Scheme == "" && !fs.ValidPath(path.Join(path.Dir(d.file), u.Path)):
		return errOutside
	}
	return ""
}

// objects counts the objects in v, which are those that may be subschemas.
func (v *value) objects() (n int) {
	if v.kind == isObject {
		n = 1
	}
	for i := range v.list {
		n += v.list[i].objects()
	}
	return n
}

// at returns what a JSON pointer means in d, nil for nothing.
func (d *document) at(pointer string) *value {
	v := &d.root
	for _, token := range tokens(pointer) {
		if v = v.step(token); v == nil {
			return nil
		}
	}
	return v
}

// step returns what a token of a JSON pointer, less its escapes, names in v; nil for nothing.
func (v *value) step(token string) *value {
	if v.kind != isList {
		return v.member(token)
	}
	if i, err := strconv.Atoi(token); err == nil && i >= 0 && i < len(v.list) {
		return &v.list[i]
	}
	return nil
}

// tokens are those of a JSON pointer.
func tokens(pointer string) []string {
	if pointer == "" {
		return nil
	}
	list := strings.Split(pointer[1:], "/")
	for i, token := range list {
		list[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(token)
	}
	return list
}

// json writes v on a line.
func (v *value) json() string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v.plain()); err != nil { // of what JSON can say
		return ""
	}
	return strings.TrimSuffix(b.String(), "\n")
}
