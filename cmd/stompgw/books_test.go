package main

import (
	"fmt"
	"sync"
	"testing"
)

// said is one message of a run: what its body says.
type said struct{ by, number int }

// point is where a message stands in a log of the broker.
type point struct {
	log    uint64 // as positions of the gateway call it
	term   uint64
	offset uint64
}

// line is the messages of one room in one partition, in the order of the broker, whatever became of the topic or stream meanwhile.
type line struct {
	room      string
	partition int
}

// spot is where a message is in its line.
type spot struct {
	line   line
	index  int
	life   int // how often the topic or stream was made anew before
	offset uint64
}

// books is what is true: what the broker has taken. Any goroutine may use it.
type books struct {
	mu    sync.Mutex
	lines map[line][]said
	spots map[string]map[said]spot // by room
	logs  map[uint64]spot          // one message of each log that positions have named; its line is of any room

	epochs map[uint64]uint64 // of each log the last one that was told; nil where terms are no epochs
}

func newBooks() *books {
	return &books{lines: map[line][]said{}, spots: map[string]map[said]spot{}, logs: map[uint64]spot{}}
}

// add books a message. One that a node has written again, since it heard no answer, counts once.
func (b *books) add(room string, s said, partition, life int, offset uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.spots[room] == nil {
		b.spots[room] = map[said]spot{}
	}
	if _, again := b.spots[room][s]; again {
		return
	}
	l := line{room, partition}
	b.spots[room][s] = spot{l, len(b.lines[l]), life, offset}
	b.lines[l] = append(b.lines[l], s)
}

// event is what a client was told of a room.
type event struct {
	kind  kind
	said  said    // heard
	at    point   // heard: if its position names one log alone
	from  []point // begun: where it stands
	count int     // resumed: messages that are replayed
}

type kind byte

const (
	begun   kind = iota // a subscription begins now, or what came before is lost to it
	resumed             // it goes on where it was
	heard               // a message
	hole                // some messages are missing
)

// verdict is what records say of the gateway.
type verdict struct {
	heard    int
	missing  int
	doubled  int
	inverted int    // out of order
	wrong    int    // positions that are not those of the message
	unbooked int    // the broker had them, and lost them, or was made anew before they were booked
	revived  int    // resumed from a message that the broker had lost
	first    string // the first fault
}

// fault notes what was wrong first.
func (v *verdict) fault(format string, args ...any) {
	if v.first == "" {
		v.first = fmt.Sprintf(format, args...)
	}
}

func (v *verdict) add(w verdict) {
	v.heard += w.heard
	v.missing += w.missing
	v.doubled += w.doubled
	v.inverted += w.inverted
	v.wrong += w.wrong
	v.unbooked += w.unbooked
	v.revived += w.revived
	if v.first == "" {
		v.first = w.first
	}
}

// faults leaves out what was resumed from what the broker had lost: a node may hear of that between its word and what it replays. What it
// lacks then is missing.
func (v verdict) faults() int { return v.missing + v.doubled + v.inverted + v.wrong }

func (v verdict) String() string {
	return fmt.Sprintf("%d messages: missing %d, doubled %d, out of order %d, at a wrong position %d, resumed from what was lost %d; %d were lost by the broker. %s",
		v.heard, v.missing, v.doubled, v.inverted, v.wrong, v.revived, v.unbooked, v.first)
}

// stretch is what a client was promised to get without a hole.
type stretch struct {
	books *books
	room  string
	next  map[int]int   // by partition, the index of what has to come next
	from  map[int]int   // by partition in which nothing has come yet, in which life it stood when it began
	again bool          // it was resumed: what has come since it began, if anything, is all
	extra map[said]bool // what came and is not booked
	last  said
	lost  int // messages that are replayed from the last message on, which is not booked; 0 if it is
}

func (b *books) begin(room string, from []point) *stretch {
	s := &stretch{books: b, room: room, next: map[int]int{}, from: map[int]int{}, extra: map[said]bool{}}
	for _, p := range from {
		log, known := b.logs[p.log]
		if !known {
			continue
		}
		l := line{room, log.line.partition}
		s.next[l.partition], s.from[l.partition] = 0, log.life
		for _, m := range b.lines[l] {
			if at := b.spots[room][m]; at.life > log.life || at.life == log.life && at.offset > p.offset {
				break
			}
			s.next[l.partition]++
		}
	}
	return s
}

// judge looks at what one client has been told of one room. With whole, it was there to the end.
func (b *books) judge(room string, record []event, whole bool) (v verdict) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.begin(room, nil)
	for i, e := range record {
		known := v.first != ""
		switch e.kind {
		case begun:
			s = b.begin(room, e.from)
		case hole:
			s = b.begin(room, nil)
		case resumed:
			s.lost, s.again = 0, true
			if s.extra[s.last] {
				s.lost = e.count
			}
		case heard:
			s.hear(e, &v)
		}
		if v.first != "" && !known {
			v.first += fmt.Sprintf(", in %s after %s", room, inWords(record[max(0, i-8):i+1])+" |"+inWords(record[i+1:min(len(record), i+6)]))
		}
	}
	if whole {
		for partition, next := range s.next {
			if end := len(b.lines[line{room, partition}]); end > next && !s.isFresh(partition) {
				v.missing += end - next
				v.fault("%s ends at %d of %d after %s", room, next, end, inWords(record[max(0, len(record)-8):]))
			}
		}
	}
	return v
}

// isFresh reports whether nothing has come of a partition: a node may have told it where it began in a stream that had just been made anew.
func (s *stretch) isFresh(partition int) bool {
	_, fresh := s.from[partition]
	return fresh
}

func (s *stretch) hear(e event, v *verdict) {
	v.heard++
	s.last = e.said
	at, booked := s.books.spots[s.room][e.said]
	if !booked || s.books.isWrittenAgain(e.at, at) {
		v.unbooked++
		if s.extra[e.said] {
			v.doubled++
		}
		s.extra[e.said] = true
		s.lost = max(0, s.lost-1)
		return
	}
	if s.lost > 0 {
		v.revived++
		s.lost = 0
	}
	s.books.locate(e.at, at, v)
	partition := at.line.partition
	next, known := s.next[partition]
	life, fresh := s.from[partition]
	switch {
	case !known, fresh && (!s.again || at.index < next || at.life != life): // only who is resumed from there was promised what came since
	case at.index > next:
		v.missing += at.index - next
	case at.index == next-1:
		v.doubled++
	case at.index < next:
		v.inverted++
	}
	if known && !fresh && at.index != next || fresh && s.again && at.index > next && at.life == life {
		v.fault("%+v came instead of number %d of the line", at, next)
	}
	delete(s.from, partition)
	s.next[partition] = at.index + 1
}

// learnEpochs notes the last epoch of each log that clients were told of.
func (b *books) learnEpochs(roamers []*roamer) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.epochs = map[uint64]uint64{}
	for _, r := range roamers {
		r.mu.Lock()
		for _, record := range r.records {
			for _, e := range record {
				b.epochs[e.at.log] = max(b.epochs[e.at.log], e.at.term)
			}
		}
		r.mu.Unlock()
	}
}

// isWrittenAgain reports whether a message that was told to stand at p was lost there, and written again by its node elsewhere: a log of Kafka
// that has lost its end goes on in another epoch. Whether it is missing then, what comes next tells.
func (b *books) isWrittenAgain(p point, at spot) bool {
	return p.offset != at.offset && p.term < b.epochs[p.log]
}

// locate compares the position that a message was told with where the broker has it. A node may call a stream what it was until it has
// noticed that it is another one: of servers before 2.10, which begin at 1 again. Nobody can go on from there, as that one is no more.
func (b *books) locate(p point, at spot, v *verdict) {
	if p.log == 0 {
		return
	}
	log, known := b.logs[p.log]
	if !known || at.life < log.life {
		b.logs[p.log] = at
		log = at
	}
	if log.line.partition != at.line.partition || p.offset != at.offset {
		v.wrong++
		v.fault("%+v is at %+v, in the log of %+v", at, p, log)
	}
}

// inWords is a part of a record in words.
func inWords(record []event) (text string) {
	for _, e := range record {
		switch e.kind {
		case begun:
			text += fmt.Sprintf(" begun%v", e.from)
		case resumed:
			text += fmt.Sprintf(" resumed(%d)", e.count)
		case heard:
			text += fmt.Sprintf(" %d-%d", e.said.by, e.said.number)
		case hole:
			text += " hole"
		}
	}
	return text
}

// TestBooks: they find what they look for.
func TestBooks(t *testing.T) {
	const room = "/topic/a"
	b := newBooks()
	for n := range 10 {
		b.add(room, said{1, n}, 0, n/8, uint64(n%8)) // two of them after it was made anew
	}
	b.add(room, said{1, 5}, 0, 0, 100) // written again
	for n := range 3 {
		b.add(room, said{2, n}, 1, 0, uint64(n))
	}
	b.logs[7], b.epochs = spot{line: line{partition: 0}}, map[uint64]uint64{7: 2}
	messages := func(by int, numbers ...int) (list []event) {
		for _, n := range numbers {
			list = append(list, event{kind: heard, said: said{by, n}})
		}
		return list
	}
	join := func(parts ...[]event) (list []event) {
		for _, p := range parts {
			list = append(list, p...)
		}
		return list
	}
	began, wentOn, holed := []event{{kind: begun}}, []event{{kind: resumed, count: 1}}, []event{{kind: hole}}
	for _, test := range []struct {
		name   string
		record []event
		whole  bool
		want   verdict
	}{
		{"all", messages(1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9), true, verdict{}},
		{"from the middle", join(messages(1, 4, 5), wentOn, messages(1, 6)), false, verdict{}},
		{"missing", join(messages(1, 4, 5), wentOn, messages(1, 8)), false, verdict{missing: 2}},
		{"told to be missing", join(messages(1, 4, 5), began, messages(1, 8)), false, verdict{}},
		{"a hole", join(messages(1, 4, 5), holed, messages(1, 8)), false, verdict{}},
		{"the end", messages(1, 4, 5), true, verdict{missing: 4}},
		{"doubled", join(messages(1, 4, 5), wentOn, messages(1, 5, 6)), false, verdict{doubled: 1}},
		{"the wrong way round", messages(1, 4, 6, 5), false, verdict{missing: 1, inverted: 1}},
		{"other partitions have another order", join(messages(1, 4), messages(2, 1), messages(1, 5), messages(2, 2)), false, verdict{}},
		{"lost by the broker", join(messages(1, 4), messages(3, 1, 2), messages(1, 5)), false, verdict{unbooked: 2}},
		{"resumed from there", join(messages(1, 4), messages(3, 1), wentOn, messages(1, 5)), false, verdict{unbooked: 1, revived: 1}},
		{"from a position", join([]event{{kind: begun, from: []point{{log: 7, offset: 3}}}}, wentOn, messages(1, 4)), false, verdict{}},
		{"behind the first position", join([]event{{kind: begun, from: []point{{log: 7, offset: 0}}}}, wentOn, messages(1, 2)), false, verdict{missing: 1}},
		{"behind a position", join([]event{{kind: begun, from: []point{{log: 7, offset: 3}}}}, wentOn, messages(1, 6)), false, verdict{missing: 2}},
		{"position", []event{{kind: heard, said: said{1, 3}, at: point{log: 7, offset: 3}}}, false, verdict{}},
		{"wrong position", []event{{kind: heard, said: said{1, 3}, at: point{7, 2, 4}}}, false, verdict{wrong: 1}},
		{"written again", join(messages(1, 2), []event{{kind: heard, said: said{1, 3}, at: point{7, 1, 4}}}, holed, messages(1, 4)), false, verdict{unbooked: 1}},
		{"and then too far", join(messages(1, 2), []event{{kind: heard, said: said{1, 3}, at: point{7, 1, 4}}}, messages(1, 4)), false, verdict{unbooked: 1, missing: 1}},
	} {
		got := b.judge(room, test.record, test.whole)
		got.first, test.want.heard = "", got.heard
		if got != test.want {
			t.Errorf("%s: %s; want %s", test.name, got, test.want)
		}
	}
}
