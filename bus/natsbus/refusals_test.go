package natsbus

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/stompgw/stompgw/bus"
)

func forbidden(what act, subject string) string {
	return fmt.Sprintf("-ERR 'Permissions Violation for %s to %q'", what, subject)
}

// TestForbiddenPublish: what the server refuses before its PONG is told to the envelopes that it is
// about, as often as it says so, and to no other.
func TestForbiddenPublish(t *testing.T) {
	server := newFakeServer(t)
	b := newBus(t, Config{URL: server.url()}, "1/a", nil)
	answers := []<-chan error{publish(t, b, "/no", "1"), publish(t, b, "/yes", "2"), publish(t, b, "/no", "3"), publish(t, b, "/no", "4")}
	conn := server.accept()
	for _, line := range []string{pub("stomp.d.no", "1"), pub("stomp.d.yes", "2"), pub("stomp.d.no", "3"), pub("stomp.d.no", "4")} {
		conn.expectAnswering(line)
	}
	conn.say(forbidden(publishing, "stomp.d.no"))
	conn.say(forbidden(publishing, "stomp.d.no")) // and the third is allowed
	conn.expect("PING")
	conn.say("PONG")
	for i, want := range []error{ErrPermission, nil, ErrPermission, nil} {
		if err := <-answers[i]; !errors.Is(err, want) {
			t.Errorf("envelope %d heard %v, want %v", i+1, err, want)
		}
	}
}

// TestRefusalsEndWithConnection: what the last connection was refused says nothing of the next.
func TestRefusalsEndWithConnection(t *testing.T) {
	server := newFakeServer(t)
	log, logger := newEvents()
	b := newBus(t, Config{URL: server.url()}, "1/a", logger)
	answer := publish(t, b, "/no", "1")
	conn := server.accept()
	conn.expectAnswering(pub("stomp.d.no", "1"))
	conn.say(forbidden(publishing, "stomp.d.no"))
	log.await("refuses a subject")
	conn.Close()
	if err := <-answer; !errors.Is(err, bus.ErrUnknown) {
		t.Errorf("the first heard %v, want bus.ErrUnknown", err)
	}
	conn = server.accept()
	answer = publish(t, b, "/no", "2")
	conn.expectAnswering(pub("stomp.d.no", "2"))
	go conn.answerAll()
	if err := <-answer; err != nil {
		t.Errorf("the second heard %v", err)
	}
}

// TestRefusedWatchEndsWithConnection: nor does it of a watch, which the next one is asked for again.
func TestRefusedWatchEndsWithConnection(t *testing.T) {
	server := newFakeServer(t)
	log, logger := newEvents()
	b := newBus(t, Config{URL: server.url()}, "1/a", logger)
	ready := make(chan error, 1)
	b.Watch("/no", func(err error) { ready <- err })
	conn := server.accept()
	conn.expect("SUB stomp.d.no  2")
	conn.say(forbidden(subscribing, "stomp.d.no"))
	log.await("refuses a subject")
	conn.Close()
	conn = server.accept()
	conn.expectAnswering("SUB stomp.d.no  2")
	go conn.answerAll()
	if err := <-ready; err != nil {
		t.Errorf("ready heard %v", err)
	}
}

// TestForbiddenWatch: a watch that the server refuses does not exist, and can be asked for again.
func TestForbiddenWatch(t *testing.T) {
	server := newFakeServer(t)
	b := newBus(t, Config{URL: server.url()}, "1/a", nil)
	ready := make(chan error, 2)
	watch := func() { b.Watch("/no", func(err error) { ready <- err }) }
	watch()
	conn := server.accept()
	conn.expect("SUB stomp.d.no  2")
	b.Unwatch("/no")
	watch() // of the same subscription, while the answer is under way
	conn.expect("PING")
	conn.say(forbidden(subscribing, "stomp.d.no"))
	conn.say("PONG")
	conn.expectAnswering("UNSUB 2")
	if err := <-ready; !errors.Is(err, ErrPermission) {
		t.Errorf("the first heard %v, want ErrPermission", err)
	}
	watch()
	conn.expectAnswering("SUB stomp.d.no  3") // now it is permitted
	go conn.answerAll()
	for _, want := range []error{ErrPermission, nil} {
		if err := <-ready; !errors.Is(err, want) {
			t.Errorf("the next heard %v, want %v", err, want)
		}
	}
}

// TestRefusedWatchIsForgotten: its end, which was near, does not become that of the next one.
func TestRefusedWatchIsForgotten(t *testing.T) {
	ws := newWatches(1, 1, time.Minute)
	refused, _ := ws.open("stomp.d.a", "/a", nil)
	ws.close("stomp.d.a", time.Now())
	own := new(nats.Subscription)
	ws.subscribed(refused, own, 2)
	ws.refuse(refused, ErrPermission)
	if sub, err := ws.answered(refused); err == nil || sub != own {
		t.Errorf("it is told %v; the subscription to end is %v", err, sub)
	}
	next, _ := ws.open("stomp.d.a", "/a", nil)
	if gone, _ := ws.expire(time.Now().Add(time.Hour)); len(gone) != 0 || ws.bySubject["stomp.d.a"] != next || next.refused != nil {
		t.Errorf("%d subscriptions are to end, watched is %p, want %p", len(gone), ws.bySubject["stomp.d.a"], next)
	}
	if sub, err := ws.answered(refused); err == nil || sub != nil || ws.bySubject["stomp.d.a"] != next {
		t.Error("a late refusal ended the next watch")
	}
}

// permit is a server whose user may do only what is below stomp.d.open, and what is own.
func permit(own ...string) func(*server.Options) {
	allowed := append(own, "stomp.d.open.>")
	return func(o *server.Options) {
		o.Users = []*server.User{{Username: "gateway", Password: "p", Permissions: &server.Permissions{
			Publish:   &server.SubjectPermission{Allow: allowed},
			Subscribe: &server.SubjectPermission{Allow: allowed},
		}}}
	}
}

// TestPermissions: of many envelopes and watches, each hears what the server said of it.
func TestPermissions(t *testing.T) {
	url := startServer(t, 0, permit("stomp.n.>")).ClientURL()
	b := newBus(t, Config{URL: url, User: "gateway", Password: "p"}, "1/a", nil)
	receive(t, b, func(bus.Envelope) {})
	type outcome struct {
		what    string
		allowed bool
		err     error
	}
	const rounds, wide = 50, 20
	outcomes := make(chan outcome, 2*2*wide)
	for round := range rounds {
		for i := range wide {
			for name, allowed := range map[string]bool{"open": true, "closed": false} {
				destination := fmt.Sprintf("/%s/%d", name, i)
				told := func(what string) func(error) {
					return func(err error) { outcomes <- outcome{what + destination, allowed, err} }
				}
				if err := b.Publish(bus.Envelope{Destination: destination}, told("publish ")); err != nil {
					t.Fatal(err)
				}
				b.Watch(destination, told("watch "))
			}
		}
		for range 2 * 2 * wide {
			o := <-outcomes
			if o.allowed && o.err != nil || !o.allowed && !errors.Is(o.err, ErrPermission) {
				t.Fatalf("round %d: %s heard %v", round, o.what, o.err)
			}
		}
		for i := range wide {
			b.Unwatch(fmt.Sprintf("/open/%d", i))
		}
	}
	if err := b.Healthy(); err != nil {
		t.Error(err)
	}
}

// TestForbiddenNode: a node that may not listen to its own subject is not ready, says so, and is
// when that is mended.
func TestForbiddenNode(t *testing.T) {
	s := startServer(t, 0, permit())
	log, logger := newEvents()
	b := newBus(t, Config{URL: s.ClientURL(), User: "gateway", Password: "p"}, "1/a", logger)
	mended := make(chan struct{})
	go func() {
		defer close(mended)
		log.await("refuses a subject")
		for !errors.Is(b.Healthy(), ErrPermission) {
			time.Sleep(time.Millisecond)
		}
		opts := &server.Options{Host: "127.0.0.1", Port: portOf(t, s.ClientURL()), NoLog: true, NoSigs: true}
		permit("stomp.n.>")(opts)
		if err := s.ReloadOptions(opts); err != nil {
			t.Error(err)
		}
	}()
	receive(t, b, func(bus.Envelope) {}) // until it is ready
	<-mended
	if err := b.Healthy(); err != nil {
		t.Error(err)
	}
}

func TestParseRefusal(t *testing.T) {
	for text, want := range map[string]refusal{
		`nats: permissions violation: Permissions Violation for Publish to "stomp.d.a"`: {publishing, "stomp.d.a"},
		`Permissions Violation for Subscription to "stomp.d.a" (sid "7")`:               {subscribing, "stomp.d.a"},
		`Permissions Violation for Subscription to "stömp.d.a\"b"`:                      {subscribing, `stömp.d.a"b`},
		`Permissions Violation for Publish with Reply of "x"`:                           {},
		`Permissions Violation for Publish to "stomp`:                                   {},
		`Permissions Violation`: {},
		``:                      {},
	} {
		if got := parseRefusal(text); got != want {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
}
