package probe

import (
	"cmp"
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
	"github.com/stompgw/stompgw/gateway/destination"
	"github.com/stompgw/stompgw/gateway/policy"
)

// policyFlags say who asks in policy test, and with which headers.
type policyFlags struct {
	token, claims string
	headers       []string // "name:value"
}

func newPolicyTestCmd(drivers []bus.Driver) *cobra.Command {
	var f policyFlags
	var cases, format string
	cmd := &cobra.Command{
		Use:   "test COMMAND DEST",
		Short: "Show what the rules do with a SUBSCRIBE or SEND, and which rule decides",
		Long: "Show what the rules do with a SUBSCRIBE or SEND, and which rule decides, without a running node.\n\n" +
			"Without --token and --claims nobody is logged in. Rules that ask about the session see one over WebSocket\n" +
			"with a made-up key, principal and node. The exit code is 5 if the frame is refused.\n\n" +
			"With --cases it tries the cases of a file instead, and lists those that fail; the exit code is then 9. The file has\n" +
			"a list, cases. Each has a command and a destination, and may have a name, headers, a body, and a token or claims.\n" +
			"expect is allow, deny, or the word of a code (`stompgw explain`). A case may also say which rule decides, by its match\n" +
			"or its number, and what an allowed frame becomes: its destination on the bus, and the body and headers that a route\n" +
			"makes. Without a body, and without any of that, only conditions are checked.",
		Example: "  stompgw policy test --config prod.yaml SUBSCRIBE /topic/chat\n" +
			"  stompgw policy test --config prod.yaml --claims '{\"mu\": 42, \"rl\": [\"ROLE_ADMIN\"]}' SEND /app/topic/chat\n" +
			"  stompgw policy test --config prod.yaml --token - SUBSCRIBE '/topic/*' < token.txt\n" +
			"  stompgw policy test --config prod.yaml --cases rules_test.yaml",
		Args: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("cases") {
				return checkAlone(cmd, args)
			}
			return cli.Takes(cmd, args)
		},
	}
	src := cli.NewSource(cmd, drivers, "use the rules of serve --standalone")
	cmd.ValidArgsFunction = func(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		switch len(args) {
		case 0:
			return []cobra.Completion{subscribe, send}, cobra.ShellCompDirectiveNoFileComp
		case 1:
			return cli.OfferDestinations(src)(cmd, args, typed)
		}
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	flags := cmd.Flags()
	flags.StringVar(&f.token, "token", "", "`TOKEN` of the frame; - reads it from standard input")
	flags.StringVar(&f.claims, "claims", "", "`JSON` object with the claims of a valid token")
	flags.StringArrayVarP(&f.headers, "header", "H", nil, "header `NAME:VALUE` of the frame; may be given several times")
	flags.StringVar(&cases, "cases", "", "try the cases of this `FILE` in YAML")
	cli.FormatVar(cmd, &format, "text", "json")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if cases != "" {
			return runCases(cmd, src, cases, format)
		}
		command := strings.ToUpper(args[0])
		if command != subscribe && command != send {
			return cli.Misuse(cmd, fmt.Errorf("COMMAND %s: want %s or %s", args[0], subscribe, send))
		}
		src.Needs("channels")
		if f.token != "" {
			src.Needs("auth", "channels")
		}
		cfg, err := src.Load()
		if err != nil {
			return err
		}
		r, err := f.request(cmd, cfg)
		if err != nil {
			return err
		}
		r.Destination = args[1]
		j := judgement{cfg: cfg, out: cmd.OutOrStdout(), json: format == "json"}
		if command == subscribe {
			return j.subscribe(r)
		}
		return j.send(r)
	}
	return cmd
}

// checkAlone refuses what says of a frame what the cases say of theirs.
func checkAlone(cmd *cobra.Command, args []string) error {
	const twice = "--cases and %s: each case says what is asked, and by whom"
	if err := cli.NotEmpty(cmd, "cases", "it needs the name of a file"); err != nil {
		return cli.Misuse(cmd, err)
	}
	if len(args) > 0 {
		return cli.Misuse(cmd, fmt.Errorf(twice, output.Printable(args[0])))
	}
	for _, name := range []string{"token", "claims", "header"} {
		if cmd.Flags().Changed(name) {
			return cli.Misuse(cmd, fmt.Errorf(twice, "--"+name))
		}
	}
	return nil
}

const (
	subscribe = "SUBSCRIBE"
	send      = "SEND"
)

// request is what is judged, less its destination.
func (f *policyFlags) request(cmd *cobra.Command, cfg *config.Config) (*policy.Request, error) {
	const nobody = "leave it out to be nobody"
	if err := cli.NotEmpty(cmd, "token", nobody, "claims", nobody); err != nil {
		return nil, cli.Misuse(cmd, err)
	}
	if f.token != "" && f.claims != "" {
		return nil, cli.Misuse(cmd, errors.New("--token and --claims: a frame has one bearer"))
	}
	var headers []bus.Header
	for _, h := range f.headers {
		name, value, ok := strings.Cut(h, ":")
		if !ok {
			return nil, cli.Misuse(cmd, fmt.Errorf("-H %s: want NAME:VALUE", h))
		}
		headers = append(headers, bus.Header{Name: strings.TrimSpace(name), Value: strings.TrimSpace(value)})
	}
	who, err := f.bearer(cmd, cfg)
	if err != nil {
		return nil, err
	}
	r := policy.NewTrial(headers)
	r.Member, r.Claims, r.Inbox = who.Member, who.Claims, who.Inbox()
	return r, nil
}

// bearer is who asks; nobody has no claims.
func (f *policyFlags) bearer(cmd *cobra.Command, cfg *config.Config) (*auth.Identity, error) {
	switch {
	case f.token != "":
		token, err := cli.ReadToken(cmd.InOrStdin(), f.token)
		if err != nil {
			return nil, err
		}
		a, err := newAuthenticator(cfg, nil)
		if err != nil {
			return nil, err
		}
		who, err := a.Check(token, time.Now())
		if err != nil { // as in a node
			fmt.Fprintf(cmd.ErrOrStderr(), "the token is refused (%v), so the frame is nobody's\n", err)
			return &auth.Identity{}, nil
		}
		return who, nil
	case f.claims != "":
		who, err := cfg.Tokens().Assume([]byte(f.claims))
		if fault, ok := errors.AsType[*auth.Error](err); ok { // of the member
			return nil, cli.Misuse(cmd, fmt.Errorf("--claims: %w", fault))
		}
		if err != nil {
			return nil, cli.Misuse(cmd, errors.New(`--claims: want a JSON object, such as {"mu": 42}`))
		}
		return who, nil
	}
	return &auth.Identity{}, nil
}

// judgement asks the rules, and tells what they say.
type judgement struct {
	cfg  *config.Config
	out  io.Writer
	json bool
}

func (j judgement) subscribe(r *policy.Request) error {
	v := j.cfg.Rules().TestSubscribe(r)
	if j.json {
		return j.printJSON(v, v.Destination)
	}
	if v.Refusal != nil {
		return j.refused(v)
	}
	fmt.Fprintln(j.out, "allowed")
	j.rule(v)
	switch {
	case v.Rule == "":
		j.line("because", "the error destination is open to everybody")
	case v.Room != "" && v.Presence == policy.PresenceCount:
		j.line("tells", "how many are subscribed to "+v.Room)
	case v.Room != "":
		j.line("tells", "who is subscribed to "+v.Room)
	case v.Destination != r.Destination:
		j.line("on the bus", v.Destination)
	case destination.IsPattern(r.Destination):
		j.line("but", "each message has to pass the rule of its own destination")
	}
	return nil
}

func (j judgement) send(r *policy.Request) error {
	v := j.cfg.Rules().TestSend(r)
	if j.json {
		return j.printJSON(v, v.Target.Destination)
	}
	if v.Refusal != nil {
		return j.refused(v)
	}
	fmt.Fprintln(j.out, "allowed")
	j.rule(v)
	to := v.Target.Destination
	if v.Target.Session {
		to += " of the sender's own session"
	}
	if v.Target.Rewrite != nil {
		to += ", rewritten"
	}
	if to != "" {
		j.line("goes to", to)
	}
	switch backend := v.Target.To; {
	case backend.Topic != "":
		j.line("and", "a backend, by the topic "+backend.Topic+" with the key of "+cmp.Or(backend.Key, "its sender"))
	case backend.Subject != "":
		j.line("and", "a backend, by the subject "+backend.Subject)
	}
	if q := v.Target.Quota; q != nil {
		j.line("limits", q.String()+"; of each session")
	}
	if s := v.Target.Contents.Schema(); s != nil {
		j.line("if it fits", s.String())
	}
	return nil
}

// printJSON tells the verdict to a program, as --cases does, and returns the error for the exit code.
func (j judgement) printJSON(v policy.Verdict, destination string) error {
	var told caseAnswer
	told.decided(j.cfg, v)
	told.Destination = destination
	if err := writeJSON(j.out, told); err != nil || v.Refusal == nil {
		return err
	}
	return cli.Exit(cli.NotAllowed, cli.ErrTold)
}

// refused tells why, and returns the error for the exit code.
func (j judgement) refused(v policy.Verdict) error {
	fmt.Fprintf(j.out, "refused: code %d, %s: %s\n", v.Refusal.Code, v.Refusal.Word, v.Refusal.Message)
	if v.Refusal.Reason != nil {
		j.line("reason", v.Refusal.Reason.Error())
	}
	j.rule(v)
	return cli.Exit(cli.NotAllowed, cli.ErrTold)
}

// rule tells which rule decides, what it says, and where that stands: on a line of its own, other than the rule's first.
func (j judgement) rule(v policy.Verdict) {
	if v.Rule == "" {
		return
	}
	text, where := j.cfg.Said(v.Rule + "." + v.Field)
	if text == "" {
		text = "(says nothing, which is no)"
	}
	j.line("rule", v.Rule+", "+where)
	j.line("match", v.Match)
	j.line(v.Field, text)
}

// line writes a name and what it is about, which may have several lines.
func (j judgement) line(name, text string) {
	for text := range strings.Lines(strings.TrimRight(text, "\n")) {
		fmt.Fprintf(j.out, "%-11s%s\n", name, output.Printable(strings.TrimRight(text, "\r\n")))
		name = ""
	}
}
