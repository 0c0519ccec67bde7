package natsbus

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/bus/bustest/servers"
)

// TestForgedHeaders: what a publisher writes under the names of the server's headers counts for nothing, and what is
// published where only the stream does is skipped.
func TestForgedHeaders(t *testing.T) {
	eachStore(t, func(t *testing.T, url string) {
		a := follow(t, Config{URL: url}, "1/a", 10)
		foreign := connect(t, url)
		forged := nats.Header{}
		for _, name := range []string{streamHeader, subjectHeader, sequenceHeader, previousHeader, timeHeader} {
			forged[name] = []string{"777"}
		}
		checkErr(t, foreign.Publish("stomp.h.topic.a", []byte("plain")), nil)
		checkErr(t, foreign.PublishMsg(&nats.Msg{Subject: "stomp.h.topic.a", Header: forged, Data: []byte("forged")}), nil)
		checkErr(t, foreign.PublishMsg(&nats.Msg{Subject: "stomp.d.topic.a", Header: forged, Data: []byte("stored")}), nil)
		e := a.next(t)
		if string(e.Body) != "stored" || e.Mark.At.Offset%1000 != 0 && e.Mark.At.Offset != 1 || len(e.Headers) > 0 {
			t.Errorf("got %+v with %+v", e, e.Mark)
		}
		if n := a.Figures().Skipped; n != 2 {
			t.Errorf("%d were skipped, want 2", n)
		}
	})
}

// TestStraggler: a message of a stream that had the name before, which comes late and has a number that the stream of now has not given,
// is no message of this one.
func TestStraggler(t *testing.T) {
	eachStore(t, func(t *testing.T, url string) {
		a := follow(t, Config{URL: url}, "1/a", 10)
		send(t, a.Bus, "1")
		at := a.next(t).Mark.At.Offset
		late := nats.Header{
			streamHeader: {"STOMPGW"}, subjectHeader: {"stomp.d.topic.a"},
			sequenceHeader: {fmt.Sprint(at + 1000)}, previousHeader: {fmt.Sprint(at + 990)},
		}
		foreign := connect(t, url)
		checkErr(t, foreign.PublishMsg(&nats.Msg{Subject: "stomp.h.topic.a", Header: late, Data: []byte("late")}), nil)
		checkErr(t, foreign.Flush(), nil)
		send(t, a.Bus, "2")
		a.want(t, "2")
		a.wantWhole(t, "/topic/a", []bus.Position{{Log: trailOf(a.Bus, "/topic/a").log, Offset: at}}, true)
	})
}

// TestForgedAck: an answer to a publisher that does not name the stream is nobody's.
func TestForgedAck(t *testing.T) {
	url := startServer(t, 0, withJetStream(t.TempDir())).ClientURL()
	remember(t, Config{URL: url}, "1/maker", 10).Remember(bus.Keep{})
	a := remember(t, Config{URL: url, Deadline: 2 * time.Second, History: History{Existing: true}}, "1/a", 10)
	foreign := connect(t, url)
	_, err := foreign.Subscribe("stomp.d.topic.a", func(m *nats.Msg) {
		_ = foreign.Publish(m.Reply, []byte(`{"stream":"OTHER","seq":1}`))
		_ = foreign.Publish(m.Reply, []byte(`no JSON`))
	})
	checkErr(t, err, nil)
	checkErr(t, foreign.Flush(), nil)
	send(t, a.Bus, "1") // the stream has answered
	js := jetStream(t, foreign)
	checkErr(t, js.DeleteStream("STOMPGW"), nil)
	checkErr(t, <-publish(t, a.Bus, "/topic/a", "2"), bus.ErrUnknown) // nobody says that there is no stream, as one hears the subject
}

// TestNoStream: where nobody stores and nobody listens, the server says so at once.
func TestNoStream(t *testing.T) {
	url := startServer(t, 0, withJetStream(t.TempDir())).ClientURL()
	a := remember(t, Config{URL: url}, "1/a", 10)
	foreign := connect(t, url)
	js := jetStream(t, foreign)
	checkErr(t, js.DeleteStream("STOMPGW"), nil)
	checkErr(t, <-publish(t, a.Bus, "/topic/a", "1"), bus.ErrDown)
	awaitStream(t, js)
	bustest.Eventually(t, "it takes an envelope", func() bool { return <-publish(t, a.Bus, "/topic/a", "2") == nil })
}

// TestNoJetStream: a node with history on a server without JetStream says how to switch it on, and is not healthy.
func TestNoJetStream(t *testing.T) {
	url := startServer(t, 0).ClientURL()
	b := newBus(t, Config{URL: url}, "1/a", nil)
	b.Remember(keeping(10))
	receive(t, b, func(bus.Envelope) {})
	bustest.Eventually(t, "it says so", func() bool { return errors.Is(b.Healthy(), errNoJetStream) })
	if err := b.Healthy(); !strings.Contains(err.Error(), "-js") || !errors.Is(err, bus.ErrHistory) {
		t.Errorf("Healthy says %v", err)
	}
	b.Remember(bus.Keep{})
	checkErr(t, b.Healthy(), nil)
}

// TestExistingStream: a node that may not make the stream says what it lacks.
func TestExistingStream(t *testing.T) {
	url := startServer(t, 0, withJetStream(t.TempDir())).ClientURL()
	b := newBus(t, Config{URL: url, History: History{Stream: "MINE", Existing: true}}, "1/a", nil)
	b.Remember(keeping(10))
	says := func(text string) {
		t.Helper()
		bustest.Eventually(t, text, func() bool { err := b.Healthy(); return err != nil && strings.Contains(err.Error(), text) })
	}
	says("no stream MINE")
	js := jetStream(t, connect(t, url))
	cfg := &nats.StreamConfig{Name: "MINE", Subjects: []string{"stomp.d.topic.a"}}
	_, err := js.AddStream(cfg)
	checkErr(t, err, nil)
	b.history.refresh()
	says("stomp.d.topic.>")
	trial := newBus(t, Config{URL: url, History: History{Stream: "MINE", Existing: true, Trial: true}}, "1/trial", nil)
	trial.Remember(keeping(10))
	bustest.Eventually(t, "a trial says so too", func() bool {
		err := trial.Healthy()
		return err != nil && strings.Contains(err.Error(), "stomp.d.topic.>") && strings.Contains(err.Error(), "republish")
	})
	cfg.Subjects = []string{"stomp.d.>"}
	_, err = js.UpdateStream(cfg)
	checkErr(t, err, nil)
	b.history.refresh()
	says("republish")
	cfg.RePublish = &nats.RePublish{Source: "stomp.d.>", Destination: "stomp.h.>", HeadersOnly: true}
	cfg.NoAck, cfg.Discard, cfg.MaxMsgs = true, nats.DiscardNew, 100
	_, err = js.UpdateStream(cfg)
	checkErr(t, err, nil)
	b.history.refresh()
	for _, fault := range []string{"with bodies", "no_ack", "discard must be old"} {
		says(fault)
	}
	cfg.NoAck, cfg.Discard, cfg.RePublish.HeadersOnly = false, nats.DiscardOld, false
	_, err = js.UpdateStream(cfg)
	checkErr(t, err, nil)
	b.history.refresh()
	bustest.Eventually(t, "it is healthy", func() bool { return b.Healthy() == nil })
}

// TestStreamAdded: a node with other rules adds to what the stream captures, and takes nothing away.
func TestStreamAdded(t *testing.T) {
	eachStore(t, func(t *testing.T, url string) {
		a := remember(t, Config{URL: url}, "1/a", 10)
		b := newBus(t, Config{URL: url}, "1/b", nil)
		b.Remember(bus.Keep{Patterns: []string{"/queue/*"}, Size: 20, Has: func(string) bool { return true }})
		js := jetStream(t, connect(t, url))
		bustest.Eventually(t, "both are captured", func() bool {
			info, err := js.StreamInfo("STOMPGW")
			return err == nil && fmt.Sprint(info.Config.Subjects) == "[stomp.d.queue.* stomp.d.topic stomp.d.topic.>]" && info.Config.MaxMsgsPerSubject == 20
		})
		checkErr(t, <-publish(t, b, "/queue/x", "1"), nil)
		send(t, a.Bus, "1")
	})
}

// TestRestart: a server that comes back has what it had, a node goes on without a hole, and gets what was published
// meanwhile.
func TestRestart(t *testing.T) {
	s := servers.NATS(t, 0, "-js", "-sd", t.TempDir())
	url := "nats://" + s.Addr
	a := follow(t, Config{URL: url}, "1/a", 10)
	send(t, a.Bus, "1")
	a.want(t, "1")
	for i := range 3 {
		s.Kill()
		bustest.Eventually(t, "the node notices", func() bool { return a.Healthy() != nil })
		s.Start(t)
		foreign := connect(t, url)
		body := fmt.Sprint("by another ", i)
		_, err := foreign.Request("stomp.d.topic.a", []byte(body), time.Minute)
		checkErr(t, err, nil)
		a.want(t, body)
		a.healthy(t)
	}
}

// TestStreamAnew: a stream that was deleted and made again is another log: its old one has ended, and what comes is
// delivered.
func TestStreamAnew(t *testing.T) {
	eachStore(t, func(t *testing.T, url string) {
		a := follow(t, Config{URL: url}, "1/a", 10)
		send(t, a.Bus, "1", "2", "3")
		a.want(t, "1", "2", "3")
		old := a.recall(t, "/topic/a", bus.Wish{}).Head
		js := jetStream(t, connect(t, url))
		checkErr(t, js.DeleteStream("STOMPGW"), nil)
		a.history.refresh()
		a.want(t, "ended")
		send(t, a.Bus, "4")
		a.want(t, "4")
		a.wantWhole(t, "/topic/a", old, false)
	})
}

// TestStreamAnewUnnoticed: what is fetched of a stream of which a node does not know yet that it is another one says nothing of the old one.
func TestStreamAnewUnnoticed(t *testing.T) {
	eachStore(t, func(t *testing.T, url string) {
		a := follow(t, Config{URL: url}, "1/a", 10)
		start := a.recall(t, "/topic/a", bus.Wish{}).Head
		checkErr(t, <-publish(t, a.Bus, "/topic/other", "x"), nil)
		b := follow(t, Config{URL: url}, "1/b", 10)
		send(t, a.Bus, "1")
		b.want(t, "1")
		js := jetStream(t, connect(t, url))
		info, err := js.StreamInfo("STOMPGW")
		checkErr(t, err, nil)
		checkErr(t, js.DeleteStream("STOMPGW"), nil)
		_, err = js.AddStream(&info.Config)
		checkErr(t, err, nil)
		b.wantWhole(t, "/topic/a", start, false)
		b.want(t, "ended")
	})
}

// TestPurgedMeanwhile: where the stream drops messages while they are fetched, the position does not stand, though its own was there.
func TestPurgedMeanwhile(t *testing.T) {
	eachStore(t, func(t *testing.T, url string) {
		const stored = onePart + 100
		a := follow(t, Config{URL: url}, "1/a", 2*stored)
		for n := range stored {
			send(t, a.Bus, fmt.Sprint(n))
		}
		js := jetStream(t, connect(t, url))
		first := a.next(t).Mark.At
		b := newReader(t, Config{URL: url}, "1/b")
		b.Remember(keeping(2 * stored))
		purge := sync.OnceFunc(func() { checkErr(t, js.PurgeStream("STOMPGW"), nil) })
		receive(t, b.Bus, func(e bus.Envelope) {
			if e.Mark.Past {
				purge()
			}
		})
		checkErr(t, watchFor(b.Bus, "/topic/a"), nil)
		for range 2 { // also when it is asked for again
			b.wantWhole(t, "/topic/a", []bus.Position{first}, false)
		}
	})
}

// TestPurgedBeforeWatch: what was stored and removed before a node asked is not what it has had, though it has looked at the stream before that.
func TestPurgedBeforeWatch(t *testing.T) {
	eachStore(t, func(t *testing.T, url string) {
		a := follow(t, Config{URL: url}, "1/a", 10)
		b := remember(t, Config{URL: url}, "1/b", 10)
		b.history.mu.Lock()
		b.history.now.asked = time.Now().Add(time.Hour) // it does not look again by itself
		b.history.mu.Unlock()
		send(t, a.Bus, "1", "2")
		first := a.next(t).Mark.At
		js := jetStream(t, connect(t, url))
		checkErr(t, js.PurgeStream("STOMPGW"), nil)
		checkErr(t, watchFor(b.Bus, "/topic/a"), nil)
		b.wantWhole(t, "/topic/a", []bus.Position{first}, false)
		send(t, a.Bus, "3")
		b.want(t, "3")
	})
}

// TestPurged: a node that has seen all that was removed goes on without a word; a position before that does not stand.
func TestPurged(t *testing.T) {
	eachStore(t, func(t *testing.T, url string) {
		a := follow(t, Config{URL: url}, "1/a", 10)
		send(t, a.Bus, "1", "2")
		a.want(t, "1", "2")
		first := a.recall(t, "/topic/a", bus.Wish{}).Head
		first[0].Offset--
		js := jetStream(t, connect(t, url))
		checkErr(t, js.PurgeStream("STOMPGW"), nil)
		send(t, a.Bus, "3")
		a.want(t, "3")
		b := follow(t, Config{URL: url}, "1/b", 10)
		b.wantWhole(t, "/topic/a", first, false)
	})
}

// TestEvicted: a position of which more came than the stream keeps does not stand; the oldest that is there does.
func TestEvicted(t *testing.T) {
	eachStore(t, func(t *testing.T, url string) {
		a := follow(t, Config{URL: url}, "1/a", 3)
		var at []bus.Position
		for _, body := range []string{"1", "2", "3", "4", "5"} {
			send(t, a.Bus, body)
			at = append(at, a.next(t).Mark.At)
		}
		for i, whole := range []bool{false, false, true, true, true} {
			b := follow(t, Config{URL: url}, fmt.Sprint("1/b", i), 3)
			if got := b.recall(t, "/topic/a", bus.Wish{After: at[i : i+1]}); got.Whole != whole || got.Err != nil {
				t.Errorf("from %d on it is %+v", i+1, got)
			}
			forged := at[i]
			forged.Term++
			if got := b.recall(t, "/topic/a", bus.Wish{After: []bus.Position{forged}}); got.Whole && i+1 == len(at) {
				t.Errorf("from a forged %d on it is %+v", i+1, got)
			}
		}
	})
}

// TestQuiet: a destination of which nothing is stored, and of which the last message is old, stand, however much went
// on elsewhere.
func TestQuiet(t *testing.T) {
	eachStore(t, func(t *testing.T, url string) {
		a := follow(t, Config{URL: url}, "1/a", 10)
		checkErr(t, watchFor(a.Bus, "/topic/empty"), nil)
		send(t, a.Bus, "1")
		last := []bus.Position{a.next(t).Mark.At}
		empty := a.recall(t, "/topic/empty", bus.Wish{}).Head
		for range 20 {
			checkErr(t, <-publish(t, a.Bus, "/topic/other", "x"), nil)
		}
		b := remember(t, Config{URL: url}, "1/b", 10)
		for destination, after := range map[string][]bus.Position{"/topic/a": last, "/topic/empty": empty} {
			checkErr(t, watchFor(b.Bus, destination), nil)
			b.wantWhole(t, destination, after, true)
		}
	})
}

// lagging returns a node that follows /topic/a, and to which nothing but a first message is delivered before release. Then some of what was published
// is dropped.
func lagging(t *testing.T, url string, published int) (b *reader, release func()) {
	t.Helper()
	sender := remember(t, Config{URL: url}, "1/sender", published)
	hold := make(chan struct{})
	b = newReader(t, Config{URL: url, Inbox: 16}, "1/slow")
	b.Remember(keeping(published))
	receive(t, b.Bus, func(e bus.Envelope) {
		if string(e.Body) != "first" { // from which on nothing is in doubt
			<-hold
		}
		b.keep(e)
	})
	checkErr(t, watchFor(b.Bus, "/topic/a"), nil)
	send(t, sender.Bus, "first")
	b.want(t, "first")
	for i := range published {
		send(t, sender.Bus, fmt.Sprint(i))
	}
	bustest.Eventually(t, "some are dropped", func() bool { return b.watches.dropped() > 0 })
	return b, func() { close(hold) }
}

// TestSlowNode: what a node drops, as it is too slow, is brought later, the end too.
func TestSlowNode(t *testing.T) {
	eachStore(t, func(t *testing.T, url string) {
		const published = 1000
		b, release := lagging(t, url, published)
		release()
		for i := range published {
			if e := b.next(t); string(e.Body) != fmt.Sprint(i) {
				t.Fatalf("got %s (%+v), want %d", e.Body, e.Mark, i)
			}
		}
	})
}

// TestHole: what a node missed and is removed before it could be brought is told.
func TestHole(t *testing.T) {
	eachStore(t, func(t *testing.T, url string) {
		b, release := lagging(t, url, 200)
		js := jetStream(t, connect(t, url))
		checkErr(t, js.PurgeStream("STOMPGW"), nil)
		send(t, b.Bus, "end")
		release()
		last, holes := uint64(0), 0
		for {
			e := b.next(t)
			if e.Mark.Hole {
				holes++
			}
			if e.Mark.At.Offset <= last {
				t.Errorf("after %d came %+v", last, e.Mark)
			}
			if last = e.Mark.At.Offset; string(e.Body) == "end" {
				break
			}
		}
		if holes != 1 {
			t.Errorf("%d holes were told, want 1", holes)
		}
	})
}

// TestPowerCut: a stream that lost its end is another log, though its name and its making are the same.
func TestPowerCut(t *testing.T) {
	url, a, lost := losesEnd(t)
	send(t, a.Bus, "6", "7", "8", "9")
	a.want(t, "6", "7", "8", "9")
	b := follow(t, Config{URL: url}, "1/b", 100)
	b.wantWhole(t, "/topic/a", lost, false)
}

// losesEnd has a server lose 3, 4 and 5 of what was published to /topic/a. A node that was there then knows that the log has ended; lost is where
// it stood before.
func losesEnd(t *testing.T) (url string, a *reader, lost []bus.Position) {
	t.Helper()
	dir, saved := t.TempDir(), t.TempDir()
	s := servers.NATS(t, 0, "-js", "-sd", dir)
	url = "nats://" + s.Addr
	a = follow(t, Config{URL: url}, "1/a", 100)
	send(t, a.Bus, "1", "2")
	a.want(t, "1", "2")
	s.Stop(t)
	copyTree(t, dir, saved)
	s.Start(t)
	a.healthy(t)
	send(t, a.Bus, "3", "4", "5")
	a.want(t, "3", "4", "5")
	lost = a.recall(t, "/topic/a", bus.Wish{}).Head
	s.Stop(t)
	checkErr(t, os.RemoveAll(dir), nil)
	copyTree(t, saved, dir)
	s.Start(t)
	a.want(t, "ended")
	a.healthy(t)
	return url, a, lost
}

func copyTree(t *testing.T, from, to string) {
	t.Helper()
	checkErr(t, os.MkdirAll(to, 0o700), nil)
	checkErr(t, os.CopyFS(to, os.DirFS(from)), nil)
}
