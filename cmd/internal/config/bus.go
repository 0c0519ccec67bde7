package config

import (
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/gateway/destination"
)

// Bus says which bus carries messages between nodes. Each kind has a section with settings of its own.
type Bus struct {
	Driver string // the name of a bus.Driver, or embedded

	drivers  []bus.Driver
	sections map[string]bus.Settings // by the names of drivers
}

const (
	embedded      = "embedded" // a NATS server inside the node
	embeddedOver  = "nats"     // the driver for it
	EmbeddedURL   = "bus.nats.url"
	embeddedSpace = "bus.nats.prefix"
)

func newBus(drivers []bus.Driver) Bus {
	b := Bus{drivers: drivers, sections: map[string]bus.Settings{}}
	for _, d := range drivers {
		b.sections[d.Name] = d.New()
	}
	return b
}

// driverKey is the setting of Driver. Those of the buses stand behind it.
func (b *Bus) driverKey(path string) key {
	names := b.names()
	return key{
		path: join(path, "driver"), target: &b.Driver, initial: strings.Join(names[:min(1, len(names))], ""), words: names,
		tells: strings.Replace("`"+strings.Join(names, "`, `")+"`: a NATS server inside the node, as `--standalone` has it", "`embedded`", "or `embedded`", 1),
	}
}

// names are what Driver may be, the default first.
func (b *Bus) names() (names []string) {
	for _, d := range b.drivers {
		names = append(names, d.Name)
	}
	if b.sections[embeddedOver] != nil {
		names = append(names, embedded)
	}
	return names
}

// Kind returns the driver that is in use.
func (b *Bus) Kind() bus.Driver {
	name := b.Driver
	if name == embedded {
		name = embeddedOver
	}
	i := slices.IndexFunc(b.drivers, func(d bus.Driver) bool { return d.Name == name })
	return b.drivers[i] // Load has seen to it
}

// Settings returns those of the bus that is in use.
func (b *Bus) Settings() bus.Settings { return b.sections[b.Kind().Name] }

// Address is the key that says where the broker of a driver is.
func Address(d bus.Driver) string { return "bus." + d.Name + "." + d.Address }

// Broker is the key that says where the broker in use is, and what people call it.
func (c *Config) Broker() (key, name string) {
	d := c.Bus.Kind()
	key = Address(d)
	return key, d.Title + " at " + c.Text(key)
}

// Value is what a setting holds, for people: a text, or several.
func (c *Config) Value(path string) any {
	k, _ := keyAt(c.keys(), path)
	return k.shown()
}

// Text is what a setting holds, for people, with commas between several values.
func (c *Config) Text(path string) string {
	value := c.Value(path)
	if list, ok := value.([]string); ok {
		return strings.Join(list, ", ")
	}
	return value.(string)
}

// EmbeddedAt returns c with other addresses of the servers that a node has brought along; empty leaves one.
func (c *Config) EmbeddedAt(redis, nats string) *Config {
	t := *c
	if redis != "" {
		t.Redis.Addrs = []string{redis}
	}
	if nats != "" {
		t.embedNATS(nats)
	}
	return &t
}

// embedNATS makes the bus that of the embedded server: nothing that was said of another but the prefix is
// meant for it.
func (c *Config) embedNATS(url string) {
	before, _ := keyAt(c.keys(), embeddedSpace)
	c.Bus.sections = maps.Clone(c.Bus.sections)
	c.Bus.sections[embeddedOver] = c.Bus.Kind().New()
	setDefaults(keysOf("bus."+embeddedOver, c.Bus.sections[embeddedOver]))
	for path, value := range map[string]string{EmbeddedURL: url, embeddedSpace: before.shown().(string)} {
		k, _ := keyAt(c.keys(), path)
		reflect.ValueOf(k.target).Elem().SetString(value)
	}
}

// inUse reports whether a section, or a setting in it, is of no bus but the one in use, and of no Sentinels
// where there are none.
func (c *Config) inUse(path string) bool {
	if strings.HasPrefix(path, "redis.sentinel.") {
		return c.Redis.Master != ""
	}
	rest, ofBus := strings.CutPrefix(path, "bus.")
	section, _, _ := strings.Cut(rest, ".")
	return !ofBus || section == c.Bus.Driver
}

// checkBuses asks the drivers what is wrong with their settings.
func (c *Config) checkBuses() {
	for _, d := range c.Bus.drivers {
		c.failAll("bus."+d.Name, c.Bus.sections[d.Name].Check())
	}
	c.eachDestination(func(path, pattern string) {
		for _, prefix := range []string{c.Prefixes.App, c.Prefixes.User, c.Prefixes.Presence} {
			if prefix != "" && destination.IsUnder(pattern, prefix) {
				c.fail(path, "%q is below %s, where no subscriber receives it: write it like %s/orders/{key}",
					c.scalars[path].value, prefix, c.Prefixes.Broker[0])
			}
		}
	})
}

// checkBackends asks the driver in use whether routes can bring something where they say.
func (c *Config) checkBackends() {
	aimer, ok := c.Bus.Settings().(bus.Aimer)
	for _, b := range c.rules.Backends() {
		path := b.Rule + ".to"
		if !ok {
			c.fail(path, "is for a bus that brings something to backends, and %s does not", c.Bus.Driver)
		} else if field, err := aimer.CheckTarget(b.Target); err != nil {
			c.fail(path+"."+field, "%v", err)
		}
	}
}

// eachDestination calls visit for what messages of topics of the user's own are sent to, as patterns.
func (c *Config) eachDestination(visit func(path, pattern string)) {
	if section := c.Bus.sections[c.Bus.Driver]; section != nil {
		for _, d := range section.Destinations() {
			visit("bus."+c.Bus.Driver+"."+d.Key, d.Pattern)
		}
	}
}
