package operate

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/stompgw/stompgw/admin"
	"github.com/stompgw/stompgw/cmd/internal/cli"
	"github.com/stompgw/stompgw/cmd/internal/output"
	"github.com/stompgw/stompgw/gateway/registry"
)

// members is for those who need not have a session; list and unblock are those of sessions, by other names.
func (c *console) members() *cobra.Command {
	list, unblock := c.sessionsBlocked(), c.sessionsUnblock()
	list.Use, list.Short = "list", "List the blocked members, and for how long they are blocked"
	list.Aliases = []string{"ls"}
	list.Example = "  stompgw members list\n  stompgw members list -o wide"
	unblock.Example = "  stompgw members unblock 42\n  stompgw members unblock bob alice"
	return cli.Group("members", "Keep members out for a while, connected or not", list, c.membersBlock(), unblock)
}

func (c *console) membersBlock() *cobra.Command {
	var span time.Duration
	cmd := &cobra.Command{
		Use:   "block MEMBER... --for TIME",
		Short: "Keep members out for a while, connected or not",
		Long: "Keep members out for a while: they can't connect or log in, on any node. MEMBER need not be connected. 42 is the\n" +
			"number, bob a text, and '\"42\"' a text of digits. For a member who is already blocked the time starts again.\n\n" +
			"Their sessions go on: sessions kick --member MEMBER --block TIME ends those as well.",
		Example: "  stompgw members block 42 --for 10m\n  stompgw members block bob '\"42\"' --for 1d",
		Args:    takesMembers,
	}
	src, t := c.source(cmd), cli.NewList(cmd, blockColumns())
	cli.DurationVar(cmd.Flags(), &span, "for", 0, leastBlock, "keep them out for this `TIME`, such as 10m or 1d")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if span == 0 {
			return cli.Misuse(cmd, errors.New("for how long? Give --for TIME, such as --for 10m"))
		}
		until := c.now().Add(span)
		err := c.eachMember(cmd, src, t, args, func(cluster operator, member string) (output.Row, error) {
			return blockRow(admin.Block{Member: json.RawMessage(member), Left: span, Until: until}), cluster.Block(cmd.Context(), member, span)
		})
		if err == nil {
			fmt.Fprintf(cmd.ErrOrStderr(), "%s blocked\n", cli.Count(len(args), "member"))
		}
		return err
	}
	return cmd
}

// takesMembers checks that there are arguments, each a member.
func takesMembers(cmd *cobra.Command, args []string) error {
	if slices.Contains(args, "") {
		return cli.Misuse(cmd, errors.New("a MEMBER is empty"))
	}
	return cli.Takes(cmd, args)
}

// eachMember does something to each member that an argument means, and writes a row of it. An argument that can't
// be a member is an error before anything is done.
func (c *console) eachMember(cmd *cobra.Command, src *cli.Source, t *cli.List, args []string, do func(cluster operator, member string) (output.Row, error)) error {
	members := make([]string, len(args))
	for i, name := range args {
		var err error
		if members[i], err = registry.ParseMember(name); err != nil {
			return cli.Misuse(cmd, fmt.Errorf("MEMBER %s: %w", name, err))
		}
	}
	return c.use(cmd.Context(), src, func(cluster operator) error {
		w, err := t.Writer(cmd)
		if err != nil {
			return err
		}
		for _, member := range members {
			row, err := do(cluster, member)
			if err != nil {
				return errors.Join(err, cli.Finish(w))
			}
			w.Row(row) // Finish tells what could not be written
		}
		return cli.Finish(w)
	})
}

// leastBlock is for how long a member is kept out at least.
const leastBlock = time.Second

func (c *console) sessionsBlocked() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "blocked",
		Short:   "List the blocked members, and for how long they are blocked",
		Example: "  stompgw sessions blocked\n  stompgw sessions blocked -o wide",
	}
	src := c.source(cmd)
	t := cli.NewWatched(cmd, blockColumns())
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return c.show(cmd, src, t, func(cluster operator, w *output.Writer) (string, error) {
			blocks, err := cluster.Blocks(cmd.Context())
			if err != nil {
				return "", err
			}
			return "", output.Each(w, blocks, blockRow)
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
		Short: "Unblock members before their time",
		Long: "Unblock members before their time. MEMBER is written as in members list; the quotes of a text may be\n" +
			"left out unless it looks like a number.\n\n" +
			"The exit code is 6 when none of them was blocked, and 7 when some were not.",
		Example: "  stompgw sessions unblock 42\n  stompgw sessions unblock bob alice",
		Args:    takesMembers,
	}
	src, t := c.source(cmd), cli.NewList(cmd, output.Options{Columns: []string{"MEMBER", "RESULT"}, Cuts: []output.Cut{memberCut()}})
	cmd.ValidArgsFunction = c.offerBlocked(src)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		n := 0
		err := c.eachMember(cmd, src, t, args, func(cluster operator, member string) (output.Row, error) {
			was, err := cluster.Unblock(cmd.Context(), member)
			if was {
				n++
			}
			return unblockRow(member, was), err
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
