package cmd

import (
	"fmt"
	"io"
	"iter"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/stompgw/stompgw/admin"
	"github.com/stompgw/stompgw/cmd/internal/config"
	"github.com/stompgw/stompgw/cmd/internal/output"
	"github.com/stompgw/stompgw/gateway/registry/redisregistry"
)

func newSessionsListCmd() *cobra.Command {
	var format string
	var noHeaders bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the sessions of all live nodes",
		Long: "List the sessions of all live nodes, as Redis has them.\n\n" +
			"SESSION names a session on its node, and NODE and SESSION together are its key, which -o name prints.",
		Args: takes(),
	}
	src := newSource(cmd, "ask the node that runs as serve --standalone on this machine")
	src.list("redis.addrs", "redis", config.Default().Redis.Addrs, "`ADDRESS` of Redis; several are a Redis Cluster")
	cmd.Flags().StringVarP(&format, "output", "o", output.Formats()[0], "`FORMAT`: "+strings.Join(output.Formats(), ", "))
	cmd.Flags().BoolVar(&noHeaders, "no-headers", false, "leave the line of column names out of the table")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := src.load()
		if err != nil {
			return err
		}
		w, err := output.New(cmd.OutOrStdout(), format, output.Options{
			Columns:  []string{"SESSION", "MEMBER", "NODE", "TRANSPORT", "AGE"},
			Headers:  !noHeaders,
			Terminal: isTerminal(cmd.OutOrStdout()),
		})
		if err != nil {
			return usageError(cmd, err)
		}
		client := redisregistry.NewClient(cfg.Redis.Addrs)
		defer client.Close() // nothing is lost with it
		nodes, sessions, err := admin.ListSessions(cmd.Context(), redisregistry.NewReader(client, cfg.Redis.Prefix))
		if err != nil {
			return redisError(cfg, err)
		}
		n, err := printSessions(w, sessions, time.Now())
		if err != nil {
			return redisError(cfg, err)
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "%s on %s\n", count(n, "session"), count(len(nodes), "live node"))
		return nil
	}
	return cmd
}

func printSessions(w output.Writer, sessions iter.Seq2[admin.Session, error], now time.Time) (n int, err error) {
	for s, err := range sessions {
		if err != nil {
			return n, err
		}
		if err := w.Row(sessionRow(s, now)); err != nil {
			return n, err
		}
		n++
	}
	return n, w.Close()
}

func sessionRow(s admin.Session, now time.Time) output.Row {
	member, age := string(s.Member), "-"
	if member == "null" || member == "" {
		member = "-"
	}
	if s.ConnectedAt != nil {
		age = output.Age(now.Sub(*s.ConnectedAt))
	}
	return output.Row{
		Cells: []string{s.ID, member, s.Node, s.Transport, age},
		Name:  s.Key,
		Value: s,
	}
}

func redisError(cfg *config.Config, err error) error {
	if !isNetwork(err) {
		return fmt.Errorf("redis %s: %w", strings.Join(cfg.Redis.Addrs, ","), err)
	}
	return unreachableError(cfg, "redis.addrs", "redis "+strings.Join(cfg.Redis.Addrs, ","), "--redis ADDRESS", err)
}

// isTerminal reports whether a person reads w, not a program.
func isTerminal(w io.Writer) bool {
	if out, ok := w.(*stdout); ok {
		w = out.Writer
	}
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
