package presence

import (
	"sync"
	"time"

	"github.com/stompgw/stompgw/gateway/internal/router"
)

// The audiences of a view.
const (
	members router.Audience = 1 + iota // see who is there
	numbers                            // see how many are
)

const (
	// linger is how long a view is kept up that nobody looks at: a page that is loaded anew finds it there.
	linger = 10 * time.Second

	// lingering is how many views there may be for one to linger, or a client that looks at one room after the other would have the node keep
	// up any number of them.
	lingering = 4096
)

// viewer is a subscription to who is in a room.
type viewer struct {
	// Set by View, never changed.
	local    *router.Local
	sub      *router.Subscription
	room     string
	audience router.Audience
	ready    func(error)
	ended    func(error)

	view *view // Run's goroutine owns it

	// Owned by the loop.
	over     bool // nothing is told to it any more
	attached bool
}

// desk is where loops leave word for Run. Any goroutine may call its methods.
type desk struct {
	run bell // that of the book

	mu       sync.Mutex
	viewers  map[*router.Subscription]*viewer
	came     []*viewer
	left     []*viewer
	verdicts []verdict
	viewed   map[string]struct{} // rooms that somebody looks at
}

func newDesk(run bell) *desk {
	return &desk{run: run, viewers: map[*router.Subscription]*viewer{}, viewed: map[string]struct{}{}}
}

func (d *desk) come(v *viewer) {
	d.mu.Lock()
	d.viewers[v.sub] = v
	d.came = append(d.came, v)
	d.mu.Unlock()
	d.run.wake()
}

// leave returns the viewer that a subscription is, nil if it is none any more.
func (d *desk) leave(s *router.Subscription) *viewer {
	d.mu.Lock()
	v := d.viewers[s]
	if v != nil {
		delete(d.viewers, s)
		d.left = append(d.left, v)
	}
	d.mu.Unlock()
	d.run.wake()
	return v
}

// forget notes that a viewer was refused, or has ended.
func (d *desk) forget(v *viewer) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.viewers[v.sub] == v {
		delete(d.viewers, v.sub)
	}
}

func (d *desk) hear(v verdict) {
	d.mu.Lock()
	d.verdicts = append(d.verdicts, v)
	d.mu.Unlock()
	d.run.wake()
}

// take returns what is new.
func (d *desk) take() (came, left []*viewer, verdicts []verdict) {
	d.mu.Lock()
	defer d.mu.Unlock()
	came, left, verdicts = d.came, d.left, d.verdicts
	d.came, d.left, d.verdicts = nil, nil, nil
	return came, left, verdicts
}

// setViewed says whether somebody looks at a room.
func (d *desk) setViewed(room string, viewed bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if viewed {
		d.viewed[room] = struct{}{}
	} else {
		delete(d.viewed, room)
	}
}

// isViewed reports whether somebody looks at a room or, without a name, at any.
func (d *desk) isViewed(room string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if room == "" {
		return len(d.viewed) > 0
	}
	_, ok := d.viewed[room]
	return ok
}

// size returns how many viewers there are, and how many rooms they look at.
func (d *desk) size() (viewers, rooms int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.viewers), len(d.viewed)
}

// seats are the viewers of a view. Run's goroutine owns them.
type seats struct {
	destination string               // of their subscriptions
	waiting     map[*viewer]struct{} // that have not begun
	seated      map[*viewer]struct{}
	loops       map[*router.Local][numbers + 1]int // how many are seated there, by audience
	empty       time.Time                          // since when there is none
}

func newSeats(now time.Time) seats {
	return seats{waiting: map[*viewer]struct{}{}, seated: map[*viewer]struct{}{}, loops: map[*router.Local][numbers + 1]int{}, empty: now}
}

func (s *seats) isEmpty() bool { return len(s.waiting)+len(s.seated) == 0 }

// come notes a viewer that waits to begin.
func (s *seats) come(v *viewer) {
	if s.destination == "" {
		s.destination = v.sub.Destination
	}
	s.waiting[v] = struct{}{}
}

// seat notes that a viewer has begun.
func (s *seats) seat(v *viewer) {
	delete(s.waiting, v)
	s.seated[v] = struct{}{}
	n := s.loops[v.local]
	n[v.audience]++
	s.loops[v.local] = n
}

// leave notes that a viewer has gone.
func (s *seats) leave(v *viewer, now time.Time) {
	delete(s.waiting, v)
	if _, seated := s.seated[v]; seated {
		delete(s.seated, v)
		n := s.loops[v.local]
		n[v.audience]--
		s.loops[v.local] = n
	}
	if s.isEmpty() {
		s.empty = now
	}
}
