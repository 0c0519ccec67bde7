package probe

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/cmd/internal/cli"
	"github.com/stompgw/stompgw/cmd/internal/config"
	"github.com/stompgw/stompgw/gateway/registry"
)

// trials try out what a configuration names, and print a line for each.
type trials struct {
	cfg     *config.Config
	timeout time.Duration // for each server
	out     io.Writer
	worst   cli.ExitCode // of what failed; done for nothing
}

// run tries everything. Its error says the exit code alone: the lines have said the rest.
func (t *trials) run(ctx context.Context) error {
	for _, p := range t.cfg.Ports() {
		t.port(p.Key, p.Addr)
	}
	t.keys()
	if !t.cfg.Standalone {
		t.told(t.redis(ctx))
	}
	if t.cfg.Bus.Driver != "embedded" {
		t.bus(ctx)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if t.worst != cli.Done {
		return cli.Exit(t.worst, cli.ErrTold)
	}
	return nil
}

// told prints what a trial came to.
func (t *trials) told(success string, err error) {
	if err == nil {
		fmt.Fprintf(t.out, "ok     %s\n", success)
		return
	}
	t.worst = max(t.worst, cli.CodeOf(err))
	fmt.Fprintf(t.out, "fails  %v\n", err)
}

// port tells whether a port that a node would open can be had.
func (t *trials) port(key, addr string) {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		t.told("", cli.NotListening(t.cfg, key, "", addr, err))
		return
	}
	err = ln.Close()
	t.told(t.named(key, addr)+": the port is free", err)
}

// keys tells of the keys for tokens, which Load has read.
func (t *trials) keys() {
	for _, k := range t.cfg.IssuerKeys() {
		text := "a key for " + strings.Join(k.Algorithms, ", ")
		if k.Issuer != "" {
			text += " of " + k.Issuer
		}
		t.told(t.named(k.Path, k.File)+": "+text, nil)
	}
}

// named is a value with its key and where that stands.
func (t *trials) named(key, value string) string {
	if value != "" {
		value = " " + value
	}
	return fmt.Sprintf("%s%s (%s)", key, value, t.cfg.Origin(key))
}

// bus opens the bus as a node does and waits until it could receive, but publishes nothing and has
// nothing made.
func (t *trials) bus(ctx context.Context) {
	settings := t.cfg.Bus.Settings()
	node := registry.NewNode(time.Now())
	b, err := settings.Open(bus.Self{Name: node.String(), Message: int(t.cfg.Limits.Message), Trial: true, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.told("", cli.Exit(cli.Unreachable, err))
		return
	}
	t.remember(b)
	sources, err := t.receive(ctx, b)
	advise := func() {}
	if err == nil {
		advise = t.advise(ctx, b)
	}
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), t.timeout)
	defer cancel()
	b.Close(closing) // nothing was published that could be lost

	key, what := t.cfg.Broker()
	answer, err := settings.Tried(err)
	if err != nil {
		t.told("", t.unusable(key, what, err, ""))
		if cli.IsNetwork(err) {
			return // nor does anything else of it answer
		}
	} else {
		t.told(fmt.Sprintf("%s (%s, %s): %s", what, key, t.cfg.Origin(key), answer), nil)
	}
	for i, s := range sources {
		t.source(fmt.Sprintf("bus.%s.sources[%d].topic", t.cfg.Bus.Driver, i), s)
	}
	advise()
}

// advise asks b what its broker will not have of the history that the rules ask for, and returns what tells of it. Clients are served
// all the same, so that it is no failure.
func (t *trials) advise(ctx context.Context, b bus.Bus) (tell func()) {
	adviser, ok := b.(bus.Adviser)
	keep := t.cfg.Rules().Keep(int(t.cfg.History.Memory))
	if !ok || len(keep.Patterns) == 0 {
		return func() {}
	}
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	advice, err := adviser.Advise(ctx, keep)
	return func() {
		for _, text := range advice {
			fmt.Fprintf(t.out, "warns  history: %s\n", text)
		}
		if err != nil {
			fmt.Fprintf(t.out, "warns  history: what the broker keeps is not known: %v\n", err)
		}
	}
}

// source tells of a source of the bus.
func (t *trials) source(key string, s bus.SourceFigures) {
	if s.Err != nil {
		t.told("", t.unusable(key, "source "+s.Topic, s.Err, ""))
		return
	}
	t.told(fmt.Sprintf("source %s (%s, %s): can be read", s.Topic, key, t.cfg.Origin(key)), nil)
}

// remember has b find out whether it can keep what has history. One that brings everything would read back the past first.
func (t *trials) remember(b bus.Bus) {
	recaller, recalls := b.(bus.Recaller)
	_, narrow := b.(bus.Narrower)
	if keep := t.cfg.Rules().Keep(int(t.cfg.History.Memory)); recalls && narrow && len(keep.Patterns) > 0 {
		recaller.Remember(keep)
	}
}

// receive waits until b could receive. It returns why it could not, and how b's sources are doing.
func (t *trials) receive(ctx context.Context, b bus.Bus) (sources []bus.SourceFigures, err error) {
	receiving, stop := context.WithCancel(ctx) // while it receives, it tells of its sources
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	ready, ended := make(chan struct{}), make(chan error, 1)
	wg.Go(func() { ended <- b.Receive(receiving, func() { close(ready) }, func(bus.Envelope) {}) })
	select {
	case <-ready:
		t.await(ctx, b)
	case err = <-ended:
	case <-ctx.Done():
		err = fmt.Errorf("it answers, but did not let a node receive within %s", t.timeout)
	}
	if fault := b.Healthy(); fault != nil {
		err = fault
	}
	if m, ok := b.(bus.Measured); ok {
		sources = m.Figures().Sources
	}
	return sources, err
}

// await waits until b is well, or has had its time.
func (t *trials) await(ctx context.Context, b bus.Bus) {
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for b.Healthy() != nil {
		select {
		case <-again.C:
		case <-ctx.Done():
			return
		}
	}
}

// unusable is cli.Unusable. Without another advice, who does not answer has to be started or replaced.
func (t *trials) unusable(key, what string, err error, advice string) error {
	if advice == "" && cli.IsNetwork(err) {
		advice = "start it, or set " + key + " to another"
	}
	return cli.Unusable(t.cfg, key, what, err, advice)
}
