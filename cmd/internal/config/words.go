package config

import (
	"slices"
	"strings"

	"github.com/stompgw/stompgw/gateway/policy"
)

// wordKey is a setting that has to be one of some words.
type wordKey struct {
	path, word string
	allowed    []string
}

func (c *Config) words() []wordKey {
	return []wordKey{
		{"bus.driver", c.Bus.Driver, []string{"kafka", "nats", "embedded"}},
		{"bus.kafka.envelope", c.Bus.Kafka.Envelope, []string{"headers", "json"}},
		{"bus.kafka.sasl.mechanism", c.Bus.Kafka.SASL.Mechanism, []string{"plain", "scram-sha-256", "scram-sha-512", ""}},
		{"registry.layout", c.Registry.Layout, []string{"hashes", "keys"}},
		{"sessions.per_member.over", c.Sessions.PerMember.Over, []string{"kick-oldest", "kick-newest"}},
		{"auth.anonymous", c.Auth.Anonymous, []string{AnonymousAllow, AnonymousRefuse}},
		{"errors.fallback", c.Errors.Fallback, []string{string(policy.FallbackDrop), string(policy.FallbackError)}},
		{"readiness.redis", c.Readiness.Redis, []string{RedisIgnore, RedisRequired}},
		{"log.level", c.Log.Level, []string{"debug", "info", "warn", "error"}},
		{"log.format", c.Log.Format, []string{"text", "json"}},
	}
}

func (c *Config) checkWords() (errs []error) {
	for _, w := range c.words() {
		if !slices.Contains(w.allowed, w.word) {
			errs = append(errs, c.fault(w.path, "%q is none of %s", w.word, strings.TrimSuffix(strings.Join(w.allowed, ", "), ", ")))
		}
	}
	return errs
}
