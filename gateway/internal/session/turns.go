package session

import (
	"context"
	"time"

	"github.com/stompgw/stompgw/gateway/internal/router"
)

// What a turn of the loop has of a long work at most; then the loop's other work goes on.
const (
	turnItems = 32
	turnTime  = time.Millisecond // what is begun within it is finished
)

// inTurns calls each for all of list, a part of it in every turn of the loop, and then done. If ctx
// or the loop ends before, done comes early. It runs on the loop.
func inTurns[T any](ctx context.Context, l *router.Local, list []T, each func(T), done func()) {
	began, n := time.Now(), 0
	for n < min(len(list), turnItems) && ctx.Err() == nil && time.Since(began) < turnTime {
		each(list[n])
		n++
	}
	rest := list[n:]
	if len(rest) > 0 && ctx.Err() == nil && l.Post(func() { inTurns(ctx, l, rest, each, done) }) {
		return
	}
	done()
}
