package schema

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path"
	"regexp"
	"regexp/syntax"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Compile compiles a schema of JSON Schema 2020-12, or of the draft that its $schema names. It reads only files in
// src.Files, never from a network. An error is an *Error.
func Compile(src Source) (*Schema, error) {
	c := &compiler{files: src.Files, docs: map[string]*document{}}
	d, err := c.add(address(src.File), src.File, src.Name, src.Text)
	if err != nil {
		return nil, err
	}
	lib := jsonschema.NewCompiler()
	lib.DefaultDraft(jsonschema.Draft2020)
	lib.UseLoader(c)
	lib.UseRegexpEngine(func(s string) (jsonschema.Regexp, error) { return compilePattern(s) })
	if err := lib.AddResource(address(src.File), d.root.plain()); err != nil {
		return nil, c.explain(err, d)
	}
	compiled, err := lib.Compile(address(src.File))
	if err != nil {
		return nil, c.explain(err, d)
	}
	return c.convert(src.File, compiled)
}

// Load compiles the schema in one of files; its $refs may name the others. An error is an *Error.
func Load(files fs.FS, file string) (*Schema, error) {
	text, err := readFile(files, file)
	if err != nil {
		return nil, &Error{file, 0, err.Error()}
	}
	return Compile(Source{Text: text, File: file, Files: files})
}

// compiler makes one schema.
type compiler struct {
	files   fs.FS
	docs    map[string]*document // by their addresses
	values  int                  // in all of them
	objects int
}

// add reads a document.
func (c *compiler) add(address, file, name string, text []byte) (*document, error) {
	if file != "" {
		name = file
	}
	d, err := newDocument(file, name, text)
	if err != nil {
		return nil, err
	}
	c.docs[address] = d
	c.values += int(d.root.size)
	c.objects += d.root.objects()
	switch {
	case len(c.docs) > maxFiles:
		return nil, &Error{name, 0, fmt.Sprintf("is one file too many: a schema may have %d", maxFiles)}
	case c.objects > maxObjects || c.values > maxAll:
		return nil, &Error{name, 0, fmt.Sprintf("is too much: a schema may have %d objects and %d values in all its files", maxObjects, maxAll)}
	}
	return d, nil
}

// Load implements jsonschema.URLLoader, for what a $ref leads to.
func (c *compiler) Load(address string) (any, error) {
	file, ok := c.fileOf(address)
	if !ok {
		return nil, errors.New(errOutside)
	}
	if c.files == nil {
		return nil, errors.New("names a file, and there is none here")
	}
	text, err := readFile(c.files, file)
	if err != nil {
		return nil, fmt.Errorf("names the file %s, which %w", file, err)
	}
	d, err := c.add(address, file, "", text)
	if err != nil {
		return nil, err
	}
	return d.root.plain(), nil
}

// fileOf returns the file at an address. A document that says by $id where in the world it is stands beside the same
// files as there.
func (c *compiler) fileOf(address string) (file string, ok bool) {
	if u, err := url.Parse(address); err == nil && u.Scheme == scheme && u.Host == "" && u.RawQuery == "" {
		return strings.TrimPrefix(u.Path, "/"), true
	}
	for _, d := range c.docs {
		id := d.root.member("$id")
		if id == nil || id.kind != isText {
			continue
		}
		there, here := id.text[:strings.LastIndexByte(id.text, '/')+1], path.Dir(d.file)
		if top, ok := strings.CutSuffix(id.text, "/"+d.file); ok && d.file != "" { // its folders are called the same
			there, here = top+"/", "."
		}
		if rest, ok := strings.CutPrefix(address, there); ok && there != "" {
			return path.Join(here, rest), true
		}
	}
	return "", false
}

// maxPattern bounds a regular expression, in instructions: the time that one takes is their number times that of
// characters.
const maxPattern = 500

// compilePattern compiles a regular expression, which takes time in proportion to the text (RE2).
func compilePattern(source string) (*pattern, error) {
	re, err := regexp.Compile(source)
	if fault, ok := errors.AsType[*syntax.Error](err); ok {
		return nil, fmt.Errorf("%s: `%s`", fault.Code, fault.Expr)
	} else if err != nil {
		return nil, err
	}
	parsed, err := syntax.Parse(source, syntax.Perl)
	if err != nil {
		return nil, err
	}
	program, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		return nil, err
	}
	if n := len(program.Inst); n > maxPattern {
		return nil, fmt.Errorf("takes %d steps for each character: it may take %d", n, maxPattern)
	}
	return &pattern{re, len(program.Inst)}, nil
}
