package operate

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/stompgw/stompgw/admin"
	"github.com/stompgw/stompgw/cmd/internal/cli"
	"github.com/stompgw/stompgw/cmd/internal/output"
	"github.com/stompgw/stompgw/gateway/registry"
)

// What a shell may wait for, and how much it offers.
const (
	offerTimeout  = time.Second
	offerPatience = 300 * time.Millisecond
	offerMost     = 100
)

// offer asks the cluster for what begins with what was typed; find stops early when add returns false.
// Errors offer nothing: a shell has no place for them.
func (c *console) offer(src *cli.Source, find func(ctx context.Context, cluster operator, typed string, add func(name, about string) bool)) cobra.CompletionFunc {
	return func(cmd *cobra.Command, _ []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		var offers []cobra.Completion
		cfg, err := src.Load()
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), offerTimeout)
		defer cancel()
		cluster, closes := c.open(cfg, offerPatience)
		defer closes()
		find(ctx, cluster, typed, func(name, about string) bool {
			if strings.HasPrefix(name, typed) {
				offers = append(offers, cobra.CompletionWithDesc(output.Printable(name), output.Printable(about)))
			}
			return len(offers) < offerMost
		})
		return offers, cobra.ShellCompDirectiveNoFileComp
	}
}

// offerSessions offers the short ids of sessions, and the keys where one was begun.
func (c *console) offerSessions(src *cli.Source) cobra.CompletionFunc {
	return c.offer(src, func(ctx context.Context, cluster operator, typed string, add func(name, about string) bool) {
		var f admin.Filter
		node, _, whole := strings.Cut(typed, "-")
		isKey := strings.Contains(typed, "/")
		if isKey {
			node, _, whole = strings.Cut(typed, "_")
		}
		if whole {
			f.Node = node
		}
		for s, err := range cluster.Sessions(ctx, f, "") {
			name := s.Short
			if isKey {
				name = s.Key
			}
			if err != nil || !add(name, "member "+memberCell(s.Member)+", "+s.Transport) {
				return
			}
		}
	})
}

// offerNodes offers the live nodes, and their hosts and whole names where one was begun.
func (c *console) offerNodes(src *cli.Source) cobra.CompletionFunc {
	return c.offer(src, func(ctx context.Context, cluster operator, typed string, add func(name, about string) bool) {
		nodes, err := cluster.Nodes(ctx)
		if err != nil {
			return
		}
		for _, n := range nodes {
			about := n.State + ", " + cli.Count(n.Sessions, "session")
			if !add(n.Short, orNone(n.Host)+", "+about) || typed != "" && (!add(n.Host, n.Short+", "+about) || !add(n.Name, about)) {
				return
			}
		}
	})
}

// offerBlocked offers the members that are kept out.
func (c *console) offerBlocked(src *cli.Source) cobra.CompletionFunc {
	return c.offer(src, func(ctx context.Context, cluster operator, _ string, add func(name, about string) bool) {
		blocks, err := cluster.Blocks(ctx)
		if err != nil {
			return
		}
		for _, b := range blocks {
			if !add(typedMember(string(b.Member)), "for "+output.Age(b.Left)) {
				return
			}
		}
	})
}

// typedMember is how a person writes a member, without quotes where it means the same.
func typedMember(id string) string {
	bare := strings.Trim(id, `"`)
	if meant, err := registry.ParseMember(bare); err == nil && meant == id {
		return bare
	}
	return id
}

// transports are those that the registry knows.
func transports() []string {
	return []string{"websocket", "sockjs-websocket", "xhr-streaming", "xhr-polling", "eventsource", "htmlfile", "jsonp-polling", "tcp"}
}
