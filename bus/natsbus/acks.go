package natsbus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/stompgw/stompgw/bus"
)

// An envelope to a destination with history is published with a reply subject, on which the stream says that it
// has stored it. A PONG says less: a server takes more than a stream can store, and drops the rest without a
// word to those who did not ask. Whoever subscribes to the destination's subject sees the reply subject and may
// answer too, so an answer counts only if it names the stream.

// replyTail is the most bytes of a reply subject behind its node: what makes it one of its connection, and the
// number.
const replyTail = len(".") + 22 + len(".") + 13 + len(" ")

// acks are the envelopes that the stream has yet to answer. They are in the outbox's count until then.
type acks struct {
	mu      sync.Mutex
	last    uint64 // the number of the latest; they begin at 1
	waiting map[uint64]pending
}

type pending struct {
	item  item
	since time.Time
}

// add notes that it is about to be written, and gives it a number.
func (a *acks) add(it *item) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.last++
	it.ack = a.last
	a.waiting[it.ack] = pending{*it, time.Now()}
}

// take returns the one with that number to whoever is to tell its outcome; ok is false if somebody else did.
func (a *acks) take(number uint64) (it item, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	p, ok := a.waiting[number]
	delete(a.waiting, number)
	return p.item, ok
}

// forget notes that it was not written after all.
func (a *acks) forget(it *item) {
	if it.ack != 0 {
		a.take(it.ack)
		it.ack = 0
	}
}

// latest is the number of the latest.
func (a *acks) latest() uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.last
}

// takeOlder returns those up to a number that wait for longer than d.
func (a *acks) takeOlder(d time.Duration, upTo uint64) (old []item) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for number, p := range a.waiting {
		if number <= upTo && time.Since(p.since) >= d {
			old = append(old, p.item)
			delete(a.waiting, number)
		}
	}
	return old
}

// late reports whether one waits for longer than d.
func (a *acks) late(d time.Duration) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, p := range a.waiting {
		if time.Since(p.since) >= d {
			return true
		}
	}
	return false
}

// acked tells the outcome of the envelope with that number, unless somebody has.
func (o *outbox) acked(number uint64, err error) {
	if it, ok := o.acks.take(number); ok {
		o.finish(&it, err)
	}
}

// expireAcks gives up what waits for the stream's answer for longer than d, up to a number.
func (o *outbox) expireAcks(d time.Duration, upTo uint64) {
	for _, it := range o.acks.takeOlder(d, upTo) {
		o.finish(&it, bus.ErrUnknown)
	}
}

// hearAnswers makes the two subscriptions on which c hears what JetStream says, if something has history: before all others,
// so that they have room where a server bounds how many there are, and later ones are counted beside them. The writer calls
// it, or who was before it. It fails only when c has ended.
func (b *Bus) hearAnswers(c *conn) error {
	if c.inbox != "" {
		return nil
	}
	inbox := c.nc.NewInbox()
	if _, err := c.nc.Subscribe(inbox+".*", b.stored); err != nil {
		return err
	}
	c.inbox = inbox
	ctx, cancel := context.WithTimeout(b.ctx, dialTimeout)
	defer cancel()
	_, err := c.nc.RequestWithContext(ctx, b.probe+"x", nil) // nobody answers, but nats.go subscribes to answers with its first request
	if errors.Is(err, nats.ErrConnectionClosed) {
		return err
	}
	return nil
}

// replyTo returns where the stream is to answer to an envelope that is about to be written to c. The writer alone
// calls it. It fails only when c has ended.
func (b *Bus) replyTo(c *conn, it *item) (string, error) {
	if err := b.hearAnswers(c); err != nil {
		return "", err
	}
	b.out.acks.add(it)
	return c.inbox + "." + strconv.FormatUint(it.ack, 36), nil
}

// stored hears what the stream has made of an envelope.
func (b *Bus) stored(msg *nats.Msg) {
	number, err := strconv.ParseUint(msg.Subject[strings.LastIndexByte(msg.Subject, '.')+1:], 36, 64)
	if err != nil {
		return
	}
	if len(msg.Data) == 0 && msg.Header.Get("Status") == "503" { // the server's, as nobody hears the subject, the stream neither
		b.history.refresh()
		b.out.acked(number, fmt.Errorf("%w: no stream takes it", bus.ErrDown))
		return
	}
	var answer struct {
		Stream string
		Seq    uint64
		Error  *apiError
	}
	if err := json.Unmarshal(msg.Data, &answer); err != nil || answer.Stream != b.history.stream {
		return // somebody else's
	}
	switch {
	case answer.Error == nil:
		b.history.stored(number, answer.Seq)
		b.out.acked(number, nil)
	case answer.Error.ErrCode == messageTooLarge:
		b.out.acked(number, fmt.Errorf("%w: stream %s: %w", bus.ErrTooLarge, answer.Stream, answer.Error))
	default: // it has no room, say, or is being removed
		b.out.acked(number, fmt.Errorf("%w: stream %s: %w", bus.ErrDown, answer.Stream, answer.Error))
	}
}
