package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"os/user"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/stompgw/stompgw/admin"
	"github.com/stompgw/stompgw/cmd/internal/config"
	"github.com/stompgw/stompgw/cmd/internal/output"
	"github.com/stompgw/stompgw/gateway/registry"
	"github.com/stompgw/stompgw/gateway/registry/redisregistry"
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
	Nodes(ctx context.Context) ([]admin.Node, error)
	FindNode(ctx context.Context, name string) (admin.Node, error)
	Drain(ctx context.Context, node string) (sessions int, err error)
	Silent() []string
}

// console is where an operator sits.
type console struct {
	open   func(cfg *config.Config, patience time.Duration) (cluster operator, closes func())
	screen func(io.Writer) screen
	asks   func(*cobra.Command) bool // whether somebody is there to answer
	now    func() time.Time
	every  time.Duration // between two looks at what changes
}

func newConsole() *console {
	return &console{open: openCluster, screen: screenOf, asks: someoneThere, now: time.Now, every: time.Second}
}

func openCluster(cfg *config.Config, patience time.Duration) (operator, func()) {
	client := newRedis(cfg)
	cluster := admin.NewCluster(sessionMap(cfg, client), patience)
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

func someoneThere(cmd *cobra.Command) bool {
	_, in := terminalOf(cmd.InOrStdin())
	return in && isTerminal(cmd.ErrOrStderr())
}

// newClusterSource is newSource for a command that asks a cluster.
func newClusterSource(cmd *cobra.Command) *source {
	src := newSource(cmd, "ask the node that runs as serve --standalone on this machine")
	src.uses("redis")
	src.list("redis.addrs", "redis", config.Default().Redis.Addrs, "`ADDRESS` of Redis; several are a Redis Cluster")
	return src
}

// use opens the cluster that src names, and explains what goes wrong with it.
func (c *console) use(ctx context.Context, src *source, do func(operator) error) error {
	cfg, err := src.load()
	if err != nil {
		return err
	}
	cluster, closes := c.open(cfg, 0)
	defer closes()
	if err = do(cluster); errors.Is(err, admin.ErrNoNode) {
		err = noNode(ctx, cluster, err)
	}
	return clusterError(cfg, err)
}

// writer is what a list is written to.
func (c *console) writer(cmd *cobra.Command, t *listing, o output.Options) (output.Writer, error) {
	out := cmd.OutOrStdout()
	w, err := output.New(out, t.format, t.options(o, c.screen(out)))
	if err != nil || t.sort == "" {
		return w, err
	}
	if w, err = output.Sorted(w, o, t.sort, t.most); err != nil {
		return nil, usageError(cmd, err)
	}
	return w, nil
}

// write writes a list.
func (c *console) write(cmd *cobra.Command, t *listing, o output.Options, rows func(output.Writer) error) error {
	w, err := c.writer(cmd, t, o)
	if err != nil {
		return err
	}
	if err := rows(w); err != nil {
		return err
	}
	return w.Close()
}

// act writes what becomes of things as it is done to them. What was done is told, whatever comes then.
func (c *console) act(cmd *cobra.Command, t *listing, o output.Options, do func(output.Writer) error) error {
	w, err := c.writer(cmd, t, o)
	if err != nil {
		return err
	}
	last := &lasting{Writer: w}
	return errors.Join(do(last), last.Close())
}

// lasting is a Writer for what goes on though it can't be told, because it has begun: what goes wrong
// comes with Close alone, and that nobody reads is nothing wrong.
type lasting struct {
	output.Writer
	err error // the first
}

func (l *lasting) Row(r output.Row) error {
	l.do(func() error { return l.Writer.Row(r) })
	return nil
}

func (l *lasting) Flush() error {
	l.do(l.Writer.Flush)
	return nil
}

func (l *lasting) Close() error {
	l.do(l.Writer.Close)
	if errors.Is(l.err, errEnough) {
		return nil
	}
	return l.err
}

func (l *lasting) do(write func() error) {
	if l.err == nil {
		l.err = write()
	}
}

// clusterError says what to do about an error of a cluster.
func clusterError(cfg *config.Config, err error) error {
	var exit *exitError
	var node *admin.AmbiguousNodeError
	var session *redisregistry.AmbiguousError
	switch {
	case err == nil, errors.As(err, &exit), errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &session):
		return &exitError{usage, several(session)}
	case errors.As(err, &node):
		return &exitError{usage, fmt.Errorf("%s means several nodes, %s: say which", node.Name, someOf(shorter(node.Nodes, registry.ShortNode)))}
	case errors.Is(err, registry.ErrMember), errors.Is(err, admin.ErrCursor):
		return &exitError{usage, err}
	case errors.Is(err, redisregistry.ErrTooManyBlocks):
		return fmt.Errorf("%w; `stompgw sessions blocked` lists them, sessions unblock ends some", err)
	}
	return redisError(cfg, err)
}

// several says which sessions a name may mean.
func several(e *redisregistry.AmbiguousError) error {
	return fmt.Errorf("%s means several sessions, such as %s: say which", e.Name, someOf(shorter(e.Keys, registry.ShortKey)))
}

// noNode says of a name that no node has which there are.
func noNode(ctx context.Context, cluster operator, fault error) error {
	nodes, err := cluster.Nodes(ctx)
	if err != nil {
		return err
	}
	names := make([]string, len(nodes))
	for i, n := range nodes {
		names[i] = nodeName(n)
	}
	if len(names) == 0 {
		return &exitError{noMatch, fmt.Errorf("%w: no node is live", fault)}
	}
	return &exitError{noMatch, fmt.Errorf("%w: live are %s", fault, someOf(names))}
}

// nodeName names a node for people.
func nodeName(n admin.Node) string {
	if n.Host == "" {
		return n.Short
	}
	return fmt.Sprintf("%s (%s)", n.Short, output.Printable(n.Host))
}

// noSession says where to find the ids of sessions.
func noSession(name string) error {
	return &exitError{noMatch, fmt.Errorf("%s: %w; `stompgw sessions list` prints those there are", name, admin.ErrNoSession)}
}

// someOf lists names, but not all of many.
func someOf(names []string) string {
	const most = 5
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}

// shorter returns the short forms of names, or the names where two of them are alike.
func shorter(names []string, form func(string) string) []string {
	var short []string
	for _, name := range names {
		if slices.Contains(short, form(name)) {
			return names
		}
		short = append(short, form(name))
	}
	return short
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// silentNodes says which nodes did not answer, "" for none.
func silentNodes(nodes []string) string {
	if len(nodes) == 0 {
		return ""
	}
	return fmt.Sprintf("; %s did not answer: %s", count(len(nodes), "node"), someOf(shorter(nodes, registry.ShortNode)))
}

// memberCell writes a member's id as JSON has it, "-" for none.
func memberCell(id []byte) string {
	if text := string(id); text != "" && text != "null" {
		return text
	}
	return "-"
}

// orNone writes "-" for what is not known.
func orNone(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

func ageCell(since *time.Time, now time.Time) string {
	if since == nil {
		return "-"
	}
	return output.Age(now.Sub(*since))
}
