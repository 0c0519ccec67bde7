package kafkabus

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/stompgw/stompgw/bus"
)

// toldMargin is how far the clock of a node that told a position may be ahead of that of those who publish, or of this
// node's.
const toldMargin = time.Minute

// mostEpochs bounds how many epochs of leaders a window remembers. Beyond, it begins later.
const mostEpochs = 256

// window is the stretch of a partition's log of which this node has handed on every record, up to the next one
// that it reads. Positions are judged by it.
//
// The Offset of a position is that of a record and one: so there is a position before the first record, too.
type window struct {
	mu sync.Mutex

	// Written by the partition's owner, under mu; it may read them without.
	log    uint64 // what positions call the log; 0: it has no name, and no history
	live   mark   // what lies before it is the past: the log's end when reading began, and the epoch of the leader then
	epochs []mark // where the records of each leader's epoch begin, in order, as far as they were read

	// Guarded by mu.
	from  int64     // the first offset that was read
	since time.Time // all that was published from then on is read; zero for all that ever was
}

// logOf names the log of a partition: another number for each topic that there ever was. 0 is for a topic that
// has no identity.
func logOf(id topicID, number int) uint64 {
	if id == (topicID{}) {
		return 0
	}
	sum := sha256.Sum256(binary.BigEndian.AppendUint32(id[:], uint32(number)))
	return max(1, binary.BigEndian.Uint64(sum[:]))
}

// open has p's window, and the reading of p, begin at an offset. That stands for all that was published since then.
// What lies before live is the past. The owner calls it.
func (p *partition) open(from int64, since time.Time, live mark, epochs ...mark) {
	w := &p.window
	w.mu.Lock()
	defer w.mu.Unlock()
	w.log, w.from, w.since, w.live, w.epochs = logOf(p.id, p.number), from, since, live, nil
	for _, e := range epochs {
		if e.epoch >= 0 {
			w.epochs = append(w.epochs, e)
		}
	}
	p.offset.Store(from)
}

// lose has the reading of p go on at an offset before which records can't be had any more, and its window begin
// there. The owner calls it.
func (p *partition) lose(to int64) {
	w := &p.window
	w.mu.Lock()
	defer w.mu.Unlock()
	w.from, w.since = max(w.from, to), time.Now()
	p.offset.Store(to)
}

// kept returns up to where a log is as it was read, which has an epoch end there, the last that it has of those that were read: its
// records of that epoch may go beyond those that were read of it, where another leader had begun.
func (p *partition) kept(end mark) int64 {
	for _, e := range p.window.epochs {
		if e.epoch > end.epoch {
			return min(end.offset, e.offset)
		}
	}
	return end.offset
}

// goBack has the reading of p go on at the end that is left of the log, from where its records are of a new epoch. The
// owner calls it.
func (p *partition) goBack(to mark) {
	w := &p.window
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.epochs) > 0 {
		w.epochs[0].offset = min(w.epochs[0].offset, to.offset) // it stays, to tell that there was another one
		w.epochs = append(w.epochs[:1], slices.DeleteFunc(w.epochs[1:], func(e mark) bool { return e.offset >= to.offset })...)
	}
	if n := len(w.epochs); n == 0 || w.epochs[n-1].epoch < to.epoch {
		w.epochs = append(w.epochs, to)
	}
	w.from = min(w.from, to.offset) // nothing lies between
	w.live.offset = min(w.live.offset, to.offset)
	p.seen.cutAway()
	p.offset.Store(to.offset)
}

// endPast notes that what lies at an offset and behind it was written after the reading of p began. The owner calls it.
func (p *partition) endPast(at int64) {
	w := &p.window
	if at >= w.live.offset {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.live.offset = at
}

// enter notes that the records from an offset on are of a leader's epoch. The owner calls it.
func (p *partition) enter(offset int64, epoch int32) {
	w := &p.window
	if n := len(w.epochs); epoch < 0 || n > 0 && epoch <= w.epochs[n-1].epoch {
		return // as nearly always
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if n := len(w.epochs); n > 0 && w.epochs[n-1].offset == offset {
		w.epochs = w.epochs[:n-1] // that leader wrote nothing
	}
	w.epochs = append(w.epochs, mark{offset, epoch})
	if len(w.epochs) > mostEpochs {
		w.epochs = slices.Delete(w.epochs, 0, 1)
		w.from, w.since = max(w.from, w.epochs[0].offset), time.Now()
	}
}

// leave notes that the topic has gone: what it held at last nobody will read. Any goroutine may call it.
func (p *partition) leave() {
	w := &p.window
	w.mu.Lock()
	defer w.mu.Unlock()
	w.since = time.Now()
}

// standing is what a window says of a position.
type standing int

const (
	stands    standing = iota // all that came behind it was handed on
	unread                    // this node has not come as far
	doubtful                  // it is from a log that this node may not have seen yet
	old                       // it lies before the window
	refuted                   // the log is not what it was
	elsewhere                 // it is in another log
)

// judge judges a position.
func (p *partition) judge(at bus.Position) standing {
	w := &p.window
	w.mu.Lock()
	defer w.mu.Unlock()
	next := p.offset.Load()
	switch {
	case w.log == 0 || at.Log != w.log:
		return elsewhere
	case at.Offset > math.MaxInt64:
		return refuted
	}
	offset := int64(at.Offset)
	if v := w.judgeTerm(offset, int64(at.Term)-1, next); v != stands {
		return v
	}
	switch {
	case next < max(offset, w.live.offset):
		return unread
	case offset < w.from:
		return old
	}
	return stands
}

// judgeTerm compares a position's epoch with those of the log, which never shrink along it: what lies before the
// position has none that is higher, and what lies behind has none that is lower. The caller holds mu.
func (w *window) judgeTerm(offset, epoch, next int64) standing {
	switch {
	case len(w.epochs) == 0:
		return stands
	case epoch >= 0:
	case len(w.epochs) > 1 && w.epochs[1].offset < offset:
		return refuted // whoever does not say his epoch may have been there before the next one cut that away
	default:
		return stands
	}
	before, there, last := -1, 0, len(w.epochs)-1
	for i, e := range w.epochs {
		if e.offset < offset {
			before = i // the epoch of the last record before the position
		}
		if e.offset <= offset {
			there = i // and that of the first one behind it, perhaps to come
		}
	}
	read := next > max(offset, w.epochs[there].offset)
	switch {
	case before >= 0 && int64(w.epochs[before].epoch) > epoch:
		return refuted
	case !read || int64(w.epochs[there].epoch) >= epoch:
		return stands
	case int64(w.epochs[last].epoch) >= epoch:
		return refuted
	}
	return doubtful
}

// speaksFor reports whether all is read that p had for somebody who was told at a time where he stands, and not of p; or
// who has heard nothing for so long.
func (p *partition) speaksFor(told time.Time, away time.Duration) bool {
	w := &p.window
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.log == 0 {
		return false
	}
	return !told.IsZero() && !told.Add(-toldMargin).Before(w.since) || away > 0 && away < time.Since(w.since)/2
}

// named reports whether the log has a name.
func (p *partition) named() bool {
	p.window.mu.Lock()
	defer p.window.mu.Unlock()
	return p.window.log != 0
}

// left returns how many records of the past are still to be read, at most.
func (p *partition) left() int64 {
	w := &p.window
	w.mu.Lock()
	defer w.mu.Unlock()
	next := p.offset.Load()
	if next == unknownOffset {
		return 0
	}
	return max(0, w.live.offset-next)
}

// head returns where somebody stands who begins now; ok is false if the log has no name.
func (p *partition) head() (at bus.Position, ok bool) {
	w := &p.window
	w.mu.Lock()
	defer w.mu.Unlock()
	next := p.offset.Load()
	if w.log == 0 || next == unknownOffset {
		return bus.Position{}, false
	}
	epoch := int32(-1) // of the last record, as those who keep that compare it
	for i, e := range w.epochs {
		if i == 0 || e.offset < next {
			epoch = e.epoch
		}
	}
	if next < w.live.offset { // the past is not for him
		next, epoch = w.live.offset, w.live.epoch
	}
	return bus.Position{Log: w.log, Term: uint32(epoch + 1), Offset: uint64(next)}, true
}

// stamp fills the mark of a record that is handed on. The owner calls it.
func (p *partition) stamp(offset, published int64) *bus.Mark {
	epochs := p.window.epochs
	p.mark = bus.Mark{
		At:        bus.Position{Log: p.window.log, Offset: uint64(offset + 1)},
		Published: cmp.Or(max(0, published), time.Now().UnixMilli()),
		Past:      p.isPast(offset),
	}
	if n := len(epochs); n > 0 {
		p.mark.At.Term = uint32(epochs[n-1].epoch + 1)
	}
	return &p.mark
}

// isPast reports whether a record had been written before the reading of p began. The owner calls it.
func (p *partition) isPast(offset int64) bool { return offset < p.window.live.offset }
