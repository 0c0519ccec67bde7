package session

import "context"

// aside has fn done by w while the session waits, and then goes on with then on the loop. then does
// not run if the session has ended.
func (s *Session) aside(w *Workers, fn func(context.Context), then func()) {
	s.pause()
	s.busy().cancel = w.Go(func(ctx context.Context) {
		fn(ctx)
		s.host.Local.Post(func() { s.back(then) })
	})
}

func (s *Session) back(then func()) {
	if s.state == closed {
		return
	}
	s.work.cancel = nil
	then()
	s.goOn()
}

// goOn reads on, unless the session has ended or something still makes it wait.
func (s *Session) goOn() {
	if s.state < leaving && s.paused && s.work.cancel == nil && len(s.work.stalled) == 0 {
		s.resume()
	}
}
