package message

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/cmd/internal/cli"
)

// batch publishes the messages of a publication one after another, some of them on their way at one
// time, and keeps book of what becomes of them. The first goes alone: what is wrong with it is wrong
// with all. It ends at the first failure.
type batch struct {
	*publication
	pace    pace
	notes   io.Writer  // standard error
	on      int        // on their way
	answers chan error // to what is on its way, with room for all of it
	tally   tally
}

// tally is what became of messages.
type tally struct {
	confirmed, refused int
	unknown            int   // they may have been published
	err                error // the first
}

// sender sends the message of a number, and has done called with what became of it; done may run at
// once. With an error it has not left.
type sender func(ctx context.Context, n int, done func(error)) error

// Bounds of what is on its way at one time.
const (
	maxWindow      = 256
	maxWindowBytes = 16 << 20
)

// unsure is the error of a message that may have been published all the same.
type unsure struct{ error }

func (u unsure) Unwrap() error { return u.error }

// publish sends total messages, and returns what became of them.
func (r *batch) publish(ctx context.Context, total int, send sender) tally {
	window := min(maxWindow, max(1, maxWindowBytes/max(1, len(r.body))))
	r.answers = make(chan error, window)
	var err error
	for n := 0; n < total && r.tally.err == nil; n++ {
		if err = r.one(ctx, n, window, send); err == nil && n == 0 {
			err = r.await(ctx, 0)
		}
		r.fail(err)
		r.look()
	}
	if !errors.Is(err, errLate) {
		r.fail(r.await(ctx, 0))
	}
	r.tally.unknown += r.on
	return r.tally
}

// one sends the message of a number when its time has come and few enough are on their way. A bus that
// has no room gets it again after an answer.
func (r *batch) one(ctx context.Context, n, window int, send sender) error {
	if err := r.pace.wait(ctx); err != nil {
		return err
	}
	for room := window - 1; ; {
		if err := r.await(ctx, room); err != nil {
			return err
		}
		others := r.on
		err := send(ctx, n, func(err error) { r.answers <- err })
		if err == nil {
			r.on++
			return nil
		}
		if !errors.Is(err, bus.ErrFull) || others == 0 {
			return err
		}
		room = others - 1
	}
}

// errLate reports that no answer came in time.
var errLate = errors.New("no answer in time")

// await waits until no more than room messages are on their way, as long as answers come: each may
// take the time-out.
func (r *batch) await(ctx context.Context, room int) error {
	late := time.NewTimer(r.gateway.timeout)
	defer late.Stop()
	for r.look(); r.on > room; r.look() {
		select {
		case err := <-r.answers:
			r.book(err)
			late.Reset(r.gateway.timeout)
		case <-late.C:
			return unsure{errLate}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// look books the answers that have come.
func (r *batch) look() {
	for range len(r.answers) {
		r.book(<-r.answers)
	}
}

// book takes the answer to a message.
func (r *batch) book(err error) {
	r.on--
	switch {
	case err == nil:
		r.tally.confirmed++
	case errors.As(err, new(unsure)):
		r.tally.unknown++
	default:
		r.tally.refused++
	}
	r.fail(err)
}

// fail keeps why no more messages are sent; nil is no reason.
func (r *batch) fail(err error) {
	if r.tally.err == nil {
		r.tally.err = err
	}
}

// report prints the last line, or returns what went wrong. to says where the messages went; explain
// makes an error for people of one.
func (r *batch) report(ctx context.Context, total int, to string, t tally, explain func(error) error) error {
	size := cli.Count(t.confirmed*len(r.body), "byte")
	switch {
	case t.confirmed == total && total == 1:
		fmt.Fprintf(r.notes, "published %s to %s\n", size, to)
		return nil
	case t.confirmed == total:
		fmt.Fprintf(r.notes, "published %s (%s) to %s\n", cli.Count(total, "message"), size, to)
		return nil
	case t.confirmed == 0 && (total == 1 || t.unknown == 0):
		return explain(t.err)
	}
	told := fmt.Sprintf("published %d of %s to %s", t.confirmed, cli.Count(total, "message"), to)
	for _, part := range []struct {
		n    int
		what string
	}{
		{t.refused, "refused"},
		{t.unknown, "may have been published or not"},
		{total - t.confirmed - t.refused - t.unknown, "not sent"},
	} {
		if part.n > 0 {
			told += fmt.Sprintf(", %d %s", part.n, part.what)
		}
	}
	code := cli.Partial
	if t.confirmed == 0 {
		code = cli.CodeOf(explain(t.err))
	}
	if ctx.Err() != nil { // Main says no more than that
		fmt.Fprintf(r.notes, "interrupted: %s\n", told)
		return cli.Exit(code, cli.ErrTold)
	}
	return cli.Exit(code, fmt.Errorf("%s: %w", told, explain(t.err)))
}

// pace spreads messages evenly over time. Its zero value does not.
type pace struct {
	every time.Duration
	next  time.Time
}

// newPace is that of so many a second; 0 is none.
func newPace(rate float64) pace {
	if rate == 0 {
		return pace{}
	}
	return pace{every: time.Duration(float64(time.Second) / rate)}
}

// maxBehind is by how much a late sender may catch up at once.
const maxBehind = 100 * time.Millisecond

// wait returns when the next message may go.
func (p *pace) wait(ctx context.Context) error {
	if p.every == 0 || ctx.Err() != nil {
		return context.Cause(ctx)
	}
	now := time.Now()
	if p.next.Before(now.Add(-maxBehind)) {
		p.next = now
	}
	due := time.NewTimer(p.next.Sub(now))
	defer due.Stop()
	p.next = p.next.Add(p.every)
	select {
	case <-due.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
