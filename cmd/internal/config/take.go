package config

import (
	"errors"
	"maps"
	"slices"
)

// Take returns what a node that runs with c runs with after it has read next: its rules, whose tokens
// are taken, and what stands in files of certificates, keys and passwords. All else stays, and needs a
// restart; so do those of a section that belong to something else that stays, such as the password for
// other brokers. Changed tells what that is. Neither c nor next changes.
func (c *Config) Take(next *Config) *Config {
	t := *c
	t.origins, t.scalars, t.files, t.empty = next.origins, next.scalars, next.files, next.empty
	t.Channels, t.Routes, t.rules = next.Channels, next.Routes, next.rules
	if (c.TLS.pair != nil) == (next.TLS.pair != nil) {
		t.TLS = next.TLS
	}
	if c.HasIssuer() == next.HasIssuer() {
		t.Auth.JWT.Issuer, t.Auth.Issuers = next.Auth.JWT.Issuer, next.Auth.Issuers
	}
	if c.Bus.Driver == next.Bus.Driver {
		t.Bus.Kafka.takeLogin(&next.Bus.Kafka)
		t.Bus.NATS.takeLogin(&next.Bus.NATS)
	}
	t.Redis.takeLogin(&next.Redis)
	return &t
}

func (k *Kafka) takeLogin(next *Kafka) {
	if slices.Equal(k.Brokers, next.Brokers) && k.TLS.on() == next.TLS.on() && k.SASL.Mechanism == next.SASL.Mechanism {
		k.TLS, k.SASL = next.TLS, next.SASL
	}
}

func (n *NATS) takeLogin(next *NATS) {
	if n.URL != next.URL || n.TLS.on() != next.TLS.on() || !slices.Equal(n.ways(), next.ways()) {
		return
	}
	prefix := n.Prefix
	*n = *next
	n.Prefix = prefix
}

func (r *Redis) takeLogin(next *Redis) {
	if !slices.Equal(r.Addrs, next.Addrs) || r.Master != next.Master || r.IsCluster() != next.IsCluster() || r.TLS.on() != next.TLS.on() {
		return
	}
	r.User, r.Password, r.PasswordFile = next.User, next.Password, next.PasswordFile
	r.Sentinel, r.TLS = next.Sentinel, next.TLS
}

func (t *ClientTLS) on() bool { return t.loaded != nil }

// TakePair returns c with what the files of tls.cert and tls.key hold now. The error is about them.
func (c *Config) TakePair() (*Config, error) {
	t := *c
	t.files = maps.Clone(c.files)
	pair, errs := t.loadPair("tls", c.TLS.Cert, c.TLS.Key)
	t.TLS.pair = pair
	return &t, errors.Join(errs...)
}
