// Package operate has the commands of operators: they ask the nodes of a cluster, through Redis, about
// sessions, members and nodes, and tell them what to do.
package operate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"os/user"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/stompgw/stompgw/admin"
	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/cmd/internal/cli"
	"github.com/stompgw/stompgw/cmd/internal/config"
	"github.com/stompgw/stompgw/cmd/internal/output"
	"github.com/stompgw/stompgw/gateway/registry"
)

// operator is what can be done with a cluster; *admin.Cluster does it.
type operator interface {
	Sessions(ctx context.Context, f admin.Filter, after string) iter.Seq2[admin.Session, error]
	AskLive(ctx context.Context, sessions []admin.Session) error
	Find(ctx context.Context, name string) (admin.Session, error)
	Count(ctx context.Context, by admin.By) ([]admin.Count, error)
	Kick(ctx context.Context, sessions iter.Seq2[admin.Session, error], k admin.Kick) iter.Seq2[admin.Result, error]
	Blocks(ctx context.Context) ([]admin.Block, error)
	Block(ctx context.Context, member string, d time.Duration) error
	Unblock(ctx context.Context, member string) (was bool, err error)
	Destinations(ctx context.Context, match, after string, limit int) ([]registry.Destination, string, error)
	Present(ctx context.Context, room string, counts bool) (registry.Present, error)
	Nodes(ctx context.Context) ([]admin.Node, error)
	FindNode(ctx context.Context, name string) (admin.Node, error)
	Drain(ctx context.Context, node string) (sessions int, err error)
	Silent() []string
}

// console is where an operator sits.
type console struct {
	drivers []bus.Driver
	open    func(cfg *config.Config, patience time.Duration) (cluster operator, closes func())
	now     func() time.Time
	every   time.Duration // between two looks at what changes
}

// Commands are those that ask all nodes together.
func Commands(drivers []bus.Driver) []*cobra.Command {
	c := &console{drivers: drivers, open: openCluster, now: time.Now, every: time.Second}
	return c.commands()
}

func (c *console) commands() []*cobra.Command {
	return []*cobra.Command{
		cli.Group("sessions", "Show the sessions of all live nodes, and end some",
			c.sessionsList(), c.sessionsShow(), c.sessionsCount(), c.sessionsKick(), c.sessionsBlocked(), c.sessionsUnblock()),
		c.members(),
		cli.Group("destinations", "Show what clients of all live nodes have subscribed to", c.destinationsList()),
		c.presence(),
		cli.Group("nodes", "Show the live nodes, and drain one", c.nodesList(), c.nodesShow(), c.nodesDrain()),
	}
}

func openCluster(cfg *config.Config, patience time.Duration) (operator, func()) {
	client := cli.NewRedis(cfg)
	cluster := admin.NewCluster(cli.SessionMap(cfg, client), patience)
	cluster.Operator = operatorName()
	return cluster, func() { client.Close() } // nothing is lost with it
}

// operatorName says who runs the command, as far as the system knows.
func operatorName() string {
	name, _ := os.Hostname() // a machine without a name has none
	if u, err := user.Current(); err == nil {
		name = u.Username + "@" + name
	}
	return name
}

// source is newSource for a command that asks a cluster.
func (c *console) source(cmd *cobra.Command) *cli.Source {
	src := cli.NewSource(cmd, c.drivers, "ask the node that runs as serve --standalone on this machine")
	src.Needs("redis")
	src.List("redis.addrs", "redis", config.Default().Redis.Addrs, "`ADDRESS` of Redis; several are a Redis Cluster")
	return src
}

// use opens the cluster that src names, and explains what goes wrong with it.
func (c *console) use(ctx context.Context, src *cli.Source, do func(operator) error) error {
	cfg, err := src.Load()
	if err != nil {
		return err
	}
	cluster, closes := c.open(cfg, 0)
	defer closes()
	if err = do(cluster); errors.Is(err, admin.ErrNoNode) {
		err = noNode(ctx, cluster, err)
	}
	return cli.ClusterError(cfg, err)
}

// show makes a command write rows of a cluster, again and again with --watch. What rows returns is said of them
// on stderr.
func (c *console) show(cmd *cobra.Command, src *cli.Source, t *cli.List, rows func(cluster operator, w *output.Writer) (summary string, err error)) error {
	return c.use(cmd.Context(), src, func(cluster operator) error {
		return t.Repeat(cmd, func() (err error) {
			var summary string
			err = t.Write(cmd, func(w *output.Writer) error {
				summary, err = rows(cluster, w)
				return err
			})
			if err == nil && summary != "" {
				fmt.Fprintln(cmd.ErrOrStderr(), summary)
			}
			return err
		})
	})
}

// showOne writes one thing, and which nodes said nothing of it.
func showOne(cmd *cobra.Command, t *cli.List, cluster operator, fields []output.Field, r output.Row) error {
	err := t.One(cmd, fields, r)
	if missing := silentNodes(cluster.Silent()); err == nil && missing != "" {
		fmt.Fprintln(cmd.ErrOrStderr(), strings.TrimPrefix(missing, "; "))
	}
	return err
}

// noNode says of a name that no node has which there are.
func noNode(ctx context.Context, cluster operator, fault error) error {
	nodes, err := cluster.Nodes(ctx)
	if err != nil {
		return err
	}
	live := "no node is live"
	if len(nodes) > 0 {
		names := make([]string, len(nodes))
		for i, n := range nodes {
			names[i] = nodeName(n)
		}
		live = "live are " + cli.SomeOf(names)
	}
	return cli.Exit(cli.NoMatch, fmt.Errorf("%w: %s", fault, live))
}

// nodeName names a node for people.
func nodeName(n admin.Node) string {
	if n.Host == "" {
		return n.Short
	}
	return fmt.Sprintf("%s (%s)", n.Short, output.Printable(n.Host))
}

// silentNodes says which nodes did not answer, "" for none.
func silentNodes(nodes []string) string {
	if len(nodes) == 0 {
		return ""
	}
	return fmt.Sprintf("; %s did not answer: %s", cli.Count(len(nodes), "node"), cli.SomeOf(cli.Shorter(nodes, registry.ShortNode)))
}

// memberCell writes a member's id as JSON has it, "-" for none.
func memberCell(id []byte) string {
	if text := string(id); text != "" && text != "null" {
		return text
	}
	return "-"
}

// orNone writes "-" for what is not known.
func orNone(text string) string { return cmp.Or(text, "-") }

// known writes "-" for what is not.
func known[T any](v *T, text func(T) string) string {
	if v == nil {
		return "-"
	}
	return text(*v)
}

// age writes how long ago something was. A clock that is ahead of this machine's makes it now.
func age(now time.Time) func(time.Time) string {
	return func(since time.Time) string { return output.Age(now.Sub(since)) }
}

// moment writes a time, and how far it is from now.
func moment(now time.Time) func(time.Time) string {
	return func(t time.Time) string { return t.Format(time.RFC3339) + ", " + output.FromNow(t.Sub(now)) }
}
