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

	"github.com/stompgw/stompgw/admin"
	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/cmd/internal/cli"
	"github.com/stompgw/stompgw/cmd/internal/config"
	"github.com/stompgw/stompgw/cmd/internal/nearest"
	"github.com/stompgw/stompgw/gateway/registry"
)

// addBuses adds a flag for the servers of each bus.
func addBuses(src *cli.Source, drivers []bus.Driver, what string) {
	def := config.Default(drivers...)
	for _, d := range drivers {
		switch v := def.Value(config.Address(d)).(type) {
		case []string:
			src.List(config.Address(d), d.Name, v, d.Flag+" "+what)
		case string:
			src.Text(config.Address(d), d.Name, v, d.Flag+" "+what)
		}
	}
}

// openBus opens the bus that the configuration, or a flag, names.
func openBus(ctx context.Context, cfg *config.Config, node registry.Node, drivers []bus.Driver) (bus.Bus, error) {
	var flags []string
	for _, d := range drivers {
		flags = append(flags, brokerFlag(d))
	}
	hint := "name another bus with " + strings.Join(flags, ", ") + " or --config FILE, or use --standalone for a node that was started so"
	return cli.OpenBus(ctx, cfg, node, slog.New(slog.DiscardHandler), hint)
}

// overBus publishes as a node does. With several recipients each gets its first message before any
// gets a second.
func (p *publication) overBus(ctx context.Context, cfg *config.Config, drivers []bus.Driver, r *batch) error {
	headers, err := p.entries()
	if err != nil {
		return err
	}
	m := admin.Message{Destination: p.destination, To: p.to, Headers: headers, Body: p.body, Unheard: p.force || len(cfg.Channels) == 0}
	if err := m.Check(cfg.Rules()); err != nil {
		if fault, ok := errors.AsType[*admin.DestinationError](err); ok {
			err = p.destinationError(cfg, fault)
		} else if errors.As(err, new(*admin.SchemaError)) {
			err = fmt.Errorf("%w; --force publishes all the same", err)
		}
		return cli.Exit(cli.Usage, err)
	}
	principals, to, err := p.recipients(ctx, cfg)
	if err != nil {
		return err
	}
	b, err := openBus(ctx, cfg, registry.NewNode(time.Now()), drivers)
	if err != nil {
		return err
	}
	p.awaitHistory(ctx, b, cfg)
	total := p.count * len(principals)
	t := r.publish(ctx, total, func(_ context.Context, n int, done func(error)) error {
		e := bus.Envelope{Destination: p.destination, Principal: principals[n%len(principals)], Headers: headers, Body: p.body}
		return b.Publish(e, func(err error) { done(ofBus(err)) })
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

// awaitHistory has a bus know of what has history, if the destination does: so it says of a message that it is kept, and not just sent.
// It waits for as long as an answer may take until the bus is ready for that; what is wrong then, the first message is told.
func (p *publication) awaitHistory(ctx context.Context, b bus.Bus, cfg *config.Config) {
	rules := cfg.Rules()
	r, ok := b.(bus.Recaller)
	if _, _, has := rules.History(p.destination); !ok || !has || p.to.Individual() {
		return
	}
	r.Remember(rules.Keep(int(cfg.History.Memory)))
	ctx, cancel := context.WithTimeout(ctx, p.gateway.timeout)
	defer cancel()
	for b.Healthy() != nil && ctx.Err() == nil {
		time.Sleep(startPause)
	}
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
	case (down || unanswered) && health != nil:
		key, what := cfg.Broker()
		return cli.Unreached(cfg, key, what, brokerFlag(cfg.Bus.Kind()), health)
	case down:
		return cli.Exit(cli.TimedOut, errors.New("the broker does not answer: the message was not published"))
	case unanswered:
		return cli.Exit(cli.TimedOut, fmt.Errorf("the broker did not answer within %s; it may have the message or not", p.gateway.timeout))
	case errors.Is(err, bus.ErrContent):
		return cli.Exit(cli.Usage, fmt.Errorf("publish %s: %w, but that is all this bus carries with bus.kafka.envelope: json", p.destination, err))
	}
	return fmt.Errorf("publish %s: %w", p.destination, err)
}

// brokerFlag is the flag of publish for the servers of a bus, with its value.
func brokerFlag(d bus.Driver) string {
	_, value, _ := strings.Cut(d.Flag, "`")
	value, _, _ = strings.Cut(value, "`")
	return "--" + d.Name + " " + value
}

// destinationError says in the words of the command what is wrong with its destination.
func (p *publication) destinationError(cfg *config.Config, e *admin.DestinationError) error {
	room := cfg.Prefixes.Broker[0] + "/chat"
	switch e.Fault {
	case admin.NoSlash:
		return checkSlash(cfg, p.destination)
	case admin.NoText:
		return fmt.Errorf("DEST %q holds what no client can subscribe to: want text without control characters", p.destination)
	case admin.IsPattern:
		return fmt.Errorf("DEST %s is a pattern: a message goes to one destination, such as %s", p.destination, room)
	case admin.ForRoutes:
		return fmt.Errorf("DEST %s is for clients to send to: the bus carries what subscribers receive, such as %s; --via %s sends as a client does",
			p.destination, room, viaSTOMP)
	case admin.OneSession:
		return fmt.Errorf("DEST %s is one session's own: say which with --session SESSION or --member MEMBER", p.destination)
	case admin.NoChannel:
		_, where := cfg.Said("channels[0].match")
		return fmt.Errorf("DEST %s: no channel names %s, so nobody may subscribe to it; the nearest of %s (%s) is %s. --force publishes all the same",
			p.destination, e.Destination, cli.Count(len(cfg.Channels), "channel"), where, nearestChannel(cfg, e.Destination))
	}
	return fmt.Errorf("DEST %.200s: %s", p.destination, e.Fault)
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

// recipients returns by which principals the message is addressed, "" for all subscribers, and where
// it goes in words.
func (p *publication) recipients(ctx context.Context, cfg *config.Config) (principals []string, to string, err error) {
	if !p.to.Individual() {
		return []string{""}, p.destination, nil
	}
	client := cli.NewRedis(cfg)
	defer client.Close() // nothing is lost with it
	principals, err = admin.NewCluster(cli.SessionMap(cfg, client), 0).Recipients(ctx, p.to)
	if p.to.Session != "" {
		if errors.Is(err, admin.ErrNoSession) {
			err = fmt.Errorf("--session %w", err)
		}
		return principals, p.destination, cli.ClusterError(cfg, err)
	}
	return principals, fmt.Sprintf("%s of member %s (%s)", p.destination, p.to.Member, cli.Count(len(principals), "session")), p.memberError(cfg, err)
}

// memberError says what is wrong with --member.
func (p *publication) memberError(cfg *config.Config, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, registry.ErrMember):
		return cli.Exit(cli.Usage, fmt.Errorf("--%w", err))
	case errors.Is(err, admin.ErrNotConnected):
		return cli.Exit(cli.NoMatch, fmt.Errorf("--%w; `stompgw sessions list` prints those there are", err))
	case cli.IsNetwork(err):
		return cli.RedisError(cfg, err)
	}
	return fmt.Errorf("--%w", err)
}
