package natsbus

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/stompgw/stompgw/bus"
)

// A fetcher brings what is stored, over a connection of its own, so that what is published now doesn't wait
// behind it. It pulls, a part at a time, and the lane has delivered one before the next is asked for. There are two: what is
// missing in a trail has live messages wait, so it doesn't wait for anybody's past. For each trail the server looks through
// its stream; where there are many in a short piece of it, reading that once is cheaper.

const (
	fetchers    = 4    // that are at work at once
	sweepFrom   = 50   // more trails than that are fetched for together,
	sweepWidth  = 4000 // if they lie in no more messages than so many for each
	onePart     = 500  // messages of one pull for one trail
	sweepPart   = 5000 // of one for many
	partBytes   = 4 << 20
	pullTimeout = 2 * time.Second
	idlePull    = 200 * time.Millisecond // within a part
	shortWait   = 20 * time.Millisecond  // for a replica that lags
	consumerFor = 10 * time.Second       // that one is there after its last pull
)

// want is what a trail wants to have fetched: the messages of its subject behind a place that it or its client knows, which
// shows that nothing behind it is gone.
type want struct {
	// Never changed.
	trail *trail
	log   uint64 // that it is to be fetched of
	past  bool   // it is for memory
	all   bool   // from the beginning
	proof bool   // all behind it was delivered: it is only asked whether the place is what it was
	to    uint64 // the trail has heard of this one,
	end   uint64 // and that the stream had so many then

	void atomic.Bool // nobody wants it any more

	// The fetcher's, and after a part has come the lane's.
	shared  bool   // it is fetched together with others
	from    uint64 // at the earliest; a message after a gap, once that was found
	term    uint32 // of that place
	at      uint64 // nothing is missing up to there, from from on
	err     error
	found   int
	own     bool // the first that was found is that at from
	gap     bool // something may have gone before it
	cut     bool // another one is in its place
	whole   bool // nothing is gone behind it
	reached uint64

	// The lane's.
	done    bool
	told    bool   // of the latest gap
	event   uint32 // of its hole, and of that at the end
	brought []place
}

// drop says that nobody wants w any more. It may be nil.
func (w *want) drop() {
	if w != nil {
		w.void.Store(true)
	}
}

// fetcher has what is to be fetched.
type fetcher struct {
	wake chan struct{} // has room for one signal

	mu    sync.Mutex
	wants []*want
}

func newFetcher() *fetcher { return &fetcher{wake: make(chan struct{}, 1)} }

// fetch has w brought.
func (f *fetcher) fetch(w *want) {
	f.mu.Lock()
	f.wants = append(f.wants, w)
	f.mu.Unlock()
	signal(f.wake)
}

// waited reports whether something is to be fetched.
func (f *fetcher) waited() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.wants) > 0
}

// take returns what is to be fetched next: one, or many together if they lie close to end, where the stream ends.
func (f *fetcher) take(end uint64) (next []*want) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.wants = slices.DeleteFunc(f.wants, func(w *want) bool { return w.void.Load() })
	if next = together(f.wants, end); next == nil {
		next = f.wants[:min(len(f.wants), 1)]
	}
	next = slices.Clone(next)
	taken := make(map[*want]bool, len(next))
	for _, w := range next {
		taken[w] = true
	}
	if f.wants = slices.DeleteFunc(f.wants, func(w *want) bool { return taken[w] }); len(f.wants) > 0 {
		signal(f.wake)
	}
	return next
}

// together returns as many of wants as reading the stream once is cheaper for; nil: for none.
func together(wants []*want, end uint64) []*want {
	if len(wants) <= sweepFrom {
		return nil
	}
	near := slices.DeleteFunc(slices.Clone(wants), func(w *want) bool { return w.all || w.proof })
	slices.SortFunc(near, func(a, b *want) int { return cmp.Compare(a.from, b.from) })
	for i := 0; len(near)-i > sweepFrom; i++ {
		if near[i].from >= end || end-near[i].from < uint64(len(near)-i)*sweepWidth {
			return near[i:]
		}
	}
	return nil
}

// fetchAll brings what f has until ctx ends, from c's server.
func (b *Bus) fetchAll(ctx context.Context, c *conn, f *fetcher) {
	if !f.waited() && !await(ctx, f.wake) { // most nodes need none
		return
	}
	own := &spare{bus: b, server: c.server}
	var wg sync.WaitGroup
	for range fetchers {
		wg.Go(func() {
			for await(ctx, f.wake) {
				b.fetchNext(ctx, own, f)
				b.tryFetching(ctx, own)
			}
		})
	}
	signal(f.wake)
	wg.Wait()
	own.close()
}

// fetchNext brings what there is to be fetched, until nothing is left or ctx ends. It takes nothing that it does not end: a trail waits for that.
func (b *Bus) fetchNext(ctx context.Context, own *spare, f *fetcher) {
	for ctx.Err() == nil {
		next := f.take(b.history.highest())
		if len(next) == 0 {
			return
		}
		b.endWants(next, b.fetchFrom(ctx, own, next))
	}
}

// spare is a connection beside the bus's own, once it is needed.
type spare struct {
	bus    *Bus
	server address

	mu   sync.Mutex
	conn *conn
}

func (s *spare) get() (*conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != nil && !s.conn.nc.IsClosed() {
		return s.conn, nil
	}
	if s.conn != nil {
		s.conn.close()
	}
	var err error
	if s.conn, err = s.bus.connect(s.server); err != nil {
		s.conn = nil
	}
	return s.conn, err
}

func (s *spare) close() {
	if s.conn != nil {
		s.conn.close()
	}
}

// endWants tells the trails that what they want has come, or why not.
func (b *Bus) endWants(wants []*want, err error) {
	if err == nil {
		b.history.fault.Store(nil)
	}
	for _, w := range wants {
		w.trail.lane.post(func(deliver func(bus.Envelope)) {
			w.err = err
			w.trail.brought(w, deliver)
		})
	}
}

// tryFetching finds out whether something can be fetched again, when nothing could.
func (b *Bus) tryFetching(ctx context.Context, own *spare) {
	if b.history.fault.Load() == nil {
		return
	}
	c, err := own.get()
	if err != nil {
		return
	}
	p, err := b.history.pull(ctx, c, "", b.history.highest(), 1)
	if err != nil {
		return
	}
	defer p.close()
	if _, _, err = p.next(ctx); err == nil {
		b.history.fault.Store(nil)
	}
}

// fetchFrom brings what wants say: one of them, or many by reading all subjects.
func (b *Bus) fetchFrom(ctx context.Context, own *spare, wants []*want) error {
	c, err := own.get()
	if err != nil {
		return err
	}
	if !wants[0].proof {
		if err := b.read(ctx, c, wants); err != nil {
			return err
		}
	}
	look := b.history.looker(ctx, c)
	for _, w := range wants {
		if w.whole, err = b.history.judge(ctx, c, w, look); err != nil {
			return err
		}
	}
	return nil
}

// read has the lanes deliver what the stream has of wants.
func (b *Bus) read(ctx context.Context, c *conn, wants []*want) error {
	subject, batch, from := wants[0].trail.raw, onePart, wants[0].from
	bySubject := make(map[string]*want, len(wants))
	for _, w := range wants {
		from, w.shared = min(from, w.from), len(wants) > 1
		bySubject[w.trail.raw] = w
	}
	if len(wants) > 1 {
		subject, batch = "", sweepPart
	}
	p, err := b.history.pull(ctx, c, subject, from, batch)
	if err != nil {
		return err
	}
	defer p.close()
	for deadline := time.Now().Add(requestTimeout); ; {
		part, more, err := p.next(ctx)
		if err == nil && !slices.ContainsFunc(wants, func(w *want) bool { return !w.void.Load() }) {
			return nil
		}
		if err == nil {
			err = b.hand(ctx, c, bySubject, part)
		}
		if err != nil {
			return err
		}
		if more {
			deadline = time.Now().Add(requestTimeout)
			continue
		}
		if whole, err := b.caughtUp(ctx, c, wants); whole || err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return errors.New("a replica of the stream does not catch up with its leader")
		}
		await(ctx, time.After(shortWait))
	}
}

// hand gives each want what is its own of part.
func (b *Bus) hand(ctx context.Context, c *conn, bySubject map[string]*want, part []message) error {
	byWant := make(map[*want][]message)
	for _, m := range part {
		if w := bySubject[m.msg.Subject]; w != nil && m.seq >= w.from && !w.void.Load() {
			byWant[w] = append(byWant[w], m)
		}
	}
	look := b.history.looker(ctx, c)
	for w, own := range byWant {
		if err := b.bring(ctx, c, w, own, look); err != nil {
			return err
		}
	}
	return nil
}

// caughtUp reports whether wants have all that the leader has. Its last message may be gone by now.
func (b *Bus) caughtUp(ctx context.Context, c *conn, wants []*want) (bool, error) {
	for _, w := range wants {
		if w.reached >= w.to || w.void.Load() {
			continue
		}
		last, err := b.history.lastOf(ctx, c, w.trail.raw)
		if err != nil || last.seq >= w.from && last.seq > w.reached {
			return false, err
		}
	}
	return true, nil
}

// bring has the lane deliver a part of what w wants, and waits for that.
func (b *Bus) bring(ctx context.Context, c *conn, w *want, part []message, look looker) error {
	first, earlier, last := place{part[0].seq, term(part[0].msg.Header, part[0].msg.Data)}, w.found, w.reached
	w.found += len(part)
	w.reached = part[len(part)-1].seq
	err := error(nil)
	if earlier == 0 {
		err = b.begin(ctx, c, w, first, look)
	} else {
		err = b.goOn(ctx, c, w, first, last, look)
	}
	if err == nil && w.from == first.seq {
		w.found = len(part)
		err = b.tear(ctx, c, w, look)
	}
	if err != nil {
		return err
	}
	done := make(chan struct{})
	w.trail.lane.post(func(deliver func(bus.Envelope)) {
		w.trail.bring(w, part, deliver)
		close(done)
	})
	if !await(ctx, done) {
		return ctx.Err()
	}
	return nil
}

// begin notes the first message that was found. If something may be gone before it, w goes on from there.
func (b *Bus) begin(ctx context.Context, c *conn, w *want, first place, look looker) error {
	if _, err := w.look(look); err != nil {
		return err
	}
	w.own = first.seq == w.from && (w.term == 0 || w.term == first.term)
	if w.own {
		w.term = first.term
		return nil
	}
	whole, err := false, error(nil)
	if !w.all {
		whole, err = b.history.judge(ctx, c, w, look)
	}
	if !whole && (w.past || !w.cut) {
		w.goOnFrom(first)
	}
	return err
}

// goOn notes the first message of another part, behind last. Nothing between them, or behind them, is gone if that is still there, as the
// oldest goes first. Where the parts of many are small that would be a request for a few messages: then it counts what the stream says of all.
func (b *Bus) goOn(ctx context.Context, c *conn, w *want, first place, last uint64, look looker) error {
	if w.shared {
		info, err := w.look(look)
		if err != nil || w.fewer(info) && info.State.First <= w.at+1 {
			return err
		}
	}
	there, err := b.history.at(ctx, c, w.trail.raw, last)
	if err == nil && !there.own() {
		w.goOnFrom(first)
	}
	return err
}

// tear has a hole told before the part that begins with w's place, if something may have gone from among its messages while they came, which
// no server says. They can be told apart no further.
func (b *Bus) tear(ctx context.Context, c *conn, w *want, look looker) error {
	whole, err := b.history.judge(ctx, c, w, look)
	if err == nil && !whole {
		w.gap, w.told = true, false
	}
	return err
}

// goOnFrom has w begin with first, behind a gap.
func (w *want) goOnFrom(first place) {
	w.gap, w.told, w.own, w.from, w.term, w.at = true, false, true, first.seq, first.term, first.seq
}

// looker asks how far back the stream goes.
type looker func() (*streamInfo, error)

// looker returns one that asks once.
func (h *history) looker(ctx context.Context, c *conn) looker {
	return sync.OnceValues(func() (*streamInfo, error) { return h.inspect(ctx, c) })
}

// errAnotherLog reports a stream that was made anew. The keeper finds that out too, and tells the trails.
var errAnotherLog = errors.New("the stream is another one now")

// look asks how far back the log goes that w is to be fetched of.
func (w *want) look(look looker) (*streamInfo, error) {
	info, err := look()
	if err == nil && info.log() != w.log {
		w.trail.bus.history.refresh()
		err = errAnotherLog
	}
	return info, err
}

// fewer reports whether the stream keeps more messages of a subject than were found behind w's place.
func (w *want) fewer(info *streamInfo) bool {
	limit, since := info.kept()
	return w.found == 0 || since <= w.at && (limit < 1 || w.found < limit)
}

// judge reports whether nothing is gone that the stream had behind w's place. The server removes the oldest first: of a subject
// that has more than it keeps, and of all. So a message that is there shows that all behind it is; and of one that isn't
// nothing is missing if the stream has fewer behind it than it keeps, and goes back as far as the trail has come.
func (h *history) judge(ctx context.Context, c *conn, w *want, look looker) (bool, error) {
	info, err := w.look(look)
	if err != nil {
		return false, err
	}
	fewer, removed := w.fewer(info), info.State.First > w.from // as one of the oldest
	if w.own && fewer && !removed {
		return true, nil
	}
	at := place{w.from, w.term}
	if !removed && w.term != 0 {
		there, err := h.at(ctx, c, w.trail.raw, w.from)
		switch {
		case err != nil:
			return false, err
		case there.seq > 0 && there.term != w.term:
			w.cut = true
			return false, nil
		case there.seq > 0 && at.own():
			return true, nil
		}
	}
	switch {
	case at.own() && !removed: // too many came, or it was removed alone
		return false, nil
	case w.proof:
		return true, nil
	}
	return fewer && info.State.First <= w.at+1, nil
}

// pull is an ephemeral consumer of the stream.
type pull struct {
	history *history
	conn    *conn
	name    string
	inbox   string
	sub     *nats.Subscription
	arrived chan *nats.Msg
	batch   int
	bytes   int
	turn    int
	pending uint64 // messages that the server had when it was last heard
	reached uint64 // in the stream
	number  uint64 // of the consumer's last message
}

// pull begins to read what is stored of subject, "" for all, from a number on.
func (h *history) pull(ctx context.Context, c *conn, subject string, from uint64, batch int) (*pull, error) {
	p := &pull{
		history: h, conn: c, inbox: c.nc.NewInbox(), batch: batch,
		bytes: max(partBytes, 2*int(c.nc.MaxPayload())), arrived: make(chan *nats.Msg, batch+64),
	}
	p.name = p.inbox[strings.LastIndexByte(p.inbox, '.')+1:]
	config := map[string]any{
		"name":               p.name,
		"deliver_policy":     "by_start_sequence",
		"opt_start_seq":      max(from, 1),
		"ack_policy":         "none",
		"replay_policy":      "instant",
		"max_deliver":        -1,
		"inactive_threshold": int64(consumerFor),
		"num_replicas":       1,
		"mem_storage":        true,
	}
	if subject != "" {
		config["filter_subject"] = subject
	}
	question := map[string]any{"stream_name": h.stream, "config": config}
	var made struct {
		Pending uint64 `json:"num_pending"`
	}
	if err := request(ctx, c, "CONSUMER.CREATE."+h.stream+"."+p.name, question, &made); err != nil {
		return nil, err
	}
	p.pending = made.Pending
	var err error
	if p.sub, err = c.nc.ChanSubscribe(p.inbox+".*", p.arrived); err != nil {
		return nil, err
	}
	return p, nil
}

// next returns the next part; more is false if there is no more on the replica that was asked.
func (p *pull) next(ctx context.Context) (part []message, more bool, err error) {
	p.turn++
	batch := int(min(uint64(p.batch), max(p.pending, 1))) // of which a server has as many, it brings all
	reply := fmt.Sprint(p.inbox, ".", p.turn)
	question, err := json.Marshal(map[string]any{"batch": batch, "no_wait": true, "max_bytes": p.bytes})
	if err != nil {
		return nil, false, err
	}
	if err := p.conn.nc.PublishRequest("$JS.API.CONSUMER.MSG.NEXT."+p.history.stream+"."+p.name, reply, question); err != nil {
		return nil, false, err
	}
	limit := time.NewTimer(pullTimeout)
	defer limit.Stop()
	for len(part) < batch {
		select {
		case msg := <-p.arrived:
			if strings.HasPrefix(msg.Subject, p.inbox) { // the server's word: what is stored comes with its own subject
				status := msg.Header.Get("Status")
				if msg.Subject != reply {
					continue // about an earlier pull
				}
				return part, len(part) > 0 && status == "409", p.check(msg, status, len(part))
			}
			meta, err := msg.Metadata()
			if err != nil {
				return nil, false, err
			}
			if meta.Sequence.Consumer != p.number+1 {
				return nil, false, fmt.Errorf("messages of stream %s were lost on the way", p.history.stream)
			}
			p.number, p.reached, p.pending = meta.Sequence.Consumer, meta.Sequence.Stream, meta.NumPending
			part = append(part, message{seq: meta.Sequence.Stream, at: meta.Timestamp.UnixMilli(), msg: msg})
			if p.pending == 0 {
				return part, false, nil
			}
			limit.Reset(idlePull)
		case <-limit.C:
			if len(part) > 0 { // some of what it had is gone, which it does not say
				return part, true, nil
			}
			return nil, false, fmt.Errorf("stream %s does not bring what it has", p.history.stream)
		case <-ctx.Done():
			return nil, false, ctx.Err()
		}
	}
	return part, true, nil
}

// check returns why a pull that brought n messages has failed, if it has.
func (p *pull) check(msg *nats.Msg, status string, n int) error {
	if status == "404" || status == "408" || n > 0 {
		return nil
	}
	return fmt.Errorf("stream %s does not bring what it has: %s %s", p.history.stream, status, msg.Header.Get("Description"))
}

// close ends it; a server that does not hear of it forgets the consumer by itself.
func (p *pull) close() {
	unsubscribe(p.sub)
	_ = p.conn.nc.Publish("$JS.API.CONSUMER.DELETE."+p.history.stream+"."+p.name, nil)
}
