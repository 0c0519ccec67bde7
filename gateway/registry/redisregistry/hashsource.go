package redisregistry

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/stompgw/stompgw/gateway/registry"
)

const (
	nodesAtOnce = 100  // nodes whose hashes are counted in one pipeline
	scanCount   = 1000 // elements that one step of a SCAN or HSCAN looks at
)

// hashSource reads the layout Hashes.
type hashSource struct {
	*Reader
}

func (r *hashSource) count(ctx context.Context, nodes []About) ([]About, error) {
	for some := range slices.Chunk(nodes, nodesAtOnce) {
		pipe := r.client.Redis().Pipeline()
		lengths := make([][buckets]*redis.IntCmd, len(some))
		for i, about := range some {
			lengths[i] = r.lengths(ctx, pipe, about.Node)
		}
		if _, err := pipe.Exec(ctx); err != nil {
			return nil, fmt.Errorf("count the sessions: %w", err)
		}
		for i := range some {
			some[i].Sessions = 0
			for _, length := range lengths[i] {
				some[i].Sessions += int(length.Val())
			}
		}
	}
	return nodes, nil
}

func (r *hashSource) lengths(ctx context.Context, pipe redis.Pipeliner, node string) (lengths [buckets]*redis.IntCmd) {
	for i := range lengths {
		lengths[i] = pipe.HLen(ctx, r.names.sessions(node, i))
	}
	return lengths
}

func (r *hashSource) walk(ctx context.Context, q Query) iter.Seq2[Session, error] {
	return func(yield func(Session, error) bool) {
		at, err := parsePosition(q.After)
		if err != nil {
			yield(Session{}, err)
			return
		}
		nodes, err := r.live(ctx)
		if err != nil {
			yield(Session{}, err)
			return
		}
		for _, about := range nodes {
			if q.Node != "" && about.Node != q.Node || about.Node < at.node {
				continue
			}
			for s, err := range r.walkNode(ctx, about.Node, q.Member, at.on(about.Node)) {
				if !yield(s, err) || err != nil {
					return
				}
			}
		}
	}
}

// position is where a walk is: behind a session of a node. Its zero value is the beginning.
type position struct {
	node string
	id   registry.SessionID
	set  bool
}

func parsePosition(cursor string) (position, error) {
	if cursor == "" {
		return position{}, nil
	}
	node, text, err := parseKey(cursor)
	if err != nil {
		return position{}, badCursor(cursor)
	}
	id, err := registry.ParseSessionID(text)
	if err != nil {
		return position{}, badCursor(cursor)
	}
	return position{node.String(), id, true}, nil
}

// on is where the walk is on one of the nodes that it has still to walk.
func (p position) on(node string) position {
	if p.node == node {
		return p
	}
	return position{node: node}
}

// before reports whether a session of the position's node comes behind it.
func (p position) before(id registry.SessionID) bool { return !p.set || order(p.id, id) < 0 }

// order is the order of a walk within a node.
func order(a, b registry.SessionID) int {
	return cmp.Or(cmp.Compare(bucketOf(a), bucketOf(b)), cmp.Compare(a, b))
}

// walkNode walks the sessions of one node, or those of a member there.
func (r *hashSource) walkNode(ctx context.Context, name, member string, at position) iter.Seq2[Session, error] {
	if member == "" {
		return r.walkHashes(ctx, name, at)
	}
	after := ""
	if at.set {
		after = at.id.String()
	}
	return r.walkMember(ctx, name, member, after)
}

// walkHashes keeps the ids of one hash in memory, or of several small ones.
func (r *hashSource) walkHashes(ctx context.Context, name string, at position) iter.Seq2[Session, error] {
	return func(yield func(Session, error) bool) {
		node, err := registry.ParseNode(name)
		if err != nil {
			yield(Session{}, err)
			return
		}
		groups, err := r.groups(ctx, node, at)
		if err != nil {
			yield(Session{}, err)
			return
		}
		for _, group := range groups {
			ids, err := r.ids(ctx, node, group)
			if err != nil {
				yield(Session{}, err)
				return
			}
			ids = slices.DeleteFunc(ids, func(id registry.SessionID) bool { return !at.before(id) })
			for page := range slices.Chunk(ids, pageSize) {
				sessions, err := r.get(ctx, node, page)
				if err != nil {
					yield(Session{}, err)
					return
				}
				for _, s := range sessions {
					s.Cursor = s.Key()
					if !yield(s, nil) {
						return
					}
				}
			}
		}
	}
}

// groups returns the hashes that are not empty and not before a position, together as far as they
// fill a page.
func (r *hashSource) groups(ctx context.Context, node registry.Node, at position) (groups [][]int, err error) {
	pipe := r.client.Redis().Pipeline()
	lengths := r.lengths(ctx, pipe, node.String())
	_, _ = pipe.Exec(ctx) // each command has its own error
	room := int64(0)
	for i, length := range lengths {
		n, err := length.Result()
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", r.names.sessions(node.String(), i), err)
		}
		if n == 0 || at.set && i < bucketOf(at.id) {
			continue
		}
		if n > room {
			groups, room = append(groups, nil), pageSize
		}
		last := &groups[len(groups)-1]
		*last = append(*last, i)
		room -= n
	}
	return groups, nil
}

// ids returns the sessions that stand in some hashes of a node, in the order of a walk.
func (r *hashSource) ids(ctx context.Context, node registry.Node, group []int) ([]registry.SessionID, error) {
	pipe := r.client.Redis().Pipeline()
	fields := make([]*redis.StringSliceCmd, len(group))
	for i, bucket := range group {
		fields[i] = pipe.HKeys(ctx, r.names.sessions(node.String(), bucket))
	}
	_, _ = pipe.Exec(ctx) // each command has its own error
	var ids []registry.SessionID
	for i, bucket := range group {
		key := r.names.sessions(node.String(), bucket)
		keys, err := fields[i].Result()
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", key, err)
		}
		ids = slices.Grow(ids, len(keys))
		for _, k := range keys {
			id, err := idOf(k, node, bucket)
			if err != nil {
				return nil, fmt.Errorf("read %s: %w", key, err)
			}
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, order)
	return ids, nil
}

// idOf returns the session of a field in a hash of a node.
func idOf(field string, node registry.Node, bucket int) (registry.SessionID, error) {
	owner, text, err := parseKey(field)
	if err != nil {
		return 0, err
	}
	id, err := registry.ParseSessionID(text)
	if err == nil && (owner != node || bucketOf(id) != bucket) {
		err = fmt.Errorf("session %s does not belong there", field)
	}
	return id, err
}

func (r *hashSource) get(ctx context.Context, node registry.Node, ids []registry.SessionID) ([]Session, error) {
	var fields [buckets][]string
	for _, id := range ids {
		fields[bucketOf(id)] = append(fields[bucketOf(id)], node.Key(id))
	}
	pipe := r.client.Redis().Pipeline()
	var values [buckets]*redis.SliceCmd
	for i, some := range fields {
		if len(some) > 0 {
			values[i] = pipe.HMGet(ctx, r.names.sessions(node.String(), i), some...)
		}
	}
	_, _ = pipe.Exec(ctx) // each command has its own error
	sessions := make([]Session, 0, len(ids))
	var taken [buckets]int
	for _, id := range ids {
		i := bucketOf(id)
		all, err := values[i].Result()
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", r.names.sessions(node.String(), i), err)
		}
		text, ok := all[taken[i]].(string)
		if taken[i]++; !ok {
			continue // it has ended meanwhile
		}
		s := Session{Node: node, ID: id.String()}
		if err := json.Unmarshal([]byte(text), &s.Value); err != nil {
			return nil, fmt.Errorf("read session %s in %s: %w", s.Key(), r.names.sessions(node.String(), i), err)
		}
		sessions = append(sessions, s)
	}
	return sessions, nil
}

func (r *hashSource) find(ctx context.Context, name string) ([]Session, error) {
	nodes, err := r.live(ctx)
	if err != nil {
		return nil, err
	}
	var found []Session
	for _, about := range nodes {
		some, err := r.findOn(ctx, about.Node, name)
		if err != nil {
			return nil, err
		}
		if found = append(found, some...); len(found) >= maxAmbiguous {
			break
		}
	}
	return found, nil
}

// findOn returns some of the sessions of a node that name means.
func (r *hashSource) findOn(ctx context.Context, node, name string) ([]Session, error) {
	parsed, err := registry.ParseNode(node)
	if err != nil {
		return nil, err
	}
	rest, isKey := strings.CutPrefix(name, node+"_")
	if !isKey {
		rest = name
	}
	if id, err := registry.ParseSessionID(rest); err == nil { // a key, or an id alone
		if found, err := r.get(ctx, parsed, []registry.SessionID{id}); err != nil || len(found) > 0 {
			return found, err
		}
	}
	switch {
	case isKey:
		return r.beginning(ctx, parsed, name)
	case strings.HasPrefix(node+"_", name):
		return r.first(ctx, node)
	}
	return nil, nil
}

// first returns the first sessions of a node.
func (r *hashSource) first(ctx context.Context, node string) (found []Session, err error) {
	for s, err := range r.walkHashes(ctx, node, position{node: node}) {
		if err != nil {
			return nil, err
		}
		if found = append(found, s); len(found) == maxAmbiguous {
			break
		}
	}
	return found, nil
}

// beginning returns some of the sessions of a node whose keys begin with text. Redis looks for them,
// so that not all keys cross the network.
func (r *hashSource) beginning(ctx context.Context, node registry.Node, text string) ([]Session, error) {
	var ids []registry.SessionID
	for bucket := range buckets {
		key := r.names.sessions(node.String(), bucket)
		for cursor, first := uint64(0), true; first || cursor != 0; first = false {
			fields, next, err := r.client.Redis().HScan(ctx, key, cursor, escape(text)+"*", scanCount).Result()
			if err != nil {
				return nil, fmt.Errorf("read %s: %w", key, err)
			}
			for i := 0; i < len(fields); i += 2 { // field, value, field, value
				id, err := idOf(fields[i], node, bucket)
				if err != nil {
					return nil, fmt.Errorf("read %s: %w", key, err)
				}
				ids = append(ids, id)
			}
			cursor = next
		}
		slices.Sort(ids)
		if ids = slices.Compact(ids); len(ids) >= maxAmbiguous { // HSCAN may return a field twice
			break
		}
	}
	return r.get(ctx, node, ids[:min(len(ids), maxAmbiguous)])
}

// escape makes text mean itself in a pattern of Redis.
func escape(text string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`).Replace(text)
}
