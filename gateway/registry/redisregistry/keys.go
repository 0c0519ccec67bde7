package redisregistry

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/stompgw/stompgw/gateway/registry"
)

// keys is the layout Keys. A key that Redis has too much, such as one that a fail-over brought back,
// is not refreshed and so goes by itself.
type keys struct {
	*place
	rows               // the index, where somebody asks for the sessions of a member
	most time.Duration // that a refresh may go on while part of a Redis Cluster is away
}

func (k *keys) name(id registry.SessionID) string { return k.names.prefix + k.node.Key(id) }

func (k *keys) queue(ctx context.Context, pipe redis.Pipeliner, changes *[buckets]change) {
	for _, c := range changes {
		for _, s := range c.put {
			pipe.Set(ctx, k.name(s.ID), k.value(s), k.expiry)
		}
		for _, l := range c.drop {
			pipe.Del(ctx, k.name(l.id))
		}
	}
	k.rows.queue(ctx, pipe, changes)
}

func (k *keys) refresh(ctx context.Context, pipe redis.Pipeliner, doubt bool) (lost int, err error) {
	k.ask(ctx, pipe)
	began, failed := time.Now(), exec(ctx, pipe)
	for ids := range slices.Chunk(k.book.sent(false), pipelineChanges) {
		n, some, err := k.touch(ctx, ids)
		if lost += n; err == nil {
			continue
		}
		// On a Redis Cluster that lacks a master, what stands on the others must not expire meanwhile.
		if failed = err; !some || time.Since(began) > k.most {
			return lost, err
		}
	}
	if failed != nil {
		return lost, failed
	}
	n, err := k.mend(ctx, doubt)
	return lost + n, err
}

// touch moves the expiries of some sessions, and makes those dirty that Redis has not. some says that
// Redis has answered part of it, if not all.
func (k *keys) touch(ctx context.Context, ids []registry.SessionID) (lost int, some bool, err error) {
	pipe := k.client.Redis().Pipeline()
	moved := make([]*redis.BoolCmd, len(ids))
	for i, id := range ids {
		moved[i] = pipe.PExpire(ctx, k.name(id), k.expiry)
	}
	err = exec(ctx, pipe)
	for i, cmd := range moved {
		if cmd.Err() != nil {
			continue
		}
		some = true
		if !cmd.Val() && k.book.buckets[bucketOf(ids[i])].redo(ids[i]) {
			lost++
		}
	}
	return lost, some, err
}

func (k *keys) leave(ctx context.Context, pipe redis.Pipeliner) error {
	err := k.rows.leave(ctx, pipe)
	for ids := range slices.Chunk(k.book.sent(true), pipelineChanges) {
		if err != nil {
			return err
		}
		pipe := k.client.Redis().Pipeline()
		for _, id := range ids {
			pipe.Del(ctx, k.name(id))
		}
		err = exec(ctx, pipe)
	}
	return err
}

const (
	scanCount  = 1000     // keys that one step of a SCAN looks at
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
	for batch, err := range r.scan(ctx, r.pattern(""), cursor{scan: true}) {
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
	sessions, err := r.get(ctx, f.samples)
	return len(sessions) > 0 && sessions[0].Value.ConnectedAt == nil, err
}

func (r *keySource) walk(ctx context.Context, node string, after cursor) iter.Seq2[batch, error] {
	return r.scan(ctx, r.pattern(node), after)
}

func (r *keySource) like(ctx context.Context, name string) iter.Seq2[batch, error] {
	return func(yield func(batch, error) bool) {
		if !yield(batch{keys: []string{name}}, nil) {
			return
		}
		pattern := escape(r.names.prefix+name) + "*"
		if !strings.ContainsAny(name, "/_") { // it may be an id as well
			pattern = r.pattern("")
		}
		r.scan(ctx, pattern, cursor{scan: true})(yield)
	}
}

func (r *keySource) texts(ctx context.Context, keys []string) ([]any, error) {
	pipe := r.client.Redis().Pipeline()
	values := make([]*redis.StringCmd, len(keys))
	for i, key := range keys {
		values[i] = pipe.GetRange(ctx, r.names.prefix+key, 0, maxValue) // others' data may be of any size
	}
	_, _ = pipe.Exec(ctx) // each command has its own error
	texts := make([]any, len(keys))
	for i, key := range keys {
		text, err := values[i].Result()
		switch {
		case err == nil && len(text) <= maxValue:
			texts[i] = text
		case err != nil && !redis.HasErrorPrefix(err, "WRONGTYPE"):
			return nil, fmt.Errorf("read %s: %w", r.names.prefix+key, err)
		}
	}
	return texts, nil
}

// scan walks the keys of all servers that fit a pattern, from a position on. An error ends the walk.
func (r *keySource) scan(ctx context.Context, pattern string, from cursor) iter.Seq2[batch, error] {
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
			from = cursor{scan: true}
		}
	}
}

func (r *keySource) scanOne(ctx context.Context, m master, pattern string, from cursor) iter.Seq2[batch, error] {
	return func(yield func(batch, error) bool) {
		for from.server = m.addr; ; from.key = "" {
			keys, next, err := m.client.Scan(ctx, from.step, pattern, scanCount).Result()
			if err != nil {
				yield(batch{}, fmt.Errorf("scan the keys of redis: %w", err))
				return
			}
			if !yield(batch{r.sessionKeys(keys, from.key), from}, nil) || next == 0 {
				return
			}
			from.step = next
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

// escape makes text mean itself in a pattern of Redis.
func escape(text string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`).Replace(text)
}
