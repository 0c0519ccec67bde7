package config

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	// shortSecret is what RFC 7518 section 3.2 wants of a secret for HS256 at least, in bytes: as many
	// as the hash has. One that can be guessed lets anybody make tokens.
	shortSecret = 32

	// shortExpiry is as long as a garbage collection, a virtual machine that is moved or a fail-over of
	// Redis may well hold up a heartbeat.
	shortExpiry = 5 * time.Second
)

// Warnings are what works but should not stay, a line each.
func (c *Config) Warnings() (lines []string) {
	warn := func(path, format string, args ...any) {
		lines = append(lines, c.fault(path, format, args...).Error())
	}
	if c.empty != "" {
		lines = append(lines, c.empty+": it is empty, so every setting has its default")
	}
	if c.Registry.Expiry < shortExpiry {
		warn("registry.expiry", "after %s without a heartbeat a node's sessions are gone from Redis, and a pause of the node or of Redis can take longer: want %s or more",
			c.Registry.Expiry, shortExpiry)
	}
	if i := slices.Index(c.Origins, "null"); i >= 0 {
		warn(fmt.Sprintf("origins[%d]", i), `null admits the pages of all origins, as "*" does: any page can show another in a frame with that origin`)
	}
	if c.Sessions.PerMember.Max > 0 && !c.HasIssuer() {
		warn("sessions.per_member.max", "bounds nobody: sessions have members only if somebody's tokens are accepted; %s", nameAnIssuer)
	}
	for _, o := range c.overlaps {
		without := "members have no destinations of their own"
		if o.path == "prefixes.presence" {
			without = "no client can see who is subscribed to what"
		}
		warn(o.path, "its default overlaps %s, so it is off, and %s: set it to another prefix, or to \"\"", o.other, without)
	}
	for _, i := range c.issuers() {
		for _, k := range i.keys {
			if secret, ok := k.value.([]byte); ok && len(secret) < shortSecret {
				warn(k.Path, "the secret has %d bytes, and one so short can be guessed: want %d or more, such as `openssl rand -base64 32` makes",
					len(secret), shortSecret)
			}
		}
	}
	c.warnOfRules(warn)
	return lines
}

// warnOfRules tells of rules that decide nothing, and of destinations that look misspelt.
func (c *Config) warnOfRules(warn func(path, format string, args ...any)) {
	for i, rule := range c.Channels {
		path := fmt.Sprintf("channels[%d].match", i)
		c.warnOfPrefix(warn, path, rule.Match)
		c.warnOfMember(warn, path, rule.Match)
	}
	for i, rule := range c.Routes {
		if rule.Publish == "" {
			continue // it goes to a backend alone
		}
		path := fmt.Sprintf("routes[%d].publish", i)
		c.warnOfPrefix(warn, path, rule.Publish)
		c.warnOfMember(warn, path, rule.Publish)
	}
	c.eachDestination(func(path, pattern string) { c.warnOfPrefix(warn, path, pattern) })
	for _, rule := range c.rules.Roomless() {
		match, _ := c.Said(rule + ".match")
		warn(rule+".match", "%q lets nobody see anything: it only takes from what the channel of %s gives, and no channel there has presence", match, strings.TrimPrefix(match, c.Prefixes.Presence))
	}
	for _, rule := range c.rules.DeadEnds() {
		publish, _ := c.Said(rule + ".publish")
		if !c.rules.Reaches(publish) {
			continue // which has been told
		}
		warn(rule+".publish", "%q reaches no client: no channel lets anybody subscribe to it; is it misspelt, or a channel missing?", publish)
	}
	for _, s := range c.rules.Shadows() {
		match, _ := c.Said(s.Rule + ".match")
		by, where := c.Said(s.By + ".match")
		warn(s.Rule+".match", "%q never decides: %q comes before it (%s) and matches all that it does; put it first, or leave it out", match, by, where)
	}
	for _, s := range c.idle {
		warn(s.path, "no channel uses %s, which lies beside schemas: name it in one, or remove it", s.file)
	}
}

// warnOfPrefix warns of what subscribers shall receive under a name that theirs don't begin with. It
// would work, but mostly it is a slip.
func (c *Config) warnOfPrefix(warn func(path, format string, args ...any), path, match string) {
	if !c.rules.Reaches(match) {
		warn(path, "%q is below none of the prefixes %s: is it misspelt? If not, add how it begins to prefixes.broker",
			match, strings.Join(c.Prefixes.Received(), ", "))
	}
}

// warnOfMember warns of what is about the member "queue", where mostly that is a slip: clients call theirs
// /member/queue/x, and rules /member/{member}/queue/{name}.
func (c *Config) warnOfMember(warn func(path, format string, args ...any), path, said string) {
	if !c.rules.IsMember(said) {
		return
	}
	if of, err := c.rules.Inbox(said); err == nil && of.IsText && of.String() == of.ID {
		warn(path, "%q is about the member %q alone: did you mean %s?", said, of.ID, c.rules.MemberDestination("{member}", said))
	}
}
