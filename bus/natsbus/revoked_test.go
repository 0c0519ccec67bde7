package natsbus

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/stompgw/stompgw/bus"
)

// hearing is a server whose user may publish anything, and subscribe only to what is named.
func hearing(subjects ...string) func(*server.Options) {
	return func(o *server.Options) {
		o.Users = []*server.User{{Username: "gateway", Password: "p", Permissions: &server.Permissions{
			Publish:   &server.SubjectPermission{Allow: []string{">"}},
			Subscribe: &server.SubjectPermission{Allow: subjects},
		}}}
	}
}

// permissions are those of a server, which change between one connection and the next, or in the
// midst of one.
type permissions struct {
	living bool
	server *server.Server
}

func (p *permissions) change(t *testing.T, subjects ...string) {
	t.Helper()
	port := portOf(t, p.server.ClientURL())
	if !p.living {
		stopServer(p.server)
		p.server = startServer(t, port, hearing(subjects...))
		return
	}
	opts := &server.Options{Host: "127.0.0.1", Port: port, NoLog: true, NoSigs: true}
	hearing(subjects...)(opts)
	if err := p.server.ReloadOptions(opts); err != nil {
		t.Fatal(err)
	}
}

func eachRevocation(t *testing.T, test func(t *testing.T, p *permissions, b *Bus, log events)) {
	for name, living := range map[string]bool{"living connection": true, "next connection": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // they wait for seconds to pass
			p := &permissions{living, startServer(t, 0, hearing("stomp.>"))}
			log, logger := newEvents()
			b := newBus(t, Config{URL: p.server.ClientURL(), User: "gateway", Password: "p"}, "1/a", logger)
			test(t, p, b, log)
		})
	}
}

// arrives publishes e, about every 10 ms, until one of these arrives.
func arrives(t *testing.T, b *Bus, e bus.Envelope, arrived <-chan bus.Envelope) {
	t.Helper()
	e.Body = []byte(time.Now().String()) // another than before
	for {
		if err := b.Publish(e, func(error) {}); err != nil && !errors.Is(err, bus.ErrDown) {
			t.Fatal(err)
		}
		select {
		case got := <-arrived:
			if bytes.Equal(got.Body, e.Body) {
				return
			}
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// TestRevokedNode: a node that may not listen to its own subject any more says so, and listens again
// when that is mended.
func TestRevokedNode(t *testing.T) {
	eachRevocation(t, func(t *testing.T, p *permissions, b *Bus, log events) {
		arrived := make(chan bus.Envelope, 1000)
		receive(t, b, func(e bus.Envelope) { arrived <- e })
		for range 2 {
			p.change(t, "stomp.d.>")
			if line := log.await("has revoked"); !strings.Contains(line, "stomp.n.1=2Fa") {
				t.Errorf("logged %s", line)
			}
			log.await("refuses a subject") // so it was asked again
			if err := b.Healthy(); !errors.Is(err, ErrPermission) {
				t.Errorf("Healthy says %v, want ErrPermission", err)
			}
			p.change(t, "stomp.>")
			arrives(t, b, bus.Envelope{Destination: "/queue/x", Principal: "1/a/session/now"}, arrived)
			for b.Healthy() != nil { // the answer to the PING comes after the subscription
				time.Sleep(time.Millisecond)
			}
		}
	})
}

// TestRevokedWatch: what is watched and may not be for a while comes again, without another Watch.
func TestRevokedWatch(t *testing.T) {
	for _, watch := range []string{"/topic/a", "/topic/*"} {
		t.Run(strings.ReplaceAll(watch, "/", " "), func(t *testing.T) { testRevokedWatch(t, watch) })
	}
}

func testRevokedWatch(t *testing.T, watch string) {
	eachRevocation(t, func(t *testing.T, p *permissions, b *Bus, log events) {
		arrived := make(chan bus.Envelope, 1000)
		receive(t, b, func(e bus.Envelope) { arrived <- e })
		awaitWatch(t, b, watch)
		for range 2 {
			p.change(t, "stomp.n.>")
			for range 2 { // so it was asked again
				if line := log.await("has revoked"); !strings.Contains(line, "destination="+watch+" revoked=1") {
					t.Errorf("logged %s", line)
				}
			}
			p.change(t, "stomp.>")
			arrives(t, b, bus.Envelope{Destination: "/topic/a"}, arrived)
			if err := b.Healthy(); err != nil {
				t.Error(err)
			}
		}
	})
}

// TestRevocationIsNotLeftOver: a Watch after one that was revoked hears what the server says of it,
// and not of the earlier one.
func TestRevocationIsNotLeftOver(t *testing.T) {
	for name, linger := range map[string]time.Duration{"lingering": time.Hour, "ended": 1} {
		t.Run(name, func(t *testing.T) {
			server := newFakeServer(t)
			log, logger := newEvents()
			b := newBus(t, Config{URL: server.url(), Linger: linger}, "1/a", logger)
			conn := server.accept()
			ready := make(chan error, 1)
			watch := func() { b.Watch("/a", func(err error) { ready <- err }) }
			watch()
			conn.expect("SUB stomp.d.a  1")
			conn.expect("PING")
			conn.say("PONG")
			if err := <-ready; err != nil {
				t.Fatal(err)
			}
			conn.say(forbidden(subscribing, "stomp.d.a"))
			log.await("has revoked")
			b.Unwatch("/a")
			if linger == 1 {
				conn.expect("UNSUB 1")
			}
			watch()
			subscribed := false
			for line := ""; line != "PING"; line = conn.line() {
				subscribed = subscribed || strings.HasPrefix(line, "SUB stomp.d.a ")
			}
			if !subscribed {
				t.Error("it was not subscribed again")
			}
			conn.say("PONG")
			if err := <-ready; err != nil {
				t.Errorf("ready heard %v", err)
			}
		})
	}
}

// granted returns a watch that the server has agreed to.
func granted(ws *watches, subject string) *watch {
	w := ws.open(subject, "/"+subject)
	ws.stale(w)
	ws.subscribed(w, new(nats.Subscription))
	ws.answered(w)
	return w
}

func TestRenewals(t *testing.T) {
	ws := newWatches("stomp.n.own", 1, 1, time.Minute)
	start := time.Now()
	watched, unwatched, twice := granted(ws, "watched"), granted(ws, "unwatched"), granted(ws, "twice")
	for _, subject := range []string{"watched", "unwatched", "twice", "twice", "never was"} {
		ws.deny(subject, start)
	}
	ws.close("unwatched", start)
	if due, next := ws.renewals(start); len(due) > 0 || next != start.Add(renewal) {
		t.Errorf("at once: %d are due, the next at %v", len(due), next)
	}
	if due, _ := ws.renewals(start.Add(renewal)); !slices.Equal(due, []*watch{watched, twice}) {
		t.Errorf("after a second %d are due, want the watched ones", len(due))
	}
	if due, next := ws.renewals(start.Add(time.Hour)); len(due) > 0 || !next.IsZero() {
		t.Errorf("later %d are due, the next at %v", len(due), next)
	}
	if _, stale := ws.stale(unwatched); !stale {
		t.Error("a revoked subscription serves the next Watch")
	}
}

// TestRenewalsAreBounded: a second has only so many.
func TestRenewalsAreBounded(t *testing.T) {
	ws := newWatches("stomp.n.own", 1, 1, time.Minute)
	now := time.Now()
	for i := range chunk + 1 {
		subject := fmt.Sprintf("s%d", i)
		granted(ws, subject)
		ws.deny(subject, now)
	}
	for _, want := range []int{0, chunk, 0, 1} {
		if due, _ := ws.renewals(now); len(due) != want {
			t.Errorf("%d are due, want %d", len(due), want)
		}
		if want == 0 {
			now = now.Add(renewal)
		}
	}
}

// TestRevocationEndsWithConnection: the next one is asked for all of it.
func TestRevocationEndsWithConnection(t *testing.T) {
	ws := newWatches("stomp.n.own", 1, 1, time.Minute)
	now := time.Now()
	w, waits := granted(ws, "revoked"), ws.open("refused", "/refused")
	ws.deny("revoked", now)
	ws.deny("refused", now)
	ws.reset()
	if due, _ := ws.renewals(now.Add(renewal)); len(due) > 0 {
		t.Errorf("%d are due", len(due))
	}
	if _, stale := ws.stale(w); stale {
		t.Error("it would be subscribed twice")
	}
	if _, granted := ws.answered(waits); !granted {
		t.Error("a refusal outlived its connection")
	}
}

// TestLateSubscriptionEnds: a subscription that is made while its watch ends does not stay.
func TestLateSubscriptionEnds(t *testing.T) {
	ws := newWatches("stomp.n.own", 1, 1, time.Minute)
	w := ws.open("a", "/a")
	ws.stale(w)
	ws.deny("a", time.Now())
	ws.answered(w)
	if ws.subscribed(w, new(nats.Subscription)) {
		t.Error("it is a watch's")
	}
}
