package cmd

import (
	"cmp"
	"context"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/stompgw/stompgw/admin"
	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/cmd/internal/cli"
	"github.com/stompgw/stompgw/cmd/internal/config"
	"github.com/stompgw/stompgw/cmd/internal/page"
	"github.com/stompgw/stompgw/gateway"
	"github.com/stompgw/stompgw/gateway/auth"
	"github.com/stompgw/stompgw/gateway/auth/redislist"
	"github.com/stompgw/stompgw/gateway/policy"
	"github.com/stompgw/stompgw/gateway/registry"
	"github.com/stompgw/stompgw/gateway/registry/redisregistry"
)

func newServeCmd(p Process) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run a node until SIGTERM or SIGINT, which drain it",
		Long: "Run a node until SIGTERM or SIGINT. It then accepts no new clients, closes its connections over the course of\n" +
			"drain.duration, and exits; a second signal ends it at once. SIGHUP makes it reload its configuration file, and\n" +
			"the files named there; if anything is wrong, it logs that and carries on with what it had.\n" +
			"Without a file it ends the node at once.\n\n" +
			"With --standalone it brings its own broker and Redis, and needs no configuration.",
	}
	src := cli.NewSource(cmd, p.Drivers, "bring a NATS server and a Redis-compatible store, instead of those in --config")
	def := config.Default()
	src.Text("listen", "listen", def.Listen, "`ADDRESS` for WebSocket clients and pages")
	src.List("origins", "origins", def.Origins, "`ORIGIN` whose pages may connect, such as http://localhost:5173; may be given several times (default with --standalone: localhost, at any port)")
	src.Text("admin.listen", "admin-listen", def.Admin.Listen, "`ADDRESS` of /healthz, /readyz and /metrics")
	src.Text("api.listen", "api-listen", def.API.Listen, "`ADDRESS` of the HTTP API for backends (default with --standalone and no file: 127.0.0.1:13005)")
	src.Text("log.level", "log-level", def.Log.Level, "`LEVEL`: debug, info, warn, error")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return serve(cmd.Context(), p, src)
	}
	return cmd
}

// serve runs a node from open ports to closed ones. What the gateway stands on is started before
// it and ended after it.
func serve(ctx context.Context, p Process, src *cli.Source) error {
	if err := src.Find(); err != nil {
		return err
	}
	hangups := hangupsFor(p, src.File)
	cfg, err := src.Load()
	if err != nil {
		return err
	}
	running := new(atomic.Pointer[config.Config])
	running.Store(cfg)
	log := newLogger(p.Stderr, cfg.Log)
	for _, warning := range cfg.Warnings() {
		log.Warn(warning)
	}
	ports, err := listen(cfg, running)
	if err != nil {
		return err
	}
	defer ports.close()
	cfg, stop, err := startEmbedded(cfg)
	if err != nil {
		return err
	}
	defer stop()
	node := registry.NewNode(time.Now())
	const hint = "name another bus with --config FILE, or try `stompgw serve --standalone`, which brings its own"
	b, err := cli.OpenBus(ctx, cfg, node, log, hint)
	if err != nil {
		return err
	}
	defer closeBus(b, log)
	client := cli.NewRedis(cfg)
	defer client.Close() // the cluster has ended by then
	cluster := newCluster(cfg, client, node, ports.address(ctx, cfg.Redis.Addrs), log)
	if err := cluster.claim(ctx, cfg); err != nil {
		return err
	}
	tokens, err := newTokens(cfg, client)
	if err != nil {
		return err
	}
	gw, err := newGateway(cfg, node, b, cluster, tokens, log)
	if err != nil {
		return err
	}
	cluster.join(gw)

	base, stopBase := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stopBase()
	cluster.run(base, &wg)
	metrics, setKeys := startAPI(base, &wg, ports.api, newAPI(running, b, gw, cluster.sessions, log), log)
	if ports.admin != nil {
		h := admin.Handler(gw.Figures, log, cluster.check(cfg), admin.Check{Name: "gateway", Err: gw.Ready}, admin.Alive(gw.Alive),
			admin.RegistryFigures(cluster.registry.Figures), cluster.control, cluster.limit, certificates(running), metrics)
		wg.Go(func() { report(log, "admin", admin.Serve(base, ports.admin, h, log)) })
	}
	r := reloader{
		file: src.File, load: src.Load, running: running, log: log,
		renewBus:   func(cfg *config.Config) error { return cfg.Bus.Settings().Renew(b) },
		setIssuers: gw.SetIssuers,
		setRedis:   func(s *config.Redis) { client.SetLogin(cli.RedisLogin(s)) },
		setRules:   gw.SetRules,
		setKeys:    setKeys,
	}
	wg.Go(func() { r.run(base, hangups) })
	if cfg.Standalone {
		printWelcome(p.Stdout, welcome{program: program(p.Args[0]), file: src.File, cfg: cfg, ports: ports})
	}
	log.Info("serving", "node", node.String(), "listen", ports.web.Addr().String(), "bus", cfg.Bus.Driver, "config", cmp.Or(src.File, "none"))
	run, drain := context.WithCancel(base)
	wg.Go(func() {
		defer drain()
		tellDrain(ctx, base, gw, cfg.Drain, log)
	})
	return gw.Run(run, ports.gateway...)
}

// hangupsFor returns the signals to read a file again. Without one there is nothing to, and they end the node as they do other
// programs.
func hangupsFor(p Process, file string) <-chan os.Signal {
	if file == "" || p.Hangups == nil {
		return nil
	}
	return p.Hangups()
}

// certificates tells of those that the node uses now.
func certificates(running *atomic.Pointer[config.Config]) admin.Certificates {
	return func() (list []admin.Certificate) {
		for _, c := range running.Load().Certificates() {
			list = append(list, admin.Certificate{Key: c.Path, File: c.File, Expires: c.Expires})
		}
		return list
	}
}

// tellDrain waits until ctx ends, and logs that the gateway will drain. The gateway's own context ends
// behind it, so that this line comes before all that the gateway logs of its drain. It returns without
// one when base ends: the gateway has ended by itself, or at an operator's request.
func tellDrain(ctx, base context.Context, gw *gateway.Gateway, drain config.Drain, log *slog.Logger) {
	select {
	case <-ctx.Done():
	case <-base.Done():
	}
	if ctx.Err() != nil {
		log.Info("draining; a second signal ends the process at once", "sessions", gw.Sessions(), "duration", drain.Duration.String())
	}
}

// newTokens returns what checks the tokens of clients, nil where nobody issues any. It asks Redis over
// connections of its own, so that many new tokens at once don't hold up the registry's heartbeats.
func newTokens(cfg *config.Config, client *redisregistry.Client) (*auth.Authenticator, error) {
	if !cfg.HasIssuer() {
		return nil, nil
	}
	tokens := cfg.Tokens()
	if cfg.Auth.Revocation.Enabled {
		tokens.Revoked = redislist.New(client.Beside().Redis, cfg.Auth.Revocation.Prefix)
	}
	return auth.New(tokens)
}

func newGateway(cfg *config.Config, node registry.Node, b bus.Bus, c *cluster, tokens *auth.Authenticator, log *slog.Logger) (*gateway.Gateway, error) {
	opts := []gateway.Option{
		gateway.WithEndpoint(cfg.Endpoint),
		gateway.WithOrigins(cfg.Origins),
		gateway.WithLimits(gateway.Limits{
			Message:        int(cfg.Limits.Message),
			Outbound:       int(cfg.Limits.Outbound),
			Connections:    cfg.Limits.Connections,
			ConnectTimeout: cfg.Limits.ConnectTimeout,
		}),
		gateway.WithHeartBeat(cfg.HeartBeat.Send, cfg.HeartBeat.Receive),
		gateway.WithHung(cfg.HeartBeat.Hung),
		gateway.WithFallback(policy.Fallback(cfg.Errors.Fallback)),
		gateway.WithAuth(tokens),
		gateway.WithAnonymous(cfg.Auth.Anonymous == config.AnonymousAllow),
		gateway.WithGrace(cfg.Auth.Grace),
		gateway.WithSockJS(newSockJS(cfg.SockJS)),
		gateway.WithDrain(cfg.Drain.Duration),
		gateway.WithHistory(int(cfg.History.Memory)),
		gateway.WithPresence(gateway.Presence{
			Grace: cfg.Presence.Grace,
			Limit: cfg.Presence.Limit,
			Peers: admin.NewPeers(c.sessions, 0),
		}),
		gateway.WithLogger(log),
		gateway.WithEveryLine(cfg.Standalone),
		gateway.WithPages(page.Handler(cfg.Endpoint)),
	}
	if cfg.PageAPI.Enabled { // over a cluster of its own, so that pages and operators don't wait for each other
		opts = append(opts, gateway.WithPageAPI(admin.NewCluster(c.sessions, 0)))
	}
	return gateway.New(node, b, c.registry, cfg.Rules(), opts...)
}

// newSockJS returns nil for none.
func newSockJS(cfg config.SockJS) *gateway.SockJS {
	if !cfg.Enabled {
		return nil
	}
	return &gateway.SockJS{
		Heartbeat:      cfg.Heartbeat,
		SessionTimeout: cfg.SessionTimeout,
		StreamLimit:    int(cfg.StreamLimit),
		CookieNeeded:   cfg.CookieNeeded,
		ClientURL:      cfg.ClientURL,
		Echo:           cfg.Echo,
	}
}

// closeTimeout is how long the bus may take to say good-bye; sessions, which wait for answers, have
// gone by then.
const closeTimeout = 2 * time.Second

func closeBus(b bus.Bus, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	report(log, "bus", b.Close(ctx))
}

// report logs how something ended that nobody waits for.
func report(log *slog.Logger, what string, err error) {
	if err != nil {
		log.Error(what+" ended with an error", "err", err)
	}
}

// newLogger writes to w as the configuration, which has been checked, says.
func newLogger(w io.Writer, cfg config.Log) *slog.Logger {
	var o slog.HandlerOptions
	levels := map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}
	o.Level = levels[cfg.Level]
	if cfg.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, &o))
	}
	return slog.New(slog.NewTextHandler(w, &o))
}
