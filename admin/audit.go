package admin

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"
)

const (
	auditIdle  = time.Minute // after which a call counts as over that nobody has ended
	auditCalls = 64          // that are open at a time; one more ends the one that was quiet longest
)

// audit writes one line of the log for each time that an operator ended sessions or subscriptions, though he asks
// some ten times a second. Its methods may be called from any goroutine.
type audit struct {
	log *slog.Logger

	mu   sync.Mutex
	open []*calling // the one that was quiet longest first
}

// calling is what one call of Cluster.Kick or EndSubscriptions has done on this node so far.
type calling struct {
	request  request // one of them; they differ in Sessions alone
	sessions int
	last     time.Time
}

// ended notes that a request has ended n sessions, or subscriptions of n.
func (a *audit) ended(r request, n int) {
	if n == 0 || r.Call == "" {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	c := &calling{request: r}
	switch i := a.index(r.Call); {
	case i >= 0:
		c = a.open[i]
		a.open = slices.Delete(a.open, i, i+1)
	case len(a.open) == auditCalls:
		a.close(0)
	}
	c.sessions += n
	c.last = time.Now()
	a.open = append(a.open, c)
}

// index is where a call stands, -1 for one that is not open.
func (a *audit) index(call string) int {
	return slices.IndexFunc(a.open, func(c *calling) bool { return c.request.Call == call })
}

// end writes the line of a call.
func (a *audit) end(call string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if i := a.index(call); i >= 0 {
		a.close(i)
	}
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

// sweep ends the calls that have done nothing since.
func (a *audit) sweep(since time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for len(a.open) > 0 && !a.open[0].last.After(since) {
		a.close(0)
	}
}

func (a *audit) close(i int) {
	c := a.open[i]
	a.open = slices.Delete(a.open, i, i+1)
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
	if c.request.Op == opEnd {
		a.log.Info("an operator ended subscriptions", append(attrs, "destination", printable(c.request.Destination))...)
		return
	}
	a.log.Info("an operator ended sessions", attrs...)
}
