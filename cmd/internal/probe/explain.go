package probe

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/stompgw/stompgw/cmd/internal/cli"
	"github.com/stompgw/stompgw/cmd/internal/output"
	"github.com/stompgw/stompgw/gateway/policy"
)

func newExplainCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "explain [CODE]",
		Short: "Explain the codes that refused clients are told",
		Long: "Explain the code that a refused client is told in errorCode, and what to do about it.\n\n" +
			"CODE is the number or the word. Without it, all are listed.",
		Example: "  stompgw explain 2\n  stompgw explain no_rule",
		Args:    cobra.ArbitraryArgs,
	}
	cmd.ValidArgsFunction = cli.OfferOnce(cobra.FixedCompletions(cli.CodeWords(), cobra.ShellCompDirectiveNoFileComp))
	t := cli.NewList(cmd, output.Options{Columns: []string{"CODE", "WORD", "RETRY", "MESSAGE"}})
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch len(args) {
		case 0:
			return t.Write(cmd, listCodes)
		case 1:
			return explain(cmd, args[0])
		}
		return cli.Takes("CODE")(cmd, args)
	}
	return cmd
}

// codeRow is what -o json prints of a code, under the names that clients know.
type codeRow struct {
	Code      policy.Code `json:"errorCode"`
	Word      string      `json:"error"`
	Message   string      `json:"errorMessage"`
	Retryable bool        `json:"retryable"`
}

func listCodes(w output.Writer) error {
	for _, e := range policy.Codes() {
		retry := "no"
		if e.Retryable {
			retry = "yes"
		}
		number := strconv.Itoa(int(e.Code))
		row := output.Row{Cells: []string{number, e.Word, retry, e.Message}, Name: e.Word, Value: codeRow(e)}
		if err := w.Row(row); err != nil {
			return err
		}
	}
	return nil
}

func explain(cmd *cobra.Command, code string) error {
	codes := policy.Codes()
	i := slices.IndexFunc(codes, func(e policy.Explanation) bool { return code == e.Word || code == strconv.Itoa(int(e.Code)) })
	if i < 0 {
		return cli.Misuse(cmd, fmt.Errorf("there is no code %q: `stompgw explain` lists them", code))
	}
	e := codes[i]
	fmt.Fprintf(cmd.OutOrStdout(), "%d %s: %s\n\n%s\n", e.Code, e.Word, e.Message, strings.TrimSpace(advice()[e.Code]))
	return nil
}

// advice says of each code what has happened and what to do, in lines for a terminal.
func advice() map[policy.Code]string {
	return map[policy.Code]string{
		policy.CodeLogin: `
The rule asks who sends, and nobody is logged in: the frame and its session bring no token, or
one that has expired or is not taken. Log in, or get a new token, and send the frame again with
it in the header Authorization, as "Bearer TOKEN". A session is told the same, with the frame's
code null, when its token expires. ` + "`stompgw token check TOKEN --config FILE`" + ` says what is wrong
with a token.`,
		policy.CodeNotAllowed: `
A rule names the destination, and says no to whoever has this token, or to everybody. Sending
the frame again changes nothing. ` + "`stompgw policy test --config FILE --token TOKEN COMMAND DEST`" + `
shows the rule.`,
		policy.CodeNoRule: `
No rule of channels, or for a SEND to the application of routes, has a match for this
destination. Look for a mistyped name, or add a rule.`,
		policy.CodePattern: `
The subscription is by pattern: its destination holds one of * ? { }. That is let in only by a
rule that has "patterns: true" and matches everything that the pattern can.`,
		policy.CodeUnavailable: `
The node has no connection to the message broker, or the broker has not answered for some
seconds. Nothing was published. Send it again after retryAfterMs; /readyz of the node says what
is wrong.`,
		policy.CodeUnknown: `
The broker was given the message and never answered. Subscribers may have it or not. Send it
again only if they can tell a message that comes twice.`,
		policy.CodeTooLarge: `
The body is larger than limits.message, than the broker takes, or than a session's transaction
may become; or what a route makes of it is. Send less at a time, or raise the limit.`,
		policy.CodeDestination: `
The message broker can't carry the destination: it is too long. A NATS subject holds some 1000
bytes, and takes three for each character but letters, digits, _ and -; fewer where the server's
max_control_line is below 4096. Or its user may not publish or subscribe there: the node's log says
so.`,
		policy.CodeTooMany: `
A session may have 1000 subscriptions and 16 open transactions. End some first.`,
		policy.CodeTransaction: `
Some of the transaction's messages were refused when they came, each with an answer of its own;
COMMIT has published the others. It is not all or nothing.`,
		policy.CodeNotSubscribed: `
There is no subscription with the id that UNSUBSCRIBE names: it has ended, or never was.`,
		policy.CodeContent: `
With bus.kafka.envelope: json, what travels between nodes is UTF-8 text. Send text, or set the
envelope to headers.`,
		policy.CodeBody: `
The route's body or headers expression can't be evaluated on this message: its body is no JSON,
or lacks a key that the expression uses, or has another type there. The log says more at level
debug.`,
		policy.CodeInternal: `
The gateway, or code that it was built with, failed on this frame alone; the log has the reason.
Send it again, and tell whoever runs the gateway.`,
		policy.CodeKicked: `
An operator ended the session; the message of its ERROR is his reason. Open transactions are gone
with it, and what was published before stays. The client may connect again, unless its member is
blocked too.`,
		policy.CodeBlocked: `
An operator keeps the member out for a while: its CONNECTs and logins are answered with an ERROR,
and a frame by its token in another member's session is refused. The header retry-after-ms of the
ERROR, or retryAfterMs, says when to try again.`,
		policy.CodeSessions: `
The member has more sessions, on all nodes together, than sessions.per_member allows, and this was
one too many. End others first: a client that reconnects at once may only put an end to another of
the same member.`,
		policy.CodeEnded: `
The subscription was in force, and is no more: the message broker has taken back what it had
granted. On NATS the permissions of the node's user have changed, or the server takes shorter lines
than before; the node's log says which. Subscribe again, in a while: the broker is asked anew.`,
	}
}
