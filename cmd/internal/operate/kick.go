package operate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/stompgw/stompgw/admin"
	"github.com/stompgw/stompgw/cmd/internal/cli"
	"github.com/stompgw/stompgw/cmd/internal/output"
	"github.com/stompgw/stompgw/gateway"
)

func (c *console) sessionsKick() *cobra.Command {
	k := kicking{console: c}
	var code string
	cmd := &cobra.Command{
		Use:   "kick SESSION... | --member MEMBER | --destination DEST | --all",
		Short: "End sessions, whichever nodes they are on",
		Long: "End sessions, whichever nodes they are on: each client gets an ERROR with the reason, and its connection closes.\n\n" +
			"SESSION is written as in sessions show. With --member, --destination or --all it asks first, unless --yes is\n" +
			"given; --node and --transport narrow down which sessions are meant.\n\n" +
			"Clients that reconnect by themselves are back within seconds: --block keeps their members out for a while, on all\n" +
			"nodes (see members list), and the one of --member even if it has no session. Clients that are not logged in\n" +
			"can't be blocked.\n\n" +
			"The exit code is 0 if all were kicked, 6 if there were none and nobody was blocked, and 7 if some were already\n" +
			"gone or their node did not answer.",
		Example: "  stompgw sessions kick d0b6fbca-2a --reason 'please reload the page'\n" +
			"  stompgw sessions kick --member 42 --block 10m --yes\n" +
			"  stompgw sessions kick --all --node 1719999999999 --rate 200/s --dry-run",
		Args: cobra.ArbitraryArgs,
	}
	src := c.source(cmd)
	k.listing = cli.NewList(cmd, output.Options{Columns: []string{"SESSION", "MEMBER", "RESULT"}, Cuts: []output.Cut{memberCut()}})
	k.filter = newFilter(cmd, c, src)
	cmd.ValidArgsFunction = c.offerSessions(src)
	flags := cmd.Flags()
	flags.BoolVar(&k.all, "all", false, "all sessions")
	flags.StringVar(&k.how.Reason, "reason", "", "`TEXT` that the clients are told, on one line (default: that of the code)")
	flags.StringVar(&code, "code", "kicked", "`CODE` for the clients' programs: one that stompgw explain lists, or your own from 1000")
	cli.RateVar(flags, &k.how.Rate, "rate", "end them at most at this `RATE`, such as 100/s, 30/m or 10/h")
	cli.DurationVar(flags, &k.how.Block, "block", 0, leastBlock, "keep their members out for this `TIME`, such as 10m or 1d")
	flags.BoolVar(&k.dryRun, "dry-run", false, "only list what would be ended")
	flags.BoolVarP(&k.yes, "yes", "y", false, "don't ask")
	cli.CompleteFlag(cmd, "code", cobra.FixedCompletions(cli.CodeWords(), cobra.ShellCompDirectiveNoFileComp))
	cli.Check(cmd, k.checkTarget)
	cli.Check(cmd, func(*cobra.Command, []string) error { return k.checkHow(code) })
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return c.use(cmd.Context(), src, func(cluster operator) error { return k.run(cmd, cluster) })
	}
	return cmd
}

// kicking is what the flags of sessions kick say.
type kicking struct {
	console *console
	listing *cli.List
	keys    []string // instead of the filter
	missing []string // of the keys, what no session has
	filter  *admin.Filter
	all     bool
	how     admin.Kick
	dryRun  bool
	yes     bool
}

// checkTarget holds that it is said once, and not by accident, whose sessions end.
func (k *kicking) checkTarget(cmd *cobra.Command, args []string) error {
	k.keys = args
	var said []string
	if len(k.keys) > 0 {
		said = append(said, "SESSION")
	}
	for _, name := range []string{"member", "destination", "all"} {
		if cmd.Flags().Changed(name) {
			said = append(said, "--"+name)
		}
	}
	narrowed := k.filter.Node != "" || k.filter.Transport != ""
	switch {
	case slices.Contains(k.keys, ""):
		return errors.New("a SESSION is empty: it needs the id of a session")
	case len(said) == 0 || said[0] == "--all" && !k.all:
		return errors.New("whose sessions? Give SESSION, --member, --destination or --all")
	case len(said) > 1:
		return fmt.Errorf("%s: give only one of them", strings.Join(said, " and "))
	case len(k.keys) > 0 && narrowed:
		return errors.New("SESSION and --node or --transport: SESSION is enough")
	case len(k.keys) == 0 && !k.dryRun && !k.yes && !cli.SomeoneThere(cmd):
		return fmt.Errorf("%s may end many sessions, and there is nobody to ask: add --yes, or --dry-run to see which", said[0])
	}
	return nil
}

func (k *kicking) checkHow(code string) (err error) {
	if k.how.Code, err = admin.ParseCode(code); err != nil {
		return fmt.Errorf("--code %s: %w", code, err)
	}
	if k.how.Code >= admin.OwnCodes && k.how.Reason == "" {
		return fmt.Errorf("--code %s has no reason of its own: give one with --reason", code)
	}
	if err := gateway.CheckReason(k.how.Reason); err != nil {
		return fmt.Errorf("--reason: %w", err)
	}
	return nil
}

// run ends the sessions, or lists them.
func (k *kicking) run(cmd *cobra.Command, cluster operator) error {
	sessions, err := k.target(cmd.Context(), cluster)
	if err == nil && len(k.keys) == 0 && !k.yes && !k.dryRun {
		err = k.ask(cmd, sessions)
	}
	if err != nil {
		return k.explain(cluster, err)
	}
	w, err := k.listing.Writer(cmd)
	if err != nil {
		return err
	}
	t := kickTally{outcomes: map[admin.Outcome]int{}, nodes: map[string]bool{}}
	err = k.end(cmd.Context(), cluster, sessions, w, &t)
	switch {
	case t.rows > 0: // what was done is told, whatever came then
		finish := cli.Finish
		if k.dryRun {
			finish = (*output.Writer).Close
		}
		err = errors.Join(err, finish(w))
	case err == nil && k.blocksAlone():
		return k.blockAlone(cmd, cluster)
	case err == nil:
		err = errNoneFits
	}
	if n := t.outcomes[admin.Kicked]; err != nil && n > 0 {
		fmt.Fprintf(cmd.ErrOrStderr(), "%s kicked, perhaps more\n", cli.Count(n, "session"))
	}
	if err != nil {
		return k.explain(cluster, err)
	}
	unasked := k.unasked(cluster)
	fmt.Fprintln(cmd.ErrOrStderr(), t.summary(k.dryRun)+silentNodes(unasked))
	return t.result(len(unasked) > 0)
}

// whom says whose sessions are meant, for the logs of the nodes.
func (k *kicking) whom() string {
	var said []string
	if k.all {
		said = append(said, "all")
	}
	if len(k.keys) > 0 {
		said = append(said, "session "+cli.SomeOf(k.keys))
	}
	if filter := k.filter.String(); filter != "" {
		said = append(said, filter)
	}
	return strings.Join(said, ", ")
}

// target returns the sessions that are meant. A key that might mean several sessions is an error, before
// anything is done.
func (k *kicking) target(ctx context.Context, cluster operator) (iter.Seq2[admin.Session, error], error) {
	if len(k.keys) == 0 {
		return cluster.Sessions(ctx, *k.filter, ""), nil
	}
	var found []admin.Session
	for _, key := range k.keys {
		s, err := cluster.Find(ctx, key)
		same := func(t admin.Session) bool { return t.Key == s.Key }
		switch {
		case errors.Is(err, admin.ErrNoSession):
			k.missing = append(k.missing, key)
		case err != nil:
			return nil, err
		case !slices.ContainsFunc(found, same):
			found = append(found, s)
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%s: %w", cli.SomeOf(k.missing), admin.ErrNoSession)
	}
	return admin.Walk(found), nil
}

// blocksAlone reports whether a member is to be blocked that need not have a session.
func (k *kicking) blocksAlone() bool { return k.how.Block > 0 && k.filter.Member != "" && !k.dryRun }

// blockAlone blocks a member that has no session to end.
func (k *kicking) blockAlone(cmd *cobra.Command, cluster operator) error {
	if err := cluster.Block(cmd.Context(), k.filter.Member, k.how.Block); err != nil {
		return err
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "no session fits; member %s is blocked for %s\n", k.filter.Member, output.Age(k.how.Block))
	return nil
}

// errNoneFits reports that no session is what the flags say.
var errNoneFits = errors.New("no session fits")

// ask counts the sessions, and asks whether they shall end. Those that come meanwhile do too.
func (k *kicking) ask(cmd *cobra.Command, sessions iter.Seq2[admin.Session, error]) error {
	n, nodes := 0, map[string]bool{}
	for s, err := range sessions {
		if err != nil {
			return err
		}
		n++
		nodes[s.Node] = true
	}
	question := fmt.Sprintf("End %s of %s?", cli.Count(n, "session"), cli.Count(len(nodes), "node"))
	switch {
	case n == 0 && k.blocksAlone():
		question = fmt.Sprintf("No session fits. Block member %s for %s?", k.filter.Member, output.Age(k.how.Block))
	case n == 0:
		return errNoneFits
	}
	return cli.Confirm(cmd, question, "no session was ended")
}

// explain says what the flags have to do with an error.
func (k *kicking) explain(cluster operator, err error) error {
	if errors.Is(err, errNoneFits) {
		return cli.Exit(cli.NoMatch, fmt.Errorf("%w%s", err, silentNodes(k.unasked(cluster))))
	}
	return filterError(*k.filter, err)
}

// unasked are the nodes that did not say who is subscribed.
func (k *kicking) unasked(cluster operator) []string {
	if k.filter.Destination == "" {
		return nil
	}
	return cluster.Silent()
}

// showEvery is how long rows wait for others to be aligned with: somebody may be watching.
const showEvery = 200 * time.Millisecond

// end writes a row for each session when its end is known. What has begun is done though it can't be told: Close
// of w says so.
func (k *kicking) end(ctx context.Context, cluster operator, sessions iter.Seq2[admin.Session, error], w *output.Writer, t *kickTally) error {
	shown := k.console.now()
	for r, err := range k.results(ctx, cluster, sessions) {
		if err == nil {
			t.add(r)
			if err = w.Row(k.row(r)); !k.dryRun {
				err = nil
			}
		}
		if err != nil {
			return err
		}
		if now := k.console.now(); now.Sub(shown) >= showEvery {
			shown = now
			w.Flush()
		}
	}
	for _, key := range k.missing {
		r := admin.Result{Session: admin.Session{Short: key, Key: key}, Outcome: noSuchSession}
		t.add(r)
		w.Row(k.row(r))
	}
	return nil
}

// What becomes of sessions that nobody is asked to kick.
const (
	wouldKick     admin.Outcome = "would be kicked" // says a dry run
	noSuchSession admin.Outcome = "no such session" // of its name
)

func (k *kicking) results(ctx context.Context, cluster operator, sessions iter.Seq2[admin.Session, error]) iter.Seq2[admin.Result, error] {
	if !k.dryRun {
		k.how.Whom = k.whom()
		return cluster.Kick(ctx, sessions, k.how)
	}
	return func(yield func(admin.Result, error) bool) {
		for s, err := range sessions {
			if !yield(admin.Result{Session: s, Outcome: wouldKick}, err) || err != nil {
				return
			}
		}
	}
}

// ended is what -o json prints of a session.
type ended struct {
	Short   string          `json:"id"`
	Key     string          `json:"key"`
	ID      string          `json:"session"`
	Node    string          `json:"node"`
	Member  json.RawMessage `json:"member"` // null when not logged in
	Result  admin.Outcome   `json:"result"`
	Blocked bool            `json:"blocked"`
}

func (k *kicking) row(r admin.Result) output.Row {
	s, result := r.Session, string(r.Outcome)
	if unblocked := k.how.Block > 0 && !r.Blocked && r.Outcome == admin.Kicked; unblocked {
		result += ", not blocked"
		if memberCell(s.Member) == "-" {
			result += ": not logged in"
		}
	}
	return output.Row{
		Cells: []string{s.Short, memberCell(s.Member), result},
		Name:  s.Key,
		Value: ended{s.Short, s.Key, s.ID, s.Node, s.Member, r.Outcome, r.Blocked},
	}
}

// kickTally counts what became of sessions.
type kickTally struct {
	rows     int
	outcomes map[admin.Outcome]int
	nodes    map[string]bool
}

func (t *kickTally) add(r admin.Result) {
	t.rows++
	t.outcomes[r.Outcome]++
	if r.Session.Node != "" {
		t.nodes[r.Session.Node] = true
	}
}

func (t *kickTally) summary(dryRun bool) string {
	if dryRun {
		return fmt.Sprintf("%s of %s would be kicked", cli.Count(t.outcomes[wouldKick], "session"), cli.Count(len(t.nodes), "node"))
	}
	text := cli.Count(t.outcomes[admin.Kicked], "session") + " kicked"
	for _, rest := range []struct {
		outcome admin.Outcome
		words   string
	}{{admin.Gone, "already gone"}, {noSuchSession, "not found"}, {admin.Silent, "of silent nodes, which may be kicked or not"}} {
		if n := t.outcomes[rest.outcome]; n > 0 {
			text += fmt.Sprintf(", %d %s", n, rest.words)
		}
	}
	return text
}

// result is the error of what was told; unasked says that there may be more sessions.
func (t *kickTally) result(unasked bool) error {
	lost, silent := t.outcomes[admin.Gone]+t.outcomes[noSuchSession], t.outcomes[admin.Silent]
	switch {
	case t.rows == lost && !unasked:
		return cli.Exit(cli.NoMatch, cli.ErrTold)
	case lost+silent > 0 || unasked:
		return cli.Exit(cli.Partial, cli.ErrTold)
	}
	return nil
}
