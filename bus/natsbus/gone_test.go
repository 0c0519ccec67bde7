package natsbus

import (
	"fmt"
	"slices"
	"strconv"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/stompgw/stompgw/bus"
)

// numbered returns the numbers from 1 on, so many.
func numbered(n int) (bodies []string) {
	for i := range n {
		bodies = append(bodies, strconv.Itoa(i+1))
	}
	return bodies
}

// rewind has t take the first message behind its beginning for the last that it has got.
func (t *trail) rewind() { t.last, t.term, t.complete = t.since+1, 0, t.since+1 }

// TestGoneBetweenParts: what the stream removes while it is fetched is told as a hole before what follows it, behind another hole, too.
func TestGoneBetweenParts(t *testing.T) {
	for _, gone := range []int{0, 10} { // before it is fetched
		t.Run(fmt.Sprint("gone=", gone), func(t *testing.T) {
			url := startServer(t, 0, withJetStream(t.TempDir())).ClientURL()
			js := jetStream(t, connect(t, url))
			purge := func(upTo uint64) {
				checkErr(t, js.PurgeStream("STOMPGW", &nats.StreamPurgeRequest{Sequence: upTo + 1}), nil)
			}
			r := newReader(t, Config{URL: url}, "1/a")
			r.Remember(keeping(10_000))
			fetched := false
			receive(t, r.Bus, func(e bus.Envelope) {
				if r.keep(e); fetched && string(e.Body) == strconv.Itoa(gone+onePart) { // the last of the first part
					purge(e.Mark.At.Offset + 9)
				}
			})
			r.healthy(t)
			checkErr(t, watchFor(r.Bus, "/topic/a"), nil)
			sent := numbered(gone + onePart + 20)
			send(t, r.Bus, sent...)
			r.want(t, sent...)
			trail := trailOf(r.Bus, "/topic/a")
			trail.inLane(func() {
				fetched = true
				trail.rewind()
				if gone > 0 {
					purge(trail.since + uint64(gone))
				}
			})
			send(t, r.Bus, "more")
			first := sent[1 : gone+onePart]
			if gone > 0 {
				first = append([]string{"hole"}, sent[gone:gone+onePart]...)
			}
			r.want(t, slices.Concat(first, []string{"hole"}, sent[gone+onePart+9:], []string{"more"})...)
		})
	}
}

// TestGoneWithinPart: what the stream removes while it brings one part is told as a hole before that, and once more, as the same one, at the
// end: from then on no place before it stands.
func TestGoneWithinPart(t *testing.T) {
	url := startServer(t, 0, withJetStream(t.TempDir())).ClientURL()
	js := jetStream(t, connect(t, url))
	r := follow(t, Config{URL: url}, "1/a", 10_000)
	sent := numbered(20)
	send(t, r.Bus, sent...)
	r.want(t, sent...)
	trail := trailOf(r.Bus, "/topic/a")
	w := &want{trail: trail, log: trail.log, from: trail.since + 1, at: trail.since + 1, to: trail.since + 20}
	trail.inLane(func() {
		trail.rewind()
		trail.phase, trail.mending = behind, w
	})
	c := r.Bus.conn.Load()
	p, err := r.history.pull(t.Context(), c, trail.raw, w.from, onePart)
	checkErr(t, err, nil)
	defer p.close()
	part, _, err := p.next(t.Context())
	checkErr(t, err, nil)
	checkErr(t, js.PurgeStream("STOMPGW", &nats.StreamPurgeRequest{Sequence: part[10].seq}), nil)
	part = slices.Delete(part, 5, 10) // as a server does that removes them while it sends
	checkErr(t, r.Bus.bring(t.Context(), c, w, part, r.history.looker(t.Context(), c)), nil)
	w.whole, err = r.history.judge(t.Context(), c, w, r.history.looker(t.Context(), c))
	r.Bus.endWants([]*want{w}, err)
	before := r.next(t).Mark
	r.want(t, slices.Concat(sent[1:5], sent[10:])...)
	if after := r.next(t).Mark; !before.Hole || !after.Hole || before.Event == 0 || after.Event != before.Event {
		t.Errorf("before is %+v, and behind %+v", before, after)
	}
	r.wantWhole(t, "/topic/a", []bus.Position{{Log: trail.log, Offset: part[3].seq}}, false)
}

// TestSweepAsksLittle: where many are fetched for together, no question for each of them and each part is asked while the stream has
// removed nothing of it.
func TestSweepAsksLittle(t *testing.T) {
	const rooms, each = sweepFrom + 1, 2 * sweepPart / sweepFrom
	url := startServer(t, 0, withJetStream(t.TempDir())).ClientURL()
	nc := connect(t, url)
	js := jetStream(t, nc)
	r := follow(t, Config{URL: url}, "1/a", 10_000)
	known := trailOf(r.Bus, "/topic/a")
	var wants []*want
	wanted := func() {
		wants = nil
		for n := range rooms {
			other := &trail{bus: r.Bus, raw: "stomp.d.topic.a" + strconv.Itoa(n), lane: known.lane}
			wants = append(wants, &want{trail: other, log: known.log, from: known.last, at: known.last})
		}
	}
	wanted()
	for range each {
		for _, w := range wants {
			_, err := js.PublishAsync(w.trail.raw, nil)
			checkErr(t, err, nil)
		}
		<-js.PublishAsyncComplete()
	}
	asked, err := nc.SubscribeSync("$JS.API.STREAM.MSG.GET.STOMPGW")
	checkErr(t, err, nil)
	checkErr(t, nc.Flush(), nil)
	own := &spare{bus: r.Bus, server: r.Bus.conn.Load().server}
	defer own.close()
	before := 0
	for r.Bus.fetchFrom(t.Context(), own, wants) != nil { // on a slow machine messages are lost on the way
		checkErr(t, t.Context().Err(), nil)
		checkErr(t, nc.Flush(), nil)
		before, _, _ = asked.Pending()
		wanted()
	}
	for _, w := range wants {
		if w.found != each || !w.whole {
			t.Errorf("%s: %d of %d were found, whole: %t", w.trail.raw, w.found, each, w.whole)
		}
	}
	checkErr(t, nc.Flush(), nil) // all that was asked has come here too
	if n, _, err := asked.Pending(); n-before >= rooms || err != nil {
		t.Errorf("%d questions about %d destinations, %v", n-before, rooms, err)
	}
}
