package kafkabus

import (
	"strconv"
	"sync/atomic"
	"testing"
)

func TestRepeats(t *testing.T) {
	var count atomic.Uint64
	r := newRepeats(&count)
	for i, test := range []struct {
		node string
		seq  uint64
		want bool
	}{
		{"1/a", 5, true}, // a node may have begun long ago
		{"1/a", 5, false},
		{"1/a", 4, false},
		{"1/b", 1, true},
		{"1/a", 6, true},
		{"1/a", 9, true}, // what lay between went elsewhere, or was given up
		{"1/a", 7, false},
		{"1/b", 1, false},
		{"1/b", 1 << 63, true},
		{"1/c", 0, true},
		{"1/c", 0, false},
	} {
		if got := r.first(test.node, test.seq); got != test.want {
			t.Errorf("%d: first(%s, %d) is %v", i, test.node, test.seq, got)
		}
	}
	if count.Load() != 5 {
		t.Errorf("counted %d repeats, want 5", count.Load())
	}
}

// TestRepeatsBounded: foreign names make the memory grow no further than its bound, and push out
// those alone that have not been heard of for long.
func TestRepeatsBounded(t *testing.T) {
	var count atomic.Uint64
	r := newRepeats(&count)
	r.first("1/forgotten", 1)
	for i := range 10 * maxNodes {
		if i%(maxNodes-1) == 0 {
			r.first("1/ours", uint64(i+1))
		}
		r.first(strconv.Itoa(i), 1)
	}
	if n := len(r.recent) + len(r.older); n < maxNodes || n > 2*maxNodes {
		t.Errorf("%d nodes, want %d to %d", n, maxNodes, 2*maxNodes)
	}
	if r.first("1/ours", 5) {
		t.Error("a node that is at work was forgotten")
	}
	if !r.first("1/forgotten", 1) {
		t.Error("the oldest node was not forgotten")
	}
}

func TestRepeatsAllocs(t *testing.T) {
	r := newRepeats(new(atomic.Uint64))
	seq := uint64(0)
	r.first("1/a", 0)
	if n := testing.AllocsPerRun(100, func() { seq++; r.first("1/a", seq) }); n > 0 {
		t.Errorf("%v allocations for a record", n)
	}
}
