package message

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stompgw/stompgw/admin"
	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/cmd/internal/cli"
	"github.com/stompgw/stompgw/cmd/internal/config"
	"github.com/stompgw/stompgw/cmd/internal/nearest"
	"github.com/stompgw/stompgw/gateway/destination"
	"github.com/stompgw/stompgw/gateway/policy"
	"github.com/stompgw/stompgw/gateway/registry"
)

// overBus publishes as a node does. With several recipients each gets its first message before any
// gets a second.
func (p *publication) overBus(ctx context.Context, cfg *config.Config, drivers []bus.Driver, r *batch) error {
	if err := p.checkDestination(cfg); err != nil {
		return cli.Exit(cli.Usage, err)
	}
	headers, err := p.entries()
	if err != nil {
		return err
	}
	principals, to, err := p.recipients(ctx, cfg)
	if err != nil {
		return err
	}
	var flags []string
	for _, d := range drivers {
		flags = append(flags, brokerFlag(d))
	}
	hint := "name another bus with " + strings.Join(flags, ", ") + " or --config FILE, or use --standalone for a node that was started so"
	b, err := cli.OpenBus(ctx, cfg, registry.NewNode(time.Now()), slog.New(slog.DiscardHandler), hint)
	if err != nil {
		return err
	}
	total := p.count * len(principals)
	t := r.publish(ctx, total, func(ctx context.Context, n int, done func(error)) error {
		e := bus.Envelope{Destination: p.destination, Principal: principals[n%len(principals)], Headers: headers, Body: p.body}
		if n > 0 {
			return b.Publish(e, func(err error) { done(ofBus(err)) })
		}
		ctx, cancel := context.WithTimeout(ctx, p.gateway.timeout)
		defer cancel()
		done(ofBus(admin.Publish(ctx, b, e))) // which checks the headers, of all
		return nil
	})
	health := b.Healthy()
	closing, cancel := context.WithTimeout(ctx, p.gateway.timeout)
	defer cancel()
	if t.err != nil {
		cancel() // what is outstanding has been waited for
	}
	b.Close(closing) // all that counts has been answered
	return r.report(ctx, total, to, t, func(err error) error { return p.busError(cfg, health, err) })
}

// ofBus tells apart what a bus may have published all the same.
func ofBus(err error) error {
	if errors.Is(err, bus.ErrUnknown) {
		return unsure{err}
	}
	return err
}

// busError says what to do about a message that was not published over the bus, whose health is that.
func (p *publication) busError(cfg *config.Config, health, err error) error {
	down := errors.Is(err, bus.ErrDown)
	unanswered := errors.Is(err, bus.ErrUnknown) || errors.Is(err, errLate)
	switch {
	case errors.Is(err, admin.ErrHeader):
		return cli.Exit(cli.Usage, err)
	case (down || unanswered) && health != nil:
		key, what := cfg.Broker()
		return cli.Unreached(cfg, key, what, brokerFlag(cfg.Bus.Kind()), health)
	case down:
		return cli.Exit(cli.TimedOut, errors.New("the broker does not answer: the message was not published"))
	case unanswered:
		return cli.Exit(cli.TimedOut, fmt.Errorf("the broker did not answer within %s; it may have the message or not", p.gateway.timeout))
	case errors.Is(err, bus.ErrContent):
		return cli.Exit(cli.Usage, fmt.Errorf("publish %s: %w, which is all that this bus carries with bus.kafka.envelope: json", p.destination, err))
	}
	return fmt.Errorf("publish %s: %w", p.destination, err)
}

// brokerFlag is the flag of publish for the servers of a bus, with its value.
func brokerFlag(d bus.Driver) string {
	_, value, _ := strings.Cut(d.Flag, "`")
	value, _, _ = strings.Cut(value, "`")
	return "--" + d.Name + " " + value
}

// checkDestination refuses what no client could subscribe to: a message there would reach nobody, and
// nobody would be told.
func (p *publication) checkDestination(cfg *config.Config) error {
	below := func(prefix string) bool { return strings.HasPrefix(p.destination, prefix+"/") }
	room := cfg.Prefixes.Broker[0] + "/chat"
	if err := checkSlash(cfg, p.destination); err != nil {
		return err
	}
	switch {
	case !utf8.ValidString(p.destination) || strings.ContainsFunc(p.destination, unicode.IsControl):
		return fmt.Errorf("DEST %q holds what no client can subscribe to: want text without control characters", p.destination)
	case destination.IsPattern(p.destination):
		return fmt.Errorf("DEST %s is a pattern: a message goes to one destination, such as %s", p.destination, room)
	case below(cfg.Prefixes.App):
		return fmt.Errorf("DEST %s is for clients to send to: the bus carries what subscribers receive, such as %s; --via %s sends as a client does",
			p.destination, room, viaSTOMP)
	case below(cfg.Prefixes.User) && !p.individual():
		return fmt.Errorf("DEST %s is one session's own: say which with --session SESSION or --member MEMBER", p.destination)
	}
	return p.checkChannels(cfg)
}

// checkChannels refuses a destination that no channel names, where there are channels. Clients know an
// individual one by its name below the session prefix.
func (p *publication) checkChannels(cfg *config.Config) error {
	if p.force || len(cfg.Channels) == 0 {
		return nil
	}
	name := p.destination
	if p.individual() {
		name = cfg.Rules().SessionDestination(name)
	}
	_, refusal := cfg.Rules().JudgeSubscribe(&policy.Request{Destination: name})
	if refusal == nil || refusal.Code != policy.CodeNoRule {
		return nil
	}
	_, where := cfg.Said("channels[0].match")
	return fmt.Errorf("DEST %s: no channel names %s, so nobody may subscribe to it; the nearest of %s (%s) is %s. --force publishes all the same",
		p.destination, name, cli.Count(len(cfg.Channels), "channel"), where, nearestChannel(cfg, name))
}

// nearestChannel is the channel whose match is most like name, or begins so.
func nearestChannel(cfg *config.Config, name string) string {
	var all []string
	for _, ch := range cfg.Channels {
		all = append(all, ch.Match)
	}
	likest := slices.MaxFunc(all, func(a, b string) int { return cmp.Compare(common(a, name), common(b, name)) })
	return cmp.Or(nearest.Word(name, all), likest)
}

// common is how many bytes a and b have in common at their beginning.
func common(a, b string) (n int) {
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}

// individual reports whether the message is for certain sessions alone.
func (p *publication) individual() bool { return p.session != "" || p.member != "" }

// recipients returns by which principals the message is addressed, "" for all subscribers, and where
// it goes in words.
func (p *publication) recipients(ctx context.Context, cfg *config.Config) (principals []string, to string, err error) {
	if !p.individual() {
		return []string{""}, p.destination, nil
	}
	client := cli.NewRedis(cfg)
	defer client.Close() // nothing is lost with it
	cluster := admin.NewCluster(cli.SessionMap(cfg, client), 0)
	if p.session != "" {
		principal, err := p.ofSession(ctx, cfg, cluster)
		return []string{principal}, p.destination, err
	}
	principals, err = p.ofMember(ctx, cfg, cluster)
	return principals, fmt.Sprintf("%s of member %s (%s)", p.destination, p.member, cli.Count(len(principals), "session")), err
}

// ofSession finds out how the session is addressed.
func (p *publication) ofSession(ctx context.Context, cfg *config.Config, cluster *admin.Cluster) (string, error) {
	s, err := cluster.Find(ctx, p.session)
	if errors.Is(err, admin.ErrNoSession) {
		err = fmt.Errorf("--session %w", err)
	}
	return s.Principal, cli.ClusterError(cfg, err)
}

// maxRecipients bounds to how many sessions of a member one command publishes.
const maxRecipients = 100_000

// ofMember finds out how the member's sessions are addressed.
func (p *publication) ofMember(ctx context.Context, cfg *config.Config, cluster *admin.Cluster) (principals []string, err error) {
	for s, err := range cluster.Sessions(ctx, admin.Filter{Member: p.member}, "") {
		switch {
		case errors.Is(err, registry.ErrMember):
			return nil, cli.Exit(cli.Usage, fmt.Errorf("--member %s: %w", p.member, err))
		case err != nil && cli.IsNetwork(err):
			return nil, cli.RedisError(cfg, err)
		case err != nil:
			return nil, fmt.Errorf("--member %s: %w", p.member, err)
		case len(principals) == maxRecipients:
			return nil, fmt.Errorf("--member %s: there are more than the %d sessions that one command publishes to", p.member, maxRecipients)
		}
		principals = append(principals, s.Principal)
	}
	if len(principals) == 0 {
		return nil, cli.Exit(cli.NoMatch, fmt.Errorf("--member %s: no live node has a session of this member; `stompgw sessions list` prints those there are", p.member))
	}
	return principals, nil
}
