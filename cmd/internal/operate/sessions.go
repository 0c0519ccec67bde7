package operate

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/stompgw/stompgw/admin"
	"github.com/stompgw/stompgw/cmd/internal/cli"
	"github.com/stompgw/stompgw/cmd/internal/output"
	"github.com/stompgw/stompgw/gateway/destination"
	"github.com/stompgw/stompgw/gateway/registry"
)

// sessionsPage is how many sessions are in memory at once, and their nodes asked of together.
const sessionsPage = 500

func (c *console) sessionsList() *cobra.Command {
	var l sessionsList
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls", "ps"},
		Short:   "List the sessions of all live nodes",
		Long: "List the sessions of all live nodes, as Redis has them. Filters can be combined.\n\n" +
			"SESSION identifies a session across all nodes. Other commands take it, or the key that -o name prints, or the\n" +
			"principal. It begins with the NODE of nodes list. SUBS is the number of its subscriptions, and QUEUE what is\n" +
			"waiting to be sent to it; its node is asked for both.",
		Example: "  stompgw sessions list --member 42 -o wide\n" +
			"  stompgw sessions list --destination /topic/chat --older 2h\n" +
			"  stompgw sessions list --transport websocket --limit 100 -o json",
	}
	src := c.source(cmd)
	t := cli.NewWatched(cmd, output.Options{
		Columns: []string{"SESSION", "MEMBER", "TRANSPORT", "AGE", "SUBS"},
		Wide:    []string{"ADDRESS", "VERSION", "QUEUE", "TOKEN"},
		Cuts:    []output.Cut{{Column: "ADDRESS", Least: 12}, {Column: "TRANSPORT", Least: 9}, memberCut()},
	})
	f := newFilter(cmd, c, src)
	flags := cmd.Flags()
	cli.DurationVar(flags, &f.Older, "older", 0, time.Millisecond, "only those connected for this `TIME` or longer, such as 90s, 10m or 3d2h")
	flags.IntVar(&l.limit, "limit", 0, "list at most this `NUMBER` of sessions, 0 for all")
	flags.StringVar(&l.cursor, "cursor", "", "continue an earlier list with the same filters, from the `CURSOR` in its last line")
	cli.Check(cmd, func(*cobra.Command, []string) error {
		switch {
		case l.limit < 0:
			return fmt.Errorf("--limit %d: want a number of sessions, or 0 for all", l.limit)
		case t.Sort != "" && l.cursor != "":
			return errors.New("--sort and --cursor: only a list in its own order can be continued")
		}
		return nil
	})
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		l.filter, l.sorted = *f, t.Sort != ""
		l.live = l.sorted || t.Format != output.Names
		if l.sorted {
			t.Most, l.limit = l.limit, 0
		}
		return c.show(cmd, src, t, func(cluster operator, w *output.Writer) (string, error) {
			l.now = c.now()
			return l.run(cmd.Context(), cluster, w)
		})
	}
	return cmd
}

// newFilter gives a command the flags that say which sessions are meant.
func newFilter(cmd *cobra.Command, c *console, src *cli.Source) *admin.Filter {
	f := new(admin.Filter)
	flags := cmd.Flags()
	flags.StringVar(&f.Member, "member", "", "only those of this `MEMBER`: 42 is a number, alice a text, '\"42\"' too")
	flags.StringVar(&f.Destination, "destination", "", "only those subscribed to this `DEST`, or with '/topic/*' to anything that it matches")
	flags.StringVar(&f.Node, "node", "", "only those of this `NODE`; the beginning of its name or UUID will do")
	flags.StringVar(&f.Transport, "transport", "", "only those over this `TRANSPORT`, such as websocket or tcp")
	cli.CompleteFlag(cmd, "node", c.offerNodes(src))
	cli.CompleteFlag(cmd, "transport", cobra.FixedCompletions(transports(), cobra.ShellCompDirectiveNoFileComp))
	cli.CompleteFlag(cmd, "destination", cli.OfferDestinations(src))
	cli.CompleteFlag(cmd, "member", cobra.NoFileCompletions)
	cli.Check(cmd, func(cmd *cobra.Command, _ []string) error { return checkFilter(cmd, f) })
	return f
}

// checkFilter refuses what no session can be, and empty filters in particular: they come from a script
// whose variable was empty, and would mean all sessions.
func checkFilter(cmd *cobra.Command, f *admin.Filter) error {
	const advice = "leave it out, or say which"
	if err := cli.NotEmpty(cmd, "member", advice, "destination", advice, "node", advice, "transport", advice); err != nil {
		return err
	}
	if f.Transport != "" && !slices.Contains(transports(), f.Transport) {
		return fmt.Errorf("--transport %s: want one of %s", f.Transport, strings.Join(transports(), ", "))
	}
	if destination.IsPattern(f.Destination) {
		if _, err := destination.Parse(f.Destination); err != nil {
			return fmt.Errorf("--destination %s: %w", f.Destination, err)
		}
	}
	return nil
}

// sessionsList is what the flags of sessions list say.
type sessionsList struct {
	filter admin.Filter
	limit  int
	cursor string
	sorted bool
	live   bool // ask the nodes
	now    time.Time
}

// run writes the sessions, a page at a time, and returns what is to be said of them.
func (l *sessionsList) run(ctx context.Context, cluster operator, w *output.Writer) (summary string, err error) {
	nodes, err := cluster.Nodes(ctx)
	if err != nil {
		return "", err
	}
	n, more, last := 0, "", ""
	for page, err := range admin.Batches(cluster.Sessions(ctx, l.filter, l.cursor), sessionsPage) {
		if err != nil {
			return "", filterError(l.filter, err)
		}
		if l.limit > 0 && n+len(page) > l.limit {
			page, more = page[:l.limit-n], "; more with --cursor "
		}
		if err := l.print(ctx, cluster, page, w); err != nil {
			return "", err
		}
		if n += len(page); len(page) > 0 {
			last = page[len(page)-1].Cursor
		}
		if more != "" {
			more += shellWord(last)
			break
		}
	}
	return fmt.Sprintf("%s on %s%s%s", cli.Count(n, "session"), cli.Count(len(nodes), "live node"), silentNodes(cluster.Silent()), more), nil
}

func (l *sessionsList) print(ctx context.Context, cluster operator, page []admin.Session, w *output.Writer) error {
	if l.live && len(page) > 0 {
		if err := cluster.AskLive(ctx, page); err != nil {
			return err
		}
	}
	return output.Each(w, page, func(s admin.Session) output.Row {
		if l.sorted {
			s.Cursor = "" // which is for the list's own order
		}
		return sessionRow(s, l.now)
	})
}

// filterError names the flag that is wrong.
func filterError(f admin.Filter, err error) error {
	switch {
	case errors.Is(err, admin.ErrNoNode):
		return fmt.Errorf("--node %w", err)
	case errors.Is(err, registry.ErrMember):
		return fmt.Errorf("--member %s: %w", f.Member, err)
	case errors.Is(err, admin.ErrCursor):
		return fmt.Errorf("--cursor: %w", err)
	}
	return err
}

func memberCut() output.Cut { return output.Cut{Column: "MEMBER", Least: 8} }

func sessionRow(s admin.Session, now time.Time) output.Row {
	subs, queue := liveCells(s)
	if s.Live != nil && s.Live.Subscriptions == nil {
		s.Live = &registry.Live{Subscriptions: []string{}, Subscribed: s.Live.Subscribed, Queued: s.Live.Queued} // a list in JSON too
	}
	return output.Row{
		Cells: []string{s.Short, memberCell(s.Member), orNone(s.Transport), known(s.ConnectedAt, age(now)), subs,
			orNone(s.Remote), orNone(s.Version), queue, tokenCell(s, now)},
		Name:  s.Key,
		Value: s,
	}
}

func liveCells(s admin.Session) (subs, queue string) {
	if s.Live == nil {
		return "-", "-"
	}
	return strconv.Itoa(s.Live.Subscribed), output.Bytes(s.Live.Queued)
}

// tokenCell says when the token of the session's login expires.
func tokenCell(s admin.Session, now time.Time) string {
	return known(s.ExpiresAt, func(at time.Time) string {
		if !at.After(now) {
			return "expired"
		}
		return output.FromNow(at.Sub(now))
	})
}

// shellWord writes text so that a shell takes it as one word.
func shellWord(text string) string {
	text = output.Printable(text)
	plain := func(r rune) bool {
		return r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || strings.ContainsRune("/_-.:=", r)
	}
	if strings.ContainsFunc(text, func(r rune) bool { return !plain(r) }) {
		return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
	}
	return text
}

func (c *console) sessionsShow() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show SESSION",
		Short: "Show everything known about one session",
		Long: "Show everything known about one session: what Redis has, and what its node says now.\n\n" +
			"SESSION is its short id as sessions list prints it, its key, a beginning of the key that no other session shares,\n" +
			"or its principal.",
		Example: "  stompgw sessions show d0b6fbca-2a\n" +
			"  stompgw sessions show \"$(stompgw sessions list --member 42 -o name | head -1)\" -o yaml",
	}
	src, t := c.source(cmd), cli.NewForm(cmd)
	cmd.ValidArgsFunction = cli.OfferOnce(c.offerSessions(src))
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return c.use(cmd.Context(), src, func(cluster operator) error {
			s, err := cluster.Find(cmd.Context(), args[0])
			page := []admin.Session{s}
			if err == nil && t.Format != output.Names {
				err = cluster.AskLive(cmd.Context(), page)
			}
			if err != nil {
				return err
			}
			return showOne(cmd, t, cluster, sessionFields(page[0], c.now()), sessionRow(page[0], c.now()))
		})
	}
	return cmd
}

func sessionFields(s admin.Session, now time.Time) []output.Field {
	subs, queue := liveCells(s)
	fields := []output.Field{
		{"SESSION", s.Short},
		{"KEY", s.Key},
		{"NODE", s.Node},
		{"PRINCIPAL", orNone(s.Principal)},
		{"MEMBER", memberCell(s.Member)},
		{"TRANSPORT", orNone(s.Transport)},
		{"ADDRESS", orNone(s.Remote)},
		{"VERSION", orNone(s.Version)},
		{"CONNECTED", known(s.ConnectedAt, moment(now))},
		{"TOKEN", expiry(s, now)},
		{"SUBS", subs},
		{"QUEUE", queue},
	}
	for _, line := range destinationLines(s.Live) {
		fields = append(fields, output.Field{"DESTINATIONS", line})
	}
	return fields
}

func expiry(s admin.Session, now time.Time) string {
	at := known(s.ExpiresAt, moment(now))
	if s.ExpiresAt == nil || s.ExpiresAt.After(now) {
		return at
	}
	return "expired at " + at
}

// destinationLines are a line each. A node does not tell more than so many.
func destinationLines(l *registry.Live) []string {
	switch {
	case l == nil || l.Subscribed == 0:
		return []string{"-"}
	case l.Subscribed > len(l.Subscriptions):
		return append(l.Subscriptions[:len(l.Subscriptions):len(l.Subscriptions)],
			fmt.Sprintf("and %d more", l.Subscribed-len(l.Subscriptions)))
	}
	return l.Subscriptions
}

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
	}
	ways := []string{string(admin.ByNode), string(admin.ByMember), string(admin.ByTransport)}
	src := c.source(cmd)
	t := cli.NewWatched(cmd, output.Options{Columns: append([]string{"SESSIONS"}, ways...)}, output.Names) // a number is not a name
	cmd.Flags().StringVar(&by, "by", "", "`WHAT` they are counted by: "+strings.Join(ways, ", "))
	cli.CompleteFlag(cmd, "by", cobra.FixedCompletions(ways, cobra.ShellCompDirectiveNoFileComp))
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if cmd.Flags().Changed("by") && !slices.Contains(ways, by) {
			return cli.Misuse(cmd, fmt.Errorf("--by %s: want one of %s", by, strings.Join(ways, ", ")))
		}
		t.Columns, t.Cuts = countColumns(admin.By(by))
		return c.show(cmd, src, t, func(cluster operator, w *output.Writer) (string, error) {
			counts, err := cluster.Count(cmd.Context(), cmp.Or(admin.By(by), admin.ByNode))
			if err != nil {
				return "", err
			}
			if by == "" {
				return "", w.Row(totalRow(counts))
			}
			return "", output.Each(w, counts, func(n admin.Count) output.Row { return countRow(admin.By(by), n) })
		})
	}
	return cmd
}

// countColumns are those of what is counted by something; of all together there is but the number.
func countColumns(by admin.By) (columns []string, cuts []output.Cut) {
	if by == "" {
		return []string{"SESSIONS"}, nil
	}
	name := strings.ToUpper(string(by))
	return []string{name, "SESSIONS"}, []output.Cut{{Column: name, Least: 8}}
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
