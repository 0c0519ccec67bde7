package config

import (
	"errors"
	"maps"
	"slices"

	"github.com/stompgw/stompgw/bus"
)

// Take returns what a node that runs with c runs with after it has read next: its rules, whose tokens
// are taken, and what stands in files of certificates, keys and passwords. All else stays, and needs a
// restart; so do those of a section that belong to something else that stays, such as the password for
// other brokers. Changed tells what that is. Neither c nor next changes.
func (c *Config) Take(next *Config) *Config {
	t := *c
	t.origins, t.scalars, t.schemas, t.files, t.empty = next.origins, next.scalars, next.schemas, next.files, next.empty
	t.Channels, t.Routes, t.rules, t.idle = next.Channels, next.Routes, next.rules, next.idle
	t.Limits.takeRates(&next.Limits)
	if (c.TLS.pair != nil) == (next.TLS.pair != nil) {
		t.TLS = next.TLS
	}
	if (c.API.Listen == "") == (next.API.Listen == "") {
		t.API.Keys = next.API.Keys
		if (c.API.TLS.pair != nil) == (next.API.TLS.pair != nil) {
			t.API.TLS = next.API.TLS
		}
	}
	if c.HasIssuer() == next.HasIssuer() {
		t.Auth.JWT.Issuer, t.Auth.Issuers = next.Auth.JWT.Issuer, next.Auth.Issuers
	}
	if c.Bus.Driver == next.Bus.Driver {
		t.Bus.sections = map[string]bus.Settings{}
		for name, section := range c.Bus.sections {
			t.Bus.sections[name] = section.Take(next.Bus.sections[name])
		}
	}
	t.Redis.takeLogin(&next.Redis)
	return &t
}

// takeRates takes the limits that go with the rules.
func (l *Limits) takeRates(next *Limits) {
	l.Rate, l.Burst, l.Over, l.Node = next.Rate, next.Burst, next.Over, next.Node
}

func (r *Redis) takeLogin(next *Redis) {
	if !slices.Equal(r.Addrs, next.Addrs) || r.Master != next.Master || r.IsCluster() != next.IsCluster() || (r.TLS.Loaded == nil) != (next.TLS.Loaded == nil) {
		return
	}
	r.User, r.Password, r.Sentinel, r.TLS = next.User, next.Password, next.Sentinel, next.TLS
}

// TakePair returns c with what the files of tls.cert and tls.key hold now, and those of api.tls. The error is about them.
func (c *Config) TakePair() (*Config, error) {
	t := *c
	t.files = maps.Clone(c.files)
	t.TLS.pair = t.loadPair("tls", c.TLS.Cert, c.TLS.Key)
	t.API.TLS.pair = t.loadPair("api.tls", c.API.TLS.Cert, c.API.TLS.Key)
	err := errors.Join(t.errs...)
	t.errs = nil
	return &t, err
}
