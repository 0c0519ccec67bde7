package schema

import (
	"cmp"
	"errors"
	"maps"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// explain says of an error of the library where it is in the documents, of which d is the first.
func (c *compiler) explain(err error, d *document) error {
	switch e := err.(type) {
	case *jsonschema.LoadURLError:
		if own, ok := errors.AsType[*Error](e.Err); ok {
			return own
		}
		return c.ofRef(e.URL, e.Err.Error(), d)
	case *jsonschema.AnchorNotFoundError:
		return c.ofRef(e.Reference, "leads to nothing", d)
	case *jsonschema.JSONPointerNotFoundError:
		return c.ofRef(e.URL, "leads to nothing", d)
	case *jsonschema.InvalidJsonPointerError:
		return c.ofRef(e.URL, "is no JSON pointer", d)
	case *jsonschema.SchemaValidationError:
		if invalid, ok := errors.AsType[*jsonschema.ValidationError](e.Err); ok {
			return c.invalid(e.URL, invalid, d)
		}
	case *jsonschema.DuplicateIDError:
		return c.at(e.URL+"#"+e.Ptr1, "the $id "+e.ID+" stands twice", d)
	case *jsonschema.DuplicateAnchorError:
		return c.at(e.URL+"#"+e.Ptr1, "the anchor "+e.Anchor+" stands twice", d)
	}
	return &Error{d.name, 0, strings.ReplaceAll(err.Error(), address(""), "")}
}

// at makes an error of a place, such as "config:///chat.json#/properties".
func (c *compiler) at(place, reason string, d *document) *Error {
	if in, v := c.find(place); v != nil {
		return in.fault(v, "%s", reason)
	}
	return &Error{d.name, 0, reason}
}

// find returns what stands at a place, and in which document; nil for nothing.
func (c *compiler) find(place string) (*document, *value) {
	address, pointer, _ := strings.Cut(place, "#")
	pointer, err := url.PathUnescape(pointer)
	d := c.docs[address]
	if err != nil || d == nil || pointer != "" && pointer[0] != '/' {
		return nil, nil
	}
	return d, d.at(pointer)
}

// ofRef makes an error of the $ref that leads to a place.
func (c *compiler) ofRef(place, reason string, d *document) *Error {
	for _, address := range c.addresses() {
		base, err := url.Parse(address)
		if err != nil {
			continue
		}
		in := c.docs[address]
		for _, from := range []*value{in.root.member("$id"), {}} {
			if from == nil {
				continue
			}
			if id, err := base.Parse(from.text); err == nil {
				if ref := in.root.refTo(id, place); ref != nil {
					return in.fault(ref, "$ref %q %s", ref.text, reason)
				}
			}
		}
	}
	return &Error{d.name, 0, "a $ref " + reason}
}

// addresses are those of the documents, in order.
func (c *compiler) addresses() []string { return slices.Sorted(maps.Keys(c.docs)) }

// refTo returns the first $ref in v that leads from base to a place, with what is behind its # or without.
func (v *value) refTo(base *url.URL, place string) *value {
	whole := strings.Contains(place, "#")
	for i := range v.list {
		m := &v.list[i]
		if m.name == "$ref" && m.kind == isText {
			to, err := base.Parse(m.text)
			if err != nil {
				continue
			}
			if !whole {
				to.Fragment = ""
			}
			if same(to.String(), place) {
				return m
			}
		}
		if found := m.refTo(base, place); found != nil {
			return found
		}
	}
	return nil
}

// same reports whether two addresses are the same, however they are escaped.
func same(a, b string) bool {
	a, errA := url.PathUnescape(a)
	b, errB := url.PathUnescape(b)
	return errA == nil && errB == nil && strings.TrimSuffix(a, "#") == strings.TrimSuffix(b, "#")
}

// invalid makes an error of what a draft says is no schema: of the first mistake.
func (c *compiler) invalid(place string, e *jsonschema.ValidationError, d *document) *Error {
	var all []*Error
	words := message.NewPrinter(language.English)
	c.leaves(e, func(leaf *jsonschema.ValidationError) {
		at, reason := place, leaf.ErrorKind.LocalizedString(words)
		if !strings.Contains(at, "#") {
			at += "#"
		}
		if n := len(leaf.InstanceLocation); n > 0 {
			for _, token := range leaf.InstanceLocation {
				at += "/" + url.PathEscape(escape(token))
			}
			reason = leaf.InstanceLocation[n-1] + ": " + reason
		}
		all = append(all, c.at(at, reason, d))
	})
	return slices.MinFunc(all, func(a, b *Error) int { // of several ways to be right on a line, that which says most
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(len(b.Reason), len(a.Reason)), strings.Compare(a.Reason, b.Reason))
	})
}

// leaves calls visit for what has no causes.
func (c *compiler) leaves(e *jsonschema.ValidationError, visit func(*jsonschema.ValidationError)) {
	if len(e.Causes) == 0 {
		visit(e)
	}
	for _, cause := range e.Causes {
		c.leaves(cause, visit)
	}
}
