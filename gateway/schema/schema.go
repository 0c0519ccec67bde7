package schema

import (
	"crypto/sha256"
	"io/fs"
)

// Schema is a JSON Schema that has been compiled.
type Schema struct {
	file string
	docs map[string]*document // that it is made of, by their files; "" is a text that stands in none
	refs map[string]string    // where a $ref stands, and where what it means does
	root *rule
}

// Source is where a schema comes from.
type Source struct {
	Text []byte
	File string // of the text, in Files, such as "schemas/chat.json"; empty for a text from no file
	Name string // what errors call a text from no file

	// Files are those that a $ref may name, relative to File, or to the root if there is no File; nil means none. A $ref
	// can't name anything outside, if Files can't open that: see os.Root.
	Files fs.FS
}

// Check returns why body does not fit, nil if it does. It takes at most that many steps: if they are not enough, the
// rule is RuleCost.
func (s *Schema) Check(body []byte, steps int) *Fault {
	v, f := parse(body, maxNesting, maxValues)
	if f == nil {
		c := checker{left: steps, depth: maxDepth, over: fault{rule: RuleCost}}
		f = c.check(s.root, &v, nil)
	}
	if f == nil {
		return nil
	}
	return f.told()
}

// File is the schema's file, in the Files of its Source; empty for a text from no file.
func (s *Schema) File() string { return s.file }

// Files returns all files that the schema is made of, each with the SHA-256 of its contents.
func (s *Schema) Files() map[string][sha256.Size]byte {
	sums := make(map[string][sha256.Size]byte, len(s.docs))
	for file, d := range s.docs {
		if file != "" {
			sums[file] = d.sum
		}
	}
	return sums
}

// String is the file of the schema, or its text on one line. For nil it is empty.
func (s *Schema) String() string {
	switch {
	case s == nil:
		return ""
	case s.file != "":
		return s.file
	}
	return s.docs[""].root.json()
}
