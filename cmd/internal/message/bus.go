package message

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/stompgw/stompgw/admin"
	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/cmd/internal/cli"
	"github.com/stompgw/stompgw/cmd/internal/config"
	"github.com/stompgw/stompgw/gateway/registry"
)

// overBus publishes as a node does. With several recipients each gets its first message before any
// gets a second.
func (p *publication) overBus(ctx context.Context, cfg *config.Config, open Open, r *batch) error {
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
	const hint = "name another bus with --kafka ADDRESS, --nats URL or --config FILE, or use --standalone for a node that was started so"
	b, err := open(ctx, cfg, registry.NewNode(time.Now()), slog.New(slog.DiscardHandler), hint)
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
		return brokerError(cfg, health)
	case down:
		return cli.Exit(cli.TimedOut, errors.New("the broker does not answer: the message was not published"))
	case unanswered:
		return cli.Exit(cli.TimedOut, fmt.Errorf("the broker did not answer within %s; it may have the message or not", p.gateway.timeout))
	case errors.Is(err, bus.ErrContent):
		return cli.Exit(cli.Usage, fmt.Errorf("publish %s: %w, which is all that this bus carries with bus.kafka.envelope: json", p.destination, err))
	}
	return fmt.Errorf("publish %s: %w", p.destination, err)
}

// brokerError says that the broker which the configuration names can't be used, and why.
func brokerError(cfg *config.Config, err error) error {
	key, what, flag := "bus.nats.url", "NATS at "+config.RedactURL(cfg.Bus.NATS.URL), "--nats URL"
	if cfg.Bus.Driver == "kafka" {
		key, what, flag = "bus.kafka.brokers", "Kafka at "+strings.Join(cfg.Bus.Kafka.Brokers, ", "), "--kafka ADDRESS"
	}
	if !cli.IsNetwork(err) { // it answers, but not what was hoped for
		return cli.Exit(cli.Unreachable, fmt.Errorf("%s (%s, %s) can't be used: %w", what, key, cfg.Origin(key), err))
	}
	return cli.Unreached(cfg, key, what, flag, err)
}
