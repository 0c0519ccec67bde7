package natsbus

import (
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/stompgw/stompgw/bus"
)

// Aim implements bus.Forwarder. A subject exists once somebody subscribes to it, so the server never reports one missing.
func (b *Bus) Aim(targets []bus.Target) error {
	for _, to := range targets {
		if field, err := checkTarget(b.cfg.Prefix, to); err != nil {
			return fmt.Errorf("%w: %s %w", bus.ErrTarget, field, err)
		}
	}
	return nil
}

// Forward implements bus.Forwarder. It refuses as Publish does.
func (b *Bus) Forward(to bus.Target, e bus.Envelope, done func(error)) error {
	if err := b.Aim([]bus.Target{to}); err != nil {
		return err
	}
	e = bus.Envelope{Headers: e.Headers, Body: e.Body}
	return b.accept(item{envelope: e, subject: to.Subject, done: done, size: size(&e) + len(to.Subject), backend: true})
}

// CheckTarget implements bus.Aimer.
func (s *Settings) CheckTarget(to bus.Target) (field string, err error) {
	return checkTarget(s.Prefix, to)
}

// checkTarget returns why a subject, in which a part "*" may stand for any one, is none for a backend: what is below the prefix is for nodes.
func checkTarget(prefix string, to bus.Target) (field string, err error) {
	if to.Topic != "" {
		return "topic", errors.New("is for Kafka, but the bus is NATS: write a subject")
	}
	parts, below := strings.Split(to.Subject, "."), strings.Split(prefix, ".")
	for _, part := range parts {
		if part == "" || part != "*" && strings.ContainsAny(part, "*>") || strings.ContainsFunc(part, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }) {
			return "subject", fmt.Errorf("%.80q is no subject to publish to: write it like orders.in", to.Subject)
		}
	}
	if len(parts) < len(below) {
		return "", nil
	}
	for i, part := range below {
		if parts[i] != part && parts[i] != "*" {
			return "", nil
		}
	}
	return "subject", fmt.Errorf("%.80q is, or may be, below bus.nats.prefix (%s), which nodes use among themselves: choose another", to.Subject, prefix)
}
