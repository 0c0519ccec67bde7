package operate

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/stompgw/stompgw/admin"
	"github.com/stompgw/stompgw/cmd/internal/cli"
	"github.com/stompgw/stompgw/cmd/internal/output"
)

func (c *console) nodesList() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls", "ps"},
		Short:   "List the live nodes",
		Long: "List the live nodes, oldest first.\n\n" +
			"NODE is the beginning of the node's UUID, with which the ids of its sessions begin too. HOST is node.name, or the\n" +
			"name of the machine. Commands take either. STATE is serving, not ready (-o wide says why), draining, silent for a\n" +
			"node that does not answer, or foreign for one that is not stompgw. HEARTBEAT is when it last said that it is\n" +
			"alive, by its own clock.",
		Example: "  stompgw nodes list\n  stompgw nodes list -o wide --config prod.yaml",
	}
	src := c.source(cmd)
	t := cli.NewWatched(cmd, output.Options{
		Columns: []string{"NODE", "HOST", "STATE", "SESSIONS", "ADDRESS", "UPTIME", "HEARTBEAT"},
		Wide:    []string{"VERSION", "BUS", "CONNECTIONS", "READY"},
		Cuts:    []output.Cut{{Column: "READY", Least: 12}, {Column: "VERSION", Least: 8}, {Column: "HOST", Least: 12}, {Column: "ADDRESS", Least: 9}},
	})
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return c.show(cmd, src, t, func(cluster operator, w *output.Writer) (string, error) {
			nodes, err := cluster.Nodes(cmd.Context())
			if err != nil {
				return "", err
			}
			now := c.now()
			err = output.Each(w, nodes, func(n admin.Node) output.Row { return nodeRow(n, now) })
			return cli.Count(len(nodes), "live node") + silentNodes(cluster.Silent()), err
		})
	}
	return cmd
}

func (c *console) nodesShow() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show NODE",
		Short: "Show everything known about one node",
		Long: "Show everything known about one node: what Redis has, and what it says now.\n\n" +
			"NODE is as nodes list prints it, the HOST, the whole UUID, or a beginning of it that no other node shares.",
		Example: "  stompgw nodes show web-1\n  stompgw nodes show 7c0e9d1a -o yaml",
	}
	src, t := c.source(cmd), cli.NewForm(cmd)
	cmd.ValidArgsFunction = cli.OfferOnce(c.offerNodes(src))
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return c.use(cmd.Context(), src, func(cluster operator) error {
			n, err := cluster.FindNode(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			now := c.now()
			return showOne(cmd, t, cluster, nodeFields(n, now), nodeRow(n, now))
		})
	}
	return cmd
}

func nodeRow(n admin.Node, now time.Time) output.Row {
	heartbeat := known(n.HeartbeatAt, func(at time.Time) string { return age(now)(at) + " ago" })
	return output.Row{
		Cells: []string{n.Short, orNone(n.Host), n.State, strconv.Itoa(n.Sessions), orNone(n.Address),
			known(n.StartedAt, age(now)), heartbeat, orNone(n.Version), orNone(n.Bus), known(n.Connections, strconv.Itoa), readiness(n)},
		Name:  n.Name,
		Value: n,
	}
}

func nodeFields(n admin.Node, now time.Time) []output.Field {
	return []output.Field{
		{"NODE", n.Name},
		{"HOST", orNone(n.Host)},
		{"ADDRESS", orNone(n.Address)},
		{"STATE", n.State},
		{"READY", readiness(n)},
		{"SESSIONS", strconv.Itoa(n.Sessions)},
		{"CONNECTIONS", known(n.Connections, strconv.Itoa)},
		{"VERSION", orNone(n.Version)},
		{"BUS", orNone(n.Bus)},
		{"STARTED", known(n.StartedAt, moment(now))},
		{"HEARTBEAT", known(n.HeartbeatAt, moment(now))},
	}
}

func readiness(n admin.Node) string { return known(n.Ready, func(text string) string { return text }) }

func (c *console) nodesDrain() *cobra.Command {
	var yes, wait bool
	cmd := &cobra.Command{
		Use:   "drain NODE",
		Short: "Drain a node: it closes its sessions and exits",
		Long: "Drain a node, as SIGTERM does: it accepts no new sessions, closes those it has over drain.duration, cuts off\n" +
			"what is left then, and exits. Whatever started the node may start it again.\n\n" +
			"NODE is written as in nodes show. The exit code is 8 when the node did not answer.",
		Example: "  stompgw nodes drain web-1\n  stompgw nodes drain 7c0e9d1a --yes --wait",
	}
	src, t := c.source(cmd), cli.NewList(cmd, output.Options{Columns: []string{"NODE", "STATE", "SESSIONS"}})
	cmd.ValidArgsFunction = cli.OfferOnce(c.offerNodes(src))
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "don't ask")
	cmd.Flags().BoolVar(&wait, "wait", false, "wait until the node has exited")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if !yes && !cli.SomeoneThere(cmd) {
			return cli.Misuse(cmd, errors.New("the node will end, and there is nobody to ask: add --yes"))
		}
		return c.use(cmd.Context(), src, func(cluster operator) error {
			n, err := cluster.FindNode(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if n.State == "foreign" {
				return cli.Exit(cli.Failed, fmt.Errorf("node %s is not a stompgw node, and can't be told: end its process", n.Name))
			}
			if !yes {
				question := fmt.Sprintf("Drain node %s, which has %s, and end it?", nodeName(n), cli.Count(n.Sessions, "session"))
				if err := cli.Confirm(cmd, question, "nothing was done"); err != nil {
					return err
				}
			}
			if err := c.drain(cmd, t, cluster, n); err != nil || !wait {
				return err
			}
			return c.awaitEnd(cmd, src, cluster, n.Name)
		})
	}
	return cmd
}

// drained is what -o json prints of a node that was told to drain.
type drained struct {
	Short    string `json:"id"`
	Node     string `json:"node"`
	State    string `json:"state"`
	Sessions int    `json:"sessions"`
}

func (c *console) drain(cmd *cobra.Command, t *cli.List, cluster operator, n admin.Node) error {
	sessions, err := cluster.Drain(cmd.Context(), n.Name)
	switch {
	case errors.Is(err, admin.ErrSilent):
		return cli.Exit(cli.TimedOut, fmt.Errorf("%w; it may drain or not: see `stompgw nodes list`", err))
	case err != nil && !cli.IsNetwork(err) && cmd.Context().Err() == nil:
		return cli.Exit(cli.Failed, err) // what the node said
	case err != nil:
		return err
	}
	d := drained{n.Short, n.Name, "draining", sessions}
	err = t.Write(cmd, func(w *output.Writer) error {
		return w.Row(output.Row{Cells: []string{d.Short, d.State, strconv.Itoa(d.Sessions)}, Name: d.Node, Value: d})
	})
	if err == nil {
		fmt.Fprintf(cmd.ErrOrStderr(), "the node lets %s go, and ends\n", cli.Count(sessions, "session"))
	}
	return err
}

// awaitEnd returns when the node is not in the list any more: it leaves it last of all. A standalone one
// takes the list with it.
func (c *console) awaitEnd(cmd *cobra.Command, src *cli.Source, cluster operator, node string) error {
	again := time.NewTicker(c.every)
	defer again.Stop()
	for {
		_, err := cluster.FindNode(cmd.Context(), node)
		switch {
		case errors.Is(err, admin.ErrNoNode), src.Standalone && cli.IsNetwork(err):
			fmt.Fprintln(cmd.ErrOrStderr(), "the node has ended")
			return nil
		case err != nil:
			return err
		}
		select {
		case <-again.C:
		case <-cmd.Context().Done():
			return cmd.Context().Err()
		}
	}
}
