package redisregistry

import (
	"context"
	"slices"

	"github.com/redis/go-redis/v9"

	"github.com/stompgw/stompgw/gateway/registry"
)

// rows are the layout Hashes: the sessions, and the index of members. The layout Keys may have the index too.
type rows []*row

func (rs rows) queue(ctx context.Context, pipe redis.Pipeliner, changes *[buckets]change) {
	for _, w := range rs {
		w.queue(ctx, pipe, changes)
	}
}

func (rs rows) settle(err error) {
	for _, w := range rs {
		w.settle(err)
	}
}

func (rs rows) refresh(ctx context.Context, pipe redis.Pipeliner, doubt bool) (lost int, err error) {
	rs.ask(ctx, pipe)
	if err := exec(ctx, pipe); err != nil {
		return 0, err
	}
	return rs.mend(ctx, doubt)
}

// ask appends the commands that move the expiries and ask for the lengths.
func (rs rows) ask(ctx context.Context, pipe redis.Pipeliner) {
	for _, w := range rs {
		for i := range w.asked {
			pipe.PExpire(ctx, w.name(i), w.expiry)
			w.asked[i] = w.command(ctx, pipe, w.count, i)
		}
	}
}

// mend compares what ask was told with the book.
func (rs rows) mend(ctx context.Context, doubt bool) (lost int, err error) {
	for _, w := range rs {
		n, err := w.mend(ctx, doubt)
		if lost += n; err != nil {
			return lost, err
		}
	}
	return lost, nil
}

func (rs rows) leave(ctx context.Context, pipe redis.Pipeliner) error {
	for _, w := range rs {
		for i := range buckets {
			pipe.Unlink(ctx, w.name(i))
		}
	}
	return exec(ctx, pipe)
}

// kind is what the keys of a row are.
type kind struct {
	add, take, count string // the commands
	all              []any  // the one that returns the elements, in which the key comes second

	key     func(n names, node string, i int) string
	at      func(l listing) int // which key a session stands in, -1 for none
	element func(p *place, l listing) string
	parse   func(p *place, element string) (l listing, err error)
	added   func(p *place, s registry.Session, element string) []any // what add takes
	dropped func(c change) []listing
}

// hashes are the kind of the sessions, by their keys.
var hashes = kind{
	add: "HSET", take: "HDEL", count: "HLEN", all: []any{"HKEYS", ""},
	key:     names.sessions,
	at:      func(l listing) int { return bucketOf(l.id) },
	element: func(p *place, l listing) string { return p.node.Key(l.id) },
	parse: func(p *place, element string) (listing, error) {
		id, err := idOf(p.node, element)
		return listing{id: id}, err
	},
	added:   func(p *place, s registry.Session, element string) []any { return []any{element, p.value(s)} },
	dropped: func(c change) []listing { return c.drop },
}

// index is the kind of the sessions of each member. Those of one stand side by side in a sorted set: all
// scores are 0, and Redis then sorts by bytes.
var index = kind{
	add: "ZADD", take: "ZREM", count: "ZCARD", all: []any{"ZRANGE", "", 0, -1},
	key: names.members,
	at: func(l listing) int {
		if l.member == "" {
			return -1
		}
		return shardOf(l.member)
	},
	element: func(_ *place, l listing) string { return l.element() },
	parse:   func(_ *place, element string) (listing, error) { return parseElement(element) },
	added:   func(_ *place, _ registry.Session, element string) []any { return []any{0, element} },
	dropped: func(c change) []listing { return slices.Concat(c.unlist, c.drop) },
}

// row is the keys of one kind that a node has.
type row struct {
	*place
	kind
	asked [buckets]*redis.IntCmd // for lengths

	// How many elements the keys have, by what Redis answered when they were changed.
	length  [buckets]int64
	unsure  [buckets]bool // an answer is missing
	pending []answer
}

// answer is how many elements a command that has not run yet has added or taken.
type answer struct {
	key  int
	cmd  *redis.IntCmd
	sign int64
}

func (w *row) name(i int) string { return w.key(w.names, w.node.String(), i) }

// command appends one about a key.
func (w *row) command(ctx context.Context, pipe redis.Pipeliner, name string, i int, args ...any) *redis.IntCmd {
	cmd := redis.NewIntCmd(ctx, slices.Concat([]any{name, w.name(i)}, args)...)
	_ = pipe.Process(ctx, cmd) // it only queues
	return cmd
}

// queue appends the commands of changes, one or two for each key that they touch. What adds to a key moves its
// expiry, since it may create it: a node that dies before its next heartbeat must leave nothing that never
// expires.
func (w *row) queue(ctx context.Context, pipe redis.Pipeliner, changes *[buckets]change) {
	var add, take [buckets][]any
	for _, c := range changes {
		for _, l := range w.dropped(c) {
			if i := w.at(l); i >= 0 {
				take[i] = append(take[i], w.element(w.place, l))
			}
		}
		for _, s := range c.put {
			l := listing{s.Member, s.ID}
			if i := w.at(l); i >= 0 {
				add[i] = append(add[i], w.added(w.place, s, w.element(w.place, l))...)
			}
		}
	}
	for i := range buckets {
		if len(take[i]) > 0 {
			w.pending = append(w.pending, answer{i, w.command(ctx, pipe, w.take, i, take[i]...), -1})
		}
		if len(add[i]) > 0 {
			w.pending = append(w.pending, answer{i, w.command(ctx, pipe, w.add, i, add[i]...), 1})
			pipe.PExpire(ctx, w.name(i), w.expiry)
		}
	}
}

func (w *row) settle(err error) {
	for _, a := range w.pending {
		if err != nil {
			w.unsure[a.key] = true
		} else {
			w.length[a.key] += a.sign * a.cmd.Val()
		}
	}
	clear(w.pending)
	w.pending = w.pending[:0]
}

// mend compares the keys with the book whose lengths are not what they should be, or can't be told. Sessions
// that one of them lacks, and others of that key, become dirty; what it has too much goes.
func (w *row) mend(ctx context.Context, doubt bool) (lost int, err error) {
	var off []int
	for i, length := range w.asked {
		if doubt || w.unsure[i] || length.Val() != w.length[i] {
			off = append(off, i)
		}
	}
	if len(off) == 0 {
		return 0, nil
	}
	var lack [buckets]bool
	want := w.book.spread(w.at) // before have: what changes in between lowers have alone, which is harmless
	for _, i := range off {
		have, err := w.weed(ctx, i)
		if err != nil {
			return 0, err
		}
		lack[i] = have < want[i]
	}
	return w.book.redo(func(l listing) bool { i := w.at(l); return i >= 0 && lack[i] }), nil
}

// weed takes out of a key what does not belong there, and returns how many of the book's settled sessions
// it has.
func (w *row) weed(ctx context.Context, i int) (have int, err error) {
	ctx, cancel := context.WithTimeout(ctx, exchangeTimeout)
	defer cancel()
	all := slices.Clone(w.all)
	all[1] = w.name(i)
	elements, err := w.client.Redis().Do(ctx, all...).StringSlice()
	if err != nil {
		return 0, err
	}
	var excess []any
	for _, element := range elements {
		l, err := w.parse(w.place, element)
		rightly, counts := err == nil && w.at(l) == i, false
		if rightly {
			rightly, counts = w.book.buckets[bucketOf(l.id)].knows(l)
		}
		if !rightly {
			excess = append(excess, element)
		}
		if counts {
			have++
		}
	}
	for some := range slices.Chunk(excess, pipelineChanges) {
		args := slices.Concat([]any{w.take, w.name(i)}, some)
		if err := w.client.Redis().Do(ctx, args...).Err(); err != nil {
			return 0, err
		}
	}
	w.length[i], w.unsure[i] = int64(len(elements)-len(excess)), false
	return have, nil
}
