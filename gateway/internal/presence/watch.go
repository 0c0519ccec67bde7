package presence

import (
	"time"

	"github.com/stompgw/stompgw/gateway/internal/router"
)

// A watch that the bus refuses, or takes back, is tried again after so much time, which doubles up to the second one.
const (
	watchAgain = time.Second
	watchMost  = 30 * time.Second
)

// watch is a destination of the bus that the node watches, where the bus brings only that. Run's goroutine owns it.
type watch struct {
	destination string
	round       int   // tells this attempt from those before
	asked       bool  // the bus has it, or is about to say so
	live        bool  // it brings what is published there
	err         error // why it does not
	again       time.Time
	pause       time.Duration
}

// verdict is what the bus says of a watch.
type verdict struct {
	watch *watch
	round int
	err   error
}

// begin asks the bus, unless that was done, or has to wait.
func (w *watch) begin(r *router.Router, now time.Time, tell func(verdict)) {
	if w.asked || now.Before(w.again) {
		return
	}
	w.asked = true
	w.round++
	round := w.round
	r.Watch(w.destination, func(err error) { tell(verdict{w, round, err}) })
}

// hear notes what the bus says.
func (w *watch) hear(v verdict, now time.Time) {
	switch {
	case v.round != w.round:
		return
	case v.err == nil:
		w.live, w.err, w.pause = true, nil, 0
		return
	}
	w.live, w.asked, w.err = false, false, v.err
	w.pause = min(max(2*w.pause, watchAgain), watchMost)
	w.again = now.Add(w.pause)
}

// end takes it back.
func (w *watch) end(r *router.Router) {
	if w.asked {
		r.Unwatch(w.destination)
	}
	*w = watch{destination: w.destination, round: w.round + 1}
}
