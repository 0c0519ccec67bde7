package session

import (
	"slices"
	"time"
	"unicode/utf8"

	"github.com/stompgw/stompgw/bus"
)

// A client-request-code never leaves the gateway, so no backend can send it back: it answers with the correlation-id alone. The
// session remembers which code belongs to that, and puts it into the MESSAGE of the answer, which is for it alone. Whoever else
// writes to the session with the same correlation-id tells the client nothing but the client's own code.

// question is a SEND with a client-request-code that has gone to a backend.
type question struct {
	correlation, code string
	until             time.Time // how long an answer may take
}

// Bounds of what is remembered.
const (
	maxQuestions = 64      // of a session: the oldest goes first
	maxAsked     = 100_000 // of a node: further ones are answered without their codes
	maxCode      = 256     // bytes of a client-request-code: an answer goes without a longer one
	answerTime   = 5 * time.Minute
)

const headerRequestCode = "client-request-code"

// ask remembers the code of what has gone to a backend, if it has one.
func (s *Session) ask(p *publication) {
	if p.backend == nil || p.origin.requestCode == nil {
		return
	}
	code, now := *p.origin.requestCode, s.host.Now()
	if len(code) > maxCode || !utf8.ValidString(code) {
		return
	}
	s.forgetQuestions(func(q question) bool { return !now.Before(q.until) || q.correlation == p.backend.correlation })
	work := s.busy()
	if len(work.questions) == maxQuestions {
		work.questions = slices.Delete(work.questions, 0, 1)
		s.host.Stats.Asked.Add(-1)
	}
	if s.host.Stats.Asked.Add(1) > maxAsked {
		s.host.Stats.Asked.Add(-1)
		return
	}
	work.questions = append(work.questions, question{p.backend.correlation, code, now.Add(answerTime)})
}

// requestCode is the header that says which question a message answers; it has no name for a message that answers none.
func (s *Session) requestCode(correlation string) (h bus.Header) {
	if correlation == "" || s.work == nil {
		return h
	}
	i := slices.IndexFunc(s.work.questions, func(q question) bool { return q.correlation == correlation })
	if i < 0 || !s.host.Now().Before(s.work.questions[i].until) {
		return h
	}
	return bus.Header{Name: headerRequestCode, Value: s.work.questions[i].code}
}

// forgetQuestions takes out those that are over; nil is all.
func (s *Session) forgetQuestions(over func(question) bool) {
	if s.work == nil {
		return
	}
	had := len(s.work.questions)
	s.work.questions = slices.DeleteFunc(s.work.questions, func(q question) bool { return over == nil || over(q) })
	s.host.Stats.Asked.Add(int64(len(s.work.questions) - had))
}
