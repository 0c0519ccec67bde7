package kafkabus

import "sync/atomic"

// maxNodes is how many of the nodes that it has heard of last one partition's repeats remember at least. At
// most it is twice as many.
const maxNodes = 1000

// repeats tells which records of a partition have come before: a node numbers what it publishes to
// a partition, and a batch that it had to write twice bears the same numbers twice. It forgets nodes that
// it has not heard of for long, so that foreign names can't make it grow. It belongs to whoever reads the
// partition.
type repeats struct {
	recent, older map[string]uint64 // the last number of each node; when recent is full, it takes the place of older
	count         *atomic.Uint64    // of the records that were not the first
}

func newRepeats(count *atomic.Uint64) *repeats {
	return &repeats{recent: make(map[string]uint64), count: count}
}

// first reports whether the record of that number comes for the first time. Whatever follows it
// from the same node has to bear a higher number.
func (r *repeats) first(node string, seq uint64) bool {
	last, known := r.recent[node]
	if !known {
		last, known = r.older[node]
		if len(r.recent) == maxNodes {
			r.recent, r.older = make(map[string]uint64), r.recent
		}
	}
	r.recent[node] = max(last, seq)
	if known && seq <= last {
		r.count.Add(1)
		return false
	}
	return true
}
