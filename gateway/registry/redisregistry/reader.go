package redisregistry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/stompgw/stompgw/gateway/registry"
)

// ErrNotFound reports a session that no live node has.
var ErrNotFound = errors.New("redisregistry: no such session")

// ErrCursor reports a Query.After that is none of a walk with the same Query.
var ErrCursor = errors.New("no cursor of a list with the same filter; begin again without one")

const (
	pageSize     = 500    // sessions whose values are in memory at once
	maxOfMember  = 10_000 // sessions that Member returns
	maxAmbiguous = 5      // sessions that an AmbiguousError names
)

// AmbiguousError reports a name that several sessions have, or that begins the keys of several.
type AmbiguousError struct {
	Name string
	Keys []string // some of them, two at least
}

func (e *AmbiguousError) Error() string {
	return fmt.Sprintf("%s means several sessions: %s", e.Name, strings.Join(e.Keys, ", "))
}

// Reader reads the sessions of all live nodes. Its methods may be called from any goroutine.
type Reader struct {
	client *Client
	names  names
	source source
}

// source is what a Reader reads, in one layout.
type source interface {
	// count sets how many sessions nodes have, and adds those of the replaced system.
	count(ctx context.Context, nodes []About) ([]About, error)

	// walk walks the sessions that q means, whose Member is canonical. An error ends it.
	walk(ctx context.Context, q Query) iter.Seq2[Session, error]

	// get returns the sessions of a node with the given ids, in their order, less those that have ended.
	get(ctx context.Context, node registry.Node, ids []registry.SessionID) ([]Session, error)

	// find returns the session with the key name or else some of those that name means, in the order of
	// their keys. name is not empty.
	find(ctx context.Context, name string) ([]Session, error)
}

// NewReader returns a Reader of what Registries write to the same Map.
func NewReader(m Map) *Reader {
	r := &Reader{client: m.Client, names: m.names()}
	if m.Layout == Keys {
		r.source = &keySource{r}
	} else {
		r.source = &hashSource{r}
	}
	return r
}

// Session is a session as Redis has it.
type Session struct {
	Node   registry.Node
	ID     string // of a node of the replaced system it may be any text
	Value  registry.Value
	Cursor string // for Query.After: a walk that goes on behind this session
}

// Key is the name under which the session stands in Redis, behind the prefix.
func (s Session) Key() string { return s.Node.String() + "_" + s.ID }

// Query says which sessions are meant; its zero value means all.
type Query struct {
	Node   string // a node's whole name
	Member string // as JSON: 42 or "bob"
	After  string // a Session.Cursor of an earlier walk with the same Query; any other gives ErrCursor
}

func badCursor(text string) error { return fmt.Errorf("%q is %w", text, ErrCursor) }

// Nodes returns the live nodes, in the order of their names and so of their starts. Sessions is what
// Redis has of each now. In the layout Keys that takes a walk over all keys, which also finds the nodes
// of the replaced system.
func (r *Reader) Nodes(ctx context.Context) ([]About, error) {
	nodes, err := r.live(ctx)
	if err != nil {
		return nil, err
	}
	return r.source.count(ctx, nodes)
}

// live returns what the live nodes of stompgw said with their last heartbeats, in the order of their
// names.
func (r *Reader) live(ctx context.Context) ([]About, error) {
	names, err := r.client.Redis().SMembers(ctx, r.names.nodes()).Result()
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", r.names.nodes(), err)
	}
	slices.Sort(names)
	pipe := r.client.Redis().Pipeline()
	said := make([]*redis.StringCmd, len(names))
	for i, name := range names {
		said[i] = pipe.Get(ctx, r.names.alive(name))
	}
	_, _ = pipe.Exec(ctx) // each command has its own error
	var nodes []About
	for i, name := range names {
		key := r.names.alive(name)
		text, err := said[i].Bytes()
		if errors.Is(err, redis.Nil) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", key, err)
		}
		if _, err := registry.ParseNode(name); err != nil {
			return nil, fmt.Errorf("read %s: %w", r.names.nodes(), err)
		}
		about, err := parseAbout(key, name, text)
		if err != nil {
			return nil, err
		}
		if about.of(r.names) {
			nodes = append(nodes, about)
		}
	}
	return nodes, nil
}

// Sessions walks the sessions of live nodes. It keeps a bounded part of them in memory. A session
// that comes or ends meanwhile may be there or not. An error ends the walk.
//
// In the layout Hashes the order is that of nodes, then hashes, then ids, and of one member's that of
// nodes and ids. In the layout Keys it is Redis' own, a session may come twice while Redis makes its
// table larger or smaller, and a Cursor ends with a fail-over of Redis.
func (r *Reader) Sessions(ctx context.Context, q Query) iter.Seq2[Session, error] {
	if q.Member == "" {
		return r.source.walk(ctx, q)
	}
	member, err := registry.CanonicalMember(q.Member)
	if err != nil {
		return func(yield func(Session, error) bool) { yield(Session{}, err) }
	}
	q.Member = member
	return r.source.walk(ctx, q)
}

// Member returns the sessions that a member has on live nodes of stompgw, by the index alone, in the
// order of nodes and ids. There are 10,000 at most, the first in that order. In the layout Keys only nodes
// with Config.Stored keep an index.
func (r *Reader) Member(ctx context.Context, member string) ([]Session, error) {
	member, err := registry.CanonicalMember(member)
	if err != nil {
		return nil, err
	}
	nodes, err := r.live(ctx)
	if err != nil {
		return nil, err
	}
	var all []Session
	for _, about := range nodes {
		for s, err := range r.walkMember(ctx, about.Node, member, "") {
			if err != nil {
				return nil, err
			}
			if all = append(all, s); len(all) == maxOfMember {
				return all, nil
			}
		}
	}
	return all, nil
}

// walkMember walks the sessions that a member has on a node, by the index, in the order of their ids
// and behind the id after. An error ends the walk.
func (r *Reader) walkMember(ctx context.Context, name, member, after string) iter.Seq2[Session, error] {
	return func(yield func(Session, error) bool) {
		for more := true; more; {
			sessions, next, err := r.pageOfMember(ctx, name, member, after)
			if err != nil {
				yield(Session{}, err)
				return
			}
			for _, s := range sessions {
				s.Cursor = s.Key()
				if isMember(s.Value.MemberUID, member) && !yield(s, nil) {
					return
				}
			}
			after, more = next, next != ""
		}
	}
}

// pageOfMember returns some of a member's sessions on a node, and the id behind which the next ones
// are, which is empty when there are none.
func (r *Reader) pageOfMember(ctx context.Context, name, member, after string) (sessions []Session, next string, err error) {
	node, err := registry.ParseNode(name)
	if err != nil {
		return nil, "", err
	}
	ids, err := r.listed(ctx, node, member, after)
	if err != nil {
		return nil, "", err
	}
	if len(ids) == pageSize {
		next = ids[len(ids)-1].String()
	}
	sessions, err = r.source.get(ctx, node, ids)
	return sessions, next, err
}

// listed returns a page of the sessions that the index has of a member on a node, behind the id after.
func (r *Reader) listed(ctx context.Context, node registry.Node, member, after string) ([]registry.SessionID, error) {
	key := r.names.members(node.String(), shardOf(member))
	elements, err := r.client.Redis().ZRangeByLex(ctx, key, &redis.ZRangeBy{
		Min: "(" + member + "\x00" + after, Max: "(" + member + "\x01", Count: pageSize,
	}).Result()
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", key, err)
	}
	ids := make([]registry.SessionID, len(elements))
	for i, element := range elements {
		l, err := parseElement(element)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", key, err)
		}
		ids[i] = l.id
	}
	return ids, nil
}

// isMember reports whether the member in a session's value is the given one.
func isMember(value json.RawMessage, member string) bool {
	if bytes.Equal(value, []byte(member)) {
		return true
	}
	id, err := registry.CanonicalMember(string(value)) // others may escape text in another way
	return err == nil && id == member
}

// Find returns the session of a live node that name means: its key, or the beginning of its key alone,
// or its id where one node alone has that. Errors are ErrNotFound and *AmbiguousError.
func (r *Reader) Find(ctx context.Context, name string) (Session, error) {
	if name == "" {
		return Session{}, ErrNotFound
	}
	found, err := r.source.find(ctx, name)
	switch {
	case err != nil:
		return Session{}, err
	case len(found) == 0:
		return Session{}, ErrNotFound
	case len(found) == 1 || found[0].Key() == name:
		return found[0], nil
	}
	ambiguous := &AmbiguousError{Name: name}
	for _, s := range found[:min(len(found), maxAmbiguous)] {
		ambiguous.Keys = append(ambiguous.Keys, s.Key())
	}
	return Session{}, ambiguous
}
