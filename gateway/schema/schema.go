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
	File string // in Files that it is of, such as "schemas/chat.json"; empty for a text that stands in none
	Name string // what errors call a text that stands in no file

	// Files are those that a $ref may name, by where they stand beside File, or else in Files; nil is none. They can't name
	// anything outside, if Files can't open that: see os.Root.
	Files fs.FS
}

// Check returns why body does not fit, nil if it does. It takes as many steps at most: where these are not enough, the
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

// File is that of the schema in the Files of its Source; empty where it stands in none.
func (s *Schema) File() string { return s.file }

// Files are all that the schema is made of, each with the SHA-256 of what it held.
func (s *Schema) Files() map[string][sha256.Size]byte {
	sums := make(map[string][sha256.Size]byte, len(s.docs))
	for file, d := range s.docs {
		if file != "" {
			sums[file] = d.sum
		}
	}
	return sums
}

// String is the file of the schema, or its text on a line. Of nil it is empty.
func (s *Schema) String() string {
	switch {
	case s == nil:
		return ""
	case s.file != "":
		return s.file
	}
	return s.docs[""].root.json()
}
