package message

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/stompgw/stompgw/cmd/internal/cli"
	stompclient "github.com/stompgw/stompgw/cmd/internal/client"
	"github.com/stompgw/stompgw/cmd/internal/config"
)

// clientFlags say which gateway a command is a client of, and as whom.
type clientFlags struct {
	url, token, tokenFile, ca string
	timeout                   time.Duration // of all until the session stands, and of each answer
}

// clientFlagNames are those that only a client has a use for.
func clientFlagNames() []string { return []string{"url", "token", "token-file", "ca"} }

func (f *clientFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.url, "url", "", "`URL` of the gateway: ws://, wss://, http:// or https:// (SockJS), tcp:// or tcps:// (default: WebSocket where the configuration listens)")
	flags.StringVar(&f.token, "token", "", "`TOKEN` to log in with; - reads it from standard input; "+config.TokenVariable+" in the environment does as well")
	flags.StringVar(&f.tokenFile, "token-file", "", "`FILE` with the token")
	flags.StringVar(&f.ca, "ca", "", "`FILE` in PEM with the certificates to trust, instead of the system's")
}

func (f *clientFlags) check(cmd *cobra.Command) error {
	if f.token != "" && f.tokenFile != "" {
		return errors.New("--token and --token-file: a client has one token")
	}
	const nobody = "leave it out to be nobody"
	return cli.NotEmpty(cmd, "token", nobody, "token-file", nobody, "ca", "leave it out to trust whom the system trusts",
		"url", "want one like ws://127.0.0.1:13001/stomp")
}

// dial opens a session, and warns on stderr if it is nobody's though there is a token. The error has the
// exit code of its kind.
func (f *clientFlags) dial(ctx context.Context, cfg *config.Config, cmd *cobra.Command) (*stompclient.Client, error) {
	o, err := f.options(cfg, cmd.InOrStdin())
	if err != nil {
		return nil, err
	}
	c, err := stompclient.Dial(ctx, o)
	if err != nil && ctx.Err() == nil {
		return nil, f.dialError(cfg, o.URL, err)
	}
	if err == nil {
		warnOfToken(cmd.ErrOrStderr(), c.TokenFault())
	}
	return c, err
}

// warnOfToken says what it means that a gateway has not taken the token.
func warnOfToken(w io.Writer, fault string) {
	switch fault {
	case "expired":
		fmt.Fprintln(w, "warning: the token has expired: the gateway takes this client for nobody")
	case "refused":
		fmt.Fprintln(w, "warning: the gateway refuses the token, and takes this client for nobody; `stompgw token check` tells why")
	}
}

func (f *clientFlags) options(cfg *config.Config, stdin io.Reader) (o stompclient.Options, err error) {
	o.Errors, o.Timeout = cfg.Errors.Destination, f.timeout
	o.Body = max(int(cfg.Limits.Message), 16<<20) // from elsewhere than clients, more may come
	if o.URL = f.url; o.URL == "" {
		if o.URL, err = gatewayURL(cfg); err != nil {
			return o, err
		}
	}
	if o.TLS, err = cli.Trust(f.ca); err != nil {
		return o, err
	}
	o.Token, err = cli.Bearer(f.token, f.tokenFile, stdin)
	return o, err
}

// gatewayURL is where a node with the configuration serves WebSocket, for this machine.
func gatewayURL(cfg *config.Config) (string, error) {
	if strings.HasSuffix(cfg.Listen, ":0") {
		return "", cli.Exit(cli.Usage, fmt.Errorf("listen %s (%s) does not say where the gateway is: name it with --url", cfg.Listen, cfg.Origin("listen")))
	}
	scheme := "ws"
	if cfg.TLS.Cert != "" {
		scheme = "wss"
	}
	return scheme + "://" + cli.Near(cfg.Listen) + cfg.Endpoint, nil
}

// dialError says which gateway, who named it, what is wrong, and what to do.
func (f *clientFlags) dialError(cfg *config.Config, url string, err error) error {
	if fault, ok := errors.AsType[*stompclient.URLError](err); ok {
		return cli.Exit(cli.Usage, fmt.Errorf("--url: %w", fault))
	}
	where := "--url"
	if f.url == "" {
		where = "listen, " + cfg.Origin("listen")
	}
	advice := ""
	if u, e := stompclient.ParseURL(url); e == nil {
		url, advice = u.String(), u.Advice(err)
	}
	what := fmt.Sprintf("the gateway at %s (%s)", url, where)
	connect, isConnect := errors.AsType[*stompclient.ConnectError](err)
	_, turnedAway := errors.AsType[*stompclient.ServerError](err)
	refusal, refused := errors.AsType[*stompclient.Refusal](err)
	switch {
	case errors.Is(err, stompclient.ErrNoAnswer):
		return cli.Exit(cli.TimedOut, fmt.Errorf("%s took the connection, but did not answer within %s; give it more time with --timeout", what, f.timeout))
	case isConnect && cli.IsNetwork(connect.Err) && advice == "" && f.url == "":
		return cli.Unreached(cfg, "listen", "the gateway at "+url, "--url URL", connect.Err)
	case isConnect && cli.IsNetwork(connect.Err) && advice == "":
		return cli.Exit(cli.Unreachable, fmt.Errorf("%s does not answer: %w; start it, or name another with --url", what, cli.Cause(connect.Err)))
	case isConnect && errors.As(err, new(*tls.CertificateVerificationError)):
		return cli.Exit(cli.Unreachable, fmt.Errorf("%s is not trusted: %w; name the certificate to trust with --ca, and in --url the host that it is for", what, connect.Err))
	case isConnect && advice != "":
		return cli.Exit(cli.Unreachable, fmt.Errorf("%s can't be used: %w; %s, or name another with --url", what, cli.Cause(connect.Err), advice))
	case isConnect:
		return cli.Exit(cli.Unreachable, fmt.Errorf("%s can't be used: %w; name another with --url", what, connect.Err))
	case turnedAway:
		return cli.Exit(cli.NotAllowed, fmt.Errorf("%s: %w", what, err))
	case refused:
		return refusedError(what, refusal)
	case advice != "":
		return fmt.Errorf("%s: %w; %s", what, err, advice)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// refusedError is the answer to a frame that the gateway did not carry out.
func refusedError(what string, r *stompclient.Refusal) error {
	return cli.Exit(cli.NotAllowed, fmt.Errorf("%s: %w; `stompgw explain %d` tells what to do", what, r, r.Code))
}

// lostError says how a session ended that should have gone on.
func lostError(err error) error {
	if e, ok := errors.AsType[*stompclient.ServerError](err); ok {
		if e.Code == 0 {
			return e
		}
		return cli.Exit(cli.NotAllowed, fmt.Errorf("%w; `stompgw explain %d` tells more", e, e.Code))
	}
	return cli.Exit(cli.Unreachable, fmt.Errorf("lost the gateway: %w", err))
}

// goodbye is how long a gateway may take to confirm that a session has ended.
const goodbye = 2 * time.Second

// leave ends a session that needs nothing more.
func leave(c *stompclient.Client) {
	ctx, cancel := context.WithTimeout(context.Background(), goodbye)
	defer cancel()
	c.Close(ctx) // that it was not confirmed is no matter: what counts was answered before
}
