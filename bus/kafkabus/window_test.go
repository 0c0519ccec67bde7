package kafkabus

import (
	"log/slog"
	"math"
	"testing"
	"time"

	"github.com/stompgw/stompgw/bus"
)

var discard = slog.New(slog.DiscardHandler)

// opened returns a partition that has been read from one offset up to another, of which epochs that begin where they say.
func opened(from, next int64, epochs ...mark) *partition {
	p := newPartition("a", 0, nil)
	p.id, p.place = topicID{1}, known
	p.open(from, time.Now(), mark{from, -1})
	for _, e := range epochs {
		p.enter(e.offset, e.epoch)
	}
	p.offset.Store(next)
	return p
}

// at is a position in opened's log.
func at(epoch int64, offset uint64) bus.Position {
	return bus.Position{Log: logOf(topicID{1}, 0), Term: uint32(epoch + 1), Offset: offset}
}

// TestWindowJudges: positions by the epochs of the log, by its end, and by where the window begins.
func TestWindowJudges(t *testing.T) {
	elections := opened(100, 200, mark{90, 3}, mark{150, 5}, mark{180, 8})
	election := opened(0, 10, mark{0, 1})
	election.epoch = 1
	election.offset.Store(20)
	newFetcher(newTail(nil, discard), share{}).relocate(election, sight{last: mark{15, 2}, end: mark{10, 1}, id: topicID{1}})
	emptied := opened(15, 20, mark{15, 1})
	emptied.epoch = 1
	newFetcher(newTail(nil, discard), share{}).relocate(emptied, sight{last: mark{12, 2}, end: mark{10, 1}, id: topicID{1}})
	replaced := opened(0, 20, mark{0, 1}, mark{10, 2}) // and what came in the place of 10 to 14, then more
	silent := opened(100, 100)
	silent.open(100, time.Now(), mark{100, 7}, mark{100, 7})
	for _, test := range []struct {
		name string
		p    *partition
		at   bus.Position
		want standing
	}{
		{"the last one", elections, at(8, 200), stands},
		{"one within", elections, at(3, 120), stands},
		{"the first of the window", elections, at(3, 100), stands},
		{"the last of an epoch", elections, at(3, 150), stands},
		{"the first of an epoch", elections, at(5, 151), stands},
		{"a head, of one who knew a later leader", elections, at(5, 150), stands},
		{"an epoch that wrote nothing in between", elections, at(4, 150), stands},
		{"an unknown epoch", elections, at(-1, 120), stands},
		{"an unknown epoch, where another one begins", elections, at(-1, 150), stands},
		{"an unknown epoch, one further", elections, at(-1, 151), refuted},
		{"an unknown epoch, behind that", elections, at(-1, 190), refuted},
		{"an unknown epoch, behind the end", elections, at(-1, 201), refuted},
		{"an unknown epoch, before the window", elections, at(-1, 99), old},
		{"before the window", elections, at(3, 99), old},
		{"long before", elections, at(2, 10), old},
		{"behind the end", elections, at(8, 201), unread},
		{"a later epoch at the end", elections, at(9, 200), stands},
		{"a later epoch behind the end", elections, at(9, 201), unread},
		{"a later epoch before the end", elections, at(9, 190), doubtful},
		{"an epoch that began later", elections, at(5, 140), refuted},
		{"an epoch that had ended", elections, at(5, 181), refuted},
		{"an epoch that had ended, behind the end", elections, at(3, 300), refuted},
		{"an epoch that had ended, before the window", elections, at(5, 50), refuted},
		{"an offset that no record has", elections, at(8, math.MaxUint64), refuted},
		{"an offset below zero", elections, at(8, math.MaxInt64+1), refuted},
		{"the greatest epoch", elections, at(math.MaxUint32-1, 190), doubtful},
		{"another log", elections, bus.Position{Log: 7, Offset: 120}, elsewhere},
		{"no log", elections, bus.Position{}, elsewhere},

		{"lost with an unclean election", election, at(1, 16), refuted},
		{"lost, and the first one", election, at(1, 11), refuted},
		{"lost, of an unknown epoch", election, at(-1, 16), refuted},
		{"the last that was not lost", election, at(1, 10), stands},
		{"of the new leader, to come", election, at(2, 11), unread},
		{"lost with all of the window", emptied, at(1, 17), refuted},
		{"the same, of an unknown epoch", emptied, at(-1, 17), refuted},
		{"the last that was not lost, before the window", emptied, at(1, 10), stands},
		{"of its new leader, to come", emptied, at(2, 12), unread},
		{"lost, and others stand in their place", replaced, at(1, 15), refuted},
		{"the first of these", replaced, at(2, 11), stands},

		{"a head where nothing was read", silent, at(7, 100), stands},
		{"the same, of a node that knows of an earlier leader alone", silent, at(6, 100), stands},
		{"the same, later", silent, at(8, 100), stands},
		{"before", silent, at(7, 99), old},
	} {
		if got := test.p.judge(test.at); got != test.want {
			t.Errorf("%s: %d, want %d", test.name, got, test.want)
		}
	}
}

// TestWindowElsewhere: neither a partition without an identity nor the same number of another topic has the log.
func TestWindowElsewhere(t *testing.T) {
	nameless := newPartition("a", 0, nil)
	nameless.open(0, time.Time{}, mark{0, -1})
	if v := nameless.judge(bus.Position{}); v != elsewhere {
		t.Errorf("a partition without a name has the position without a log: %d", v)
	}
	if _, ok := nameless.head(); ok || nameless.speaksFor(time.Now(), 0) {
		t.Error("a partition without a name has a head, or speaks")
	}
	logs := map[uint64]bool{logOf(topicID{1}, 0): true, logOf(topicID{1}, 1): true, logOf(topicID{2}, 0): true, logOf(topicID{2}, 1): true}
	if len(logs) != 4 || logs[0] {
		t.Errorf("logs %v", logs)
	}
}

// TestWindowSpeaks: for those partitions that a position does not name speaks the time at which it was told, or for how
// long its bearer was away.
func TestWindowSpeaks(t *testing.T) {
	p := opened(0, 10)
	began := time.Now().Add(-10 * time.Minute)
	p.open(0, began, mark{0, -1})
	all := opened(0, 10)
	all.open(0, time.Time{}, mark{0, -1})
	for _, test := range []struct {
		name string
		p    *partition
		told time.Time
		away time.Duration
		want bool
	}{
		{"told within the window", p, began.Add(toldMargin), 0, true},
		{"told within it, perhaps", p, began.Add(toldMargin - time.Second), 0, false},
		{"told before", p, began.Add(-time.Second), 0, false},
		{"never told", p, time.Time{}, 0, false},
		{"away for less than half of it", p, time.Time{}, 4 * time.Minute, true},
		{"away for more", p, time.Time{}, 6 * time.Minute, false},
		{"away for less than nothing", p, time.Time{}, -time.Second, false},
		{"a partition of which all was read", all, time.Now().Add(-1000 * time.Hour), 0, true},
	} {
		if got := test.p.speaksFor(test.told, test.away); got != test.want {
			t.Errorf("%s: %v", test.name, got)
		}
	}
}

// TestWindowBounded: leaders that change for ever do not fill the memory: what can't be told any more is not said.
func TestWindowBounded(t *testing.T) {
	p := opened(0, 0)
	for i := range int64(2 * mostEpochs) {
		p.enter(i*10, int32(i))
	}
	p.offset.Store(20 * mostEpochs)
	if n := len(p.window.epochs); n != mostEpochs {
		t.Errorf("%d epochs", n)
	}
	if v := p.judge(at(2*mostEpochs-1, 20*mostEpochs)); v != stands {
		t.Errorf("the last position: %d", v)
	}
	if v := p.judge(at(3, 35)); v != old || p.speaksFor(time.Time{}, time.Second) {
		t.Errorf("one whose epoch is forgotten: %d", v)
	}
}

// TestWindowOfAnElection: a position of the new leader waits on a node that has not seen the election, has the log
// looked up, and is judged by what came of it.
func TestWindowOfAnElection(t *testing.T) {
	p := opened(0, 20, mark{0, 1})
	p.epoch = 1
	if v := p.judge(at(2, 15)); v != doubtful {
		t.Fatalf("before: %d, want doubt", v)
	}
	newFetcher(newTail(nil, discard), share{}).relocate(p, sight{last: mark{16, 2}, end: mark{10, 1}, id: topicID{1}})
	if v := p.judge(at(2, 15)); v != unread {
		t.Errorf("after: %d", v)
	}
	p.enter(10, 2)
	p.offset.Store(16)
	if v := p.judge(at(2, 15)); v != stands {
		t.Errorf("in the end: %d", v)
	}
	if head, _ := p.head(); head != at(2, 16) {
		t.Errorf("the head is %v", head)
	}
}

// TestWindowOfAnOlderLeader: a leader that was elected uncleanly may have records of an earlier epoch where later ones were read. They are read in the
// place of those, though its log goes on behind them.
func TestWindowOfAnOlderLeader(t *testing.T) {
	for next, end := range map[int64]int64{11: 12, 20: 12, 12: 30} {
		p := opened(0, next, mark{0, 2}, mark{10, 3})
		p.epoch = 3
		newFetcher(newTail(nil, discard), share{}).relocate(p, sight{last: mark{end + 4, 5}, end: mark{end, 2}, id: topicID{1}})
		if from := p.offset.Load(); from != 10 {
			t.Errorf("from %d on, where epoch 2 ends at %d now, it goes on at %d, want 10", next, end, from)
		}
		if v := p.judge(at(3, 11)); v != refuted {
			t.Errorf("a position of what was lost: %d", v)
		}
	}
}

// TestWindowHead: the head has the epoch of the last record that was handed on, whatever is about to come; where none was,
// that of the leader.
func TestWindowHead(t *testing.T) {
	p := opened(0, 10, mark{0, 1}, mark{10, 2})
	if head, _ := p.head(); head != at(1, 10) {
		t.Errorf("before the first of another epoch: %v", head)
	}
	p.offset.Store(11)
	if head, _ := p.head(); head != at(2, 11) {
		t.Errorf("behind it: %v", head)
	}
	p.open(20, time.Now(), mark{20, 7}, mark{20, 7})
	if head, _ := p.head(); head != at(7, 20) {
		t.Errorf("where nothing was read: %v", head)
	}
	p.open(20, time.Now(), mark{30, 7})
	if head, _ := p.head(); head != at(7, 30) {
		t.Errorf("while the past is read: %v", head)
	}
}

// TestWindowAllocs: what is done for each record, and each SUBSCRIBE, takes no memory.
func TestWindowAllocs(t *testing.T) {
	p := opened(0, 20, mark{0, 1}, mark{10, 2})
	position := at(2, 15)
	if n := testing.AllocsPerRun(100, func() { p.stamp(20, 1); p.offset.Store(21); p.judge(position); p.head() }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
