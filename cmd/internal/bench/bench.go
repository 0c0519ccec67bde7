// Package bench has the commands that put a STOMP server under load, this gateway or another, and measure it.
//
// A benchmark's clients are in the process itself: each has a goroutine that reads, and no buffer while nothing comes.
// Each body says who sent it, when, and which of the sender's messages it is, so that each subscriber notices what is
// lost, duplicated or out of order.
package bench

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

	"github.com/stompgw/stompgw/cmd/internal/cli"
	"github.com/stompgw/stompgw/cmd/internal/client"
	"github.com/stompgw/stompgw/cmd/internal/config"
	"github.com/stompgw/stompgw/cmd/internal/output"
)

// command is one of the benchmarks with its flags.
type command struct {
	target
	load
	name                        string
	list                        *cli.List
	at                          []string
	passcodeFile, tokenFile, ca string
	pids                        []int
	assert                      string
	assertions                  []assertion
}

// Command is bench.
func Command() *cobra.Command {
	return cli.Group("bench", "Put a STOMP server under load and measure it: this gateway or another", newFanout(), newRooms(), newChurn())
}

func newFanout() *cobra.Command {
	b := &command{name: "fanout"}
	cmd := b.cobra("Send to one destination that all clients subscribe to",
		"Connect clients that subscribe to one destination, send to it, and measure how long messages take to reach each of them.\n\n"+
			"Without --rate there are always --window messages in flight: the next is sent when one has reached everybody.\n"+
			"The first second is not measured. A warning says when the generator itself may be what limits the figures.",
		"  stompgw bench fanout --send-to /app/topic/bench --rate 20   # serve --standalone on this machine\n"+
			"  stompgw bench fanout --url tcp://127.0.0.1:61613 --login guest --passcode-file pass --destination /topic/x\n"+
			"  stompgw bench fanout --pid $(pidof stompgw) --assert 'p99<50ms,lost=0'   # exit code 9 if not")
	b.loadFlags(cmd, 1000)
	cmd.Flags().IntVar(&b.publishers, "publishers", 1, "`N` publishers")
	b.rooms, b.subscriptions = 1, 1
	return cmd
}

func newRooms() *cobra.Command {
	b := &command{name: "rooms"}
	cmd := b.cobra("Send to many destinations, each with a few subscribers",
		"Connect clients that are spread over rooms, each a destination of its own, send to all of the rooms in turn, and measure\n"+
			"how long messages take to each client. A room's number stands behind a dot at the end of --destination, or where that\n"+
			"says "+roomMark+". Of several --url, the clients of a room are spread over them.\n\n"+
			"Without --rate there are always --window messages in flight. The first second is not measured.",
		"  stompgw bench rooms --url ws://127.0.0.1:13001/stomp --rooms 200 --clients 2000 --rate 1000\n"+
			"  stompgw bench rooms --url ws://a:13001/stomp --url ws://b:13001/stomp --destination '/topic/room."+roomMark+"'")
	b.loadFlags(cmd, 1000)
	cmd.Flags().IntVar(&b.rooms, "rooms", 100, "`N` rooms")
	cmd.Flags().IntVar(&b.subscriptions, "subscriptions", 1, "each client subscribes to `N` rooms")
	cmd.Flags().IntVar(&b.publishers, "publishers", 0, "`N` publishers (default: one for each room, 1000 at most)")
	return cmd
}

func newChurn() *cobra.Command {
	b := &command{name: "churn"}
	cmd := b.cobra("Connect, log in, subscribe and leave, again and again",
		"Connect, log in, subscribe, disconnect and close, again and again, and measure how long each of these lives takes.",
		"  stompgw bench churn --url ws://127.0.0.1:13001/stomp --clients 32 --duration 10s --pid $(pidof stompgw)")
	b.commonFlags(cmd, 32, "`N` connections at one time")
	cli.RateVar(cmd.Flags(), &b.rate, "rate", "begin connections at this `RATE`, such as 500/s (default: as fast as possible)")
	return cmd
}

func (b *command) cobra(short, long, example string) *cobra.Command {
	cmd := &cobra.Command{Use: b.name, Short: short, Long: long, Example: example}
	b.list = cli.NewForm(cmd, output.Wide, output.Lines, output.Names)
	cli.Check(cmd, b.check)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := b.secrets(cmd); err != nil {
			return err
		}
		return b.run(cmd)
	}
	return cmd
}

func (b *command) commonFlags(cmd *cobra.Command, clients int, usage string) {
	flags := cmd.Flags()
	flags.StringArrayVar(&b.at, "url", []string{"ws://127.0.0.1:13001/stomp"}, "`URL` of the server: ws://, wss://, tcp:// or tcps://; several for several nodes")
	flags.StringVar(&b.destination, "destination", "/topic/bench", "`DEST` that clients subscribe to")
	flags.IntVar(&b.clients, "clients", clients, usage)
	cli.DurationVar(flags, &b.duration, "duration", 10*time.Second, time.Millisecond, "measure for this `TIME`")
	flags.StringVar(&b.user, "login", "", "`NAME` to log in with")
	flags.StringVar(&b.passcodeFile, "passcode-file", "", "`FILE` with the passcode of --login")
	flags.StringVar(&b.host, "host", "", "`NAME` for CONNECT's host header (default: the URL's)")
	flags.StringVar(&b.tokenFile, "token-file", "", "`FILE` with a token to log in with; "+config.TokenVariable+" in the environment does as well")
	flags.StringVar(&b.ca, "ca", "", "`FILE` in PEM with the certificates to trust, instead of the system's")
	flags.IntSliceVar(&b.pids, "pid", nil, "`PID` of the server, on this machine: measure what it and its children use; several are separated by commas")
	flags.StringVar(&b.assert, "assert", "", "end with exit code 9 unless this `LIST` holds, such as 'p99<50ms,lost=0'; it may name the numbers of -o json")
	cli.DurationVar(flags, &b.timeout, "timeout", 10*time.Second, time.Millisecond, "`TIME` that the server may take to accept a client, and to confirm a subscription")
}

func (b *command) loadFlags(cmd *cobra.Command, clients int) {
	b.commonFlags(cmd, clients, "`N` subscribers")
	flags := cmd.Flags()
	flags.StringVar(&b.sendTo, "send-to", "", "`DEST` that publishers send to (default: --destination)")
	cli.RateVar(flags, &b.rate, "rate", "send at this `RATE`, such as 100/s, all publishers together (default: see --window)")
	flags.IntVar(&b.window, "window", 0, "keep `N` messages in flight (default: enough for 8192 deliveries)")
	flags.IntVar(&b.size, "size", 128, fmt.Sprintf("`BYTES` of a body, %d or more", stampSize))
	cli.DurationVar(flags, &b.ramp, "ramp", 0, 0, "connect evenly over this `TIME` (default: as fast as possible)")
}

// The most that a benchmark may be asked for: what one process can hold.
const (
	mostClients = 1_000_000
	mostSize    = 16 << 20
)

func (b *command) check(cmd *cobra.Command, _ []string) error {
	given := cmd.Flags().Changed
	switch {
	case b.clients < 1 || b.clients > mostClients:
		return fmt.Errorf("--clients %d: want 1 to %d", b.clients, mostClients)
	case b.passcodeFile != "" && b.user == "":
		return errors.New("--passcode-file without --login: whose is it?")
	}
	if err := cli.NotEmpty(cmd, "destination", "want one like /topic/bench", "token-file", "leave it out to be nobody", "ca", "leave it out to trust whom the system trusts",
		"passcode-file", "it needs the name of a file", "assert", "want a list like p99<50ms,lost=0"); err != nil {
		return err
	}
	if err := b.checkLoad(given); err != nil {
		return err
	}
	if b.assert != "" {
		var err error
		if b.assertions, err = parseAssertions(b.assert); err != nil {
			return err
		}
	}
	if err := checkFiles(b.clients + b.publishers); err != nil {
		return err
	}
	return b.checkURLs()
}

func (b *command) checkLoad(given func(string) bool) error {
	if b.name == "churn" {
		return nil
	}
	b.sendTo = cmp.Or(b.sendTo, b.destination)
	if b.publishers == 0 && !given("publishers") {
		b.publishers = min(b.rooms, 1000)
	}
	switch {
	case b.rooms < 1 || b.rooms > mostClients:
		return fmt.Errorf("--rooms %d: want 1 to %d", b.rooms, mostClients)
	case b.subscriptions < 1 || b.subscriptions > b.rooms:
		return fmt.Errorf("--subscriptions %d: want 1 to %d, as many as there are --rooms", b.subscriptions, b.rooms)
	case b.clients*b.subscriptions < b.rooms:
		return fmt.Errorf("--rooms %d: %d clients with --subscriptions %d don't reach them all", b.rooms, b.clients, b.subscriptions)
	case b.publishers < 1 || b.publishers > mostClients:
		return fmt.Errorf("--publishers %d: want 1 to %d", b.publishers, mostClients)
	case b.size < stampSize || b.size > mostSize:
		return fmt.Errorf("--size %d: want %d to %d", b.size, stampSize, mostSize)
	case given("rate") && given("window"):
		return errors.New("--rate and --window: it sends at a rate, or when messages have arrived")
	case given("window") && (b.window < 1 || b.window > mostClients):
		return fmt.Errorf("--window %d: want 1 to %d", b.window, mostClients)
	case b.rate == 0 && b.window == 0:
		b.window = max(4, 8192*b.rooms/(b.clients*b.subscriptions))
	}
	return nil
}

func (b *command) checkURLs() error {
	for _, text := range b.at {
		u, err := client.ParseURL(text)
		if err != nil {
			return fmt.Errorf("--url: %w", err)
		}
		if strings.HasPrefix(text, "http") {
			return errors.New("--url: want a URL that begins with ws://, wss://, tcp:// or tcps://: SockJS is not measured here")
		}
		b.urls = append(b.urls, u)
	}
	return nil
}

// secrets reads the files that flags name.
func (b *command) secrets(cmd *cobra.Command) (err error) {
	if b.tls, err = cli.Trust(b.ca); err != nil {
		return err
	}
	if b.token, err = cli.Bearer("", b.tokenFile, nil); err != nil {
		return err
	}
	if b.passcodeFile != "" {
		text, err := cli.ReadBounded(b.passcodeFile, cli.MaxToken)
		if err != nil {
			return cli.Exit(cli.Usage, fmt.Errorf("--passcode-file %s can't be read: %w", b.passcodeFile, cli.Cause(err)))
		}
		b.passcode = strings.TrimRight(string(text), "\r\n")
	}
	return nil
}

func (b *command) run(cmd *cobra.Command) error {
	b.limits = frameLimits(b.size)
	m := &meter{pids: b.pids}
	if err := m.start(); err != nil {
		return cli.Exit(cli.Usage, fmt.Errorf("--pid: %w", err))
	}
	r, err := b.measure(cmd, m)
	if r == nil {
		return b.failed(cmd.Context(), err)
	}
	r.Command, r.Destination = b.name, b.destination
	for _, u := range b.urls {
		r.URLs = append(r.URLs, u.String())
	}
	if err := b.list.One(cmd, r.fields(), output.Row{Value: r}); err != nil {
		return err
	}
	m.warn(cmd.ErrOrStderr(), r)
	if err != nil {
		return err // interrupted: what was measured until then is no answer to --assert
	}
	var missed []error
	for _, a := range b.assertions {
		missed = append(missed, a.holds(r))
	}
	if err := errors.Join(missed...); err != nil {
		return cli.Exit(cli.Missed, err)
	}
	return nil
}

// measure runs the benchmark and shows on a terminal how it goes.
func (b *command) measure(cmd *cobra.Command, m *meter) (*report, error) {
	ctx := cmd.Context()
	if b.name == "churn" {
		c := &churn{target: &b.target, destination: b.destination, clients: b.clients, rate: b.rate, duration: b.duration}
		defer show(cmd.ErrOrStderr(), c.progress)()
		return c.run(ctx, m)
	}
	t := newTraffic(&b.target, b.load)
	defer show(cmd.ErrOrStderr(), t.progress)()
	return t.run(ctx, m)
}

func (b *command) failed(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return err
	case errors.As(err, new(silence)), cli.IsTimeout(err):
		return cli.Exit(cli.TimedOut, err)
	case cli.IsNetwork(err):
		return cli.Exit(cli.Unreachable, err)
	}
	return err
}

// show rewrites a line of a terminal each second, until stop is called.
func show(w io.Writer, progress func() string) (stop func()) {
	if !cli.IsTerminal(w) {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		for sleepUntil(ctx, time.Now().Add(time.Second)) {
			fmt.Fprintf(w, "\r\x1b[K%s", progress())
		}
		fmt.Fprint(w, "\r\x1b[K")
	})
	return func() { cancel(); wg.Wait() }
}
