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
	list.Use, list.Short = "list", "List the members that are kept out, and for how long"
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
			"number, bob the text, and '\"42\"' the text of digits. Who is blocked already is from now on.\n\n" +
			"The sessions that they have stay: sessions kick --member MEMBER --block TIME ends those as well.",
		Example: "  stompgw members block 42 --for 10m\n  stompgw members block bob '\"42\"' --for 1d",
		Args:    takesMembers,
	}
	src, t := newClusterSource(cmd), cli.NewList(cmd)
	cli.DurationVar(cmd.Flags(), &span, "for", 0, leastBlock, "keep them out for this `TIME`, such as 10m or 1d")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if span == 0 {
			return cli.Misuse(cmd, errors.New("for how long? Say --for TIME, such as --for 10m"))
		}
		members, err := parseMembers(args)
		if err != nil {
			return cli.Misuse(cmd, err)
		}
		return c.use(cmd.Context(), src, func(cluster operator) error {
			until := c.now().Add(span)
			err := t.Act(cmd, blockColumns(), func(w output.Writer) error {
				for _, member := range members {
					if err := cluster.Block(cmd.Context(), member, span); err != nil {
						return err
					}
					if err := w.Row(blockRow(admin.Block{Member: json.RawMessage(member), Left: span, Until: until})); err != nil {
						return err
					}
				}
				return nil
			})
			if err == nil {
				fmt.Fprintf(cmd.ErrOrStderr(), "%s blocked\n", cli.Count(len(members), "member"))
			}
			return err
		})
	}
	return cmd
}

// takesMembers checks that there are arguments, each a member.
func takesMembers(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return cli.Takes("MEMBER")(cmd, args)
	}
	if slices.Contains(args, "") {
		return cli.Misuse(cmd, errors.New("a MEMBER is empty"))
	}
	return nil
}

// parseMembers returns the ids that the arguments of a command mean, as JSON.
func parseMembers(args []string) ([]string, error) {
	members := make([]string, len(args))
	for i, name := range args {
		var err error
		if members[i], err = registry.ParseMember(name); err != nil {
			return nil, fmt.Errorf("MEMBER %s: %w", name, err)
		}
	}
	return members, nil
}

// leastBlock is for how long a member is kept out at least.
const leastBlock = time.Second
