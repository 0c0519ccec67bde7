package bench

import (
	"sync"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/stompgw/stompgw/gateway/stomp"
)

// score is what some of the subscribers have seen. Each processor has one, more or less.
type score struct {
	mu      sync.Mutex
	latency *hdrhistogram.Histogram // microseconds
	doubled int64
	late    int64
	strange int64 // messages of somebody else, or not as they were sent
}

// subscriber is a client that subscribes.
type subscriber struct {
	t     *traffic
	n     int
	score *score
	ready []bool    // by subscription
	seen  []history // by subscription, and by the flows of its room

	// Since the last pause.
	latencies              []int64
	fresh                  int64
	doubled, late, strange int64
}

func (s *subscriber) frame(c *conn, f *stomp.Frame) error {
	switch f.Command {
	case stomp.CommandConnected:
		var b []byte
		for i := range s.t.subscriptions {
			b = append(b, c.pack(s.t.subscribeFrame(i, s.t.room(s.t.destination, (s.n*s.t.subscriptions+i)%s.t.rooms)))...)
		}
		return c.write(b)
	case stomp.CommandMessage:
		s.message(f.Body)
	}
	return nil
}

// subscription is that by which a flow reaches s; it reports false if none does.
func (s *subscriber) subscription(flow int) (n int, ok bool) {
	t := s.t
	n = (flow - s.n*t.subscriptions) % t.rooms
	if n < 0 {
		n += t.rooms
	}
	return n, n < t.subscriptions && flow < len(t.flows)
}

func (s *subscriber) message(body []byte) {
	t := s.t
	m, marked := readStamp(body)
	sub, mine := s.subscription(int(m.flow))
	if !marked || m.run != t.id || len(body) != t.size || !mine {
		s.strange++
		return
	}
	if s.seen == nil {
		s.ready, s.seen = make([]bool, t.subscriptions), make([]history, t.subscriptions*t.perRoom())
	}
	if !s.ready[sub] {
		if s.ready[sub] = true; t.ready.Add(1) == t.allReady() {
			t.rouse()
		}
	}
	if m.seq == 0 {
		return
	}
	switch s.seen[sub*t.perRoom()+int(m.flow)/t.rooms].add(m.seq) {
	case doubled:
		s.doubled++
		return
	case late:
		s.late++
	}
	s.fresh++
	if m.sent >= t.measured.Load() {
		s.latencies = append(s.latencies, (t.now()-m.sent)/1000)
	}
}

// pause adds up what has come with one read.
func (s *subscriber) pause() {
	if s.fresh+s.doubled+s.strange == 0 {
		return
	}
	score := s.score
	score.mu.Lock()
	for _, latency := range s.latencies {
		score.latency.RecordValue(latency) // those over an hour are lost, as it were
	}
	score.doubled += s.doubled
	score.late += s.late
	score.strange += s.strange
	score.mu.Unlock()
	fresh := s.fresh
	s.latencies, s.fresh, s.doubled, s.late, s.strange = s.latencies[:0], 0, 0, 0, 0
	if s.t.delivered.Add(fresh) >= s.t.wanted.Load() {
		s.t.rouse()
	}
}
