package natsbus

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/bustest"
)

// hearing is a server whose user may publish anything, and subscribe only to what is named.
func hearing(subjects ...string) func(*server.Options) { return permitting([]string{">"}, subjects) }

// permitting is a server whose user may publish and subscribe only to what is named.
func permitting(publish, subscribe []string) func(*server.Options) {
	return func(o *server.Options) {
		o.Users = []*server.User{{Username: "gateway", Password: "p", Permissions: &server.Permissions{
			Publish:   &server.SubjectPermission{Allow: publish},
			Subscribe: &server.SubjectPermission{Allow: subscribe},
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
	if p.living {
		change(t, p.server, hearing(subjects...))
		return
	}
	port := portOf(t, p.server.ClientURL())
	stopServer(p.server)
	p.server = startServer(t, port, hearing(subjects...))
}

// eachRevocation runs test with a server that permits everything yet, and what makes nodes of it.
func eachRevocation(t *testing.T, test func(t *testing.T, p *permissions, open func(t *testing.T, node string) *Bus, log events)) {
	for name, living := range map[string]bool{"living connection": true, "next connection": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // they wait for seconds to pass
			p := &permissions{living, startServer(t, 0, hearing("stomp.>"))}
			log := make(events, 1000)
			test(t, p, func(t *testing.T, node string) *Bus {
				return newBus(t, Config{URL: p.server.ClientURL(), User: "gateway", Password: "p"}, node, slog.New(slog.NewTextHandler(log, nil)))
			}, log)
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
	eachRevocation(t, func(t *testing.T, p *permissions, open func(*testing.T, string) *Bus, log events) {
		b := open(t, "1/a")
		arrived := collect(t, b)
		for range 2 {
			p.change(t, "stomp.d.>")
			bustest.Eventually(t, "it says so", func() bool { return errors.Is(b.Healthy(), ErrPermission) })
			p.change(t, "stomp.>")
			arrives(t, b, bus.Envelope{Destination: "/queue/x", Principal: "1/a/session/now"}, arrived)
			bustest.Eventually(t, "it is healthy", func() bool { return b.Healthy() == nil }) // the answer to the PING comes after the subscription
		}
		if line := log.await("refuses a subject"); !strings.Contains(line, "stomp.n.1=2Fa") || !strings.Contains(line, "revoked=true") || !strings.Contains(line, "stomp.>") {
			t.Errorf("logged %s", line)
		}
	})
}

// TestRevokedWatch: a watch that the server revokes hears of it once, and has ended: while that is so,
// the next hears no, and when it is permitted again, yes.
func TestRevokedWatch(t *testing.T) {
	eachRevocation(t, func(t *testing.T, p *permissions, open func(*testing.T, string) *Bus, _ events) {
		cluster := func(t *testing.T, node string) bus.Bus { return open(t, node) }
		bustest.TakeBack(t, cluster, func() { p.change(t, "stomp.n.>", "stomp.d.topic.>") }, func() { p.change(t, "stomp.>") })
	})
}

// TestRevokedPattern: so does a pattern, when a part of what it matches is denied.
func TestRevokedPattern(t *testing.T) {
	eachRevocation(t, func(t *testing.T, p *permissions, open func(*testing.T, string) *Bus, log events) {
		b := open(t, "1/a")
		receive(t, b, func(bus.Envelope) {})
		ready := listen(b, "/topic/*")
		checkErr(t, <-ready, nil)
		p.change(t, "stomp.n.>", "stomp.d.topic.a")
		checkErr(t, <-ready, ErrPermission)
		if line := log.await("refuses a subject"); !strings.Contains(line, "destination=/topic/*") {
			t.Errorf("logged %s", line)
		}
	})
}

// TestRevokedWhileAsked: while somebody waits for an answer, a refusal is that answer, of a watch that was
// granted before too; afterwards it takes back what was granted, which those alone hear who still watch. A
// watch that is asked for in between is another one.
func TestRevokedWhileAsked(t *testing.T) {
	for _, tt := range []struct {
		name            string
		answers         int // before the server refuses it
		ended, revoked  bool
		next, unwatched bool // it is watched again before; it is not watched any more
	}{
		{name: "before the answer"},
		{name: "after the answer", answers: 1, ended: true, revoked: true},
		{name: "after Unwatch", answers: 1, unwatched: true, ended: true},
		{name: "while the next one waits", answers: 1, next: true},
		{name: "after both answers", answers: 2, next: true, ended: true, revoked: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ws := newWatches(1, 1, time.Minute, make(chan struct{}, 1))
			w, _ := ws.open("a", "/a", nil, func(error) {})
			if tt.next {
				ws.open("a", "/a", nil, func(error) {})
			}
			for range tt.answers {
				must(t, ws.answered(w))
			}
			if tt.unwatched {
				ws.close("a")
			}
			_, ready := ws.refuse(w, ErrPermission)
			now, _ := ws.of("a")
			if revoked, ended := ready != nil, now == nil; revoked != tt.revoked || ended != tt.ended {
				t.Errorf("it is told: %t, and ends: %t", revoked, ended)
			}
			again, _ := ws.open("a", "/a", nil, func(error) {})
			if again == w {
				t.Error("the next watch is the same")
			}
			if !tt.ended || tt.revoked {
				if err := ws.answered(w); err != ErrPermission {
					t.Errorf("who waits is told %v", err)
				}
			}
			ws.remove(w) // as it may have lingered
			if now, _ := ws.of("a"); now != again || again.refused != nil {
				t.Error("the next watch has ended too")
			}
		})
	}
}
