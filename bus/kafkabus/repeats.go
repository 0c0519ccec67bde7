package kafkabus

import (
	"maps"
	"sync/atomic"
)

// maxNodes is how many of the nodes that it has heard of last one partition's repeats remember at least. At
// most it is twice as many.
const maxNodes = 1000

// repeats tells which records of a partition have come before: a node numbers what it publishes to
// a partition, and a batch that it had to write twice bears the same numbers twice. It forgets nodes that
// it has not heard of for long, so that foreign names can't make it grow. It belongs to whoever reads the
// partition.
type repeats struct {
	recent, older map[string]uint64 // the last number of each node; when recent is full, it takes the place of older
	cut           map[string]uint64 // what it was when the log lost its end; nil if it never did
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

// cutAway notes that the log is not what it was: from now on nobody knows which of the records that came are still in it.
func (r *repeats) cutAway() {
	r.cut = make(map[string]uint64)
	maps.Copy(r.cut, r.older)
	maps.Copy(r.cut, r.recent)
}

// isLost reports whether the record that a repeated one repeats may have been cut away.
func (r *repeats) isLost(node string, seq uint64) bool {
	last, known := r.cut[node]
	return known && seq <= last
}
