package kafkabus

import "time"

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
