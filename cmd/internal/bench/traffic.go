package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"golang.org/x/sync/errgroup"

	"github.com/stompgw/stompgw/gateway/stomp"
)

// load is what a benchmark of messages asks for.
type load struct {
	destination, sendTo string
	clients, publishers int
	rooms               int     // the destinations
	subscriptions       int     // of a client, each to another room
	rate                float64 // messages a second of all publishers; 0 for a window
	window              int     // messages that are on their way at one time
	size                int     // bytes of a body
	duration, ramp      time.Duration
}

// traffic is a benchmark of messages under way.
//
// Subscriptions are numbered through all clients, and go round the rooms by their numbers. So do flows, of which
// there are as many as there are rooms, or publishers if there are more; each has a publisher and a room.
type traffic struct {
	*target
	load
	id     uint32
	begun  time.Time
	scores []score

	publishers []*conn
	flows      []*flow
	life       context.Context // of all connections
	readers    sync.WaitGroup
	errors     errorList
	over       atomic.Bool  // connections end because the run does
	in         atomic.Int64 // clients and publishers that are connected
	ready      atomic.Int64 // subscriptions that have brought a probe
	measured   atomic.Int64 // latencies of what was sent from then on count, in nanoseconds since begun

	delivered atomic.Int64  // each message counts once for a subscriber
	wanted    atomic.Int64  // rouse at so many delivered
	wake      chan struct{} // has room for one
	sent      atomic.Int64
	due       int64                   // deliveries of all that was sent
	behind    *hdrhistogram.Histogram // how late publishers were, with a rate
}

func newTraffic(t *target, l load) *traffic {
	r := &traffic{target: t, load: l, id: rand.Uint32(), begun: time.Now(), wake: make(chan struct{}, 1), behind: newHistogram()}
	r.measured.Store(int64(time.Hour) * 1e5) // not yet
	r.scores = make([]score, runtime.GOMAXPROCS(0))
	for i := range r.scores {
		r.scores[i].latency = newHistogram()
	}
	return r
}

// now is the time since the run began, in nanoseconds.
func (t *traffic) now() int64 { return int64(time.Since(t.begun)) }

// room is the destination of a room: there is a number in it if there are several.
func (t *traffic) room(destination string, n int) string {
	switch {
	case strings.Contains(destination, roomMark):
		return strings.ReplaceAll(destination, roomMark, strconv.Itoa(n))
	case t.rooms > 1:
		return destination + "." + strconv.Itoa(n)
	}
	return destination
}

const roomMark = "{room}"

// members is how many subscriptions a room has.
func (t *traffic) members(room int) int64 {
	return int64((t.clients*t.subscriptions - room + t.rooms - 1) / t.rooms)
}

// perRoom is how many flows a room has at most.
func (t *traffic) perRoom() int { return (max(t.load.publishers, t.rooms) + t.rooms - 1) / t.rooms }

// rouse wakes whoever waits for subscribers.
func (t *traffic) rouse() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// allReady is how many subscriptions there are.
func (t *traffic) allReady() int64 { return int64(t.clients * t.subscriptions) }

// publisher takes what comes to one that only sends.
type publisher struct{}

func (publisher) frame(*conn, *stomp.Frame) error { return nil }
func (publisher) pause()                          {}

// atOnce is how many connections are opened at one time.
const atOnce = 128

// open connects everybody, evenly over the ramp, until the first failure.
func (t *traffic) open(ctx context.Context) error {
	t.publishers = make([]*conn, t.load.publishers)
	t.flows = make([]*flow, max(t.load.publishers, t.rooms))
	group, opening := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	all := t.clients + t.load.publishers
	start := time.Now()
	for i := range all {
		if !sleepUntil(opening, start.Add(time.Duration(float64(t.ramp)/float64(all)*float64(i)))) {
			break
		}
		group.Go(func() error {
			if i < t.clients {
				return t.addSubscriber(opening, i)
			}
			return t.addPublisher(opening, i-t.clients)
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return context.Cause(ctx)
}

func (t *traffic) addSubscriber(ctx context.Context, n int) error {
	s := &subscriber{t: t, n: n, score: &t.scores[n%len(t.scores)]}
	_, err := t.connect(ctx, n%t.rooms+n/t.rooms, s)
	return err
}

func (t *traffic) addPublisher(ctx context.Context, n int) error {
	c, err := t.connect(ctx, n, publisher{})
	if err != nil {
		return err
	}
	t.publishers[n] = c
	for i := n; i < len(t.flows); i += t.load.publishers {
		t.flows[i] = t.newFlow(stamp{run: t.id, flow: uint32(i)}, c, t.room(t.sendTo, i%t.rooms), t.size)
	}
	return nil
}

// connect opens a connection, has it read, and returns when the server has sent CONNECTED.
func (t *traffic) connect(ctx context.Context, node int, h handler) (*conn, error) {
	c, err := t.login(ctx, node, h)
	if err != nil {
		return nil, err
	}
	ended := make(chan error, 1)
	stop := context.AfterFunc(t.life, func() { c.nc.Close() })
	t.readers.Go(func() {
		defer stop()
		err := c.read()
		ended <- err
		if c.isUp() && !t.over.Load() { // else connect tells
			t.errors.add(err)
		}
	})
	select {
	case <-c.up:
		t.in.Add(1)
		return c, nil
	case err = <-ended:
	case <-time.After(t.timeout):
		err = silence(t.timeout)
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	c.nc.Close() // its reader ends with it
	return nil, err
}

// probe sends messages that count for nothing, until each subscription has brought one: only then it stands for
// certain, and not every server confirms it otherwise.
func (t *traffic) probe(ctx context.Context) error {
	again := time.NewTicker(250 * time.Millisecond)
	defer again.Stop()
	late := time.NewTimer(t.timeout)
	defer late.Stop()
	for before, ready := int64(0), int64(0); ready < t.allReady(); ready = t.ready.Load() {
		if ready > before {
			late.Reset(t.timeout) // they are coming
		} else if err := t.probeAll(); err != nil {
			return t.why(err)
		}
		before = ready
		select {
		case <-again.C:
		case <-t.wake:
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-late.C:
			return t.why(t.unheard())
		}
	}
	return nil
}

func (t *traffic) probeAll() error {
	for _, f := range t.flows[:t.rooms] {
		if err := f.write(f.packed); err != nil {
			return err
		}
	}
	return nil
}

// unheard says that probes do not arrive, and what may be the reason.
func (t *traffic) unheard() error {
	advice := ""
	if t.sendTo == t.destination {
		advice = "; where clients send below a prefix, as those of stompgw do, name it: --send-to /app" + t.destination
	}
	return fmt.Errorf("%d of %d subscriptions brought nothing that was sent to %s within %s: may clients subscribe to %s, and may publishers SEND to %s?%s",
		t.allReady()-t.ready.Load(), t.allReady(), t.sendTo, t.timeout, t.destination, t.sendTo, advice)
}

// why prefers what the server has said to a connection.
func (t *traffic) why(err error) error {
	return cmp.Or(t.errors.get(), err)
}

// publish sends until d is over.
func (t *traffic) publish(ctx context.Context, d time.Duration) error {
	begin := time.Now()
	end := begin.Add(d)
	for n := 0; time.Now().Before(end); n++ {
		if t.rate > 0 {
			due := begin.Add(time.Duration(float64(n) / t.rate * float64(time.Second)))
			if !due.Before(end) {
				sleepUntil(ctx, end)
				break
			}
			sleepUntil(ctx, due)
			t.behind.RecordValue(time.Since(due).Microseconds())
		} else {
			t.awaitWindow(ctx, end)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := t.sendNext(t.flows[int(t.sent.Load())%len(t.flows)]); err != nil {
			return t.why(err)
		}
	}
	return nil
}

func (t *traffic) sendNext(f *flow) error {
	if err := f.send(t.now()); err != nil {
		return fmt.Errorf("a publisher can't write: %w", err)
	}
	t.sent.Add(1)
	t.due += t.members(int(f.flow) % t.rooms)
	return nil
}

// stalled is how long nothing may arrive before what is missing counts as lost.
const stalled = 3 * time.Second

// awaitWindow waits until few enough messages are on their way.
func (t *traffic) awaitWindow(ctx context.Context, end time.Time) {
	perMessage := max(t.allReady()/int64(t.rooms), 1)
	t.await(ctx, t.due-int64(t.window-1)*perMessage, end)
}

// await waits until so many are delivered, at most until end. When nothing arrives for long, it waits for the missing no more.
func (t *traffic) await(ctx context.Context, least int64, end time.Time) {
	t.wanted.Store(least)
	before := t.delivered.Load()
	for before < least && ctx.Err() == nil && time.Now().Before(end) {
		select {
		case <-t.wake:
		case <-time.After(stalled):
			if t.delivered.Load() == before {
				t.due = before
				return
			}
		case <-ctx.Done():
		}
		before = t.delivered.Load()
	}
}

// close ends all connections.
func (t *traffic) close(kill context.CancelFunc) {
	t.over.Store(true)
	kill()
	t.readers.Wait()
}

// warmUp is how long traffic runs before it is measured, at most, and no longer than that then takes.
const warmUp = time.Second

// run is a benchmark of messages from beginning to end.
func (t *traffic) run(ctx context.Context, meter *meter) (*report, error) {
	life, kill := context.WithCancel(context.Background())
	t.life = life
	defer t.close(kill)
	if err := t.open(ctx); err != nil {
		return nil, err
	}
	meter.connected()
	if err := t.probe(ctx); err != nil {
		return nil, err
	}
	if err := t.publish(ctx, min(warmUp, t.duration)); err != nil {
		return nil, err
	}
	t.behind.Reset()
	t.measured.Store(t.now())
	sent, delivered, start := t.sent.Load(), t.delivered.Load(), time.Now()
	meter.begin()
	err := t.publish(ctx, t.duration)
	meter.end()
	r := &report{Seconds: time.Since(start).Seconds(), Sent: t.sent.Load() - sent, Delivered: t.delivered.Load() - delivered}
	if err != nil && !errors.Is(err, context.Canceled) {
		return nil, err
	}
	t.await(context.WithoutCancel(ctx), t.due, time.Now().Add(10*stalled))
	t.fill(r)
	meter.fill(r, r.Delivered)
	return r, ctx.Err()
}

// fill writes the result down, when nothing moves any more.
func (t *traffic) fill(r *report) {
	r.Clients, r.Subscriptions, r.Rooms, r.Publishers, r.Size = t.clients, t.subscriptions, t.rooms, t.load.publishers, t.size
	r.Rate, r.Window = t.rate, t.window
	expected := int64(0)
	for i, f := range t.flows {
		expected += int64(f.seq) * t.members(i%t.rooms)
	}
	r.Lost = expected - t.delivered.Load()
	sum := newHistogram()
	for i := range t.scores {
		s := &t.scores[i]
		s.mu.Lock()
		sum.Merge(s.latency)
		r.Doubled, r.OutOfOrder, r.Strange = r.Doubled+s.doubled, r.OutOfOrder+s.late, r.Strange+s.strange
		s.mu.Unlock()
	}
	r.latencies(sum)
	if t.rate > 0 {
		r.Behind = millis(t.behind.ValueAtQuantile(99))
	}
	t.errors.fill(r)
}

// progress says how it goes.
func (t *traffic) progress() string {
	if sent := t.sent.Load(); sent > 0 {
		return fmt.Sprintf("%s sent, %s delivered", grouped(float64(sent)), grouped(float64(t.delivered.Load())))
	}
	return fmt.Sprintf("%d of %d clients are connected, %d of %d subscriptions stand", t.in.Load(), t.clients+t.load.publishers, t.ready.Load(), t.allReady())
}
