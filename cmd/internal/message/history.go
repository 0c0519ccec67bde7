package message

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/stompgw/stompgw/admin"
	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/cmd/internal/cli"
	"github.com/stompgw/stompgw/cmd/internal/config"
	"github.com/stompgw/stompgw/cmd/internal/output"
	"github.com/stompgw/stompgw/gateway"
	"github.com/stompgw/stompgw/gateway/policy"
	"github.com/stompgw/stompgw/gateway/registry"
)

// history is what the flags of history say.
type history struct {
	drivers     []bus.Driver
	destination string
	after       string
	limit       int
	timeout     time.Duration
}

func newHistoryCmd(drivers []bus.Driver) *cobra.Command {
	h := history{drivers: drivers}
	cmd := &cobra.Command{
		Use:   "history DEST",
		Short: "Print the history of a destination: the last messages, or those after a position",
		Long: "Print the messages that nodes keep of DEST for clients that come back, oldest first: the last ones, or with\n" +
			"--after those that followed a POSITION. No node has to be running: they are read from the broker, as a node with\n" +
			"this configuration does when it starts, and the rules for clients do not apply. DEST is the name on the bus:\n" +
			"the inbox of member 42 is /member/42/queue/inbox.\n\n" +
			"A position is in each message, in the last line on standard error, and in the x-position header of what clients\n" +
			"receive. If any of the messages after it is no longer kept, nothing is printed and the exit code is 6; it is 8\n" +
			"if the broker did not deliver everything in time. -o jsonl prints an object a line: position, content_type, headers,\n" +
			"and body (or body_base64, when it is not UTF-8).",
		Example: "  stompgw history /topic/chat --limit 5\n" +
			"  stompgw history /member/42/queue/inbox -o jsonl | jq -r .body\n" +
			"  stompgw history /topic/chat --after urEt-I6kuNgG7auSuf-03goBAQ --limit 1000 --config stompgw.yaml",
	}
	src := cli.NewSource(cmd, drivers, "read from the broker of the node that runs as serve --standalone on this machine")
	src.Needs("bus")
	addBuses(src, drivers, "to read from")
	t := cli.NewList(cmd, output.Options{
		Columns: []string{"POSITION", "TYPE", "BYTES", "BODY"},
		Cuts:    []output.Cut{{Column: "BODY", Least: 20}, {Column: "TYPE", Least: 10}},
	}, output.Wide)
	cmd.ValidArgsFunction = cli.OfferOnce(cli.OfferDestinations(src))
	flags := cmd.Flags()
	flags.IntVar(&h.limit, "limit", 20, "print at most this `NUMBER` of messages")
	flags.StringVar(&h.after, "after", "", "print what followed this `POSITION`, starting with the first")
	cli.CompleteFlag(cmd, "after", cobra.NoFileCompletions)
	cli.DurationVar(flags, &h.timeout, "timeout", 40*time.Second, time.Millisecond, "`TIME` that the broker may take to deliver what is kept")
	cli.Check(cmd, func(cmd *cobra.Command, args []string) error {
		h.destination = args[0]
		return h.check(cmd)
	})
	src.Run(cmd, func(cmd *cobra.Command, _ []string, cfg *config.Config) error {
		if err := h.checkDestination(cfg); err != nil {
			return cli.Exit(cli.Usage, err)
		}
		told := ""
		if err := t.Write(cmd, func(w *output.Writer) (err error) {
			told, err = h.run(cmd.Context(), cfg, w)
			return err
		}); err != nil {
			return err
		}
		fmt.Fprintln(cmd.ErrOrStderr(), told)
		return nil
	})
	return cmd
}

func (h *history) check(cmd *cobra.Command) error {
	switch given := cmd.Flags().Changed; {
	case given("kafka") && given("nats"):
		return errors.New("--kafka and --nats: a gateway has one bus")
	case h.limit < 1 || h.limit > gateway.MaxHistory:
		return fmt.Errorf("--limit %d: want 1 to %d", h.limit, gateway.MaxHistory)
	}
	return cli.NotEmpty(cmd, "after", "leave it out for the last messages")
}

// checkDestination refuses one of which nodes with the configuration keep nothing.
func (h *history) checkDestination(cfg *config.Config) error {
	if err := checkSlash(cfg, h.destination); err != nil {
		return err
	}
	if _, _, ok := cfg.Rules().History(h.destination); ok {
		return nil
	}
	return fmt.Errorf("DEST %s has no history: %s", output.Printable(h.destination), whyNone(cfg.Rules(), h.destination))
}

// whyNone says why rules have nothing kept of a destination, and what they would need.
func whyNone(rules *policy.Catalogue, name string) string {
	m := admin.Message{Destination: name}
	fault, unheard := errors.AsType[*admin.DestinationError](m.Check(rules))
	deciders := rules.Deciders(name)
	switch {
	case rules.IsSession(name): // refusals among them
		return "what is one session's own is not kept"
	case unheard && fault.Fault == admin.NoChannel && rules.IsMember(name):
		return "by its name on the bus; what a client of member 42 calls so is " + output.Printable(rules.MemberDestination("42", name)) + " there"
	case unheard:
		return string(fault.Fault)
	case len(deciders) == 0 || name == rules.ErrorDestination():
		return "refusals go there, and are not kept"
	}
	return fmt.Sprintf("%s, which is about it (%s), would need history: {size: 100, ttl: 10m}", deciders[0].Path, deciders[0].Where)
}

// run prints what a node that nobody connects to finds, and returns the last line.
func (h *history) run(ctx context.Context, cfg *config.Config, w *output.Writer) (told string, err error) {
	node := registry.NewNode(time.Now())
	b, err := openBus(ctx, cfg, node, h.drivers)
	if err != nil {
		return "", err
	}
	defer closeBus(b)
	g, err := gateway.New(node, b, registry.NewMemory(), cfg.Rules(), gateway.WithHistory(int(cfg.History.Memory)), gateway.WithDrain(0),
		gateway.WithLimits(gateway.Limits{Message: int(cfg.Limits.Message), Outbound: int(cfg.Limits.Outbound), Connections: 1, ConnectTimeout: time.Minute}))
	if err != nil {
		return "", err
	}
	running, stop := context.WithCancelCause(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		stop(g.Run(running)) // what kept it from running ends the reading
	}()
	defer func() {
		stop(nil)
		<-ended
	}()
	if told, err = h.print(running, g, b, w); err != nil && ctx.Err() == nil {
		err = h.explain(cfg, b.Healthy(), err)
	}
	return told, err
}

// closeBus leaves a bus over which nothing was published.
func closeBus(b bus.Bus) {
	ctx, cancel := context.WithTimeout(context.Background(), goodbye)
	defer cancel()
	b.Close(ctx) // what it does not say in time is no matter
}

// print writes messages, and returns the last line.
func (h *history) print(ctx context.Context, g *gateway.Gateway, b bus.Bus, w *output.Writer) (told string, err error) {
	page := gateway.HistoryPage{Position: h.after, More: true}
	n := 0
	for n < h.limit && page.More && (n == 0 || page.Position != "") { // without one, nobody knows what is next
		if page, err = h.read(ctx, g, b, page.Position, h.limit-n); err != nil {
			return "", err
		}
		for _, m := range page.Messages {
			if err := w.Row(keptRow(m)); err != nil {
				return "", err
			}
		}
		n += len(page.Messages)
	}
	told = cli.Count(n, "message")
	switch {
	case page.Position == "":
		return told, nil
	case page.More:
		return fmt.Sprintf("%s, and more: --after %s", told, page.Position), nil
	}
	return fmt.Sprintf("%s; what comes next: --after %s", told, page.Position), nil
}

func keptRow(m gateway.Kept) output.Row {
	k := m.JSON()
	return output.Row{
		Cells: []string{m.Position, k.ContentType, strconv.Itoa(len(m.Body)), strings.NewReplacer("\r\n", " ", "\n", " ", "\t", " ").Replace(string(m.Body))},
		Name:  m.Position,
		Value: k,
	}
}

const (
	// look is how long a broker may take before it is looked at whether it answers at all.
	look = 5 * time.Second

	// startPause is after what time something that begins is looked at again.
	startPause = 5 * time.Millisecond
)

// read reads a page, as soon as there is a node that can.
func (h *history) read(ctx context.Context, g *gateway.Gateway, b bus.Bus, after string, limit int) (gateway.HistoryPage, error) {
	ctx, cancel := context.WithTimeout(ctx, h.timeout)
	defer cancel()
	for {
		patient, done := context.WithTimeout(ctx, look)
		page, err := g.History(patient, h.destination, after, limit)
		done()
		switch {
		case ctx.Err() != nil && err != nil:
			return page, context.Cause(ctx)
		case errors.Is(err, gateway.ErrNotRunning):
			time.Sleep(startPause)
		case errors.Is(err, context.DeadlineExceeded) && !cli.IsNetwork(b.Healthy()): // it has much to read
		default:
			return page, err
		}
	}
}

// explain says what an error means, and what to do. health is that of the bus.
func (h *history) explain(cfg *config.Config, health, err error) error {
	silent := errors.Is(err, context.DeadlineExceeded) || errors.Is(err, bus.ErrDown)
	switch {
	case errors.Is(err, cli.ErrEnough):
		return err
	case silent && cli.IsNetwork(health):
		key, what := cfg.Broker()
		return cli.Unreached(cfg, key, what, brokerFlag(cfg.Bus.Kind()), health)
	case silent:
		told := ""
		if health != nil { // such as how much there is to read yet
			told = ": " + health.Error()
		}
		return cli.Exit(cli.TimedOut, fmt.Errorf("the broker did not bring all that is kept of %s in %s%s; give it more time with --timeout", h.destination, h.timeout, told))
	case errors.Is(err, gateway.ErrPosition):
		return cli.Exit(cli.Usage, fmt.Errorf("--after %.100s is no position: want one as the command prints it, or an x-position header, whole", output.Printable(h.after)))
	case errors.Is(err, gateway.ErrNotRecovered):
		return cli.Exit(cli.NoMatch, fmt.Errorf("--after: %w; leave it out for the last messages that are", err))
	}
	return fmt.Errorf("history %s: %w", h.destination, err)
}
