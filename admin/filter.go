package admin

import (
	"context"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/stompgw/stompgw/gateway/registry"
	"github.com/stompgw/stompgw/gateway/registry/redisregistry"
)

// Filter says which sessions are meant: those that match all of its fields. Its zero value means all.
type Filter struct {
	Member      string        // as registry.ParseMember takes it
	Node        string        // a node's name, or the beginning of only one node's
	Transport   string        // such as "websocket"
	Destination string        // subscribed to it, or to anything that a pattern matches; the nodes are asked
	Older       time.Duration // connected at least this long; a session whose node did not say does not match
}

// String says in words which sessions are meant, except for Older; empty means all.
func (f Filter) String() string {
	var said []string
	for _, part := range []struct{ what, which string }{
		{"member", f.Member}, {"destination", f.Destination}, {"node", f.Node}, {"transport", f.Transport},
	} {
		if part.which != "" {
			said = append(said, part.what+" "+part.which)
		}
	}
	return strings.Join(said, ", ")
}

// ErrCursor reports a cursor that is not from a walk with the same Filter.
var ErrCursor = redisregistry.ErrCursor

// Sessions walks the sessions that match f, behind the one whose Cursor is after, or from the first on.
// It keeps a bounded part of them in memory, and 8 bytes for each that is subscribed to a Destination.
// Sessions of nodes that don't say who is subscribed are left out; Silent names those nodes. An error
// ends the walk; it may be ErrNoNode, *AmbiguousError, registry.ErrMember or ErrCursor.
func (c *Cluster) Sessions(ctx context.Context, f Filter, after string) iter.Seq2[Session, error] {
	return func(yield func(Session, error) bool) {
		w, err := c.newWalk(ctx, f)
		if err != nil {
			yield(Session{}, err)
			return
		}
		if w.subscribers != nil && len(w.subscribers) == 0 {
			return
		}
		w.query.After = after
		for found, err := range c.reader.Sessions(ctx, w.query) {
			if err != nil {
				yield(Session{}, err)
				return
			}
			if s := newSession(found); w.fits(s) && !yield(s, nil) {
				return
			}
		}
	}
}

// Walk returns a walk of the given sessions.
func Walk(sessions []Session) iter.Seq2[Session, error] {
	return func(yield func(Session, error) bool) {
		for _, s := range sessions {
			if !yield(s, nil) {
				return
			}
		}
	}
}

// Batches groups the sessions of a walk by n, or as many as are left at its end. A batch is valid until the next one. An
// error ends the walk, and drops an unfinished batch.
func Batches(sessions iter.Seq2[Session, error], n int) iter.Seq2[[]Session, error] {
	return func(yield func([]Session, error) bool) {
		batch := make([]Session, 0, n)
		for s, err := range sessions {
			if err != nil {
				yield(nil, err)
				return
			}
			if batch = append(batch, s); len(batch) < n {
				continue
			}
			if !yield(batch, nil) {
				return
			}
			batch = batch[:0]
		}
		if len(batch) > 0 {
			yield(batch, nil)
		}
	}
}

// walk goes through the sessions of a Filter.
type walk struct {
	query       redisregistry.Query
	transport   string
	until       time.Time   // connected at the latest; zero for any time
	subscribers subscribers // nil for no destination
}

func (c *Cluster) newWalk(ctx context.Context, f Filter) (*walk, error) {
	w := &walk{transport: f.Transport}
	if f.Member != "" {
		member, err := registry.ParseMember(f.Member)
		if err != nil {
			return nil, err
		}
		w.query.Member = member
	}
	if f.Older > 0 {
		w.until = time.Now().Add(-f.Older)
	}
	if f.Node == "" && f.Destination == "" {
		return w, nil
	}
	nodes, err := c.reader.Nodes(ctx)
	if err != nil {
		return nil, err
	}
	if f.Node != "" {
		node, err := pickNode(nodes, f.Node)
		if err != nil {
			return nil, err
		}
		nodes = []redisregistry.About{node}
		w.query.Node = node.Node
	}
	if f.Destination != "" {
		w.subscribers, err = c.subscribers(ctx, nodes, f.Destination)
	}
	return w, err
}

func (w *walk) fits(s Session) bool {
	switch {
	case w.transport != "" && s.Transport != w.transport:
		return false
	case !w.until.IsZero() && (s.ConnectedAt == nil || s.ConnectedAt.After(w.until)):
		return false
	}
	return w.subscribers == nil || w.subscribers.has(s)
}

// subscribers are sessions by their nodes that have some, each list in order.
type subscribers map[string][]registry.SessionID

func (s subscribers) has(of Session) bool {
	id, err := registry.ParseSessionID(of.ID)
	if err != nil {
		return false
	}
	_, ok := slices.BinarySearch(s[of.Node], id)
	return ok
}

// subscribers asks nodes which of their sessions are subscribed to a destination.
func (c *Cluster) subscribers(ctx context.Context, nodes []redisregistry.About, destination string) (subscribers, error) {
	c.noteForeign(nodes)
	all := subscribers{}
	questions := c.questions(nodes, request{Op: opSubscribers, Destination: destination})
	err := c.askAll(ctx, questions, func(q *question) {
		if q.err() == nil && len(q.whole.Sessions) > 0 {
			all[q.node] = slices.Sorted(slices.Values(q.whole.Sessions))
		}
	})
	return all, err
}

// noteForeign notes that nodes of the replaced system say nothing.
func (c *Cluster) noteForeign(nodes []redisregistry.About) {
	for _, node := range nodes {
		if node.Foreign() {
			c.silent.note(node.Node, true)
		}
	}
}
