package operate

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/stompgw/stompgw/admin"
	"github.com/stompgw/stompgw/cmd/internal/cli"
	"github.com/stompgw/stompgw/cmd/internal/output"
	"github.com/stompgw/stompgw/gateway/registry"
)

func (c *console) sessionsShow() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show SESSION",
		Short: "Show all that is known of one session",
		Long: "Show all that is known of one session: what Redis has, and what its node says now.\n\n" +
			"SESSION is its short id, as sessions list prints it, its key, the beginning of that where only one session has it,\n" +
			"or its principal.",
		Example: "  stompgw sessions show d0b6fbca-2a\n" +
			"  stompgw sessions show \"$(stompgw sessions list --member 42 -o name | head -1)\" -o yaml",
		Args: cli.Takes("SESSION"),
	}
	src, t := newClusterSource(cmd), cli.NewForm(cmd)
	cmd.ValidArgsFunction = cli.OfferOnce(c.offerSessions(src))
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return c.use(cmd.Context(), src, func(cluster operator) error {
			s, err := cluster.Find(cmd.Context(), args[0])
			if errors.Is(err, admin.ErrNoSession) {
				return cli.NoSession(args[0])
			}
			page := []admin.Session{s}
			if err == nil && t.Format != output.Names {
				err = cluster.AskLive(cmd.Context(), page)
			}
			if err != nil {
				return err
			}
			return showOne(cmd, t, cluster, sessionFields(page[0], c.now()), sessionRow(page[0], c.now()))
		})
	}
	return cmd
}

func sessionFields(s admin.Session, now time.Time) []output.Field {
	subs, queue := liveCells(s)
	return []output.Field{
		oneLine("SESSION", s.Short),
		oneLine("KEY", s.Key),
		oneLine("NODE", s.Node),
		oneLine("PRINCIPAL", orNone(s.Principal)),
		oneLine("MEMBER", memberCell(s.Member)),
		oneLine("TRANSPORT", orNone(s.Transport)),
		oneLine("ADDRESS", orNone(s.Remote)),
		oneLine("VERSION", orNone(s.Version)),
		oneLine("CONNECTED", moment(s.ConnectedAt, now)),
		oneLine("TOKEN", expiry(s, now)),
		oneLine("SUBS", subs),
		oneLine("QUEUE", queue),
		{Name: "DESTINATIONS", Values: destinationLines(s.Live)},
	}
}

func oneLine(name, value string) output.Field {
	return output.Field{Name: name, Values: []string{value}}
}

// moment writes a time, and how far it is from now.
func moment(t *time.Time, now time.Time) string {
	if t == nil {
		return "-"
	}
	return t.Format(time.RFC3339) + ", " + output.FromNow(t.Sub(now))
}

func expiry(s admin.Session, now time.Time) string {
	if s.ExpiresAt == nil || s.ExpiresAt.After(now) {
		return moment(s.ExpiresAt, now)
	}
	return "expired at " + moment(s.ExpiresAt, now)
}

// destinationLines are a line each. A node does not tell more than so many.
func destinationLines(l *registry.Live) []string {
	switch {
	case l == nil || l.Subscribed == 0:
		return []string{"-"}
	case l.Subscribed > len(l.Subscriptions):
		return append(l.Subscriptions[:len(l.Subscriptions):len(l.Subscriptions)],
			fmt.Sprintf("and %d more", l.Subscribed-len(l.Subscriptions)))
	}
	return l.Subscriptions
}
