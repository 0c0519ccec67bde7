package natsbus

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/nats-io/nats.go"
)

// ErrPermission reports a destination that the server does not let this node's user publish or
// subscribe to.
var ErrPermission = errors.New("natsbus: the server does not permit it")

// act is what a server can refuse, in its words.
type act string

const (
	publishing  act = "Publish"
	subscribing act = "Subscription"
)

type refusal struct {
	act     act
	subject string
}

// refusals are the publishings that the server refused and nobody has been told of. It answers a PUB
// or SUB that it does not permit with an error that names the subject, before it answers the next
// PING; one error for each PUB, so that counting tells how many were refused. A subject has one SUB
// at most, and what became of it stands in its watch.
//
// nats.go hands errors to a goroutine of its own, so after a PING they may be on their way yet. The
// last of them can be asked for at once, which tells what to wait for. Should that be hidden by an
// error of another kind (a slow consumer's), the refusal is too late: it is logged, but its
// envelope counts as published.
type refusals struct {
	waiting atomic.Int64 // the sum of counts, to ask without the lock

	mu     sync.Mutex
	counts map[string]int // by subject
	latest error          // that was added
	await  error          // which is waited for, nil for none
	added  chan struct{}  // closed when await is added
}

// add notes an error that nats.go handed on, and that is about refused.
func (r *refusals) add(err error, refused refusal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if refused.act == publishing {
		r.counts[refused.subject]++
		r.waiting.Add(1)
	}
	if r.latest = err; err == r.await {
		r.await = nil
		close(r.added)
	}
}

// catchUp waits until all that nc got from its server up to now has been added, or ctx ends.
func (r *refusals) catchUp(ctx context.Context, nc *nats.Conn) {
	r.mu.Lock()
	last := nc.LastError()
	if !errors.Is(last, nats.ErrPermissionViolation) || last == r.latest {
		r.mu.Unlock()
		return
	}
	if r.await == nil { // else somebody waits already, and does so for the newer one from now on
		r.added = make(chan struct{})
	}
	r.await = last // it is newer than latest, so it is yet to come
	added := r.added
	r.mu.Unlock()
	await(ctx, added)
}

func (r *refusals) any() bool { return r.waiting.Load() > 0 }

// take reports whether one more of what was published to subject was refused.
func (r *refusals) take(subject string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := r.counts[subject]
	if n == 0 {
		return false
	}
	r.counts[subject]--
	r.waiting.Add(-1)
	if n == 1 {
		delete(r.counts, subject)
	}
	return true
}

// parseRefusal finds what a server's error is about, such as
// Permissions Violation for Publish to "stomp.d.topic.chat". It is zero for anything else.
func parseRefusal(text string) refusal {
	_, rest, _ := strings.Cut(text, "Permissions Violation for ")
	what, rest, _ := strings.Cut(rest, " to ")
	quoted, err := strconv.QuotedPrefix(rest)
	if err != nil {
		return refusal{}
	}
	subject, err := strconv.Unquote(quoted)
	if err != nil {
		return refusal{}
	}
	return refusal{act(what), subject}
}
