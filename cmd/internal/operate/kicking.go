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
)

// run ends the sessions, or lists them.
func (k *kicking) run(cmd *cobra.Command, cluster operator) error {
	ctx := cmd.Context()
	sessions, missing, err := k.target(ctx, cluster)
	if err != nil {
		return err
	}
	if len(k.keys) == 0 && !k.yes && !k.dryRun {
		if err := k.ask(cmd, sessions); err != nil {
			return k.explain(cluster, err)
		}
	}
	w, err := k.listing.Writer(cmd)
	if err != nil {
		return err
	}
	if !k.dryRun {
		w = &cli.Lasting{Writer: w}
	}
	t := kickTally{nodes: map[string]bool{}}
	err = k.end(ctx, cluster, sessions, missing, w, &t)
	if err == nil && t.rows == 0 && k.blocksAlone() {
		return k.blockAlone(cmd, cluster)
	}
	if t.rows > 0 { // what was done is told, whatever came then
		err = errors.Join(err, w.Close())
	} else if err == nil {
		err = errNoneFits
	}
	if err != nil && t.kicked > 0 {
		fmt.Fprintf(cmd.ErrOrStderr(), "%s kicked, perhaps more\n", cli.Count(t.kicked, "session"))
	}
	if err != nil {
		return k.explain(cluster, err)
	}
	fmt.Fprintln(cmd.ErrOrStderr(), t.summary(k.dryRun)+silentNodes(k.unasked(cluster)))
	return t.result(len(k.unasked(cluster)) > 0)
}

// whom says whose sessions are meant, for the logs of the nodes.
func (k *kicking) whom() string {
	var said []string
	for _, part := range []struct{ what, which string }{
		{"session", cli.SomeOf(k.keys)},
		{"member", k.filter.Member}, {"destination", k.filter.Destination}, {"node", k.filter.Node}, {"transport", k.filter.Transport},
	} {
		if part.which != "" {
			said = append(said, part.what+" "+part.which)
		}
	}
	if k.all {
		said = slices.Insert(said, 0, "all")
	}
	return strings.Join(said, ", ")
}

// target returns the sessions that are meant, and the keys that no session has. A key that might mean
// several sessions is an error, before anything is done.
func (k *kicking) target(ctx context.Context, cluster operator) (iter.Seq2[admin.Session, error], []string, error) {
	if len(k.keys) == 0 {
		return cluster.Sessions(ctx, *k.filter, ""), nil, nil
	}
	var found []admin.Session
	var missing []string
	for _, key := range k.keys {
		s, err := cluster.Find(ctx, key)
		same := func(t admin.Session) bool { return t.Key == s.Key }
		switch {
		case errors.Is(err, admin.ErrNoSession):
			missing = append(missing, key)
		case err != nil:
			return nil, nil, err
		case !slices.ContainsFunc(found, same):
			found = append(found, s)
		}
	}
	if len(found) == 0 {
		return nil, nil, cli.NoSession(cli.SomeOf(missing))
	}
	return func(yield func(admin.Session, error) bool) {
		for _, s := range found {
			if !yield(s, nil) {
				return
			}
		}
	}, missing, nil
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

// end writes a row for each session when its end is known.
func (k *kicking) end(ctx context.Context, cluster operator, sessions iter.Seq2[admin.Session, error], missing []string, w output.Writer, t *kickTally) error {
	shown := k.console.now()
	for r, err := range k.results(ctx, cluster, sessions) {
		if err != nil {
			return err
		}
		t.add(r)
		if err := w.Row(k.row(r)); err != nil {
			return err
		}
		if now := k.console.now(); now.Sub(shown) >= showEvery {
			shown = now
			if err := w.Flush(); err != nil {
				return err
			}
		}
	}
	for _, key := range missing {
		r := admin.Result{Session: admin.Session{Short: key, Key: key}, Outcome: noSuchSession}
		t.add(r)
		if err := w.Row(k.row(r)); err != nil {
			return err
		}
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
	rows, kicked, gone, unknown, silent int
	nodes                               map[string]bool
}

func (t *kickTally) add(r admin.Result) {
	t.rows++
	if r.Session.Node != "" {
		t.nodes[r.Session.Node] = true
	}
	switch r.Outcome {
	case admin.Kicked:
		t.kicked++
	case admin.Gone:
		t.gone++
	case noSuchSession:
		t.unknown++
	case admin.Silent:
		t.silent++
	}
}

func (t *kickTally) summary(dryRun bool) string {
	if dryRun {
		return fmt.Sprintf("%s of %s would be kicked", cli.Count(t.rows-t.unknown, "session"), cli.Count(len(t.nodes), "node"))
	}
	text := cli.Count(t.kicked, "session") + " kicked"
	if t.gone > 0 {
		text += fmt.Sprintf(", %d already gone", t.gone)
	}
	if t.unknown > 0 {
		text += fmt.Sprintf(", %d not found", t.unknown)
	}
	if t.silent > 0 {
		text += fmt.Sprintf(", %d of silent nodes, which may be kicked or not", t.silent)
	}
	return text
}

// result is the error of what was told; unasked says that there may be more sessions.
func (t *kickTally) result(unasked bool) error {
	switch {
	case t.rows == t.gone+t.unknown && !unasked:
		return cli.Exit(cli.NoMatch, cli.ErrTold)
	case t.gone+t.unknown > 0 || t.silent > 0 || unasked:
		return cli.Exit(cli.Partial, cli.ErrTold)
	}
	return nil
}
