package operate

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/stompgw/stompgw/admin"
	"github.com/stompgw/stompgw/cmd/internal/cli"
	"github.com/stompgw/stompgw/cmd/internal/output"
	"github.com/stompgw/stompgw/gateway/registry"
)

func (c *console) sessionsCount() *cobra.Command {
	var by string
	cmd := &cobra.Command{
		Use:   "count",
		Short: "Count the sessions of all live nodes",
		Long: "Count the sessions of all live nodes, together, or by what they have in common, the largest number first.\n\n" +
			"By node, and together, it is what the nodes said with their last heartbeats. By member and transport, all\n" +
			"sessions are read.",
		Example: "  stompgw sessions count\n" +
			"  stompgw sessions count --by transport\n" +
			"  stompgw sessions count --by member --no-headers | head",
		Args: cli.Takes(),
	}
	ways := []string{string(admin.ByNode), string(admin.ByMember), string(admin.ByTransport)}
	src := newClusterSource(cmd)
	t := cli.NewWatched(cmd, output.Options{Columns: append([]string{"SESSIONS"}, ways...)}, output.Names) // a number is no name
	cmd.Flags().StringVar(&by, "by", "", "`WHAT` they are counted by: "+strings.Join(ways, ", "))
	cli.CompleteFlag(cmd, "by", cobra.FixedCompletions(ways, cobra.ShellCompDirectiveNoFileComp))
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if cmd.Flags().Changed("by") && !slices.Contains(ways, by) {
			return cli.Misuse(cmd, fmt.Errorf("--by %s: want one of %s", by, strings.Join(ways, ", ")))
		}
		t.Options = countColumns(admin.By(by))
		return c.show(cmd, src, t, func(cluster operator, w output.Writer) (string, error) {
			counts, err := cluster.Count(cmd.Context(), cmp.Or(admin.By(by), admin.ByNode))
			if err != nil {
				return "", err
			}
			if by == "" {
				return "", w.Row(totalRow(counts))
			}
			return "", each(w, counts, func(n admin.Count) output.Row { return countRow(admin.By(by), n) })
		})
	}
	return cmd
}

// countColumns are those of what is counted by something; of all together there is but the number.
func countColumns(by admin.By) output.Options {
	if by == "" {
		return output.Options{Columns: []string{"SESSIONS"}}
	}
	name := strings.ToUpper(string(by))
	return output.Options{Columns: []string{name, "SESSIONS"}, Cuts: []output.Cut{{Column: name, Least: 8}}}
}

// counted is a number of sessions, under the names that they have in a list.
type counted struct {
	Node      *string         `json:"node,omitempty"`
	Member    json.RawMessage `json:"member,omitempty"` // null when not logged in
	Transport *string         `json:"transport,omitempty"`
	Sessions  int             `json:"sessions"`
}

func totalRow(counts []admin.Count) output.Row {
	total := 0
	for _, n := range counts {
		total += n.Sessions
	}
	return output.Row{Cells: []string{strconv.Itoa(total)}, Value: counted{Sessions: total}}
}

func countRow(by admin.By, n admin.Count) output.Row {
	name, value := orNone(n.Name), counted{Sessions: n.Sessions}
	switch by {
	case admin.ByNode:
		name, value.Node = registry.ShortNode(n.Name), &n.Name
	case admin.ByTransport:
		value.Transport = &n.Name
	case admin.ByMember:
		name, value.Member = memberCell([]byte(n.Name)), json.RawMessage(n.Name)
	}
	return output.Row{Cells: []string{name, strconv.Itoa(n.Sessions)}, Value: value}
}
