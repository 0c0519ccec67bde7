package operate

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/stompgw/stompgw/admin"
	"github.com/stompgw/stompgw/cmd/internal/cli"
	"github.com/stompgw/stompgw/cmd/internal/output"
)

func (c *console) sessionsBlocked() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "blocked",
		Short:   "List the members that are kept out, and for how long",
		Example: "  stompgw sessions blocked\n  stompgw sessions blocked -o wide",
		Args:    cli.Takes(),
	}
	src := newClusterSource(cmd)
	t := cli.NewWatched(cmd, slices.Concat(blockColumns().Columns, blockColumns().Wide))
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		show := func(cluster operator) error {
			blocks, err := cluster.Blocks(cmd.Context())
			if err != nil {
				return err
			}
			return t.Write(cmd, blockColumns(), func(w output.Writer) error {
				for _, b := range blocks {
					if err := w.Row(blockRow(b)); err != nil {
						return err
					}
				}
				return nil
			})
		}
		return c.use(cmd.Context(), src, func(cluster operator) error {
			return t.Repeat(cmd, func() error { return show(cluster) })
		})
	}
	return cmd
}

func blockColumns() output.Options {
	return output.Options{Columns: []string{"MEMBER", "LEFT"}, Wide: []string{"UNTIL"}, Cuts: []output.Cut{memberCut()}}
}

func blockRow(b admin.Block) output.Row {
	b.Until = b.Until.Truncate(time.Second)
	return output.Row{
		Cells: []string{string(b.Member), output.Age(b.Left), b.Until.Format(time.RFC3339)},
		Name:  string(b.Member),
		Value: b,
	}
}

func (c *console) sessionsUnblock() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "unblock MEMBER...",
		Short: "Let members connect again before their time",
		Long: "Let members connect again before their time. MEMBER is written as in members list; the quotes of a text may be\n" +
			"left out unless it looks like a number.\n\n" +
			"The exit code is 6 when none of them was blocked, and 7 when some were not.",
		Example: "  stompgw sessions unblock 42\n  stompgw sessions unblock bob alice",
		Args:    takesMembers,
	}
	src, t := newClusterSource(cmd), cli.NewList(cmd)
	cmd.ValidArgsFunction = c.offerBlocked(src)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		members, err := parseMembers(args)
		if err != nil {
			return cli.Misuse(cmd, err)
		}
		return c.use(cmd.Context(), src, func(cluster operator) error {
			n := 0
			err := t.Act(cmd, output.Options{Columns: []string{"MEMBER", "RESULT"}, Cuts: []output.Cut{memberCut()}}, func(w output.Writer) error {
				for _, member := range members {
					was, err := cluster.Unblock(cmd.Context(), member)
					if err != nil {
						return err
					}
					if was {
						n++
					}
					if err := w.Row(unblockRow(member, was)); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "%s unblocked\n", cli.Count(n, "member"))
			switch n {
			case 0:
				return cli.Exit(cli.NoMatch, cli.ErrTold)
			case len(args):
				return nil
			}
			return cli.Exit(cli.Partial, cli.ErrTold)
		})
	}
	return cmd
}

// unblocked is what -o json prints of a member.
type unblocked struct {
	Member json.RawMessage `json:"member"`
	Was    bool            `json:"was_blocked"`
}

func unblockRow(member string, was bool) output.Row {
	result := "not blocked"
	if was {
		result = "unblocked"
	}
	return output.Row{Cells: []string{member, result}, Name: member, Value: unblocked{json.RawMessage(member), was}}
}
