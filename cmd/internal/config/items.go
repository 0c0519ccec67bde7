package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/stompgw/stompgw/gateway/policy"
)

// The keys of the lists of items.
const (
	channelsPath = "channels"
	routesPath   = "routes"
	sourcesPath  = "bus.kafka.sources"
	issuersPath  = "auth.issuers"
)

// itemList is the target of a key that is a list of items, which only the file can hold.
type itemList interface {
	read(f *file, n *yaml.Node, path string) // sets it
	value() any                              // for comparing
	items() [][]field                        // of each, but for what is empty as it is by default
	fields() []field                         // of an item of which nothing is said
}

// listOf is the list of items that are rules, issuers or sources.
type listOf[T any] struct {
	list     *[]T
	fieldsOf func(*T) []field
	initial  T // an item of which nothing is said
}

func (l listOf[T]) read(f *file, n *yaml.Node, path string) {
	*l.list = readItems(f, n, path, l.initial, l.fieldsOf)
}

func (l listOf[T]) value() any { return *l.list }

func (l listOf[T]) fields() []field { return l.fieldsOf(new(l.initial)) }

func (l listOf[T]) items() (all [][]field) {
	initial := l.fields()
	for i := range *l.list {
		var said []field
		for j, fd := range l.fieldsOf(&(*l.list)[i]) {
			if !fd.isEmpty() || !initial[j].isEmpty() {
				said = append(said, fd)
			}
		}
		all = append(all, said)
	}
	return all
}

// field is one entry of an item.
type field struct {
	name     string
	target   any // as a key has it
	required bool
	is       string // as a key has it
}

// isEmpty reports whether the item says nothing of the field, or nothing but no.
func (fd field) isEmpty() bool { return reflect.ValueOf(fd.target).Elem().IsZero() }

// isMissing reports whether the item has to have the field, which then is a text, and has not.
func (fd field) isMissing() bool {
	text, ok := fd.target.(*string)
	return fd.required && ok && *text == ""
}

func channelFields(c *policy.Channel) []field {
	return []field{
		{"match", &c.Match, true, "destinations that the rule is for: `{name}` is any one segment, `**` any number of them"},
		{"subscribe", &c.Subscribe, false, "condition for SUBSCRIBE, in CEL; empty is nobody"},
		{"send", &c.Send, false, "condition for a SEND to the destination itself, not by a route; empty is nobody"},
		{"patterns", &c.Patterns, false, "whether subscriptions by pattern are let in"},
		{"summary", &c.Summary, false, "what it is, for people"},
	}
}

func routeFields(r *policy.Route) []field {
	return []field{
		{"match", &r.Match, true, "destinations that clients send to"},
		{"allow", &r.Allow, true, "condition for the SEND, in CEL"},
		{"publish", &r.Publish, true, "where the message goes: with the variables of `match`"},
		{"body", &r.Body, false, "what the body becomes, in CEL; empty is as it was sent"},
		{"headers", &r.Headers, false, "header entries that replace the sender's own, a map in CEL"},
	}
}

func sourceFields(s *KafkaSource) []field {
	return []field{
		{"topic", &s.Topic, true, "the topic"},
		{"destination", &s.Destination, true, "what its records are sent to: with `{key}`, `{topic}`, `{partition}`, `{header.NAME}`"},
		{"headers", &s.Headers, false, "what the names of record headers get before them; empty is nothing"},
	}
}

func issuerFields(i *Issuer) []field {
	return []field{
		{"issuer", &i.Name, true, "what the claim `iss` says"},
		{"secret_file", &i.SecretFile, false, "file with its secret, as `auth.jwt.secret_file`; this or the next"},
		{"public_key_file", &i.PublicKeyFile, false, "PEM file with its public key, as `auth.jwt.public_key_file`"},
		{"audience", &i.Audience, false, "as `auth.jwt.audience`"},
		{"algorithms", &i.Algorithms, false, "as `auth.jwt.algorithms`"},
	}
}

// readItems reads a list of items of one kind.
func readItems[T any](f *file, n *yaml.Node, path string, initial T, fieldsOf func(*T) []field) []T {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind != yaml.SequenceNode {
		f.fault(n, path, "is %s: want a list, each item beginning with `- %s:`", kind(n), fieldsOf(new(T))[0].name)
		return nil
	}
	if len(n.Content) == 0 {
		return nil
	}
	list := make([]T, len(n.Content))
	for i, item := range n.Content {
		full := fmt.Sprintf("%s[%d]", path, i)
		f.origins[full] = f.at(item)
		list[i] = initial
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
		if near := Nearest(name, names); near != "" {
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
	k, before := key{path: path, target: target}, len(f.errs)
	values := f.read(value, k)
	if !k.isList() {
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
