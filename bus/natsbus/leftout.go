package natsbus

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/stompgw/stompgw/bus"
)

// A server refuses a stream all that it is to capture if another stream has a bit of that, and a node's user may not be
// allowed to change the stream. So a pattern that can't be captured would take history from all others, when rules
// are reloaded. It is left out instead: the log says so, and what it alone matches is as without a stream. Publish
// says ErrDown, as nobody would store it, and a watch brings what others publish, without marks.
//
// By the rules of its start, Healthy says so too: a rollout stops at its first node then. By those of a reload it does not: all nodes have them at
// about the same time, and nobody would be left for what works.

// leftOut is what a stream does not do that rules ask for.
type leftOut struct {
	captured []string // the stream's subjects
	why      error
}

// leaveOut notes what the stream of info does not do, and why; nil is nothing.
func (h *history) leaveOut(info *streamInfo, patterns []string, why error) {
	if why == nil {
		h.left.Store(nil)
		return
	}
	fault := "keeps fewer messages of a destination than rules ask for"
	if len(patterns) > 0 {
		fault = "does not capture " + some(patterns)
	}
	h.left.Store(&leftOut{info.Config.Subjects, fmt.Errorf("stream %s %s: %w", h.stream, fault, why)})
}

// leaveMissing is leaveOut where nodes may not change the stream.
func (h *history) leaveMissing(info *streamInfo, keep *bus.Keep) {
	held := info.Config.Subjects
	missing, why := h.missing(held, keep.Patterns), error(nil)
	if len(missing) > 0 {
		why = fmt.Errorf("bus.nats.history.create is false: its subjects have to be %s", strings.Join(capture(h.prefix, keep.Patterns, held), " "))
	}
	h.leaveOut(info, missing, why)
}

// some is a list, or how it begins, in words.
func some(patterns []string) string {
	const most = 5
	if more := len(patterns) - most; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(patterns[:most], " "), more)
	}
	return strings.Join(patterns, " ")
}

// leaves returns why a subject of a destination with history is left out; nil: it is not.
func (h *history) leaves(subject string) error {
	left := h.left.Load()
	if left == nil || covers(left.captured, []string{subject}) {
		return nil
	}
	return left.why
}

// endLeftOut takes back the watches of what the stream captured once and does not any more: they would be silent. Watched again,
// it brings what others publish.
func (b *Bus) endLeftOut() {
	silent := make(map[*trail]error)
	b.watches.eachTrail(func(t *trail) {
		if why := b.history.leaves(t.raw); why != nil {
			silent[t] = why
		}
	})
	for t, why := range silent {
		if w, _ := b.watches.of(t.subject); w != nil && w.trail == t {
			b.deny(w, fmt.Errorf("%w: %w", bus.ErrDown, why))
		}
	}
}

// lasting reports whether err, which a change of the stream has met, is a word about the change and no fault of the moment.
func lasting(err error) bool {
	var api *apiError
	return errors.As(err, &api) && !errors.Is(err, errNoAnswer) || errors.Is(err, ErrPermission)
}

// missing returns those of patterns that a stream with these subjects does not capture.
func (h *history) missing(subjects, patterns []string) []string {
	return slices.DeleteFunc(slices.Clone(patterns), func(pattern string) bool { return covers(subjects, cover(h.prefix, pattern)) })
}
