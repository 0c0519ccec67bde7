package probe

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/cmd/internal/cli"
	"github.com/stompgw/stompgw/cmd/internal/config"
	"github.com/stompgw/stompgw/cmd/internal/output"
	"github.com/stompgw/stompgw/gateway/auth"
	"github.com/stompgw/stompgw/gateway/auth/redislist"
)

func newTokenCheckCmd(drivers []bus.Driver) *cobra.Command {
	var format string
	var revocation bool
	cmd := &cobra.Command{
		Use:   "check TOKEN",
		Short: "Show whether a node would accept a token, what it says, and if not, which check fails",
		Long: "Show whether a node with this configuration would accept a token, what it says, and if not, which check fails.\n\n" +
			"With - the TOKEN is read from standard input, so that no list of processes shows it. The exit code is 5 if it is refused.",
		Example: "  stompgw token check --config prod.yaml - < token.txt",
	}
	src := cli.NewSource(cmd, drivers, "use the configuration of serve --standalone")
	src.Needs("auth")
	cli.FormatVar(cmd, &format, "text", "json")
	cmd.Flags().BoolVar(&revocation, "revocation", false, "also ask Redis whether it has been revoked")
	src.List("redis.addrs", "redis", config.Default().Redis.Addrs, "`ADDRESS` of Redis, for --revocation")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		token, err := cli.ReadToken(cmd.InOrStdin(), args[0])
		if err != nil {
			return err
		}
		if revocation {
			src.Needs("auth", "redis")
		}
		cfg, err := src.Load()
		if err != nil {
			return err
		}
		now := time.Now()
		v, err := checkToken(cmd.Context(), cfg, token, now, revocation)
		if err != nil {
			return err
		}
		return v.print(cmd.OutOrStdout(), format, now)
	}
	return cmd
}

// checkToken judges a token as a node would, at now; with revocation also by the list in Redis.
func checkToken(ctx context.Context, cfg *config.Config, token string, now time.Time, revocation bool) (*verdict, error) {
	if !revocation {
		a, err := newAuthenticator(cfg, nil)
		if err != nil {
			return nil, err
		}
		id, err := a.Check(token, now)
		return newVerdict(token, id, err), nil
	}
	client := cli.NewRedis(cfg)
	defer client.Close() // nothing is lost with it
	list := &strictList{Revocations: redislist.New(client.Redis, cfg.Auth.Revocation.Prefix)}
	a, err := newAuthenticator(cfg, list)
	if err != nil {
		return nil, err
	}
	id, err := a.Verify(ctx, token)
	if list.err != nil {
		return nil, cli.RedisError(cfg, list.err)
	}
	return newVerdict(token, id, err), nil
}

// newAuthenticator returns what checks tokens as a node would; revoked is nil for no list.
func newAuthenticator(cfg *config.Config, revoked auth.Revocations) (*auth.Authenticator, error) {
	if !cfg.HasIssuer() {
		return nil, cfg.NoIssuer()
	}
	tokens := cfg.Tokens()
	tokens.Revoked = revoked
	return auth.New(tokens)
}

// strictList keeps the error of a list that did not answer: a node would let the token pass.
type strictList struct {
	auth.Revocations
	err error
}

func (l *strictList) Revoked(ctx context.Context, token string) (bool, error) {
	revoked, err := l.Revocations.Revoked(ctx, token)
	if err != nil {
		l.err = err
	}
	return revoked, err
}

// verdict is what token check found.
type verdict struct {
	Verdict  string          `json:"verdict"`          // accepted or refused
	Check    string          `json:"check,omitempty"`  // that has failed
	Reason   string          `json:"reason,omitempty"` // why
	Member   json.RawMessage `json:"member,omitempty"`
	Roles    []string        `json:"roles,omitempty"`
	Expires  *time.Time      `json:"expires,omitempty"`
	Claims   map[string]any  `json:"claims,omitempty"`
	Unproven json.RawMessage `json:"unprovenClaims,omitempty"` // what a refused token says; anybody may have written it
}

const (
	accepted = "accepted"
	refused  = "refused"
)

func newVerdict(token string, id *auth.Identity, err error) *verdict {
	var fault *auth.Error
	switch {
	case errors.As(err, &fault):
		return &verdict{Verdict: refused, Check: fault.Check, Reason: fault.Reason, Unproven: payload(token)}
	case err != nil:
		return &verdict{Verdict: refused, Reason: err.Error()}
	}
	return &verdict{Verdict: accepted, Member: json.RawMessage(id.Member), Roles: id.Roles, Expires: &id.Expires, Claims: id.Claims}
}

func (v *verdict) accepted() bool { return v.Verdict == accepted }

// payload returns what a token says, as JSON on one line, without looking at its signature; nil if
// it can't be read.
func payload(token string) json.RawMessage {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	var claims map[string]json.RawMessage
	if err != nil || json.Unmarshal(text, &claims) != nil {
		return nil
	}
	text, _ = json.Marshal(claims) // which were read as JSON
	return text
}

// print writes the verdict, and returns the error of a refused token.
func (v *verdict) print(w io.Writer, format string, now time.Time) error {
	if format == "json" {
		if err := json.NewEncoder(w).Encode(v); err != nil {
			return err
		}
	} else {
		v.printText(w, now)
	}
	if v.accepted() {
		return nil
	}
	return cli.Exit(cli.NotAllowed, cli.ErrTold)
}

func (v *verdict) printText(w io.Writer, now time.Time) {
	line := func(name, text string) { fmt.Fprintf(w, "%-9s%s\n", name, output.Printable(text)) }
	if v.accepted() {
		fmt.Fprintln(w, accepted)
	} else {
		line(refused, strings.TrimPrefix(v.Check+": "+v.Reason, ": "))
	}
	if v.Member != nil {
		line("member", string(v.Member))
	}
	if len(v.Roles) > 0 {
		line("roles", strings.Join(v.Roles, ", "))
	}
	if v.Expires != nil {
		line("expires", v.Expires.Format(time.RFC3339)+", "+output.FromNow(v.Expires.Sub(now)))
	}
	if v.Claims != nil {
		text, err := json.Marshal(v.Claims)
		if err != nil {
			text = []byte(err.Error())
		}
		line("claims", string(text))
	}
	if v.Unproven != nil {
		line("says", string(v.Unproven)+" (as it stands in the token)")
	}
}
