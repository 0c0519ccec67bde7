package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/stompgw/stompgw/bus/settings"
)

// Error is one mistake in a configuration. A Load that fails may have found several, joined.
type Error struct {
	Where  string // "prod.yaml:14", "STOMPGW_LISTEN", "--listen", or "default"
	Key    string // such as "limits.outbound"; empty when the file as a whole is meant
	Reason string // what is wrong, and what would be right; of an expression also its line, and one with a caret below it
}

func (e *Error) Error() string {
	if e.Key == "" {
		return e.Where + ": " + e.Reason
	}
	return e.Where + ": " + e.Key + ": " + e.Reason
}

// origins says where the values came from: paths, of rules too ("channels[2].match"), to places as
// in Error.Where. A path that is missing has its default.
type origins map[string]string

// override notes that a value came from where instead, and with it all values of a list.
func (o origins) override(path, where string) {
	maps.DeleteFunc(o, func(p, _ string) bool { return strings.HasPrefix(p, path+"[") })
	o[path] = where
}

// What Origin says of a value that nobody named, and of one that Source.Standalone replaced.
const (
	ByDefault    = "default"
	ByStandalone = "--standalone"
)

// of returns the place of a path, or of the nearest one above it that has a place.
func (o origins) of(path string) string {
	for path != "" {
		if where, ok := o[path]; ok {
			return where
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
	return ByDefault
}

// Origin says where the value of a key came from: "prod.yaml:14", "STOMPGW_LISTEN", "--listen",
// ByDefault or ByStandalone.
func (c *Config) Origin(path string) string {
	if where, said := c.origins[path]; said {
		return where
	}
	return ByDefault
}

// Names reports whether anybody said something of a section, such as "bus.kafka", or of a key in it.
func (c *Config) Names(section string) bool {
	for path := range c.origins {
		if isIn(path, section) {
			return true
		}
	}
	return false
}

// isIn reports whether a path is that of a section, or of a key in it.
func isIn(path, section string) bool { return path == section || strings.HasPrefix(path, section+".") }

// item is the path of an item of a list, or of the list itself where it is a single value that stands
// for one.
func (c *Config) item(path string, n int) string {
	if item := fmt.Sprintf("%s[%d]", path, n); c.origins[item] != "" {
		return item
	}
	return path
}

// fail notes a mistake in the value of one key.
func (c *Config) fail(path, format string, args ...any) {
	c.errs = append(c.errs, c.fault(path, format, args...))
}

// expect notes that a value is not what it has to be, unless err is nil.
func (c *Config) expect(path string, err error) {
	if err != nil {
		c.fail(path, "%v", err)
	}
}

// fault is a mistake in the value of one key.
func (c *Config) fault(path, format string, args ...any) error {
	return &Error{c.origins.of(path), path, fmt.Sprintf(format, args...)}
}

// failAll notes the mistakes that are told of a section.
func (c *Config) failAll(section string, faults settings.Faults) {
	for _, f := range faults {
		path := c.Named(section + "." + f.Key)
		switch other := c.Named(section + "." + f.Other); {
		case f.Lacks != "":
			secret := section + "." + f.Lacks
			c.fail(path, "has no password: name a file that holds it with %s_file, or set %s", secret, variable(secret))
		case f.Other != "":
			c.fail(path, f.Reason, fmt.Sprintf("%s (%s)", other, c.Origin(other)))
		default:
			c.fail(path, "%s", f.Reason)
		}
	}
}

// Named returns the key that said what the setting path holds: that of its file, such as
// redis.password_file for redis.password, or its own.
func (c *Config) Named(path string) string {
	if c.Origin(path) == ByDefault && c.Origin(path+"_file") != ByDefault {
		return path + "_file"
	}
	return path
}

// parts returns the errors that are joined in one, or that one.
func parts(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return slices.DeleteFunc([]error{err}, func(err error) bool { return err == nil })
}
