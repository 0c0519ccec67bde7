package natsbus

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/bustest"
)

func forbidden(what act, subject string) string {
	return fmt.Sprintf("-ERR 'Permissions Violation for %s to %q'", what, subject)
}

// TestForbiddenPublish: what the server refuses before its PONG is told to the envelopes that it is
// about, as often as it says so, and to no other.
func TestForbiddenPublish(t *testing.T) {
	server, b := meet(t, Config{})
	answers := []<-chan error{publish(t, b, "/no", "1"), publish(t, b, "/yes", "2"), publish(t, b, "/no", "3"), publish(t, b, "/no", "4")}
	conn := server.accept()
	for _, line := range []string{pub("stomp.d.no", "1"), pub("stomp.d.yes", "2"), pub("stomp.d.no", "3"), pub("stomp.d.no", "4")} {
		conn.expectAnswering(line)
	}
	conn.say(forbidden(publishing, "stomp.d.no"))
	conn.say(forbidden(publishing, "stomp.d.no")) // and the third is allowed
	conn.answer()
	for i, want := range []error{ErrPermission, nil, ErrPermission, nil} {
		checkErr(t, <-answers[i], want)
	}
}

// TestRefusalsEndWithConnection: what the last connection was refused says nothing of the next, which is asked
// for a watch again.
func TestRefusalsEndWithConnection(t *testing.T) {
	server, b := meet(t, Config{})
	ready, answer := listen(b, "/no"), publish(t, b, "/no", "1")
	conn := server.accept()
	conn.expect("SUB stomp.d.no  2")
	conn.expect(pub("stomp.d.no", "1"))
	for _, what := range []act{publishing, subscribing} {
		conn.say(forbidden(what, "stomp.d.no"))
	}
	bustest.Eventually(t, "the watch is refused", func() bool {
		b.watches.mu.Lock()
		defer b.watches.mu.Unlock()
		return b.watches.bySubject["stomp.d.no"].refused != nil
	})
	conn.Close()
	checkErr(t, <-answer, bus.ErrUnknown)
	conn = server.accept()
	answer = publish(t, b, "/no", "2")
	conn.expectAnswering("SUB stomp.d.no  2")
	conn.expectAnswering(pub("stomp.d.no", "2"))
	go conn.answerAll()
	checkErr(t, <-ready, nil)
	checkErr(t, <-answer, nil)
}

// TestForbiddenWatch: a watch that the server refuses does not exist, and can be asked for again.
func TestForbiddenWatch(t *testing.T) {
	server, b := meet(t, Config{})
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
	checkErr(t, <-ready, ErrPermission)
	watch()
	conn.expectAnswering("SUB stomp.d.no  3") // now it is permitted
	go conn.answerAll()
	for _, want := range []error{ErrPermission, nil} {
		checkErr(t, <-ready, want)
	}
}

// TestPermissions: of many envelopes and watches, each hears what the server said of it.
func TestPermissions(t *testing.T) {
	allowed := []string{"stomp.n.>", "stomp.d.open.>"}
	url := startServer(t, 0, permitting(allowed, allowed)).ClientURL()
	b := newBus(t, Config{URL: url, User: "gateway", Password: "p"}, "1/a", nil)
	receive(t, b, func(bus.Envelope) {})
	const rounds, wide = 50, 20
	heard := make(chan string, 4*wide)
	for round := range rounds {
		for i := range wide {
			for name, want := range map[string]error{"open": nil, "closed": ErrPermission} {
				destination := fmt.Sprintf("/%s/%d", name, i)
				told := func(err error) {
					wrong := ""
					if !errors.Is(err, want) {
						wrong = fmt.Sprint(destination, " heard ", err)
					}
					heard <- wrong
				}
				checkErr(t, b.Publish(bus.Envelope{Destination: destination}, told), nil)
				b.Watch(destination, told)
			}
		}
		for range 4 * wide {
			if wrong := <-heard; wrong != "" {
				t.Fatalf("round %d: %s", round, wrong)
			}
		}
		for i := range wide {
			b.Unwatch(fmt.Sprintf("/open/%d", i))
		}
	}
	checkErr(t, b.Healthy(), nil)
}

// TestForbiddenNode: a node that may not listen to its own subject is not ready, says so, and is
// when that is mended.
func TestForbiddenNode(t *testing.T) {
	s := startServer(t, 0, hearing("stomp.d.>"))
	b, log := open(t, Config{URL: s.ClientURL(), User: "gateway", Password: "p"})
	mended := make(chan struct{})
	go func() {
		defer close(mended)
		log.await("refuses a subject")
		bustest.Eventually(t, "it says so", func() bool { return errors.Is(b.Healthy(), ErrPermission) })
		change(t, s, hearing("stomp.n.>"))
	}()
	receive(t, b, func(bus.Envelope) {}) // until it is ready
	<-mended
	checkErr(t, b.Healthy(), nil)
}

// TestTwoWait: the confirmer and the keeper may both wait for the last refusals of a connection.
func TestTwoWait(t *testing.T) {
	s := startServer(t, 0, permitting([]string{"yes"}, []string{">"}))
	nc, err := nats.Connect(s.ClientURL(), nats.UserInfo("gateway", "p"), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
	checkErr(t, err, nil)
	defer nc.Close()
	r := new(refusals)
	var wait sync.WaitGroup
	for _, subject := range []string{"no", "no.2"} {
		checkErr(t, nc.Publish(subject, nil), nil)
		checkErr(t, nc.Flush(), nil)
		wait.Go(func() { r.catchUp(t.Context(), nc) })
		bustest.Eventually(t, "it waits", func() bool {
			r.mu.Lock()
			defer r.mu.Unlock()
			return r.await == nc.LastError()
		})
	}
	r.add(nc.LastError(), refusal{})
	wait.Wait() // else the test hangs
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

// FuzzParseRefusal holds that a refusal in a server's words is understood, whatever the subject and whatever
// stands around it, and that nothing else is taken for one.
func FuzzParseRefusal(f *testing.F) {
	f.Add("nats: permissions violation: ", "stomp.d.a", ` (sid "7")`)
	f.Add("", "stömp.d.\"a\\", "")
	f.Fuzz(func(t *testing.T, before, subject, after string) {
		before, _, _ = strings.Cut(before, "Permissions")
		for _, what := range []act{publishing, subscribing} {
			text := before + fmt.Sprintf("Permissions Violation for %s to %q", what, subject) + after
			if got := parseRefusal(text); got != (refusal{what, subject}) {
				t.Errorf("%s: got %q", text, got)
			}
		}
		if got := parseRefusal(before + after); got.subject != "" && !strings.Contains(after, "Permissions Violation for ") {
			t.Errorf("%s%s: got %q", before, after, got)
		}
	})
}
