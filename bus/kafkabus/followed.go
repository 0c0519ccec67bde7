package kafkabus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/stompgw/stompgw/bus"
)

const (
	// sourcePatience is for how long ready waits for a source that is there, and for how long a
	// source may be silent before that is amiss. New sets another.
	sourcePatience = 5 * time.Second

	// lookInterval is how often the topics are looked at, beside when the view changes.
	lookInterval = time.Second
)

// followed is what the tail knows of one topic.
type followed struct {
	// Set by begin, never changed.
	name   string
	source bool // a topic of the user's own: the bus goes on without it

	// Guarded by the tail's mutex.
	parts []*partition // all ever seen, by number
	fresh bool         // the brokers have said that there is none of that name: all that it will hold is new

	trouble pulse // since when a view has no partitions of it, and why

	complaint complaint // owned by the tail's run
}

// follow takes over what a view says of the topic, and returns whether it has partitions. It runs
// under the tail's mutex.
func (f *followed) follow(v topicView) bool {
	if v.err == nil {
		f.trouble.answered()
		return true
	}
	f.trouble.failed(v.err)
	f.fresh = f.fresh || len(f.parts) == 0 && errors.Is(v.err, kafka.UnknownTopicOrPartition)
	return false
}

// fault returns why a topic can't be read, nil if it can or if that is still open. A broker may owe
// an answer for limit before that counts. t.mu is held.
func (t *tail) fault(f *followed, limit time.Duration) error {
	silence, cause := f.trouble.silence()
	if cause != nil && (silence >= limit || !errors.Is(cause, kafka.LeaderNotAvailable)) {
		return topicError(f.name, f.source, cause)
	}
	for _, p := range f.parts {
		if p.absent {
			continue
		}
		silence, cause := t.silenceOf(p)
		switch {
		case errors.Is(cause, kafka.TopicAuthorizationFailed):
			return topicError(f.name, f.source, cause)
		case silence >= limit:
			return t.noAnswer(p, silence, cause)
		}
	}
	return nil
}

func (t *tail) noAnswer(p *partition, silence time.Duration, cause error) error {
	from := ""
	if p.leader != none {
		from = " from " + t.cluster.host(p.leader)
	}
	return fmt.Errorf("kafkabus: no answer%s about partition %d of topic %s for %s: %w",
		from, p.number, p.topic, silence.Truncate(time.Second), cmp.Or(cause, context.DeadlineExceeded))
}

// awaited returns what has to be known of a topic before all that is published to it is sure to
// come, nil for nothing. t.mu is held.
func (t *tail) awaited(f *followed) error {
	if len(f.parts) == 0 {
		return fmt.Errorf("kafkabus: topic %s has not been seen yet", f.name)
	}
	for _, p := range f.parts {
		switch {
		case p.absent && p.number == 0:
			return fmt.Errorf("kafkabus: topic %s has gone", p.topic)
		case p.absent || p.read.Load():
		default:
			_, cause := t.silenceOf(p)
			return fmt.Errorf("kafkabus: the end of partition %d of topic %s is not known yet: %w",
				p.number, p.topic, cmp.Or(cause, error(kafka.OffsetNotAvailable)))
		}
	}
	return nil
}

// tell tells the log which topics can't be read, and when they can be read again. That the bus's own is not
// there is left out: topic.look tells of it.
func (t *tail) tell() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, f := range t.topics {
		if _, absent := f.trouble.silence(); !f.source && absent != nil {
			continue
		}
		err := t.fault(f, t.patience)
		switch silence, tell := f.complaint.judge(err != nil, time.Now()); {
		case !tell:
		case err == nil:
			t.log.Info("the topic can be read now", "topic", f.name, "after", silence.Round(time.Second/10))
		case f.source:
			t.log.Warn("a source can't be read; all else goes on", "topic", f.name, "err", err)
		default:
			t.log.Warn("the topic can't be read", "topic", f.name, "err", err)
		}
	}
}

// sources returns how each source is doing.
func (t *tail) sources() (all []bus.SourceFigures) {
	away := t.cluster.reachable()
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.begun {
		return nil
	}
	for _, f := range t.topics[1:] {
		err := cmp.Or(away, t.fault(f, t.patience), t.awaited(f))
		all = append(all, bus.SourceFigures{Topic: f.name, Err: err})
	}
	return all
}

const (
	complaintInterval = time.Minute     // at which the log hears of something that stays amiss
	complaintGap      = 5 * time.Second // at least, before it hears of something that comes and goes
)

// complaint remembers since when something is amiss, and what the log has heard of it.
type complaint struct {
	since time.Time // zero while all is well
	told  time.Time // when the log heard of it the last time, ever
	heard bool      // it has since then
}

// judge takes whether something is amiss now, and returns whether the log is to hear of that, or that
// all is well again; silence is how long it was not.
func (c *complaint) judge(amiss bool, now time.Time) (silence time.Duration, tell bool) {
	if !amiss {
		silence, tell = now.Sub(c.since), c.heard
		c.since, c.heard = time.Time{}, false
		return silence, tell
	}
	if c.since.IsZero() {
		c.since = now
	}
	wait := complaintGap
	if c.heard {
		wait = complaintInterval
	}
	if !c.told.IsZero() && now.Sub(c.told) < wait {
		return now.Sub(c.since), false
	}
	c.told, c.heard = now, true
	return now.Sub(c.since), true
}
