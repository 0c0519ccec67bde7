package presence

import (
	"errors"
	"time"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/gateway/internal/router"
)

const (
	// seatedAtOnce is how many viewers of a room begin in a tick on all loops, and so in one turn of a loop: what has begun
	// must not miss what comes next.
	seatedAtOnce = 4096

	// endedAtOnce is how many are told in one turn of a loop that the room has too many members.
	endedAtOnce = 1000
)

// line is a MESSAGE to an audience.
type line struct {
	to      router.Audience
	message *router.Message
}

// word is what is known of whether a view can be.
type word int

const (
	unknown word = iota
	whole
	away
)

// can says whether it can be known who is in a room.
func (r *run) can(v *view) word {
	switch {
	case r.busErr != nil, r.peers.areAway(), v.watch.err != nil, r.digests.err != nil:
		return away
	case r.peers.listed && v.watch.live && r.digests.live:
		return whole
	}
	return unknown
}

// step does for a view what is due.
func (r *run) step(v *view, now time.Time) {
	if v.seats.isEmpty() && (now.Sub(v.seats.empty) >= linger || len(r.views) > lingering) {
		r.end(v)
		return
	}
	v.watch.begin(r.o.Router, now, r.desk.hear)
	var lines []line
	switch can := r.can(v); {
	case v.state == live && can == whole:
		lines = r.report(v, now)
	case can == whole:
		lines = r.resume(v, now)
	case v.state == live:
		lines = r.pause(v)
	case can == away, !now.Before(v.since.Add(beginWithin)):
		v.state, v.asking = paused, false
	}
	r.send(v, lines)
	if v.state == live && v.isCrowded() {
		r.endListed(v)
	}
	if v.state != starting && len(v.seats.waiting) > 0 {
		r.seat(v)
	}
}

// pause tells viewers that nobody knows who is there.
func (r *run) pause(v *view) []line {
	v.state, v.asking = paused, false
	m := r.message(v, pausedReport())
	return []line{{members, m}, {numbers, m}}
}

// resume asks all nodes, and begins, or goes on, when they have answered, or have had the time to.
func (r *run) resume(v *view, now time.Time) []line {
	if !v.asking {
		v.asking = true
		if v.state == paused {
			v.since = now
		}
		r.askAll(v)
	}
	if !v.isSettled() && now.Before(v.since.Add(beginWithin)) {
		return nil
	}
	v.state, v.asking = live, false
	v.turn(now)
	v.listed = v.counts()
	v.counted = v.listed
	v.countDue = now.Add(countsEvery)
	return append(r.first(v, members), r.first(v, numbers)...)
}

// report tells viewers what has changed.
func (r *run) report(v *view, now time.Time) (lines []line) {
	if !v.moved && (len(v.leaving) == 0 || v.leaving[0].when.After(now)) {
		return nil
	}
	news := v.turn(now)
	count := v.counts()
	if !v.isCrowded() {
		for _, body := range news.reports(count, r.o.Message) {
			lines = append(lines, line{members, r.message(v, body)})
			v.listed = count
		}
	}
	if v.moved = count != v.listed || count != v.counted; !v.moved || now.Before(v.countDue) {
		return lines
	}
	m := r.message(v, countReport(count))
	if count != v.listed && !v.isCrowded() {
		lines = append(lines, line{members, m})
	}
	if count != v.counted {
		lines = append(lines, line{numbers, m})
	}
	v.listed, v.counted, v.countDue, v.moved = count, count, now.Add(countsEvery), false
	return lines
}

// first is what an audience is told when it begins.
func (r *run) first(v *view, to router.Audience) (lines []line) {
	switch {
	case v.state == paused:
		return []line{{to, r.message(v, pausedReport())}}
	case to == numbers:
		return []line{{to, r.message(v, countReport(v.counts()))}}
	case v.isCrowded():
		return nil
	}
	for _, body := range hereReports(v.all(), v.counts(), r.o.Message) {
		lines = append(lines, line{to, r.message(v, body)})
	}
	return lines
}

func (r *run) message(v *view, body []byte) *router.Message {
	return r.o.Router.Message(bus.Envelope{
		Destination: v.seats.destination, Headers: []bus.Header{{Name: "content-type", Value: "application/json"}}, Body: body,
	})
}

// send has loops hand out lines.
func (r *run) send(v *view, lines []line) {
	if len(lines) == 0 {
		return
	}
	for l, n := range v.seats.loops {
		var its []line
		for _, line := range lines {
			if n[line.to] > 0 {
				its = append(its, line)
			}
		}
		if len(its) > 0 {
			r.post(l, func() {
				for _, line := range its {
					l.Hand(line.message, line.to)
				}
			})
		}
	}
}

// post runs fn on a loop. It fails only when the node is stopping.
func (r *run) post(l *router.Local, fn func()) { _ = l.PostWait(r.ctx, fn) }

// seat lets viewers begin who wait: all of them get the same first messages.
func (r *run) seat(v *view) {
	var refused []*viewer
	var why error // the same for all of them
	byLoop := map[*router.Local][numbers + 1][]*viewer{}
	n := 0
	for who := range v.seats.waiting {
		if err := r.refusal(v, who); err != nil {
			why = err
			refused = append(refused, who)
			delete(v.seats.waiting, who)
			continue
		}
		if n++; n > seatedAtOnce {
			continue
		}
		its := byLoop[who.local]
		its[who.audience] = append(its[who.audience], who)
		byLoop[who.local] = its
		v.seats.seat(who)
	}
	r.dismiss(refused, func(who *viewer) { who.ready(why) })
	var first [numbers + 1][]line
	for l, audiences := range byLoop {
		for to, viewers := range audiences {
			if len(viewers) == 0 {
				continue
			}
			if first[to] == nil {
				first[to] = r.first(v, router.Audience(to))
			}
			lines := first[to]
			r.post(l, func() { begin(l, viewers, lines) })
		}
	}
}

// refusal is why a viewer can't begin, nil if it can. A room that the bus can't carry is one where nobody can be.
func (r *run) refusal(v *view, who *viewer) error {
	switch {
	case errors.Is(v.watch.err, bus.ErrDestination):
		return v.watch.err
	case who.audience == members && v.state == live && v.isCrowded():
		return r.o.TooMany
	}
	return nil
}

// begin runs on the viewers' loop.
func begin(l *router.Local, viewers []*viewer, first []line) {
	subs := make([]*router.Subscription, 0, len(viewers))
	for _, who := range viewers {
		if who.over {
			continue
		}
		who.ready(nil)
		if who.over {
			continue // that has ended it
		}
		who.attached = true
		l.Attach(who.sub, who.audience)
		subs = append(subs, who.sub)
	}
	for _, line := range first {
		l.Deliver(line.message, subs...)
	}
}

// endListed ends all who see who is there: there are too many for that.
func (r *run) endListed(v *view) {
	var listed []*viewer
	for who := range v.seats.seated {
		if who.audience == members {
			listed = append(listed, who)
		}
	}
	for _, who := range listed {
		v.seats.leave(who, time.Now())
	}
	r.dismiss(listed, func(who *viewer) { who.ended(r.o.TooMany) })
}

// dismiss has loops tell viewers why they are none any more.
func (r *run) dismiss(viewers []*viewer, tell func(*viewer)) {
	byLoop := map[*router.Local][]*viewer{}
	for _, who := range viewers {
		byLoop[who.local] = append(byLoop[who.local], who)
	}
	for l, list := range byLoop {
		for len(list) > 0 {
			some := list[:min(len(list), endedAtOnce)]
			list = list[len(some):]
			r.post(l, func() {
				for _, who := range some {
					if who.over {
						continue
					}
					who.over = true
					who.detach()
					r.desk.forget(who)
					tell(who)
				}
			})
		}
	}
}
