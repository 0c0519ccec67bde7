package session

import "context"

// aside has fn done by w while the session waits, and then goes on with then on the loop, even where
// fn ends its goroutine. then does not run if the session has ended.
func (s *Session) aside(w *Workers, fn func(context.Context), then func()) {
	s.pause()
	s.busy().cancel = w.Go(func(ctx context.Context) {
		defer s.host.Local.Post(func() { s.back(then) })
		fn(ctx)
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
	if s.state != closed && s.paused && s.work.cancel == nil && len(s.work.stalled) == 0 {
		s.resume()
	}
}
