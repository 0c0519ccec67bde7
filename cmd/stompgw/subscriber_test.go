package main

import (
	"fmt"
	"sync"
	"testing"
	"time"
)

// subscriber is a client that keeps book of what it receives of each stream to one destination.
type subscriber struct {
	*client
	destination string
	run         string
	ended       chan struct{} // closed when it has stopped reading

	mu      sync.Mutex
	streams map[int]*arrivals // by the stream's id; see of
	latest  time.Time         // of the last arrival
	silence time.Duration     // the longest between two
	fault   error             // the connection's end, or what made no sense
}

// newSubscriber returns when its subscription is live. It has a right to all that streams begin
// from then on.
func newSubscriber(t *testing.T, addr, run, destination string, streams []*stream) *subscriber {
	t.Helper()
	s := &subscriber{
		client:      connect(t, addr),
		destination: destination,
		run:         run,
		ended:       make(chan struct{}),
		streams:     make(map[int]*arrivals),
	}
	s.send(t, "SUBSCRIBE", "", "id", "1", "destination", destination, "receipt", "subscribed")
	live := make(chan struct{})
	go func() {
		defer close(s.ended)
		s.receive(live, streams)
	}()
	t.Cleanup(func() { // before connect's
		s.conn.Close()
		<-s.ended
	})
	select {
	case <-live:
	case <-s.ended:
		t.Fatalf("no RECEIPT for a SUBSCRIBE: %v", s.fault)
	}
	return s
}

// receive books messages until the connection ends. With the RECEIPT, what begins from then on is
// the subscriber's right.
func (s *subscriber) receive(live chan<- struct{}, streams []*stream) {
	for {
		f, err := s.read()
		switch {
		case err != nil:
		case f.command == "RECEIPT":
			s.entitle(streams)
			close(live)
		case f.command == "MESSAGE":
			err = s.book(f)
		default:
			err = fmt.Errorf("%s %v %s", f.command, f.headers, f.body)
		}
		if err != nil {
			s.mu.Lock()
			s.fault = err
			s.mu.Unlock()
			return
		}
	}
}

func (s *subscriber) entitle(streams []*stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, stream := range streams {
		s.of(stream.id).from = stream.begun()
	}
}

// of returns what has come of a stream. To the messages of one that began after the subscription
// the subscriber has a right from the first on.
func (s *subscriber) of(id int) *arrivals {
	a := s.streams[id]
	if a == nil {
		a = newArrivals()
		s.streams[id] = a
	}
	return a
}

func (s *subscriber) book(f frame) error {
	var id, n int
	if _, err := fmt.Sscanf(f.body, s.run+" %d %d", &id, &n); err != nil || f.headers["destination"] != s.destination {
		return fmt.Errorf("a strange message: %+v", f)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if !s.latest.IsZero() {
		s.silence = max(s.silence, now.Sub(s.latest))
	}
	s.latest = now
	s.of(id).add(n)
	return nil
}
