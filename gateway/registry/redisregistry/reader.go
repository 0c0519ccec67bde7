package redisregistry

import (
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

const (
	scanCount = 1000 // fields asked for by one HSCAN; Redis may give some more
	pageSize  = 500  // sessions whose values are in memory at once
)

// Reader reads the sessions of all live nodes. Its methods may be called from any goroutine.
type Reader struct {
	client redis.UniversalClient
	keys   keys
}

// NewReader returns a Reader of what Registries with the same prefix write. The client stays the
// caller's.
func NewReader(client redis.UniversalClient, prefix string) *Reader {
	return &Reader{client, keys{prefix}}
}

// Session is a session as Redis has it.
type Session struct {
	Node  registry.Node
	ID    registry.SessionID
	Value registry.Value
}

// Key is the name under which the session stands in Redis.
func (s Session) Key() string { return s.Node.Key(s.ID) }

// Nodes returns the live nodes, in the order of their names and so of their starts.
func (r *Reader) Nodes(ctx context.Context) ([]registry.Node, error) {
	names, err := r.client.SMembers(ctx, r.keys.nodes()).Result()
	if err != nil {
		return nil, fmt.Errorf("read the nodes: %w", err)
	}
	slices.Sort(names)
	pipe := r.client.Pipeline()
	alive := make([]*redis.IntCmd, len(names))
	for i, name := range names {
		alive[i] = pipe.Exists(ctx, r.keys.alive(name))
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, fmt.Errorf("read which nodes are alive: %w", err)
	}
	var nodes []registry.Node
	for i, name := range names {
		if alive[i].Val() == 0 {
			continue
		}
		node, err := registry.ParseNode(name)
		if err != nil {
			return nil, fmt.Errorf("read the nodes in %s: %w", r.keys.nodes(), err)
		}
		nodes = append(nodes, node)
	}
	return nodes, nil
}

// Sessions walks the sessions of the given nodes in the order of nodes and ids. It keeps 8 bytes
// for each session of one node and the values of one page in memory. A session that comes or ends
// meanwhile may be there or not. An error ends the walk.
func (r *Reader) Sessions(ctx context.Context, nodes []registry.Node) iter.Seq2[Session, error] {
	return func(yield func(Session, error) bool) {
		for _, node := range nodes {
			ids, err := r.ids(ctx, node)
			if err != nil {
				yield(Session{}, err)
				return
			}
			for page := range slices.Chunk(ids, pageSize) {
				sessions, err := r.page(ctx, node, page)
				if err != nil {
					yield(Session{}, err)
					return
				}
				for _, s := range sessions {
					if !yield(s, nil) {
						return
					}
				}
			}
		}
	}
}

// ids returns the sessions of a node, in order.
func (r *Reader) ids(ctx context.Context, node registry.Node) ([]registry.SessionID, error) {
	var ids []registry.SessionID
	for bucket := range buckets {
		key := r.keys.sessions(node.String(), bucket)
		for cursor, first := uint64(0), true; first || cursor != 0; first = false {
			fields, next, err := r.client.HScan(ctx, key, cursor, "", scanCount).Result()
			if err != nil {
				return nil, fmt.Errorf("read %s: %w", key, err)
			}
			for i := 0; i < len(fields); i += 2 { // field, value, field, value
				_, id, err := parseKey(fields[i])
				if err != nil {
					return nil, fmt.Errorf("read %s: %w", key, err)
				}
				ids = append(ids, id)
			}
			cursor = next
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil // HSCAN may return a field twice
}

// page returns the sessions of a node with the given ids, less those that have ended.
func (r *Reader) page(ctx context.Context, node registry.Node, ids []registry.SessionID) ([]Session, error) {
	pipe := r.client.Pipeline()
	values := make([]*redis.StringCmd, len(ids))
	for i, id := range ids {
		values[i] = pipe.HGet(ctx, r.keys.sessions(node.String(), bucketOf(id)), node.Key(id))
	}
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return nil, fmt.Errorf("read sessions of %s: %w", node, err)
	}
	sessions := make([]Session, 0, len(ids))
	for i, value := range values {
		text, err := value.Bytes()
		if errors.Is(err, redis.Nil) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read session %s: %w", node.Key(ids[i]), err)
		}
		s := Session{Node: node, ID: ids[i]}
		if err := json.Unmarshal(text, &s.Value); err != nil {
			return nil, fmt.Errorf("read session %s: %w", s.Key(), err)
		}
		sessions = append(sessions, s)
	}
	return sessions, nil
}

// Find returns the session with the given key, or ErrNotFound.
func (r *Reader) Find(ctx context.Context, key string) (Session, error) {
	node, id, err := parseKey(key)
	if err != nil {
		return Session{}, err
	}
	sessions, err := r.page(ctx, node, []registry.SessionID{id})
	if err == nil && len(sessions) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return Session{}, err
	}
	return sessions[0], nil
}

func parseKey(key string) (registry.Node, registry.SessionID, error) {
	name, text, ok := strings.Cut(key, "_")
	if !ok {
		return registry.Node{}, 0, fmt.Errorf("%q is not a session key: want <node>_<session id>", key)
	}
	node, err := registry.ParseNode(name)
	if err != nil {
		return registry.Node{}, 0, err
	}
	id, err := registry.ParseSessionID(text)
	return node, id, err
}
