package natsbus

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/stompgw/stompgw/bus"
)

// What is published to a subject that the stream captures is stored, whether its destination has history or not: the server knows
// nothing of the rules. So that is worth a word, before somebody wonders what fills the stream.

// mostAdvice is how much of that is said: somebody may have thousands of rules.
const mostAdvice = 20

const inVain = "is stored for nothing, and takes space from what has history"

// Advise implements bus.Adviser.
func (b *Bus) Advise(ctx context.Context, k bus.Keep) ([]string, error) {
	c, h := b.conn.Load(), b.history
	if c == nil {
		return nil, b.Healthy()
	}
	info, err := h.inspect(ctx, c)
	if err != nil && !is(err, noSuchStream) { // a node makes it
		return nil, fmt.Errorf("natsbus: %w", err)
	}
	advice := h.adviseLimits(info, k, c.nc.ConnectedServerVersion())
	if h.create { // else what it captures is its maker's choice
		advice = append(advice, h.adviseCaptured(info.Config.Subjects, k)...)
	}
	if more := len(advice) - mostAdvice; more > 0 {
		advice = append(advice[:mostAdvice], fmt.Sprintf("has %d more of these", more))
	}
	for i, text := range advice {
		advice[i] = fmt.Sprintf("stream %s %s", h.stream, text)
	}
	return advice, nil
}

// adviseLimits returns what of k a stream loses that could be used, on servers of a version. What can't be used at all, Healthy tells.
func (h *history) adviseLimits(info *streamInfo, k bus.Keep, version string) (advice []string) {
	cfg := info.Config
	if cfg.MaxAge > 0 && cfg.MaxAge < k.Age {
		advice = append(advice, fmt.Sprintf("removes after %s what history should keep for %s: set its max_age to 0, since nodes apply the ttl of each rule", cfg.MaxAge, k.Age))
	}
	if cfg.Storage == "memory" {
		advice = append(advice, "is kept in memory: a server that restarts loses it, and nobody can go on from where they were: delete it, and have it created anew, in files")
	}
	if n := cfg.PerSubject; !h.create && n > 0 && n < k.Size {
		advice = append(advice, fmt.Sprintf("keeps %d messages of a destination, and rules ask for %d: raise its max_msgs_per_subject", n, k.Size))
	}
	if max(cfg.Replicas, h.replicas) > 1 && losesReplicas(version) {
		advice = append(advice, fmt.Sprintf("has replicas on servers of version %s, which can differ, or be lost, when servers are killed: take 2.10 or a newer one", version))
	}
	return advice
}

// losesReplicas reports whether servers of a version lose what they had agreed on.
func losesReplicas(version string) bool {
	major, rest, _ := strings.Cut(version, ".")
	minor, _, _ := strings.Cut(rest, ".")
	n, err := strconv.Atoi(minor)
	return err == nil && major == "2" && n < 10
}

// adviseCaptured returns which subjects a stream, which has those held, captures for rules that do not ask for all of them.
func (h *history) adviseCaptured(held []string, k bus.Keep) (advice []string) {
	needed := capture(h.prefix, k.Patterns, nil)
	all := capture(h.prefix, k.Patterns, held)
	for _, subject := range all {
		asked := h.patternsOf(subject, k.Patterns)
		switch {
		case len(asked) == 0:
			advice = append(advice, fmt.Sprintf("captures %s, which no rule with history asks for: what is published there %s: set its subjects to %s",
				subject, inVain, some(needed)))
		case h.isSaid(subject, asked):
		case slices.Contains(needed, subject):
			advice = append(advice, fmt.Sprintf("captures %s for %s, as NATS has no closer subject: what else is published there %s: give what has history segments of its own, such as /topic/room/{n}",
				subject, some(asked), inVain))
		default:
			advice = append(advice, fmt.Sprintf("captures %s, of which rules with history ask only for %s: what else is published there %s: set its subjects to %s",
				subject, some(asked), inVain, some(needed)))
		}
	}
	return append(advice, h.adviseWithout(all, k)...)
}

// adviseWithout returns which subjects bring along what an earlier rule says has no history.
func (h *history) adviseWithout(subjects []string, k bus.Keep) (advice []string) {
	example := strings.NewReplacer("**", "x", "*", "x", "?", "x")
	for _, pattern := range k.Without {
		destination := example.Replace(pattern)
		i := slices.IndexFunc(subjects, func(s string) bool {
			return covers([]string{s}, []string{string(appendSubject(nil, h.prefix, destination))})
		})
		if i < 0 || k.Has(destination) {
			continue
		}
		if asked := h.patternsOf(subjects[i], k.Patterns); len(asked) > 0 { // else that was said
			advice = append(advice, fmt.Sprintf("captures %s for %s, and with it what the rule of %s has without history: that %s: give one of them another beginning",
				subjects[i], some(asked), pattern, inVain))
		}
	}
	return advice
}

// patternsOf returns those of patterns that have something in common with a subject.
func (h *history) patternsOf(subject string, patterns []string) (asked []string) {
	for _, pattern := range patterns {
		if slices.ContainsFunc(cover(h.prefix, pattern), func(s string) bool { return overlap(s, subject) }) {
			asked = append(asked, pattern)
		}
	}
	return asked
}

// isSaid reports whether one of patterns means all of a subject.
func (h *history) isSaid(subject string, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		return isClose(pattern) && covers(cover(h.prefix, pattern), []string{subject})
	})
}

// isClose reports whether the subjects of a pattern match nothing but what it does.
func isClose(pattern string) bool {
	parts := splitPattern(pattern)
	for i, part := range parts {
		isName := strings.HasPrefix(part, "{") && !strings.Contains(part, ":")
		if part == "**" && i < len(parts)-1 || part != "*" && part != "**" && !isName && strings.ContainsAny(part, "*?{}") {
			return false
		}
	}
	return true
}
