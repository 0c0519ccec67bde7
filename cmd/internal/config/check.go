package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/stompgw/stompgw/bus/settings"
	"github.com/stompgw/stompgw/gateway/destination"
	"github.com/stompgw/stompgw/gateway/origin"
	"github.com/stompgw/stompgw/gateway/policy"
)

// check finds values that can't be right, each alone and together, and compiles the rules.
func (c *Config) check() {
	c.checkAddresses()
	c.checkNode()
	c.checkWeb()
	c.checkPrefixes()
	c.loadSecrets()
	c.checkBuses()
	c.checkRedis()
	c.loadTLS()
	c.checkAuth()
	c.checkAPI()
	c.checkBounds()
	c.checkLimits()
	c.checkWords()
	for _, s := range fieldsIn[settings.Secret](c) {
		s.Spare(false)
	}
	c.loadSchemas()
	if len(c.errs) == 0 {
		c.checkRules()
	}
}

// Port is an address at which a node listens.
type Port struct {
	Key, Addr string
	used      bool
}

// ports are all that settings name.
func (c *Config) ports() []Port {
	optional := []Port{
		{"tcp.listen", c.TCP.Listen, true},
		{"admin.listen", c.Admin.Listen, true},
		{"api.listen", c.API.Listen, c.Origin("api.listen") != ByStandalone}, // which takes a free port instead
	}
	return slices.Concat(
		[]Port{{"listen", c.Listen, true}},
		slices.DeleteFunc(optional, func(p Port) bool { return p.Addr == "" }),
		[]Port{{"embedded.redis", c.Embedded.Redis, c.Standalone}, {"embedded.nats", c.Embedded.NATS, c.Bus.Driver == embedded}},
	)
}

// Ports are those that a node can't do without.
func (c *Config) Ports() []Port {
	return slices.DeleteFunc(c.ports(), func(p Port) bool { return !p.used })
}

func (c *Config) checkAddresses() {
	type address struct{ path, host string }
	taken := map[int][]address{} // by port
	for _, p := range c.ports() {
		host, port, err := settings.ParseAddr(p.Addr, "127.0.0.1:13001")
		if err != nil {
			c.fail(p.Key, "%v", err)
			continue
		}
		if !p.used {
			continue
		}
		for _, other := range taken[port] {
			if port != 0 && (other.host == host || IsEvery(other.host) || IsEvery(host)) {
				c.fail(p.Key, "%s is the address of %s too: take another port", p.Addr, other.path)
			}
		}
		taken[port] = append(taken[port], address{p.Key, host})
	}
}

// IsEvery reports whether a host is all addresses of the machine.
func IsEvery(host string) bool {
	ip := net.ParseIP(host)
	return host == "" || ip != nil && ip.IsUnspecified()
}

// maxNodeName is how many bytes of a name fit a table.
const maxNodeName = 100

func (c *Config) checkNode() {
	switch name := c.Node.Name; {
	case len(name) > maxNodeName:
		c.fail("node.name", "it has %d bytes: want %d at most", len(name), maxNodeName)
	case strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }):
		c.fail("node.name", "%q holds what can't be shown: want one line of text", name)
	}
}

func (c *Config) checkWeb() {
	if err := checkEndpoint(c.Endpoint); err != nil {
		c.fail("endpoint", "%v, such as /stomp", err)
	}
	c.expect("sockjs.client_url", checkScript(c.SockJS.ClientURL))
	for i, pattern := range c.Origins {
		c.expect(fmt.Sprintf("origins[%d]", i), origin.Check(pattern))
	}
	c.TLS.pair = c.loadPair("tls", c.TLS.Cert, c.TLS.Key)
}

// checkEndpoint checks the path of a URL.
func checkEndpoint(path string) error {
	if err := checkDestination(path); err != nil {
		return err
	}
	for segment := range strings.SplitSeq(path, "/") {
		if _, err := url.PathUnescape(segment); err != nil {
			return fmt.Errorf("%q has a %% without two hexadecimal digits after it", path)
		} else if segment == "." || segment == ".." {
			return fmt.Errorf("%q has the segment %s, which clients resolve before they ask: write the path out", path, segment)
		}
	}
	return nil
}

// checkScript checks where pages load a script from; empty is nowhere.
func checkScript(address string) error {
	if address == "" {
		return nil
	}
	u, err := url.Parse(address)
	isWeb := err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https")
	if err != nil || !isWeb && !strings.HasPrefix(address, "/") || strings.ContainsFunc(address, unicode.IsSpace) {
		return fmt.Errorf("%q is not the address of a script: write a path such as /sockjs.min.js, or a URL such as https://cdn.example.com/sockjs.min.js", address)
	}
	return nil
}

// checkDestination checks a path of one or more segments.
func checkDestination(s string) error {
	switch {
	case !strings.HasPrefix(s, "/"):
		return fmt.Errorf("%q does not begin with a slash", s)
	case strings.HasSuffix(s, "/"), strings.Contains(s, "//"):
		return fmt.Errorf("%q has an empty segment: write the slashes singly and none at the end", s)
	case strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || strings.ContainsRune("*?#{}", r) }):
		return fmt.Errorf("%q holds a space or one of * ? # { }", s)
	}
	return nil
}

// prefix is one of the prefixes.
type prefix struct{ path, value string }

func (p prefix) overlaps(other prefix) bool {
	return destination.IsUnder(p.value, other.value) || destination.IsUnder(other.value, p.value)
}

// overlap is a prefix that is off, as its default overlaps another, which the file has.
type overlap struct{ path, other string }

func (c *Config) checkPrefixes() {
	all := []prefix{{"prefixes.app", c.Prefixes.App}, {"prefixes.user", c.Prefixes.User}}
	for i, b := range c.Prefixes.Broker {
		all = append(all, prefix{fmt.Sprintf("prefixes.broker[%d]", i), b})
	}
	for _, p := range []struct {
		path  string
		value *string
	}{{"prefixes.member", &c.Prefixes.Member}, {"prefixes.presence", &c.Prefixes.Presence}} {
		optional := prefix{p.path, *p.value}
		at := slices.IndexFunc(all, optional.overlaps)
		switch {
		case optional.value == "":
		case at >= 0 && c.Origin(p.path) == ByDefault:
			*p.value, c.overlaps = "", append(c.overlaps, overlap{p.path, all[at].path}) // a file of before knows nothing of it
		default:
			all = append(all, optional)
		}
	}
	if len(c.Prefixes.Broker) == 0 {
		c.fail("prefixes.broker", "is empty: want at least one, such as [/topic, /queue]")
	}
	for i, p := range all {
		c.expect(p.path, checkDestination(p.value))
		for _, other := range all[:i] {
			if p.overlaps(other) {
				c.fail(p.path, "%s and %s (%s) overlap: no prefix may begin another", p.value, other.value, other.path)
			}
		}
	}
	if !destination.IsUnder(c.Errors.Destination, c.Prefixes.User) || c.Errors.Destination == c.Prefixes.User {
		c.fail("errors.destination", "%s is not below prefixes.user: want one like %s/queue/request-error",
			c.Errors.Destination, c.Prefixes.User)
	} else {
		c.expect("errors.destination", checkDestination(c.Errors.Destination))
	}
}

// maxEmbedded is the largest body that fits, with its headers, into the 64 MiB that the embedded NATS
// server lets wait for a connection.
const maxEmbedded = 63 * MiB

// checkLimits refuses sizes and times that don't fit each other.
func (c *Config) checkLimits() {
	l := c.Limits
	if l.Message > maxEmbedded && c.Bus.Driver == embedded {
		c.fail("limits.message", "%s is more than the embedded bus carries: want %s at most", l.Message, maxEmbedded)
	}
	switch {
	case l.Outbound >= l.Message:
	case c.Origin("limits.outbound") == ByDefault:
		c.fail("limits.message", "%s is over the %s that may wait for one client: raise limits.outbound too",
			l.Message, l.Outbound)
	default:
		c.fail("limits.outbound", "%s is under the %s that one message may take: want at least limits.message",
			l.Outbound, l.Message)
	}
	switch r := c.Registry; {
	case r.Expiry >= 2*r.Heartbeat:
	case c.Origin("registry.expiry") == ByDefault:
		c.fail("registry.heartbeat", "%s is over half the %s after which a silent node is gone: raise registry.expiry too",
			r.Heartbeat, r.Expiry)
	default:
		c.fail("registry.expiry", "%s is under two heartbeats of %s, so one that is late would take the node's sessions away: want at least %s",
			r.Expiry, r.Heartbeat, 2*r.Heartbeat)
	}
}

// maxHeartBeat is what a browser's timer can wait, 2^31 ms, in whole days. With more it does not wait at all.
const maxHeartBeat = 24 * 24 * time.Hour

// Bounds of presence: a member who has gone is shown no longer than that, and a list of one room takes a node no more memory.
const (
	maxGrace  = 10 * time.Minute
	maxListed = 10_000
)

// checkBounds refuses numbers, sizes and times with which something could never work.
func (c *Config) checkBounds() {
	beats := func(d, most time.Duration) bool { return d == 0 || time.Second <= d && d <= most }
	for _, b := range []struct {
		path string
		ok   bool
		want string
	}{
		{"redis.db", c.Redis.DB >= 0, "0 or more"},
		{"registry.heartbeat", c.Registry.Heartbeat > 0, "some time, such as 5s"},
		{"sessions.per_member.max", c.Sessions.PerMember.Max >= 0, "1 or more, or 0 for any number"},
		{"history.memory", c.History.Memory >= MiB, "1MiB or more"},
		{"presence.grace", 0 <= c.Presence.Grace && c.Presence.Grace <= maxGrace, "0s to 10m"},
		{"presence.limit", 1 <= c.Presence.Limit && c.Presence.Limit <= maxListed, "1 to 10000"},
		{"limits.message", c.Limits.Message > 0, "a size such as 64KiB"},
		{"limits.connections", c.Limits.Connections > 0, "1 or more"},
		{"limits.connect_timeout", c.Limits.ConnectTimeout > 0, "some time, such as 10s"},
		{"heart_beat.send", beats(c.HeartBeat.Send, maxHeartBeat), "1s to 24d, as timers of browsers hold no more, or 0s for none"},
		{"heart_beat.receive", beats(c.HeartBeat.Receive, maxHeartBeat), "1s to 24d, as timers of browsers hold no more, or 0s for none"},
		{"heart_beat.hung", beats(c.HeartBeat.Hung, maxDuration), "1s or more, or 0s for none"},
		{"sockjs.heartbeat", c.SockJS.Heartbeat > 0, "some time, such as 25s"},
		{"sockjs.session_timeout", c.SockJS.SessionTimeout > 0, "some time, such as 5s"},
		{"sockjs.stream_limit", c.SockJS.StreamLimit > 0, "a size such as 128KiB"},
	} {
		if !b.ok {
			c.fail(b.path, "%v is not possible: want %s", c.Value(b.path), b.want)
		}
	}
}

// checkWords refuses what is none of the words that a setting may be.
func (c *Config) checkWords() {
	for _, k := range c.keys() {
		if word, ok := k.shown().(string); ok && k.words != nil && !slices.Contains(k.words, word) {
			c.fail(k.path, "%q is none of %s", word, strings.TrimSuffix(strings.Join(k.words, ", "), ", "))
		}
	}
}

func (c *Config) checkRules() {
	if !c.checkChannelLimits() {
		return
	}
	for i, ch := range c.Channels {
		if path := fmt.Sprintf("channels[%d].history", i); ch.History == (policy.History{}) && c.Origin(path) != ByDefault {
			c.fail(path, "keeps nothing: want a size and a ttl, such as {size: 100, ttl: 10m}, or leave it out")
			return
		}
	}
	rules, err := policy.New(policy.Rules{
		Prefixes:         policy.Prefixes(c.Prefixes),
		ErrorDestination: c.Errors.Destination,
		Channels:         c.Channels,
		Routes:           c.Routes,
		PerSession:       policy.Limit{Rate: c.Limits.Rate, Burst: c.Limits.Burst, Over: c.Limits.Over},
		PerNode:          policy.Limit{Rate: c.Limits.Node.Rate, Burst: c.Limits.Node.Burst},
		Where: func(rule string) string {
			_, where := c.Said(rule + ".match")
			return where
		},
	})
	if err != nil {
		c.failRules(err)
		return
	}
	c.rules = rules
	c.checkBackends()
	// Rules that ask who is logged in would refuse everybody where nobody can be. The key may be in another environment.
	if path := rules.LoginRule(); path != "" && !c.HasIssuer() && c.uses("auth") {
		c.fail(path, "asks who is logged in, but nobody's tokens are accepted: %s", nameAnIssuer)
	}
}

// checkChannelLimits refuses limits of channels that limit nothing, and reports whether there are none.
func (c *Config) checkChannelLimits() bool {
	before := len(c.errs)
	for i, ch := range c.Channels {
		switch path := fmt.Sprintf("channels[%d].limits", i); {
		case ch.Limits == (policy.Limits{}) && c.Origin(path) != ByDefault:
			c.fail(path, "limits nothing: want a rate, such as {rate: 5/s}, or a largest message, such as {message: 4KiB}, or leave it out")
		case int64(ch.Limits.Message) > int64(c.Limits.Message):
			c.fail(path+".message", "%s is over limits.message, the %s that any message may have: want less, or raise that too", ch.Limits.Message, c.Limits.Message)
		}
	}
	return len(c.errs) == before
}

// failRules finds the places in the file of what policy.New says.
func (c *Config) failRules(err error) {
	for _, err := range parts(err) {
		switch fault, ok := errors.AsType[*policy.RuleError](err); {
		case !ok:
			c.errs = append(c.errs, err)
		case fault.Line == 0:
			c.fail(fault.Path, "%s", fault.Reason)
		default:
			c.errs = append(c.errs, c.scalars[fault.Path].fault(fault))
		}
	}
}
