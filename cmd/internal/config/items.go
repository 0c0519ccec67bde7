package config

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/stompgw/stompgw/gateway/policy"
)

// sourcesPath is the key of the list of Kafka's sources.
const sourcesPath = "bus.kafka.sources"

// field is one entry of an item of a list, which is a rule, an issuer or a source.
type field struct {
	name     string
	target   any // as a key has it
	required bool
}

// isMissing reports whether the item has to have the field, which then is a text, and has not.
func (fd field) isMissing() bool {
	text, ok := fd.target.(*string)
	return fd.required && ok && *text == ""
}

func channelFields(c *policy.Channel) []field {
	return []field{
		{"match", &c.Match, true}, {"subscribe", &c.Subscribe, false}, {"send", &c.Send, false},
		{"patterns", &c.Patterns, false}, {"summary", &c.Summary, false},
	}
}

func routeFields(r *policy.Route) []field {
	return []field{
		{"match", &r.Match, true}, {"allow", &r.Allow, true}, {"publish", &r.Publish, true},
		{"body", &r.Body, false}, {"headers", &r.Headers, false},
	}
}

func sourceFields(s *KafkaSource) []field {
	return []field{{"topic", &s.Topic, true}, {"destination", &s.Destination, true}, {"headers", &s.Headers, false}}
}

func issuerFields(i *Issuer) []field {
	return []field{
		{"issuer", &i.Name, true}, {"secret_file", &i.SecretFile, false}, {"public_key_file", &i.PublicKeyFile, false},
		{"audience", &i.Audience, false}, {"algorithms", &i.Algorithms, false},
	}
}

// items reads a list of items of one kind.
func items[T any](f *file, n *yaml.Node, path string, fieldsOf func(*T) []field) []T {
	if n.Kind != yaml.SequenceNode {
		f.fault(n, path, "is %s: want a list, each item beginning with `- %s:`", kind(n), fieldsOf(new(T))[0].name)
		return nil
	}
	list := make([]T, len(n.Content))
	for i, item := range n.Content {
		full := fmt.Sprintf("%s[%d]", path, i)
		f.origins[full] = f.at(item)
		f.item(item, full, fieldsOf(&list[i]))
	}
	return list
}

func (f *file) item(n *yaml.Node, path string, fields []field) {
	var names []string
	for _, fd := range fields {
		names = append(names, fd.name)
	}
	before := len(f.errs)
	f.entries(n, path, func(name string, key, value *yaml.Node) {
		i := slices.Index(names, name)
		if i >= 0 {
			f.set(key, value, path+"."+name, fields[i].target)
			return
		}
		reason := "there is no such key; here stand " + strings.Join(names, ", ")
		if near := nearest(name, names); near != "" {
			reason = "there is no such key; did you mean " + near + "?"
		}
		f.fault(key, path+"."+name, "%s", reason)
	})
	if len(f.errs) > before {
		return
	}
	for _, fd := range fields {
		if fd.isMissing() {
			f.fault(n, path, "has no %s: every item of this list needs %s", fd.name, required(fields))
		}
	}
}

// set reads the value of one field.
func (f *file) set(name, value *yaml.Node, path string, target any) {
	k, before := key{path, target}, len(f.errs)
	var values []string
	if k.isList() {
		values = f.list(value, path)
	} else {
		values = []string{f.text(value, path)}
		f.note(path, value)
	}
	if len(f.errs) > before {
		return
	}
	if err := k.set(values); err != nil {
		f.fault(name, path, "%v", err)
	}
}

func required(fields []field) string {
	var names []string
	for _, fd := range fields {
		if fd.required {
			names = append(names, fd.name)
		}
	}
	return strings.Join(names, ", ")
}
