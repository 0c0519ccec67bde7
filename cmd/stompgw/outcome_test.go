package main

import (
	"fmt"
	"time"
)

// outcome is what the subscribers say of some messages.
type outcome struct {
	lost, doubled, disorder int
	silence                 time.Duration // the longest of any subscriber
	refused                 int           // SENDs with code 5: the broker is away
	unknown                 int           // SENDs with code 6: it may have them
}

func (o outcome) String() string {
	return fmt.Sprintf("lost %d, doubled %d, out of order %d, longest silence %s, SENDs refused %d, of unknown outcome %d",
		o.lost, o.doubled, o.disorder, o.silence.Round(time.Millisecond), o.refused, o.unknown)
}

// outcome returns what became of what was begun since the given marks and has a RECEIPT by now.
// All but the lost ones are those since the last mark.
func (tr *traffic) outcome(marks []int) (o outcome) {
	tr.t.Helper()
	for _, s := range tr.subscribers {
		s.mu.Lock()
		if s.fault != nil {
			tr.t.Errorf("a subscriber ended: %v", s.fault)
		}
		for i, stream := range tr.streams {
			if stream.destination == s.destination {
				a := s.of(stream.id)
				o.lost += a.lost(stream, marks[i])
				o.doubled += a.doubled()
				o.disorder += a.disorder
			}
		}
		o.silence = max(o.silence, s.silence)
		s.mu.Unlock()
	}
	for _, p := range tr.publishers {
		byCode, _ := p.refusals()
		for code, count := range byCode {
			switch code {
			case 5:
				o.refused += count
			case 6:
				o.unknown += count
			default:
				tr.t.Errorf("%d SENDs were refused with code %d", count, code)
			}
		}
	}
	o.doubled -= tr.booked.doubled
	o.disorder -= tr.booked.disorder
	o.refused -= tr.booked.refused
	o.unknown -= tr.booked.unknown
	return o
}

// settle waits until all that was begun since the given marks and has a RECEIPT has reached its
// subscribers, or can't be hoped for any more. No message may be under way to a node.
func (tr *traffic) settle(marks []int) outcome {
	tr.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	hung := time.NewTimer(patience)
	defer hung.Stop()
	for {
		o := tr.outcome(marks)
		if o.lost == 0 || tr.t.Failed() {
			return o
		}
		select {
		case <-tick.C:
		case <-hung.C:
			return o
		}
	}
}

// wantAll settles, and fails if of what was begun since the given marks a message is lost or came
// twice, or out of order.
func (tr *traffic) wantAll(marks []int) {
	tr.t.Helper()
	if o := tr.settle(marks); o.lost+o.doubled+o.disorder > 0 {
		tr.t.Errorf("%s; want nothing of that", o)
	}
}

// begun returns how many messages of each stream are begun.
func (tr *traffic) begun() []int {
	marks := make([]int, len(tr.streams))
	for i, s := range tr.streams {
		marks[i] = s.begun()
	}
	return marks
}

// mark closes the books of all that was sent so far, and begins to measure the silence anew.
func (tr *traffic) mark() {
	tr.marks = tr.begun()
	o := tr.outcome(tr.marks)
	tr.booked.doubled += o.doubled
	tr.booked.disorder += o.disorder
	tr.booked.refused += o.refused
	tr.booked.unknown += o.unknown
	for _, s := range tr.subscribers {
		s.listen()
	}
}
