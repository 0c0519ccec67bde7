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

func (r *hashSource) walk(ctx context.Context, node string, after cursor) iter.Seq2[batch, error] {
	return r.onNodes(ctx, node, after, func(n registry.Node, id string) iter.Seq2[batch, error] { return r.walkNode(ctx, n, id) })
}

// walkNode walks the sessions of a node, hash by hash and behind an id, if one is given. It keeps the keys of one
// hash in memory, or of several small ones.
func (r *hashSource) walkNode(ctx context.Context, node registry.Node, behind string) iter.Seq2[batch, error] {
	return func(yield func(batch, error) bool) {
		first := 0
		if id, err := registry.ParseSessionID(behind); err == nil {
			first = bucketOf(id)
		}
		groups, err := r.groups(ctx, node, first)
		if err != nil {
			yield(batch{}, err)
			return
		}
		for _, group := range groups {
			found, err := r.keys(ctx, node, group)
			if err == nil && group[0] == first {
				at, is := slices.BinarySearchFunc(found[0], node.String()+"_"+behind, byID)
				if found[0] = found[0][at:]; is {
					found[0] = found[0][1:]
				}
			}
			if !yield(batch{keys: slices.Concat(found...)}, err) || err != nil {
				return
			}
		}
	}
}

// groups returns the hashes that are not empty, from the first on, together as far as they fill a page.
func (r *hashSource) groups(ctx context.Context, node registry.Node, first int) (groups [][]int, err error) {
	pipe := r.client.Redis().Pipeline()
	lengths := r.lengths(ctx, pipe, node.String())
	_, _ = pipe.Exec(ctx) // each command has its own error
	room := int64(0)
	for i, length := range lengths {
		n, err := length.Result()
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", r.names.sessions(node.String(), i), err)
		}
		if n == 0 || i < first {
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

// keys returns the keys in some hashes of a node, each list in the order of the ids.
func (r *hashSource) keys(ctx context.Context, node registry.Node, group []int) ([][]string, error) {
	pipe := r.client.Redis().Pipeline()
	fields := make([]*redis.StringSliceCmd, len(group))
	for i, bucket := range group {
		fields[i] = pipe.HKeys(ctx, r.names.sessions(node.String(), bucket))
	}
	_, _ = pipe.Exec(ctx) // each command has its own error
	found := make([][]string, len(group))
	for i, bucket := range group {
		var err error
		if found[i], err = fields[i].Result(); err == nil {
			err = checkFields(found[i], node, bucket)
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", r.names.sessions(node.String(), bucket), err)
		}
		slices.SortFunc(found[i], byID)
	}
	return found, nil
}

// byID compares the keys of sessions of one node. The ids are in hexadecimal digits: the longer one is larger.
func byID(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) }

// checkFields holds that fields of a hash are keys of sessions that belong there.
func checkFields(fields []string, node registry.Node, bucket int) error {
	for _, field := range fields {
		owner, text, err := parseKey(field)
		if err != nil {
			return err
		}
		id, err := registry.ParseSessionID(text)
		if err != nil {
			return err
		}
		if owner != node || bucketOf(id) != bucket {
			return fmt.Errorf("session %s does not belong there", field)
		}
	}
	return nil
}

func (r *hashSource) get(ctx context.Context, keys []string) ([]Session, error) {
	sessions := make([]Session, len(keys))
	hashes := make([]string, len(keys))
	fields := make(map[string][]string) // by hash
	for i, key := range keys {
		node, text, err := parseKey(key)
		if err != nil {
			return nil, err
		}
		id, err := registry.ParseSessionID(text)
		if err != nil {
			return nil, err
		}
		sessions[i] = Session{Node: node, ID: text}
		hashes[i] = r.names.sessions(node.String(), bucketOf(id))
		fields[hashes[i]] = append(fields[hashes[i]], key)
	}
	pipe := r.client.Redis().Pipeline()
	values := make(map[string]*redis.SliceCmd, len(fields))
	for hash, some := range fields {
		values[hash] = pipe.HMGet(ctx, hash, some...)
	}
	_, _ = pipe.Exec(ctx) // each command has its own error
	found := sessions[:0]
	taken := make(map[string]int, len(fields))
	for i, s := range sessions {
		all, err := values[hashes[i]].Result()
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", hashes[i], err)
		}
		text, ok := all[taken[hashes[i]]].(string)
		if taken[hashes[i]]++; !ok {
			continue // it has ended meanwhile
		}
		if err := json.Unmarshal([]byte(text), &s.Value); err != nil {
			return nil, fmt.Errorf("read session %s in %s: %w", keys[i], hashes[i], err)
		}
		found = append(found, s)
	}
	return found, nil
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
