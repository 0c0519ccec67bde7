package redisregistry

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/stompgw/stompgw/gateway/registry"
)

const (
	maxValue   = 64 << 10 // bytes of what may be a session
	maxForeign = 10_000   // nodes of the replaced system
	samples    = 3        // sessions that show whose node it is
)

// keySource reads the layout Keys, where sessions stand among what may be others' keys. What has the
// name of a session's key and does not hold a session is no session.
type keySource struct {
	*Reader
}

// pattern is that of the keys of all sessions, or of those of a node.
func (r *keySource) pattern(node string) string {
	if node == "" {
		return escape(r.names.prefix) + "[0-9]*/*_*"
	}
	return escape(r.names.prefix+node) + "_*"
}

func (r *keySource) count(ctx context.Context, nodes []About) ([]About, error) {
	live := make(map[string]*About, len(nodes))
	for i := range nodes {
		nodes[i].Sessions = 0
		live[nodes[i].Node] = &nodes[i]
	}
	foreign := make(map[string]*foreignNode)
	for batch, err := range r.scan(ctx, r.pattern(""), scanPosition{}) {
		if err != nil {
			return nil, err
		}
		for _, key := range batch.keys {
			node, _, _ := parseKey(key)
			if about := live[node.String()]; about != nil {
				about.Sessions++
			} else if err := noteForeign(foreign, node.String(), key); err != nil {
				return nil, err
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(foreign)) {
		is, err := r.isForeign(ctx, foreign[name])
		if err != nil {
			return nil, err
		}
		if is {
			nodes = append(nodes, About{Node: name, Sessions: foreign[name].sessions})
		}
	}
	slices.SortFunc(nodes, func(a, b About) int { return cmp.Compare(a.Node, b.Node) })
	return nodes, nil
}

// foreignNode is what the names of keys say of a node that is no live one of stompgw.
type foreignNode struct {
	sessions int
	samples  []string
}

func noteForeign(foreign map[string]*foreignNode, node, key string) error {
	f := foreign[node]
	if f == nil {
		if len(foreign) == maxForeign {
			return fmt.Errorf("redis has keys such as %s of over %d nodes: they are no sessions, or the prefix is wrong", key, maxForeign)
		}
		f = new(foreignNode)
		foreign[node] = f
	}
	if f.sessions++; len(f.samples) < samples {
		f.samples = append(f.samples, key)
	}
	return nil
}

// isForeign reports whether a node is one of the replaced system, rather than others' data or a node
// of stompgw that has died.
func (r *keySource) isForeign(ctx context.Context, f *foreignNode) (bool, error) {
	sessions, err := r.values(ctx, f.samples)
	return len(sessions) > 0 && sessions[0].Value.ConnectedAt == nil, err
}

func (r *keySource) walk(ctx context.Context, q Query) iter.Seq2[Session, error] {
	return func(yield func(Session, error) bool) {
		at, err := parseScanPosition(q.After)
		if err != nil {
			yield(Session{}, err)
			return
		}
		for batch, err := range r.scan(ctx, r.pattern(q.Node), at) {
			if err != nil {
				yield(Session{}, err)
				return
			}
			for page := range slices.Chunk(batch.keys, pageSize) {
				sessions, err := r.values(ctx, page)
				if err != nil {
					yield(Session{}, err)
					return
				}
				for _, s := range sessions {
					if q.Member != "" && !isMember(s.Value.MemberUID, q.Member) {
						continue
					}
					s.Cursor = batch.at.behind(s.Key())
					if !yield(s, nil) {
						return
					}
				}
			}
		}
	}
}

// values returns the sessions that stand under some keys.
func (r *keySource) values(ctx context.Context, keys []string) ([]Session, error) {
	pipe := r.client.Redis().Pipeline()
	values := make([]*redis.StringCmd, len(keys))
	for i, key := range keys {
		values[i] = pipe.GetRange(ctx, r.names.prefix+key, 0, maxValue) // others' data may be of any size
	}
	_, _ = pipe.Exec(ctx) // each command has its own error
	sessions := make([]Session, 0, len(keys))
	for i, key := range keys {
		text, err := values[i].Bytes()
		if redis.HasErrorPrefix(err, "WRONGTYPE") {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", r.names.prefix+key, err)
		}
		if s, ok := sessionOf(key, text); ok {
			sessions = append(sessions, s)
		}
	}
	return sessions, nil
}

// sessionOf returns the session that a key holds, if it holds one.
func sessionOf(key string, text []byte) (s Session, ok bool) {
	var err error
	if s.Node, s.ID, err = parseKey(key); err != nil || len(text) > maxValue {
		return Session{}, false
	}
	if err := json.Unmarshal(text, &s.Value); err != nil {
		return Session{}, false
	}
	return s, s.Value.ServerUUID == s.Node.String() && s.Value.PrincipalUserName != ""
}

func (r *keySource) get(ctx context.Context, node registry.Node, ids []registry.SessionID) ([]Session, error) {
	keys := make([]string, len(ids))
	for i, id := range ids {
		keys[i] = node.Key(id)
	}
	return r.values(ctx, keys)
}

func (r *keySource) find(ctx context.Context, name string) ([]Session, error) {
	if exact, err := r.values(ctx, []string{name}); err != nil || len(exact) > 0 {
		return exact, err
	}
	pattern := escape(r.names.prefix+name) + "*"
	if !strings.ContainsAny(name, "/_") { // it may be an id as well
		pattern = r.pattern("")
	}
	var found []Session
	for batch, err := range r.scan(ctx, pattern, scanPosition{}) {
		if err != nil {
			return nil, err
		}
		some, err := r.values(ctx, slices.DeleteFunc(batch.keys, func(key string) bool { return !means(name, key) }))
		if err != nil {
			return nil, err
		}
		if found = append(found, some...); len(found) > 0 {
			slices.SortFunc(found, func(a, b Session) int { return cmp.Compare(a.Key(), b.Key()) })
			found = slices.CompactFunc(found, func(a, b Session) bool { return a.Key() == b.Key() })
		}
		if len(found) >= maxAmbiguous {
			return found, nil
		}
	}
	return found, nil
}

// means reports whether name is the beginning of a session's key, or its id.
func means(name, key string) bool {
	_, id, _ := parseKey(key)
	return strings.HasPrefix(key, name) || id == name
}

// scanPosition is where a walk over all keys is: at a step of the SCAN of a server, behind a key.
// A step is sorted, so that keys that come or go in between don't matter. Its zero value is the
// beginning.
type scanPosition struct {
	cursor uint64
	server string // the address; empty when there is only one
	key    string
}

func (p scanPosition) behind(key string) string {
	return strconv.FormatUint(p.cursor, 10) + "|" + p.server + "|" + key
}

func parseScanPosition(text string) (p scanPosition, err error) {
	if text == "" {
		return p, nil
	}
	parts := strings.SplitN(text, "|", 3)
	if len(parts) == 3 {
		p.server, p.key = parts[1], parts[2]
		p.cursor, err = strconv.ParseUint(parts[0], 10, 64)
	}
	if len(parts) != 3 || err != nil {
		return p, badCursor(text)
	}
	return p, nil
}

// batch is what one step of a SCAN has found: keys of sessions by their names, without the prefix and
// in order.
type batch struct {
	keys []string
	at   scanPosition
}

// scan walks the keys of all servers that fit a pattern, from a position on. An error ends the walk.
func (r *keySource) scan(ctx context.Context, pattern string, from scanPosition) iter.Seq2[batch, error] {
	return func(yield func(batch, error) bool) {
		masters, err := mastersOf(ctx, r.client.Redis())
		if err != nil {
			yield(batch{}, fmt.Errorf("find the servers of the cluster: %w", err))
			return
		}
		first := slices.IndexFunc(masters, func(m master) bool { return m.addr == from.server })
		if from.server == "" {
			first = 0
		}
		if first < 0 || len(masters) == 0 {
			yield(batch{}, fmt.Errorf("there is no redis master %q: %w", from.server, ErrCursor))
			return
		}
		for _, m := range masters[first:] {
			for b, err := range r.scanOne(ctx, m, pattern, from) {
				if !yield(b, err) || err != nil {
					return
				}
			}
			from = scanPosition{}
		}
	}
}

func (r *keySource) scanOne(ctx context.Context, m master, pattern string, from scanPosition) iter.Seq2[batch, error] {
	return func(yield func(batch, error) bool) {
		at := scanPosition{cursor: from.cursor, server: m.addr}
		for {
			keys, next, err := m.client.Scan(ctx, at.cursor, pattern, scanCount).Result()
			if err != nil {
				yield(batch{}, fmt.Errorf("scan the keys of redis: %w", err))
				return
			}
			if !yield(batch{r.sessionKeys(keys, from.key), at}, nil) || next == 0 {
				return
			}
			at.cursor, from.key = next, ""
		}
	}
}

// sessionKeys returns those of some keys that are names of sessions and come behind after, without
// the prefix.
func (r *keySource) sessionKeys(keys []string, after string) []string {
	sessions := keys[:0]
	for _, key := range keys {
		key, ok := strings.CutPrefix(key, r.names.prefix)
		if _, _, err := parseKey(key); ok && err == nil && key > after {
			sessions = append(sessions, key)
		}
	}
	slices.Sort(sessions)
	return slices.Compact(sessions)
}
