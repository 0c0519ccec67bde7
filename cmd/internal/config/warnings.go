package config

import "time"

const (
	// shortSecret is what RFC 7518 section 3.2 wants of a secret for HS256 at least, in bytes: as many
	// as the hash has. One that can be guessed lets anybody make tokens.
	shortSecret = 32

	// shortExpiry is as long as a garbage collection, a virtual machine that is moved or a fail-over of
	// Redis may well hold up a heartbeat.
	shortExpiry = Duration(5 * time.Second)
)

// Warnings are what works but should not stay, a line each.
func (c *Config) Warnings() (lines []string) {
	warn := func(path, format string, args ...any) {
		lines = append(lines, c.fault(path, format, args...).Error())
	}
	if c.Registry.Expiry < shortExpiry {
		warn("registry.expiry", "after %s without a heartbeat a node's sessions are gone from Redis, and a pause of the node or of Redis can take longer: want %s or more",
			c.Registry.Expiry, shortExpiry)
	}
	if c.Sessions.PerMember.Max > 0 && !c.HasIssuer() {
		warn("sessions.per_member.max", "bounds nobody: sessions have members only where somebody's tokens are taken; %s", nameAnIssuer)
	}
	for _, i := range c.issuers() {
		for _, k := range i.keys {
			if secret, ok := k.value.([]byte); ok && len(secret) < shortSecret {
				warn(k.path, "the secret has %d bytes, and one so short can be guessed: want %d or more, such as `openssl rand -base64 32` makes",
					len(secret), shortSecret)
			}
		}
	}
	return lines
}
