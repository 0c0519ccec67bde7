package config

import (
	"encoding/json"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Entry is one setting of an item of a list, such as a rule.
type Entry struct {
	Key   string // within the item, such as "history.size"
	Value string // as a file would say it
}

// Entries are what an item says, such as that at "channels[2]", but for what is empty, or no, as it is by default. An item that there
// is not says nothing.
func (c *Config) Entries(item string) (list []Entry) {
	walk(c.itemTree(item), "", func(path string, _, value *yaml.Node) {
		switch {
		case value.Kind == yaml.ScalarNode:
			list = append(list, Entry{path, value.Value})
		case isLeaf(value):
			list = append(list, Entry{path, leafText(value)})
		}
	})
	return list
}

// leafText is a list of texts with commas between, and JSON as such.
func leafText(n *yaml.Node) string {
	var texts []string
	for _, item := range n.Content {
		if n.Kind != yaml.SequenceNode || item.Kind != yaml.ScalarNode {
			text, _ := json.Marshal((*inJSON)(n)) // which was read from it
			return string(text)
		}
		texts = append(texts, item.Value)
	}
	return strings.Join(texts, ", ")
}

// EntriesJSON is an object with what Entries tells, sections of it as objects.
func (c *Config) EntriesJSON(item string) json.Marshaler { return (*inJSON)(c.itemTree(item)) }

// itemTree is the item as a file would say it.
func (c *Config) itemTree(item string) *yaml.Node {
	for _, k := range c.keys() {
		if !k.isItems() || !strings.HasPrefix(item, k.path+"[") {
			continue
		}
		for i, keys := range k.items() {
			if item == fmt.Sprintf("%s[%d]", k.path, i) {
				return tree(keys)
			}
		}
	}
	return tree(nil)
}
