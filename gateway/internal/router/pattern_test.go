package router

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/bustest"
)

// header returns the first value of a header in a frame.
func header(frame, name string) string {
	_, rest, _ := strings.Cut(frame, "\n"+name+":")
	value, _, _ := strings.Cut(rest, "\n")
	return value
}

// wantFrames holds that of all just those who want it got one message, and returns it of each.
func wantFrames(t *testing.T, what string, all, want []*reader) map[*reader]string {
	t.Helper()
	frames := map[*reader]string{}
	for _, s := range all {
		got := s.read()
		if want := slices.Contains(want, s); len(got) > 1 || want != (len(got) == 1) {
			t.Errorf("%s: %s on loop %d got %q", what, s.Destination, s.loop, got)
		}
		if len(got) > 0 {
			frames[s] = got[0]
		}
	}
	return frames
}

// TestPattern: on a bus that brings everything, each subscription gets what it matches, once, with
// the destination it was sent to; what one message is to several subscriptions is one message.
func TestPattern(t *testing.T) {
	b := bustest.NewFake()
	r := newRig(t, 2, b, b)
	for i := range r.loops {
		exact, one, foo, deep, rest := r.subscribe(i, "1", "/t/fob"), r.subscribe(i, "2", "/t/*"), r.subscribe(i, "3", "/t/fo*"),
			r.subscribe(i, "4", "/t/**"), r.subscribe(i, "5", "/**/x")
		all := []*reader{exact, one, foo, deep, rest}
		for _, test := range []struct {
			sent string
			want []*reader
		}{
			{"/t/fob", []*reader{exact, one, foo, deep}},
			{"/t/x", []*reader{one, deep, rest}},
			{"/t", []*reader{deep}},
			{"/t/fob/x", []*reader{deep, rest}},
			{"/x", []*reader{rest}},
			{"/u/fob", nil},
		} {
			b.Deliver(bus.Envelope{Destination: test.sent})
			ids := map[string]bool{}
			for s, frame := range wantFrames(t, test.sent, all, test.want) {
				ids[header(frame, "message-id")] = true
				if header(frame, "destination") != test.sent || header(frame, "subscription") != s.ID {
					t.Errorf("loop %d, %s: %s got %q", i, test.sent, s.Destination, frame)
				}
			}
			if test.want != nil && len(ids) != 1 {
				t.Errorf("loop %d, %s: %d messages of one envelope", i, test.sent, len(ids))
			}
		}
		for _, s := range all {
			s.unsubscribe()
		}
	}
	b.Deliver(bus.Envelope{Destination: "/t/fob"})
	r.wait()
	if n := r.router.Delivered(); n != 2*11 {
		t.Errorf("%d are counted as delivered, want 22", n)
	}
}

// TestPatternOverNarrower: what a watch brought reaches the subscriptions that it serves, and no
// other, as the bus brings another copy for those.
func TestPatternOverNarrower(t *testing.T) {
	b := bustest.NewFakeNarrower()
	r := newRig(t, 2, b.Fake, b)
	foo, bar := r.subscribe(0, "1", "/t/fo*"), r.subscribe(1, "2", "/t/ba*")
	b.WantCalls(t, "watch /t/*") // for both
	exact, deep := r.subscribe(0, "3", "/t/foo"), r.subscribe(1, "4", "/t/**")
	all := []*reader{foo, bar, exact, deep}
	for _, test := range []struct {
		sent, by string
		want     []*reader
	}{
		{"/t/foo", "/t/*", []*reader{foo}},
		{"/t/foo", "/t/foo", []*reader{exact}},
		{"/t/foo", "/t/**", []*reader{deep}},
		{"/t/bar", "/t/*", []*reader{bar}},
		{"/t/other", "/t/*", nil},
		{"/t", "/t", []*reader{deep}},
		{"/t/foo", "/gone/*", nil},
	} {
		b.Deliver(bus.Envelope{Destination: test.sent, Watch: test.by})
		wantFrames(t, test.sent+" by "+test.by, all, test.want)
	}
}

// TestPatternIsReady when all of its watches are.
func TestPatternIsReady(t *testing.T) {
	b := bustest.NewFakeNarrower()
	r := newRig(t, 2, b.Fake, b)
	exact, pattern := r.subscribe(0, "1", "/t"), r.subscribe(0, "2", "/t/**")
	b.WantCalls(t, "watch /t", "watch /t/**")
	b.Watcher("/t/**")(nil)
	r.wait()
	if pattern.ready != nil {
		t.Fatal("ready before all of it is")
	}
	b.Watcher("/t")(nil)
	r.wait()
	again, other := r.subscribe(0, "3", "/t/**"), r.subscribe(1, "4", "/t/**")
	for _, s := range []*reader{exact, pattern, again, other} {
		if !slices.Equal(s.ready, []error{nil}) {
			t.Errorf("subscription %s is told %v", s.ID, s.ready)
		}
	}
	exact.unsubscribe()
	pattern.unsubscribe()
	other.unsubscribe()
	b.WantCalls(t)
	again.unsubscribe()
	b.WantCalls(t, "unwatch /t/**", "unwatch /t")
}

// TestPatternFails when one of its watches does. It is told once, when the outcome of all is known.
func TestPatternFails(t *testing.T) {
	b := bustest.NewFakeNarrower()
	r := newRig(t, 1, b.Fake, b)
	no := errors.New("no")
	s := r.subscribe(0, "1", "/t/**")
	b.Watcher("/t/**")(no)
	r.wait()
	if s.ready != nil {
		t.Fatalf("told %v before all is known", s.ready)
	}
	b.Watcher("/t")(nil)
	r.wait()
	if !slices.Equal(s.ready, []error{no}) {
		t.Fatalf("told %v", s.ready)
	}
	b.WantCalls(t, "watch /t/**", "watch /t")
	s.unsubscribe()
	b.WantCalls(t, "unwatch /t") // the other is none
	if len(r.router.interest) != 0 {
		t.Errorf("still of interest: %v", r.router.interest)
	}
}

// TestAdmits: subscriptions by pattern are asked for each message that they match; those to one
// destination never are, as they cost no rule.
func TestAdmits(t *testing.T) {
	b := bustest.NewFake()
	r := newRig(t, 1, b, b)
	exact, pattern := r.subscribe(0, "1", "/t/a"), r.subscribe(0, "2", "/t/?")
	pattern.shun = "/t/b"
	for _, destination := range []string{"/t/a", "/t/b", "/t/a", "/t/long"} {
		b.Deliver(bus.Envelope{Destination: destination})
	}
	if got := len(pattern.read()); got != 2 {
		t.Errorf("got %d messages, want those to /t/a", got)
	}
	if got := len(exact.read()); got != 2 || exact.asked != nil {
		t.Errorf("the exact one got %d messages and was asked about %q", got, exact.asked)
	}
	if want := []string{"/t/a", "/t/b", "/t/a"}; !slices.Equal(pattern.asked, want) {
		t.Errorf("asked about %q, want %q", pattern.asked, want)
	}
	if n := r.router.Delivered(); n != 4 {
		t.Errorf("%d are counted as delivered, want 4", n)
	}
}

// TestOddDestination: what was sent past the gateway to a destination that looks like a pattern is
// nobody's, on either kind of bus.
func TestOddDestination(t *testing.T) {
	b, nb := bustest.NewFake(), bustest.NewFakeNarrower()
	for _, r := range []*rig{newRig(t, 1, b, b), newRig(t, 1, nb.Fake, nb)} {
		s := []*reader{r.subscribe(0, "1", "/t/*"), r.subscribe(0, "2", "/t/**")}
		for _, odd := range []string{"/t/*", "/t/**", "/t/a?", "/t/{x}", "/t/a*"} {
			for _, watch := range []string{"", "/t/*", "/t/**"} {
				r.bus.Deliver(bus.Envelope{Destination: odd, Watch: watch})
			}
		}
		for _, s := range s {
			if got := s.read(); got != nil || s.asked != nil {
				t.Errorf("%s got %q, and was asked about %q", s.Destination, got, s.asked)
			}
		}
	}
}

// broker is a Narrower that brings what is sent to each watch that it matches.
type broker struct {
	*bustest.Fake
	mu   sync.Mutex
	live map[string]bool
}

func (b *broker) Watch(watch string, ready func(error)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.live[watch] = true
	go ready(nil)
}

func (b *broker) Unwatch(watch string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.live, watch)
}

func (b *broker) send(e bus.Envelope) {
	b.mu.Lock()
	live := slices.Collect(maps.Keys(b.live))
	b.mu.Unlock()
	for _, watch := range live {
		if bustest.Matches(watch, e.Destination) {
			e.Watch = watch
			b.Deliver(e)
		}
	}
}

// TestOnceAndInOrder: whatever the subscriptions and the kind of bus, each gets what was sent to
// what it names, once, and in the order of each destination.
func TestOnceAndInOrder(t *testing.T) {
	everything, narrow := bustest.NewFake(), &broker{Fake: bustest.NewFake(), live: map[string]bool{}}
	for name, test := range map[string]struct {
		rig  *rig
		send func(bus.Envelope)
	}{
		"everything": {newRig(t, 3, everything, everything), func(e bus.Envelope) { everything.Deliver(e) }},
		"narrower":   {newRig(t, 3, narrow.Fake, narrow), narrow.send},
	} {
		t.Run(name, func(t *testing.T) { testOnceAndInOrder(t, test.rig, test.send) })
	}
}

func testOnceAndInOrder(t *testing.T, r *rig, send func(bus.Envelope)) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for round := range 20 {
		var readers []*reader
		for i := range 20 {
			name := randomly(rnd, "*", "**", "a", "b", "a*", "?")
			if strings.Count(name, "**") > 2 || !strings.HasPrefix(name, "/") {
				continue
			}
			readers = append(readers, r.subscribe(i%len(r.loops), fmt.Sprint(i), name))
		}
		want := map[*reader][]string{}
		for i := range 100 {
			e := bus.Envelope{Destination: "/" + randomly(rnd, "a", "b", "ab", "ba"), Body: fmt.Append(nil, i)}
			e.Destination = strings.Replace(e.Destination, "//", "/", 1)
			for _, s := range readers {
				if s.Destination == e.Destination || s.Pattern != nil && s.Pattern.Match(e.Destination) {
					want[s] = append(want[s], fmt.Sprint(i))
				}
			}
			send(e)
		}
		for _, s := range readers {
			var got []string
			for _, frame := range s.read() {
				_, body, _ := strings.Cut(frame, "\n\n")
				got = append(got, strings.TrimSuffix(body, "\x00"))
			}
			if !slices.Equal(got, want[s]) {
				t.Fatalf("round %d: %s got %v, want %v", round, s.Destination, got, want[s])
			}
			s.unsubscribe()
		}
	}
	if len(r.router.interest) != 0 || r.router.patterns.size != 0 {
		t.Errorf("still of interest: %v", r.router.interest)
	}
}
