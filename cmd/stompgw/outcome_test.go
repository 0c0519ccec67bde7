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

// outcome returns what became of what has a RECEIPT by now. The lost ones are those that were begun after
// the given marks, one for each stream; nil are marks before everything.
func (tr *traffic) outcome(marks []int) (o outcome) {
	tr.t.Helper()
	for _, s := range tr.subscribers {
		s.mu.Lock()
		if s.fault != nil {
			tr.t.Errorf("a subscriber ended: %v", s.fault)
		}
		for i, stream := range tr.streams {
			if stream.destination != s.destination {
				continue
			}
			first := 0
			if i < len(marks) {
				first = marks[i]
			}
			a := s.of(stream.id)
			o.lost += a.lost(stream, first)
			o.doubled += a.doubled()
			o.disorder += a.disorder
		}
		o.silence = max(o.silence, s.silence)
		s.mu.Unlock()
	}
	for _, p := range tr.publishers {
		byCode := p.refused()
		o.refused, o.unknown = o.refused+byCode[5], o.unknown+byCode[6]
		delete(byCode, 5)
		delete(byCode, 6)
		if len(byCode) > 0 {
			tr.t.Errorf("SENDs were refused with codes %v", byCode)
		}
	}
	return o
}

// settle waits until all that was begun since the given marks and has a RECEIPT has reached its
// subscribers, or can't be hoped for any more. No message may be under way to a node.
func (tr *traffic) settle(marks []int) outcome {
	tr.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for hung := time.Now().Add(patience); ; <-tick.C {
		o := tr.outcome(marks)
		if o.lost == 0 || tr.t.Failed() || time.Now().After(hung) {
			return o
		}
	}
}

// wantAll settles, and fails if a message is lost or came twice, or out of order.
func (tr *traffic) wantAll() {
	tr.t.Helper()
	if o := tr.settle(nil); o.lost+o.doubled+o.disorder > 0 {
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
