package operate

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/stompgw/stompgw/admin"
	"github.com/stompgw/stompgw/cmd/internal/cli"
	"github.com/stompgw/stompgw/cmd/internal/output"
	"github.com/stompgw/stompgw/gateway/registry"
)

func (c *console) presence() *cobra.Command {
	var counts bool
	cmd := &cobra.Command{
		Use:   "presence DEST",
		Short: "Show who is present in a room, on all live nodes",
		Long: "Show who is present in a room: the members subscribed to DEST itself, not by a pattern, on any live node. DEST is a\n" +
			"destination whose channel has presence; nobody is present in others.\n\n" +
			"SINCE is how long ago the member's newest session subscribed, and INFO what the rule shows of the member. The last line\n" +
			"on standard error also counts sessions that are not logged in. If the rule only counts, or one node has more members\n" +
			"than presence.limit, they can't be listed (exit code 1): --count shows how many there are. In that number a member\n" +
			"with sessions on two nodes counts twice.",
		Example: "  stompgw presence /topic/room.1\n" +
			"  stompgw presence /topic/room.1 --sort -since --watch\n" +
			"  stompgw presence /topic/room.1 --count -o json",
	}
	src := c.source(cmd)
	t := cli.NewWatched(cmd, output.Options{
		Columns: []string{"MEMBER", "SESSIONS", "SINCE", "INFO"},
		Cuts:    []output.Cut{{Column: "INFO", Least: 20}, memberCut()},
	})
	cmd.ValidArgsFunction = cli.OfferOnce(cli.OfferDestinations(src))
	cmd.Flags().BoolVar(&counts, "count", false, "only say how many are there")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if counts && t.Format == output.Names {
			return cli.Misuse(cmd, errors.New("--count and -o name: a number is not a name"))
		}
		if counts {
			t.Columns, t.Cuts = []string{"MEMBERS", "ANONYMOUS"}, nil
		}
		return c.show(cmd, src, t, func(cluster operator, w *output.Writer) (string, error) {
			p, err := c.present(cmd, cluster, args[0], counts)
			if err != nil {
				return "", err
			}
			if counts {
				return strings.TrimPrefix(silentNodes(cluster.Silent()), "; "), w.Row(presentRow(p))
			}
			now := c.now()
			err = output.Each(w, p.Members, func(m registry.Person) output.Row { return personRow(m, now) })
			return presentLine(p) + silentNodes(cluster.Silent()), err
		})
	}
	return cmd
}

// present asks who is in a room, and explains why that can't be told.
func (c *console) present(cmd *cobra.Command, cluster operator, room string, counts bool) (registry.Present, error) {
	p, err := cluster.Present(cmd.Context(), room, counts)
	switch {
	case errors.Is(err, admin.ErrRoom):
		return p, cli.Misuse(cmd, fmt.Errorf("DEST %.200s: %w", output.Printable(room), err))
	case err == nil && p.Many && !counts:
		return p, cli.Exit(cli.Failed, fmt.Errorf("%s in %s can't be listed: the rule only counts, or one node has more than presence.limit; --count shows how many there are",
			cli.Count(p.Count, "member"), output.Printable(room)))
	}
	return p, err
}

// presentLine says how many are in a room.
func presentLine(p registry.Present) string {
	line := cli.Count(p.Count, "member")
	if p.Anonymous > 0 {
		line += " and " + cli.Count(p.Anonymous, "session") + " of nobody"
	}
	return line
}

// personRow is a member. What is shown of it is JSON on one line, as the rule made it.
func personRow(m registry.Person, now time.Time) output.Row {
	return output.Row{
		Cells: []string{memberCell(m.Member), strconv.Itoa(m.Sessions), age(now)(time.UnixMilli(m.Since)), orNone(string(m.Info))},
		Name:  string(m.Member),
		Value: m,
	}
}

// counting is what -o json prints of how many are in a room.
type counting struct {
	Destination string `json:"destination"`
	Count       int    `json:"count"`
	Anonymous   int    `json:"anonymous"`
}

func presentRow(p registry.Present) output.Row {
	return output.Row{
		Cells: []string{strconv.Itoa(p.Count), strconv.Itoa(p.Anonymous)},
		Value: counting{p.Destination, p.Count, p.Anonymous},
	}
}
