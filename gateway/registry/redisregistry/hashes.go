package redisregistry

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/stompgw/stompgw/gateway/registry"
)

const nodesAtOnce = 100 // nodes whose hashes are counted in one pipeline

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
			some[i].Sessions = sum(lengths[i])
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

func sum(lengths [buckets]*redis.IntCmd) (n int) {
	for _, length := range lengths {
		n += int(length.Val())
	}
	return n
}

func (r *hashSource) walk(ctx context.Context, node string, after cursor) iter.Seq2[batch, error] {
	return r.onNodes(ctx, node, after, func(n registry.Node, id string) iter.Seq2[batch, error] { return r.walkNode(ctx, n, id) })
}

// walkNode walks the sessions of a node, hash by hash and behind an id, if one is given. It keeps the keys of one
// hash in memory, or of as many as fill a page, since all hashes of a node have about as many.
func (r *hashSource) walkNode(ctx context.Context, node registry.Node, behind string) iter.Seq2[batch, error] {
	return func(yield func(batch, error) bool) {
		first := 0
		if id, err := registry.ParseSessionID(behind); err == nil {
			first = bucketOf(id)
		}
		pipe := r.client.Redis().Pipeline()
		lengths := r.lengths(ctx, pipe, node.String())
		_, _ = pipe.Exec(ctx) // what is wrong, keys tells
		step := max(1, buckets*pageSize/max(1, sum(lengths)))
		for at := first; at < buckets; at += step {
			keys, err := r.keys(ctx, node, at, min(at+step, buckets))
			if at == first {
				keys = slices.DeleteFunc(keys, func(key string) bool {
					return r.hashOf(key) == r.names.sessions(node.String(), first) && byID(key, node.String()+"_"+behind) <= 0
				})
			}
			if !yield(batch{keys: keys}, err) || err != nil {
				return
			}
		}
	}
}

// keys returns the keys in the hashes of a node from one to before another, in the order of hashes and ids.
func (r *hashSource) keys(ctx context.Context, node registry.Node, from, to int) (keys []string, err error) {
	pipe := r.client.Redis().Pipeline()
	var fields [buckets]*redis.StringSliceCmd
	for i := from; i < to; i++ {
		fields[i] = pipe.HKeys(ctx, r.names.sessions(node.String(), i))
	}
	_, _ = pipe.Exec(ctx) // each command has its own error
	for i := from; i < to; i++ {
		some, err := fields[i].Result()
		for _, key := range some {
			if id, wrong := idOf(node, key); wrong != nil || bucketOf(id) != i {
				err = cmp.Or(wrong, fmt.Errorf("session %s does not belong there", key))
			}
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", r.names.sessions(node.String(), i), err)
		}
		slices.SortFunc(some, byID)
		keys = append(keys, some...)
	}
	return keys, nil
}

// byID compares the keys of sessions of one node. The ids are in hexadecimal digits: the longer one is larger.
func byID(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) }

func (r *hashSource) texts(ctx context.Context, keys []string) (texts []any, err error) {
	pipe := r.client.Redis().Pipeline()
	var some []*redis.SliceCmd
	for len(keys) > 0 { // those of one hash stand together
		hash := r.hashOf(keys[0])
		n := 1
		for n < len(keys) && r.hashOf(keys[n]) == hash {
			n++
		}
		some = append(some, pipe.HMGet(ctx, hash, keys[:n]...))
		keys = keys[n:]
	}
	_, _ = pipe.Exec(ctx) // each command has its own error
	for _, cmd := range some {
		values, err := cmd.Result()
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", cmd.Args()[1], err)
		}
		texts = append(texts, values...)
	}
	return texts, nil
}

// hashOf is where the session with a key stands, which is one of stompgw's.
func (r *hashSource) hashOf(key string) string {
	node, id, _ := parseOurKey(key)
	return r.names.sessions(node.String(), bucketOf(id))
}

func (r *hashSource) like(ctx context.Context, name string) iter.Seq2[batch, error] {
	return r.onNodes(ctx, "", cursor{}, func(n registry.Node, _ string) iter.Seq2[batch, error] {
		return func(yield func(batch, error) bool) {
			own := n.String() + "_"
			id := strings.TrimPrefix(name, own)
			if _, err := registry.ParseSessionID(id); err == nil && !yield(batch{keys: []string{own + id}}, nil) {
				return // it was that key, or that id alone
			}
			if strings.HasPrefix(name, own) || strings.HasPrefix(own, name) {
				r.walkNode(ctx, n, "")(yield)
			}
		}
	})
}
