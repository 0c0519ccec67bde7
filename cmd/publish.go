package cmd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/stompgw/stompgw/admin"
	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/cmd/internal/config"
	"github.com/stompgw/stompgw/gateway/destination"
	"github.com/stompgw/stompgw/gateway/registry"
	"github.com/stompgw/stompgw/gateway/registry/redisregistry"
)

// publication is what the flags of publish say.
type publication struct {
	destination, body    string
	headers              []string // "name:value"
	contentType, session string
	timeout              time.Duration
}

func newPublishCmd(drivers []Driver) *cobra.Command {
	var p publication
	cmd := &cobra.Command{
		Use:   "publish DEST BODY",
		Short: "Publish a message over the bus, to all subscribers or to one session",
		Long: "Publish a message over the bus, to all subscribers of DEST on all nodes, or with --session to one.\n\n" +
			"The exit code is 0 only when the broker has taken it. The rules for clients do not apply.",
		Example: "  stompgw publish /topic/chat 'hello'\n" +
			"  stompgw publish /topic/orders '{\"id\": 7}' --content-type application/json -H priority:high\n" +
			"  stompgw publish /queue/notice 'only you' --session \"$(stompgw sessions list -o name | head -1)\"",
		Args: takes("DEST", "BODY"),
	}
	src := newSource(cmd, "publish to the node that runs as serve --standalone on this machine")
	def := config.Default()
	src.list("bus.kafka.brokers", "kafka", def.Bus.Kafka.Brokers, "`ADDRESS` of a Kafka broker to publish over")
	src.text("bus.nats.url", "nats", def.Bus.NATS.URL, "`URL` of a NATS server to publish over")
	src.list("redis.addrs", "redis", def.Redis.Addrs, "`ADDRESS` of Redis, for --session")
	flags := cmd.Flags()
	flags.StringArrayVarP(&p.headers, "header", "H", nil, "header `NAME:VALUE` of the message; may stand several times")
	flags.StringVar(&p.contentType, "content-type", "text/plain;charset=UTF-8", "`TYPE` of the body")
	flags.StringVar(&p.session, "session", "", "`KEY` of the one session that shall have it, as sessions list -o name prints it")
	flags.DurationVar(&p.timeout, "timeout", 5*time.Second, "how long the broker may take")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		p.destination, p.body = args[0], args[1]
		if err := p.checkFlags(cmd); err != nil {
			return usageError(cmd, err)
		}
		cfg, err := src.load()
		if err != nil {
			return err
		}
		e, err := p.envelope(cmd.Context(), cfg)
		if err != nil {
			return err
		}
		if err := p.publish(cmd.Context(), cfg, drivers, e); err != nil {
			return err
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "published %d bytes to %s\n", len(p.body), p.destination)
		return nil
	}
	return cmd
}

// checkFlags refuses an empty --session in particular: it comes from a script whose list was empty,
// and what was meant for one session must not go to all.
func (p *publication) checkFlags(cmd *cobra.Command) error {
	switch {
	case cmd.Flags().Changed("kafka") && cmd.Flags().Changed("nats"):
		return errors.New("--kafka and --nats: a message goes over one bus")
	case cmd.Flags().Changed("session") && p.session == "":
		return errors.New("--session is empty: it needs the key of a session")
	case p.timeout <= 0:
		return fmt.Errorf("--timeout %s: want more than nothing, such as 5s", p.timeout)
	}
	return nil
}

func (p *publication) envelope(ctx context.Context, cfg *config.Config) (bus.Envelope, error) {
	e := bus.Envelope{Destination: p.destination, Body: []byte(p.body)}
	if err := p.checkDestination(cfg.Prefixes); err != nil {
		return e, &exitError{usage, err}
	}
	if p.contentType != "" {
		e.Headers = append(e.Headers, bus.Header{Name: "content-type", Value: p.contentType})
	}
	for _, h := range p.headers {
		name, value, ok := strings.Cut(h, ":")
		if !ok {
			return e, &exitError{usage, fmt.Errorf("-H %s: want NAME:VALUE", h)}
		}
		e.Headers = append(e.Headers, bus.Header{Name: strings.TrimSpace(name), Value: strings.TrimSpace(value)})
	}
	if p.session == "" {
		return e, nil
	}
	var err error
	e.Principal, err = p.principal(ctx, cfg)
	return e, err
}

func (p *publication) checkDestination(prefixes config.Prefixes) error {
	below := func(prefix string) bool { return strings.HasPrefix(p.destination, prefix+"/") }
	switch {
	case !strings.HasPrefix(p.destination, "/"):
		return fmt.Errorf("DEST %q does not begin with a slash: write it like %s/chat", p.destination, prefixes.Broker[0])
	case !utf8.ValidString(p.destination) || strings.ContainsFunc(p.destination, unicode.IsControl):
		return fmt.Errorf("DEST %q holds what no client can subscribe to: want text without control characters", p.destination)
	case destination.IsPattern(p.destination):
		return fmt.Errorf("DEST %s is a pattern: a message goes to one destination, such as %s/chat", p.destination, prefixes.Broker[0])
	case below(prefixes.App):
		return fmt.Errorf("DEST %s is for clients to send to: the bus carries what subscribers receive, such as %s/chat",
			p.destination, prefixes.Broker[0])
	case below(prefixes.User) && p.session == "":
		return fmt.Errorf("DEST %s is one session's own: say which with --session KEY", p.destination)
	}
	return nil
}

// principal finds out how the session is addressed.
func (p *publication) principal(ctx context.Context, cfg *config.Config) (string, error) {
	client := redisregistry.NewClient(cfg.Redis.Addrs)
	defer client.Close() // nothing is lost with it
	s, err := admin.FindSession(ctx, redisregistry.NewReader(client, cfg.Redis.Prefix), p.session)
	switch {
	case errors.Is(err, admin.ErrNoSession):
		return "", &exitError{noMatch, fmt.Errorf("--session %s: %w; `stompgw sessions list -o name` prints those there are", p.session, err)}
	case err != nil && isNetwork(err):
		return "", redisError(cfg, err)
	case err != nil:
		return "", fmt.Errorf("--session %s: %w", p.session, err)
	}
	return s.Principal, nil
}

func (p *publication) publish(ctx context.Context, cfg *config.Config, drivers []Driver, e bus.Envelope) error {
	const hint = "name another bus with --kafka ADDRESS, --nats URL or --config FILE, or use --standalone for a node that was started so"
	b, err := openBus(ctx, cfg, drivers, registry.NewNode(time.Now()), slog.New(slog.DiscardHandler), hint)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	err = admin.Publish(ctx, b, e)
	health := b.Healthy()
	b.Close(ctx) // nothing is outstanding but what ctx has cut off already
	switch unanswered := errors.Is(err, bus.ErrDown) || errors.Is(err, bus.ErrUnknown); {
	case err == nil:
		return nil
	case errors.Is(err, admin.ErrHeader):
		return &exitError{usage, err}
	case unanswered && health != nil:
		return brokerError(cfg, health)
	case unanswered:
		return &exitError{timedOut, fmt.Errorf("the broker did not answer within %s; it may have the message or not", p.timeout)}
	}
	return fmt.Errorf("publish %s: %w", p.destination, err)
}

// brokerError says that the broker which the configuration names can't be used, and why.
func brokerError(cfg *config.Config, err error) error {
	key, what, flag := "bus.nats.url", "NATS at "+config.RedactURL(cfg.Bus.NATS.URL), "--nats URL"
	if cfg.Bus.Driver == "kafka" {
		key, what, flag = "bus.kafka.brokers", "Kafka at "+strings.Join(cfg.Bus.Kafka.Brokers, ", "), "--kafka ADDRESS"
	}
	if !isNetwork(err) { // it answers, but not what was hoped for
		return &exitError{unreachable, fmt.Errorf("%s (%s, %s) can't be used: %w", what, key, cfg.Origin(key), err)}
	}
	return unreachableError(cfg, key, what, flag, err)
}
