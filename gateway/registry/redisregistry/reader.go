package redisregistry

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/stompgw/stompgw/gateway/registry"
)

// ErrNotFound reports a session that no live node has.
var ErrNotFound = errors.New("no such session")

const (
	pageSize     = 500    // sessions whose values are in memory at once
	maxOfMember  = 10_000 // sessions that Member returns
	maxAmbiguous = 5      // sessions that an AmbiguousError names
)

// AmbiguousError reports a name that several sessions have, or that the keys of several begin with.
type AmbiguousError struct {
	Name string
	What string   // "sessions", or what else a caller looks for
	Keys []string // some of them, at least two
}

func (e *AmbiguousError) Error() string {
	return fmt.Sprintf("%s means several %s: %s", e.Name, e.What, strings.Join(e.Keys, ", "))
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

	// walk walks the keys of all sessions, or of those of a node, behind a cursor. An error ends it.
	walk(ctx context.Context, node string, after cursor) iter.Seq2[batch, error]

	// like walks keys among which are all that name may mean, the one that is name before others. An error ends it.
	like(ctx context.Context, name string) iter.Seq2[batch, error]

	// texts returns what Redis has of the sessions with some keys, in their order: a string, or nil of one that
	// has ended.
	texts(ctx context.Context, keys []string) ([]any, error)
}

// batch is what one step of a walk has found: keys of sessions, behind a cursor and in the order of the walk.
type batch struct {
	keys []string
	at   cursor
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
	ID     string // on a node of the replaced system it may be any text
	Value  registry.Value
	Cursor string // for Query.After: a walk that continues after this session
}

// Key is the name under which the session is stored in Redis, after the prefix.
func (s Session) Key() string { return s.Node.String() + "_" + s.ID }

// Query says which sessions are meant; its zero value means all.
type Query struct {
	Node   string // a node's whole name
	Member string // as JSON: 42 or "bob"
	After  string // a Session.Cursor from an earlier walk with the same Query; any other gives ErrCursor
}

// Nodes returns the live nodes, in the order of their names and so of their starts. About.Sessions is
// what Redis has of each now. In the layout Keys that takes a walk over all keys, which also finds the
// nodes of the replaced system.
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
	nodes, odd, err := abouts(ctx, r.client.Redis(), r.names)
	if err = cmp.Or(err, odd); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(nodes, func(a About) bool { return !a.of(r.names) }), nil
}

// Sessions walks the sessions of live nodes. It keeps a bounded part of them in memory. A session
// that starts or ends meanwhile may be included or not. An error ends the walk.
//
// In the layout Hashes the order is by node, then hash, then id, and for one member by node and id. In
// the layout Keys it is Redis' own, a session may come twice while Redis resizes its table, and a Cursor
// ends with a fail-over of Redis.
func (r *Reader) Sessions(ctx context.Context, q Query) iter.Seq2[Session, error] {
	after, err := parseCursor(q.After, r.names.layout)
	if err == nil && q.Member != "" {
		q.Member, err = registry.CanonicalMember(q.Member)
	}
	switch {
	case err != nil:
		return func(yield func(Session, error) bool) { yield(Session{}, err) }
	case q.Member != "" && r.names.layout == Hashes:
		return r.read(ctx, r.walkIndex(ctx, q.Node, q.Member, after), every, q.Member)
	}
	return r.read(ctx, r.source.walk(ctx, q.Node, after), every, q.Member)
}

// read walks the sessions whose keys a walk finds and means wants, or those of a member among them.
func (r *Reader) read(ctx context.Context, walk iter.Seq2[batch, error], means func(key string) bool, member string) iter.Seq2[Session, error] {
	return func(yield func(Session, error) bool) {
		for b, err := range walk {
			keys := slices.DeleteFunc(b.keys, func(key string) bool { return !means(key) })
			for page := range slices.Chunk(keys, pageSize) {
				var sessions []Session
				if sessions, err = r.get(ctx, page); err != nil {
					break
				}
				for _, s := range sessions {
					if member != "" && !isMember(s.Value.MemberUID, member) {
						continue
					}
					s.Cursor = b.at.behind(s.Key()).String()
					if !yield(s, nil) {
						return
					}
				}
			}
			if err != nil {
				yield(Session{}, err)
				return
			}
		}
	}
}

func every(string) bool { return true }

// get returns the sessions with some keys, in their order, minus those that have ended. In the layout Keys what has
// the name of a session's key and holds none is no session.
func (r *Reader) get(ctx context.Context, keys []string) (sessions []Session, err error) {
	texts, err := r.source.texts(ctx, keys)
	if err != nil {
		return nil, err
	}
	for i, key := range keys {
		text, ok := texts[i].(string)
		if !ok {
			continue
		}
		var s Session
		s.Node, s.ID, err = parseKey(key)
		if err == nil {
			err = json.Unmarshal([]byte(text), &s.Value)
		}
		switch {
		case r.names.layout == Keys && (err != nil || s.Value.ServerUUID != s.Node.String() || s.Value.PrincipalUserName == ""):
		case err != nil:
			return nil, fmt.Errorf("read session %s%s: %w", r.names.own, key, err)
		default:
			sessions = append(sessions, s)
		}
	}
	return sessions, nil
}

// Member returns the sessions that a member has on live nodes of stompgw, from the index alone, in the
// order of nodes and ids. It returns at most 10,000, the first in that order. In the layout Keys only
// nodes with Config.Stored keep an index.
func (r *Reader) Member(ctx context.Context, member string) ([]Session, error) {
	member, err := registry.CanonicalMember(member)
	if err != nil {
		return nil, err
	}
	var all []Session
	for s, err := range r.read(ctx, r.walkIndex(ctx, "", member, cursor{}), every, member) {
		if err != nil {
			return nil, err
		}
		if all = append(all, s); len(all) == maxOfMember {
			break
		}
	}
	return all, nil
}

// walkIndex walks the keys that the index has of a member's sessions, in the order of nodes and ids.
func (r *Reader) walkIndex(ctx context.Context, node, member string, after cursor) iter.Seq2[batch, error] {
	return r.onNodes(ctx, node, after, func(n registry.Node, id string) iter.Seq2[batch, error] {
		return func(yield func(batch, error) bool) {
			shard := r.names.members(n.String(), shardOf(member))
			for more := true; more; {
				elements, err := r.client.Redis().ZRangeByLex(ctx, shard, &redis.ZRangeBy{
					Min: "(" + member + "\x00" + id, Max: "(" + member + "\x01", Count: pageSize,
				}).Result()
				var keys []string
				for _, element := range elements {
					l, wrong := parseElement(element)
					keys, id, err = append(keys, n.Key(l.id)), l.id.String(), cmp.Or(err, wrong)
				}
				if err != nil {
					err = fmt.Errorf("read %s: %w", shard, err)
				}
				if !yield(batch{keys: keys}, err) || err != nil {
					return
				}
				more = len(keys) == pageSize
			}
		}
	})
}

// onNodes walks the live nodes, or the one with a name, from a cursor on: each by walk, behind an id, which is empty
// but for the node of the cursor.
func (r *Reader) onNodes(ctx context.Context, name string, after cursor, walk func(n registry.Node, id string) iter.Seq2[batch, error]) iter.Seq2[batch, error] {
	return func(yield func(batch, error) bool) {
		live, err := r.live(ctx)
		if err != nil {
			yield(batch{}, err)
			return
		}
		last, at, _ := parseKey(after.key) // nothing of the beginning
		for _, about := range live {
			if name != "" && about.Node != name || about.Node < last.String() {
				continue
			}
			node, _ := registry.ParseNode(about.Node) // it is one, see parseAbout
			id := ""
			if node == last {
				id = at
			}
			for b, err := range walk(node, id) {
				if !yield(b, err) || err != nil {
					return
				}
			}
		}
	}
}

// isMember reports whether the member in a session's value is the given one.
func isMember(value json.RawMessage, member string) bool {
	if bytes.Equal(value, []byte(member)) {
		return true
	}
	id, err := registry.CanonicalMember(string(value)) // others may escape text in another way
	return err == nil && id == member
}

// Find returns the session of a live node that name means: by its key, by the start of its key if no other
// has that, or by its id if only one node has that. Errors are ErrNotFound and *AmbiguousError.
func (r *Reader) Find(ctx context.Context, name string) (Session, error) {
	if name == "" {
		return Session{}, ErrNotFound
	}
	found := map[string]Session{} // by key, since a walk may come to one twice
	for s, err := range r.read(ctx, r.source.like(ctx, name), func(key string) bool { return means(name, key) }, "") {
		if err != nil || s.Key() == name {
			return s, err
		}
		if found[s.Key()] = s; len(found) == maxAmbiguous {
			break
		}
	}
	keys := slices.Sorted(maps.Keys(found))
	switch len(keys) {
	case 0:
		return Session{}, ErrNotFound
	case 1:
		return found[keys[0]], nil
	}
	return Session{}, &AmbiguousError{name, "sessions", keys}
}

// means reports whether name is the beginning of a session's key, or its id.
func means(name, key string) bool {
	_, id, _ := parseKey(key)
	return strings.HasPrefix(key, name) || id == name
}
