package operate

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/stompgw/stompgw/cmd/internal/cli"
	"github.com/stompgw/stompgw/cmd/internal/output"
	"github.com/stompgw/stompgw/gateway"
	"github.com/stompgw/stompgw/gateway/registry"
)

func (c *console) destinationsList() *cobra.Command {
	var l destinationsList
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List what clients of all live nodes have subscribed to",
		Long: "List the destinations, and patterns, that clients of all live nodes have subscribed to, in the order of their names.\n\n" +
			"SUBSCRIBERS counts subscriptions; a session may have several. MEMBERS and ANONYMOUS count who is present in a\n" +
			"room, logged in or not, and are '-' elsewhere; a member with sessions on two nodes counts twice (presence DEST\n" +
			"is exact). Destinations below the session prefix belong to one session each, and are not listed.",
		Example: "  stompgw destinations list --match '/topic/room.*' --sort -subscribers --watch\n" +
			"  stompgw destinations list --limit 20 -o json",
	}
	src := c.source(cmd)
	t := cli.NewWatched(cmd, output.Options{
		Columns: []string{"NAME", "SUBSCRIBERS", "MEMBERS", "ANONYMOUS"},
		Cuts:    []output.Cut{{Column: "NAME", Least: 12}},
	})
	flags := cmd.Flags()
	flags.StringVar(&l.match, "match", "", "only those that this `PATTERN`, or destination, stands for, such as '/topic/room.*'")
	flags.IntVar(&l.limit, "limit", 0, "list at most this `NUMBER` of destinations, 0 for all")
	cli.CompleteFlag(cmd, "match", cli.OfferDestinations(src))
	cli.Check(cmd, l.check)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if t.Sort != "" {
			t.Most, l.limit = l.limit, 0
		}
		return c.show(cmd, src, t, func(cluster operator, w *output.Writer) (string, error) {
			return l.run(cmd.Context(), cluster, w)
		})
	}
	return cmd
}

// destinationsList is what the flags of destinations list say.
type destinationsList struct {
	match string
	limit int
}

func (l *destinationsList) check(cmd *cobra.Command, _ []string) error {
	if err := cli.NotEmpty(cmd, "match", "leave it out for all, or say which"); err != nil {
		return err
	}
	if l.limit < 0 {
		return fmt.Errorf("--limit %d: want a number of destinations, or 0 for all", l.limit)
	}
	if err := gateway.CheckMatch(l.match); err != nil {
		return fmt.Errorf("--match %.200s: %w", output.Printable(l.match), err)
	}
	return nil
}

// run writes the destinations, a page at a time, and returns what is to be said of them.
func (l *destinationsList) run(ctx context.Context, cluster operator, w *output.Writer) (summary string, err error) {
	n, more := 0, ""
	for next := ""; ; {
		most := gateway.MaxDestinations
		if l.limit > 0 {
			most = min(most, l.limit-n)
		}
		var page []registry.Destination
		if page, next, err = cluster.Destinations(ctx, l.match, next, most); err != nil {
			return "", err
		}
		if err := output.Each(w, page, destinationRow); err != nil {
			return "", err
		}
		n += len(page)
		if next != "" && n == l.limit {
			more = "; there are more, with a larger --limit"
		}
		if next == "" || n == l.limit {
			return cli.Count(n, "destination") + silentNodes(cluster.Silent()) + more, nil
		}
	}
}

func destinationRow(d registry.Destination) output.Row {
	return output.Row{
		Cells: []string{d.Name, strconv.Itoa(d.Subscribers), known(d.Members, strconv.Itoa), known(d.Anonymous, strconv.Itoa)},
		Name:  d.Name,
		Value: d,
	}
}
