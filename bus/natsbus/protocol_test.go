package natsbus

import (
	"errors"
	"io"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/stompgw/stompgw/bus"
)

// What goes over the wire, in which order, and what is made of the answers or of their absence.

func TestWatchReachesServerBeforePublish(t *testing.T) {
	server, b := meet(t, Config{})
	b.Watch("/topic/a", func(error) {})
	publish(t, b, "/topic/a", "before there is a connection")
	conn := server.accept()
	conn.expectAnswering("SUB stomp.d.topic.a  2")
	conn.expectAnswering(pub("stomp.d.topic.a", "before there is a connection"))
	b.Watch("/topic/b", func(error) {})
	publish(t, b, "/topic/b", "hi")
	conn.expectAnswering("SUB stomp.d.topic.b  3")
	conn.expectAnswering(pub("stomp.d.topic.b", "hi"))
}

func TestOnePingInFlight(t *testing.T) {
	_, b, conn := talk(t, Config{})
	first := publish(t, b, "/a", "1")
	conn.expect(pub("stomp.d.a", "1"))
	conn.expect("PING")
	second, third := publish(t, b, "/a", "2"), publish(t, b, "/a", "3")
	conn.expect(pub("stomp.d.a", "2"))
	conn.expect(pub("stomp.d.a", "3"))
	conn.say("PONG")
	checkErr(t, <-first, nil)
	if len(second) > 0 {
		t.Error("done ran upon the answer to an earlier PING")
	}
	conn.answer()
	checkErr(t, <-second, nil)
	checkErr(t, <-third, nil)
}

// A broken connection leaves what was written to it unknown and unrepeated; what was not written
// goes to the next one.
func TestBrokenConnection(t *testing.T) {
	server, b, conn := talk(t, Config{})
	lost := publish(t, b, "/a", "lost")
	conn.expect(pub("stomp.d.a", "lost"))
	conn.Close()
	checkErr(t, <-lost, bus.ErrUnknown)
	server.log.await("bus disconnected")
	kept := publish(t, b, "/a", "kept")
	conn = server.accept()
	conn.expectAnswering(pub("stomp.d.a", "kept"))
	go conn.answerAll()
	checkErr(t, <-kept, nil)
}

func TestSilence(t *testing.T) {
	server, b, conn := talk(t, Config{Silence: 1})
	answer := publish(t, b, "/a", "1")
	conn.expect(pub("stomp.d.a", "1"))
	conn.expect("PING")
	checkErr(t, b.Publish(bus.Envelope{Destination: "/a"}, nil), bus.ErrDown)
	if err := b.Healthy(); err == nil || !strings.Contains(err.Error(), server.ln.Addr().String()) {
		t.Errorf("Healthy says %v, want the address", err)
	}
	conn.say("PONG")
	checkErr(t, <-answer, nil)
	checkErr(t, b.Healthy(), nil)
	publish(t, b, "/a", "2")
	conn.expect(pub("stomp.d.a", "2"))
}

// A server that keeps the connection but not its word is left for a new connection.
func TestDeadline(t *testing.T) {
	server, b, conn := talk(t, Config{Silence: time.Hour, Deadline: time.Millisecond})
	answer := publish(t, b, "/a", "1")
	checkErr(t, <-answer, bus.ErrUnknown)
	_, _ = io.Copy(io.Discard, conn.r) // until the connection ends, in whatever way
	server.accept()
}

// Without a connection an envelope waits for one until the deadline, and was certainly not sent.
func TestDeadlineWithoutConnection(t *testing.T) {
	server := newFakeServer(t)
	server.ln.Close()
	b := newBus(t, Config{URL: server.url(), Silence: time.Hour, Deadline: time.Millisecond}, "1/a", nil)
	checkErr(t, <-publish(t, b, "/a", "1"), bus.ErrDown)
}

func TestUnwatchEndsSubscription(t *testing.T) {
	_, b, conn := talk(t, Config{Linger: 1})
	b.Watch("/a", func(error) {})
	conn.expectAnswering("SUB stomp.d.a  2")
	b.Unwatch("/a")
	conn.expectAnswering("UNSUB 2")
	b.Watch("/a", func(error) {})
	conn.expectAnswering("SUB stomp.d.a  3")
}

func TestWatchTakesOverLingeringSubscription(t *testing.T) {
	_, b, conn := talk(t, Config{Linger: time.Hour})
	ready := listen(b, "/a")
	conn.expect("SUB stomp.d.a  2")
	conn.answer()
	<-ready
	b.Unwatch("/a")
	b.Watch("/a", func(err error) { ready <- err })
	conn.expect("PING")
	if len(ready) > 0 {
		t.Error("ready ran before the server answered")
	}
	conn.say("PONG")
	checkErr(t, <-ready, nil)
}

// TestExpire: a subscription ends when its watch has lingered for long enough, and not before; one whose
// watch ends before it was made, is not made, and one that is made meanwhile does not stay.
func TestExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ws := newWatches(1, 1, time.Minute, make(chan struct{}, 1))
		w, _ := ws.open("stomp.d.a", "/a", nil, nil)
		sub := new(nats.Subscription)
		ws.subscribed(w, sub, 2)
		early, _ := ws.open("stomp.d.b", "/b", nil, nil)
		ws.close("stomp.d.a")
		ws.close("stomp.d.b")
		for _, want := range []int{0, 1} {
			time.Sleep(time.Minute - 1 + time.Duration(want))
			synctest.Wait()
			if ended := ws.takeEnded(); len(ended) != want || want > 0 && ended[0] != sub || ws.missing(early) == (want > 0) {
				t.Errorf("%v ended, want %d", ended, want)
			}
		}
		if ws.subscribed(early, new(nats.Subscription), 3) {
			t.Error("a late subscription is a watch's")
		}
	})
}

// Whatever breaks, done runs once, nil is a promise, nothing arrives twice, and order is kept.
func TestBrokenConnectionsUnderLoad(t *testing.T) {
	const destination, each, breaks = "/topic/load", 2000, 3
	const all = each*(breaks+1) + 1
	s := startServer(t, 0)
	b, log := open(t, Config{URL: s.ClientURL(), Queue: all, Inbox: all})
	arrived := make(chan int, 2*all)
	receive(t, b, func(e bus.Envelope) {
		n, _ := strconv.Atoi(string(e.Body))
		arrived <- n
	})
	checkErr(t, watchFor(b, destination), nil)
	log.await("bus connected")

	var answers []<-chan error
	for round := range breaks + 1 {
		for range each {
			answers = append(answers, publish(t, b, destination, strconv.Itoa(len(answers))))
		}
		if round < breaks {
			connections, err := s.Connz(nil)
			must(t, err)
			for _, c := range connections.Conns {
				_ = s.DisconnectClientByID(c.Cid) // or it has ended just now
			}
			log.await("bus connected")
		}
	}
	promised := make(map[int]bool)
	for i, answer := range answers {
		switch err := <-answer; {
		case err == nil:
			promised[i] = true
		case !errors.Is(err, bus.ErrUnknown):
			t.Errorf("done %d heard %v", i, err)
		}
	}
	for _, answer := range answers {
		if len(answer) > 0 {
			t.Error("a done ran twice")
		}
	}
	checkErr(t, <-publish(t, b, destination, strconv.Itoa(len(answers))), nil)
	for latest, n := -1, -1; n < len(answers); latest = n {
		if n = <-arrived; n <= latest {
			t.Fatalf("%d arrived after %d", n, latest)
		}
		delete(promised, n)
	}
	for n := range promised {
		t.Errorf("%d was promised and did not arrive", n)
	}
}

// A server that takes connections and fails every handshake is told from one that is not there.
func TestFailedHandshakesAreNamed(t *testing.T) {
	server, b := meet(t, Config{})
	for range 2 {
		nc, err := server.ln.Accept()
		must(t, err)
		nc.Close()
	}
	server.log.await("bus unreachable")
	if err := b.Healthy(); err == nil || !strings.Contains(err.Error(), "handshake") || !strings.Contains(err.Error(), server.ln.Addr().String()) {
		t.Errorf("got %v, want a word of the handshake and the address", err)
	}
}
