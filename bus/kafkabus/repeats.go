package kafkabus

import (
	"container/list"
	"sync/atomic"
)

const (
	maxNodes = 1000 // that one partition's repeats remember
)

// repeats tells which records of a partition have come before: a node numbers what it publishes to
// a partition, and a batch that it had to write twice bears the same numbers twice. It remembers
// the nodes that it has heard of last, so that foreign names can't make it grow. It belongs to
// whoever reads the partition.
type repeats struct {
	nodes map[string]*list.Element // of *lastOf
	order list.List                // the one heard of last comes first
	count *atomic.Uint64           // of the records that were not the first
}

// lastOf is the last number of a node.
type lastOf struct {
	node string
	seq  uint64
}

func newRepeats(count *atomic.Uint64) *repeats {
	return &repeats{nodes: make(map[string]*list.Element), count: count}
}

// first reports whether the record of that number comes for the first time. Whatever follows it
// from the same node has to bear a higher number.
func (r *repeats) first(node string, seq uint64) bool {
	e := r.nodes[node]
	if e == nil {
		r.add(node, seq)
		return true
	}
	r.order.MoveToFront(e)
	last := e.Value.(*lastOf)
	if seq <= last.seq {
		r.count.Add(1)
		return false
	}
	last.seq = seq
	return true
}

func (r *repeats) add(node string, seq uint64) {
	if len(r.nodes) >= maxNodes {
		oldest := r.order.Remove(r.order.Back()).(*lastOf)
		delete(r.nodes, oldest.node)
	}
	r.nodes[node] = r.order.PushFront(&lastOf{node, seq})
}
