package message

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/cmd/internal/cli"
	stompclient "github.com/stompgw/stompgw/cmd/internal/client"
	"github.com/stompgw/stompgw/cmd/internal/config"
	"github.com/stompgw/stompgw/gateway/policy"
)

// listening is what the flags of subscribe say.
type listening struct {
	gateway      clientFlags
	destinations []string
	count        int           // messages; 0 for no end
	period       time.Duration // 0 for no end
	format       string
	headers      bool
}

func newSubscribeCmd(drivers []bus.Driver) *cobra.Command {
	var l listening
	cmd := &cobra.Command{
		Use:   "subscribe DEST…",
		Short: "Subscribe as a client, and print what arrives",
		Long: "Connect to a gateway as a client, subscribe to each DEST, and print what arrives, until Ctrl-C.\n\n" +
			"-o text prints bodies, a line each; -o jsonl an object a line: destination, subscription, headers, body (or\n" +
			"body_base64, when it is not UTF-8) and received_at. The rules for clients apply: a subscription that is refused\n" +
			"ends it with exit code 5. It does not reconnect: when the gateway is lost the exit code is 4, and with\n" +
			"--count it is 8 if fewer messages arrived in time.",
		Example: "  stompgw subscribe /topic/chat\n" +
			"  stompgw subscribe /topic/chat /session/queue/notice --headers --token-file token.txt\n" +
			"  stompgw subscribe '/topic/*' --url wss://chat.example.com/stomp -o jsonl | jq .body\n" +
			"  stompgw subscribe /topic/chat --count 1 --for 30s   # wait for a message",
	}
	src := cli.NewSource(cmd, drivers, "connect to the node that runs as serve --standalone on this machine")
	src.Needs()
	cmd.Aliases = []string{"sub"}
	cmd.ValidArgsFunction = cli.OfferDestinations(src)
	l.gateway.add(cmd)
	flags := cmd.Flags()
	flags.IntVar(&l.count, "count", 0, "end after `N` messages")
	cli.DurationVar(flags, &l.period, "for", 0, time.Millisecond, "end after this `TIME`, such as 30s")
	flags.BoolVar(&l.headers, "headers", false, "print the headers as well; jsonl always has them")
	cli.FormatVar(cmd, &l.format, "text", "jsonl")
	cli.DurationVar(flags, &l.gateway.timeout, "timeout", 10*time.Second, time.Millisecond, "`TIME` that the gateway may take to accept the client, and to confirm a subscription")
	cli.Check(cmd, func(cmd *cobra.Command, args []string) error {
		l.destinations = args
		return l.check(cmd)
	})
	src.Run(cmd, func(cmd *cobra.Command, _ []string, cfg *config.Config) error {
		if err := l.checkDestinations(cfg, l.gateway.url == "" && (src.File != "" || src.Standalone)); err != nil {
			return cli.Exit(cli.Usage, err)
		}
		return l.run(cmd, cfg)
	})
	return cmd
}

func (l *listening) check(cmd *cobra.Command) error {
	seen := map[string]bool{}
	for _, destination := range l.destinations {
		if seen[destination] {
			return fmt.Errorf("DEST %s is given twice", destination)
		}
		seen[destination] = true
	}
	if cmd.Flags().Changed("count") && l.count < 1 {
		return fmt.Errorf("--count %d: want 1 or more", l.count)
	}
	return l.gateway.check(cmd)
}

// checkDestinations refuses what a gateway would: what begins with no slash, and where cfg is known to be the
// gateway's, what no prefix or rule has room for.
func (l *listening) checkDestinations(cfg *config.Config, itsOwn bool) error {
	for _, name := range l.destinations {
		if err := checkSlash(cfg, name); err != nil {
			return err
		}
		_, refusal := cfg.Rules().JudgeSubscribe(&policy.Request{Destination: name})
		if itsOwn && refusal != nil && refusal.Code == policy.CodeNoRule && !cfg.Rules().Reaches(name) {
			return fmt.Errorf("DEST %s is below none of the prefixes %s (%s), and no channel names it", name,
				strings.Join(cfg.Prefixes.Received(), ", "), cfg.Origin("prefixes.broker"))
		}
	}
	return nil
}

// checkSlash refuses a destination that no gateway has.
func checkSlash(cfg *config.Config, name string) error {
	if !strings.HasPrefix(name, "/") {
		return fmt.Errorf("DEST %q does not begin with a slash: write it like %s/chat", name, cfg.Prefixes.Broker[0])
	}
	return nil
}

func (l *listening) run(cmd *cobra.Command, cfg *config.Config) error {
	ctx, stop := context.WithCancelCause(cmd.Context())
	defer stop(nil)
	defer cli.WatchReader(cmd.OutOrStdout(), func() { stop(cli.ErrEnough) })()
	c, err := l.gateway.dial(ctx, cfg, cmd)
	if err != nil {
		return cmp.Or(context.Cause(ctx), err)
	}
	heard, err := l.listen(ctx, cmd, c)
	leave(c)
	fmt.Fprintln(cmd.ErrOrStderr(), cli.Count(heard, "message"))
	return err
}

// errOver ends what --for limits.
var errOver = errors.New("the time is over")

// listen subscribes and prints at the same time: what comes has to be taken for answers to come, too.
func (l *listening) listen(asked context.Context, cmd *cobra.Command, c *stompclient.Client) (heard int, err error) {
	ctx, stop := context.WithCancelCause(asked)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop(nil)
	wg.Go(func() { l.subscribe(ctx, c, stop, cmd.ErrOrStderr()) })
	p := printer{out: cmd.OutOrStdout(), headers: l.headers, json: l.format == "jsonl", terminal: cli.IsTerminal(cmd.OutOrStdout())}
	for l.count == 0 || heard < l.count {
		m, err := c.Next(ctx)
		if err != nil {
			return heard, l.ended(asked, heard, err)
		}
		if err := p.print(m); err != nil {
			return heard, err
		}
		heard++
	}
	return heard, nil
}

// subscribe stops the listening if a subscription fails, or when the time is over, which begins when
// all of them stand.
func (l *listening) subscribe(ctx context.Context, c *stompclient.Client, stop context.CancelCauseFunc, note io.Writer) {
	for _, destination := range l.destinations {
		if err := l.subscribeTo(ctx, c, destination); err != nil {
			stop(err)
			return
		}
	}
	fmt.Fprintf(note, "subscribed to %s\n", l.names())
	if l.period == 0 {
		return
	}
	over := time.NewTimer(l.period)
	defer over.Stop()
	select {
	case <-over.C:
		stop(errOver)
	case <-ctx.Done():
	}
}

func (l *listening) names() string {
	if n := len(l.destinations); n > 1 {
		return cli.Count(n, "destination")
	}
	return l.destinations[0]
}

func (l *listening) subscribeTo(ctx context.Context, c *stompclient.Client, destination string) error {
	late := cli.Exit(cli.TimedOut, fmt.Errorf("%s: the gateway did not confirm the subscription within %s", destination, l.gateway.timeout))
	ctx, cancel := context.WithTimeoutCause(ctx, l.gateway.timeout, late)
	defer cancel()
	err := c.Subscribe(ctx, destination)
	if refusal, ok := errors.AsType[*stompclient.Refusal](err); ok {
		return refusedError(destination, refusal)
	}
	return err
}

// ended says what the end of listening means, of which asked is what the caller can end.
func (l *listening) ended(asked context.Context, heard int, err error) error {
	refusal, told := errors.AsType[*stompclient.Refusal](err)
	switch {
	case asked.Err() != nil:
		return nil // Ctrl-C, or nobody reads any more
	case errors.Is(err, errOver) && heard < l.count:
		return cli.Exit(cli.TimedOut, fmt.Errorf("%d of %s came within %s", heard, cli.Count(l.count, "message"), l.period))
	case errors.Is(err, errOver):
		return nil
	case errors.As(err, new(*cli.ExitError)):
		return err
	case told: // such as that the token has expired: from now on, less would come than was asked for
		return refusedError("the gateway says", refusal)
	}
	return lostError(err)
}
