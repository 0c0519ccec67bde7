package admin

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

const (
	auditIdle  = time.Minute // after which a call counts as over that nobody has ended
	auditCalls = 64          // that are open at a time; one more ends the one that was quiet longest
)

// audit writes one line of the log for each time that an operator ended sessions, though he asks some
// ten times a second. Its methods may be called from any goroutine.
type audit struct {
	log *slog.Logger

	mu   sync.Mutex
	open map[string]*calling
}

// calling is what one call of Cluster.Kick has done on this node so far.
type calling struct {
	request  request // one of them; they differ in Sessions alone
	sessions int
	last     time.Time
}

// kicked notes that a request has ended n sessions.
func (a *audit) kicked(r request, n int) {
	if n == 0 || r.Call == "" {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	c := a.open[r.Call]
	if c == nil {
		if len(a.open) == auditCalls {
			a.close(a.quietest())
		}
		if a.open == nil {
			a.open = map[string]*calling{}
		}
		c = &calling{request: r}
		a.open[r.Call] = c
	}
	c.sessions += n
	c.last = time.Now()
}

// end writes the line of a call.
func (a *audit) end(call string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.close(call)
}

// run ends the calls whose operator has gone away in between, until ctx ends.
func (a *audit) run(ctx context.Context) {
	tick := time.NewTicker(auditIdle / 4)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			a.sweep(now.Add(-auditIdle))
		case <-ctx.Done():
			return
		}
	}
}

// finish ends all calls.
func (a *audit) finish() { a.sweep(time.Now()) }

// sweep ends the calls that have done nothing since.
func (a *audit) sweep(since time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for call, c := range a.open {
		if !c.last.After(since) {
			a.close(call)
		}
	}
}

func (a *audit) quietest() (call string) {
	for name, c := range a.open {
		if call == "" || c.last.Before(a.open[call].last) {
			call = name
		}
	}
	return call
}

func (a *audit) close(call string) {
	c := a.open[call]
	if c == nil {
		return
	}
	delete(a.open, call)
	attrs := []any{"by", printable(c.request.By), "whom", printable(c.request.Whom), "sessions", c.sessions}
	if c.request.Code != 0 {
		attrs = append(attrs, "code", c.request.Code)
	}
	if c.request.Reason != "" {
		attrs = append(attrs, "reason", c.request.Reason)
	}
	if c.request.For != "" {
		attrs = append(attrs, "blocked_for", printable(c.request.For))
	}
	a.log.Info("an operator ended sessions", attrs...)
}
