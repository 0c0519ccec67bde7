package natsbus

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/bus/bustest/servers"
)

// overhear is somebody else who hears all that is published to destinations, as a watch of a pattern does: then no server
// says that no stream takes it.
func overhear(t *testing.T, url string) nats.JetStreamContext {
	t.Helper()
	foreign := connect(t, url)
	_, err := foreign.Subscribe("stomp.d.>", func(*nats.Msg) {})
	checkErr(t, err, nil)
	checkErr(t, foreign.Flush(), nil)
	js := jetStream(t, foreign)
	return js
}

// TestDeleted: a node finds out that there is no stream any more from the answers that it lacks, and makes it again. What waits
// for such answers leaves room to others.
func TestDeleted(t *testing.T) {
	eachStore(t, func(t *testing.T, url string) {
		a := remember(t, Config{URL: url, Queue: 8}, "1/a", 10)
		js := overhear(t, url)
		send(t, a.Bus, "1")
		checkErr(t, js.DeleteStream("STOMPGW"), nil)
		var full bool
		for range 8 {
			if err := a.Publish(bus.Envelope{Destination: "/topic/a"}, func(error) {}); err != nil {
				checkErr(t, err, bus.ErrFull)
				full = true
			}
		}
		if !full {
			t.Error("what waits for the stream takes all the room")
		}
		checkErr(t, <-publish(t, a.Bus, "/queue/x", "2"), nil)
		awaitStream(t, js)
		bustest.Eventually(t, "it takes an envelope", func() bool {
			answer := make(chan error, 1)
			return a.Publish(bus.Envelope{Destination: "/topic/a"}, func(err error) { answer <- err }) == nil && <-answer == nil
		})
		a.healthy(t)
	})
}

// TestDeletedUnnoticed: a node that only listens looks now and then whether there still is a stream.
func TestDeletedUnnoticed(t *testing.T) {
	url := startServer(t, 0, withJetStream(t.TempDir())).ClientURL()
	a := newBus(t, Config{URL: url}, "1/a", nil)
	a.history.glance = 10 * time.Millisecond
	a.Remember(keeping(10))
	receive(t, a, func(bus.Envelope) {})
	bustest.Eventually(t, "it is healthy", func() bool { return a.Healthy() == nil })
	js := overhear(t, url)
	checkErr(t, js.DeleteStream("STOMPGW"), nil)
	awaitStream(t, js)
}

// TestUnansweredStream: a stream that has answered and says nothing for a while can still be used.
func TestUnansweredStream(t *testing.T) {
	h := newHistory(Config{Silence: time.Hour}.withDefaults())
	if !h.fail(errNoJetStream) || !h.fail(errNoAnswer) {
		t.Error("before its first answer each fault counts")
	}
	h.cause.Store(nil)
	h.silence.answered()
	if h.fail(fmt.Errorf("%w: as it elects", errNoAnswer)) || h.cause.Load() != nil {
		t.Error("one answer that does not come counts")
	}
	if h.patience = 0; !h.fail(errNoAnswer) || !errors.Is(*h.cause.Load(), bus.ErrDown) {
		t.Error("a silence does not count")
	}
}

// TestOtherRules: nodes with other rules that change the stream at the same moment take nothing from each other for long.
func TestOtherRules(t *testing.T) {
	url := startServer(t, 0, withJetStream(t.TempDir())).ClientURL()
	js := overhear(t, url)
	var nodes [2]*Bus
	for i := range nodes {
		nodes[i] = newBus(t, Config{URL: url}, fmt.Sprint("1/", i), nil)
		nodes[i].history.again = 20 * time.Millisecond
		receive(t, nodes[i], func(bus.Envelope) {})
	}
	for round := range 20 {
		var remembered sync.WaitGroup
		var want []string
		for i, b := range nodes {
			destination := fmt.Sprintf("/%c%d", 'a'+i, round)
			want = append(want, "stomp.d"+strings.ReplaceAll(destination, "/", "."))
			remembered.Go(func() {
				b.Remember(bus.Keep{Patterns: []string{destination}, Size: 10, Has: func(d string) bool { return d == destination }})
			})
		}
		remembered.Wait()
		bustest.Eventually(t, fmt.Sprint("both are captured: ", want), func() bool {
			info, err := js.StreamInfo("STOMPGW")
			return err == nil && covers(info.Config.Subjects, want)
		})
	}
}

// TestLateNumbers: what a log has given before it ended says nothing of the one that came after it.
func TestLateNumbers(t *testing.T) {
	h := newHistory(Config{}.withDefaults())
	info := new(streamInfo)
	info.State.Last = 1000
	h.note(info, record{}, false, 0, 3)
	old := h.present()
	info.State.Last = 10
	if !h.note(info, record{}, false, 1000, 7) {
		t.Fatal("a log that went back is the same")
	}
	h.stored(7, 1001)   // an answer to what was published to the old one
	saw(old.seen, 1002) // a message of it
	h.stored(8, 11)
	if seen := h.present().seen.Load(); seen != 11 {
		t.Errorf("the highest number of the new log is %d, want 11", seen)
	}
}

// TestTaken: what another stream has can't have history; all else can, and what can't is as without a stream. When the other
// one is gone, it has.
func TestTaken(t *testing.T) {
	eachStore(t, func(t *testing.T, url string) {
		js := overhear(t, url)
		other := &nats.StreamConfig{Name: "OTHER", Subjects: []string{"stomp.d.queue.x"}, Storage: nats.MemoryStorage}
		_, err := js.AddStream(other)
		checkErr(t, err, nil)
		all := bus.Keep{Patterns: []string{"/a/**", "/queue/**", "/topic/**", "/z/*", "no/slash"}, Size: 10, Has: func(string) bool { return true }}
		for name, keeps := range map[string][]bus.Keep{"at start": {all}, "after a reload": {keeping(5), all}} {
			t.Run(name, func(t *testing.T) {
				t.Cleanup(func() { // once the node has gone, which would make its stream anew
					checkErr(t, js.DeleteStream("STOMPGW"), nil)
					_, err := js.AddStream(other)
					checkErr(t, err, nil)
				})
				a := newReader(t, Config{URL: url, Silence: time.Hour}, "1/a")
				a.history.glance = 50 * time.Millisecond
				receive(t, a.Bus, a.keep)
				for _, keep := range keeps {
					a.Remember(keep)
				}
				bustest.Eventually(t, "it says what it lacks", func() bool {
					left := a.history.left.Load()
					return left != nil && strings.Contains(left.why.Error(), "does not capture /queue/**: ") && strings.Contains(left.why.Error(), "10065")
				})
				if len(keeps) > 1 {
					a.healthy(t)
				} else if a.Healthy() == nil {
					t.Error("a node that starts is ready")
				}
				for _, destination := range []string{"/topic/a", "/a/b", "/z/b"} {
					checkErr(t, watchFor(a.Bus, destination), nil)
					checkErr(t, <-publish(t, a.Bus, destination, "1"), nil)
					if e := a.next(t); e.Mark == nil || e.Destination != destination {
						t.Errorf("to %s came %+v", destination, e)
					}
				}
				checkErr(t, watchFor(a.Bus, "/queue/a"), nil)
				checkErr(t, a.Publish(bus.Envelope{Destination: "/queue/a"}, nil), bus.ErrDown)
				_, err = js.PublishMsg(&nats.Msg{Subject: "stomp.d.queue.x"})
				checkErr(t, err, nil)
				checkErr(t, connect(t, url).Publish("stomp.d.queue.a", []byte("raw")), nil)
				if e := a.next(t); e.Mark != nil || string(e.Body) != "raw" {
					t.Errorf("to what is left out came %+v", e)
				}
				checkErr(t, js.DeleteStream("OTHER"), nil)
				bustest.Eventually(t, "it lacks nothing", func() bool { return a.history.left.Load() == nil })
				checkErr(t, <-publish(t, a.Bus, "/queue/a", "1"), nil)
			})
		}
	})
}

// TestMayNotChange: a node that may not change the stream has what it captures.
func TestMayNotChange(t *testing.T) {
	limited := &server.User{Username: "u", Password: "p", Permissions: &server.Permissions{
		Publish: &server.SubjectPermission{Deny: []string{"$JS.API.STREAM.UPDATE.>"}}}}
	s := startServer(t, 0, withJetStream(t.TempDir()), func(o *server.Options) { o.Users = []*server.User{limited, {Username: "f", Password: "p"}} })
	url := func(user string) string { return strings.Replace(s.ClientURL(), "://", "://"+user+":p@", 1) }
	remember(t, Config{URL: url("f")}, "1/maker", 10)
	a := newBus(t, Config{URL: url("u")}, "1/a", nil)
	keep := keeping(10)
	keep.Patterns = append(keep.Patterns, "/queue/*")
	a.Remember(keep)
	receive(t, a, func(bus.Envelope) {})
	bustest.Eventually(t, "it says so", func() bool {
		err := a.Healthy()
		return errors.Is(err, ErrPermission) && strings.Contains(err.Error(), "/queue/*: ") && strings.Contains(err.Error(), "$JS.API.STREAM.UPDATE.STOMPGW")
	})
	checkErr(t, watchFor(a, "/topic/a"), nil)
	send(t, a, "1")
}

// TestForgotten: when nothing has history any more, who followed something that had goes on, over a new connection too.
func TestForgotten(t *testing.T) {
	s := servers.NATS(t, 0, "-js", "-sd", t.TempDir())
	url := "nats://" + s.Addr
	a := follow(t, Config{URL: url}, "1/a", 10)
	send(t, a.Bus, "1")
	a.Remember(bus.Keep{})
	s.Kill()
	bustest.Eventually(t, "the node notices", func() bool { return a.Healthy() != nil })
	s.Start(t)
	foreign := connect(t, url)
	for _, body := range []string{"2", "3"} {
		_, err := foreign.Request("stomp.d.topic.a", []byte(body), time.Minute)
		checkErr(t, err, nil)
	}
	a.want(t, "1", "2", "3")
	if got := a.recall(t, "/topic/a", bus.Wish{}); got.Err != nil {
		t.Errorf("asked for its head it says %v", got.Err)
	}
	a.healthy(t)
}

// TestNoPatterns: rules that can't match anything with history ask for no stream.
func TestNoPatterns(t *testing.T) {
	a := newBus(t, Config{URL: startServer(t, 0).ClientURL()}, "1/a", nil)
	a.Remember(bus.Keep{Patterns: []string{"no/slash"}, Size: 10, Has: func(string) bool { return true }})
	receive(t, a, func(bus.Envelope) {})
	checkErr(t, a.Healthy(), nil)
	checkErr(t, <-publish(t, a, "/topic/a", "1"), nil)
}

// TestTakenAway: who follows what the stream does not capture any more is told, and hears what others publish when it asks again.
func TestTakenAway(t *testing.T) {
	url := startServer(t, 0, withJetStream(t.TempDir())).ClientURL()
	a := remember(t, Config{URL: url}, "1/a", 10)
	ready := make(chan error, 2)
	a.Watch("/topic/a", func(err error) { ready <- err })
	checkErr(t, <-ready, nil)
	foreign := connect(t, url)
	js := jetStream(t, foreign)
	checkErr(t, js.DeleteStream("STOMPGW"), nil)
	_, err := js.AddStream(&nats.StreamConfig{Name: "OTHER", Subjects: []string{"stomp.d.topic.>"}})
	checkErr(t, err, nil)
	a.history.refresh()
	checkErr(t, <-ready, bus.ErrDown)
	checkErr(t, watchFor(a.Bus, "/topic/a"), nil)
	checkErr(t, foreign.Publish("stomp.d.topic.a", []byte("raw")), nil)
	if e := a.next(t); e.Mark != nil || string(e.Body) != "raw" {
		t.Errorf("got %+v", e)
	}
	checkErr(t, js.DeleteStream("OTHER"), nil)
	a.history.refresh()
	a.healthy(t)
}
