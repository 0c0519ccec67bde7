package natsbus

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/bus/bustest/servers"
)

// trailOf returns what node b has of a destination that it watches.
func trailOf(b *Bus, destination string) *trail {
	w, _ := b.watches.of(historySubject(b.cfg.Prefix, destination))
	return w.trail
}

// inLane runs f where the trail's messages are delivered, and returns then.
func (t *trail) inLane(f func()) {
	done := make(chan struct{})
	t.lane.post(func(func(bus.Envelope)) {
		f()
		close(done)
	})
	<-done
}

// lose has t take its last message for one that it has not got.
func (t *trail) lose() {
	t.inLane(func() {
		before := place{seq: t.last - 1}
		if n := len(t.recent); n > 1 {
			before, t.recent = t.recent[n-2], t.recent[:n-1]
		}
		t.last, t.term, t.complete = before.seq, before.term, before.seq
	})
}

// TestQuietRoomGone: who has got all hears of no hole when the last message of a quiet destination is gone, as it was one of the
// stream's oldest or somebody removed it.
func TestQuietRoomGone(t *testing.T) {
	eachStore(t, func(t *testing.T, url string) {
		a := follow(t, Config{URL: url, History: History{Bytes: 1 << 20}}, "1/a", 10_000)
		send(t, a.Bus, "1")
		a.want(t, "1")
		for range 300 {
			checkErr(t, <-publish(t, a.Bus, "/topic/other", strings.Repeat("x", 10_000)), nil)
		}
		send(t, a.Bus, "2")
		a.want(t, "2")
		second := a.recall(t, "/topic/a", bus.Wish{}).Head
		checkErr(t, <-publish(t, a.Bus, "/topic/other", "x"), nil)
		js := jetStream(t, connect(t, url))
		checkErr(t, js.PurgeStream("STOMPGW"), nil)
		send(t, a.Bus, "3")
		a.want(t, "3")
		a.wantWhole(t, "/topic/a", second, true)
	})
}

// TestLostPlace: a position of an end that the log has lost does not stand, though the log has come by there again.
func TestLostPlace(t *testing.T) {
	_, a, lost := losesEnd(t)
	send(t, a.Bus, "another 3")
	for range 3 { // 4, 5 and 6
		checkErr(t, <-publish(t, a.Bus, "/topic/other", "x"), nil)
	}
	send(t, a.Bus, "7")
	a.want(t, "another 3", "7")
	a.wantWhole(t, "/topic/a", lost, false)
}

// TestRefilled: a log that has lost its end and was filled again while a node was away is another one for it, also for a
// destination of which the node has seen nothing, and where others have published the same as before.
func TestRefilled(t *testing.T) {
	dir, saved := t.TempDir(), t.TempDir()
	s := servers.NATS(t, 0, "-js", "-sd", dir)
	url := "nats://" + s.Addr
	other := func(url string, n int) {
		for range n {
			_, err := connect(t, url).Request("stomp.d.topic.other", []byte("x"), 5*time.Second)
			checkErr(t, err, nil)
		}
	}
	remember(t, Config{URL: url}, "1/maker", 100).Remember(bus.Keep{})
	other(url, 1)
	s.Stop(t)
	copyTree(t, dir, saved)
	s.Start(t)
	other(url, 10)
	b := follow(t, Config{URL: url}, "1/b", 100)
	head := b.recall(t, "/topic/a", bus.Wish{}).Head
	s.Stop(t)
	checkErr(t, os.RemoveAll(dir), nil)
	copyTree(t, saved, dir)
	early := servers.NATS(t, 0, "-js", "-sd", dir) // for others
	foreign := connect(t, "nats://"+early.Addr)
	_, err := foreign.Request("stomp.d.topic.a", []byte("missed"), 5*time.Second)
	checkErr(t, err, nil)
	other("nats://"+early.Addr, 20)
	early.Stop(t)
	s.Start(t)
	b.want(t, "ended")
	b.healthy(t)
	send(t, b.Bus, "after")
	b.want(t, "after")
	b.wantWhole(t, "/topic/a", head, false)
}

// TestRaised: what a stream removed when it kept fewer of a destination is missing, though it has fewer than it keeps now.
// What came later is judged by the new number.
func TestRaised(t *testing.T) {
	eachStore(t, func(t *testing.T, url string) {
		a := follow(t, Config{URL: url}, "1/a", 3)
		checkErr(t, watchFor(a.Bus, "/topic/b"), nil)
		checkErr(t, <-publish(t, a.Bus, "/topic/other", "x"), nil)
		c := follow(t, Config{URL: url}, "1/c", 3)
		before := c.recall(t, "/topic/a", bus.Wish{}).Head
		for i := range 10 {
			send(t, a.Bus, fmt.Sprint(i))
		}
		b := remember(t, Config{URL: url}, "1/b", 100) // it has other rules
		checkErr(t, watchFor(b.Bus, "/topic/a"), nil)
		b.wantWhole(t, "/topic/a", before, false)
		checkErr(t, watchFor(b.Bus, "/topic/b"), nil)
		after := b.recall(t, "/topic/b", bus.Wish{}).Head
		for range 10 {
			checkErr(t, <-publish(t, a.Bus, "/topic/b", "x"), nil)
		}
		d := remember(t, Config{URL: url}, "1/d", 100)
		checkErr(t, watchFor(d.Bus, "/topic/b"), nil)
		d.wantWhole(t, "/topic/b", after, true)
	})
}

// TestRemovedAlone: where somebody has removed what is stored of a destination, no position before that stands.
func TestRemovedAlone(t *testing.T) {
	eachStore(t, func(t *testing.T, url string) {
		a := follow(t, Config{URL: url}, "1/a", 10)
		checkErr(t, <-publish(t, a.Bus, "/topic/other", "x"), nil)
		send(t, a.Bus, "") // that its body is empty makes no difference
		at := []bus.Position{a.next(t).Mark.At}
		send(t, a.Bus, "2", "3")
		js := jetStream(t, connect(t, url))
		checkErr(t, js.PurgeStream("STOMPGW", &nats.StreamPurgeRequest{Subject: "stomp.d.topic.a"}), nil)
		b := follow(t, Config{URL: url}, "1/b", 10)
		b.wantWhole(t, "/topic/a", at, false)
	})
}

// TestNoFetch: what can't be fetched is told as a hole after a while, and what comes then is delivered; the node is not healthy until
// something can be fetched again. Recalls that were told that it takes too long are not kept.
func TestNoFetch(t *testing.T) {
	t.Parallel() // it waits for seconds to pass
	dir := t.TempDir()
	user := func(denied ...string) func(*server.Options) {
		return func(o *server.Options) {
			withJetStream(dir)(o)
			o.Users = []*server.User{{Username: "gateway", Password: "p", Permissions: &server.Permissions{
				Publish: &server.SubjectPermission{Allow: []string{">"}, Deny: denied},
			}}}
		}
	}
	s := startServer(t, 0, user("$JS.API.CONSUMER.>"))
	a := follow(t, Config{URL: s.ClientURL(), User: "gateway", Password: "p"}, "1/a", 10)
	send(t, a.Bus, "1")
	a.want(t, "1")
	trail := trailOf(a.Bus, "/topic/a")
	trail.lose()
	send(t, a.Bus, "2", "3")
	a.want(t, "hole", "2", "3")
	if err := a.Healthy(); err == nil || !strings.Contains(err.Error(), "CONSUMER.CREATE") {
		t.Errorf("it is healthy: %v", err)
	}
	if got := a.recall(t, "/topic/a", bus.Wish{Last: 100}); got.Err == nil {
		t.Errorf("the last ones are %+v", got)
	}
	bustest.Eventually(t, "nobody waits", func() bool {
		n := 0
		trail.inLane(func() { n = len(trail.recalls) })
		return n == 0
	})
	change(t, s, user())
	a.healthy(t)
}

// TestFetchedBeforeHole: what was fetched before a hole is no proof behind it.
func TestFetchedBeforeHole(t *testing.T) {
	a := follow(t, Config{URL: startServer(t, 0, withJetStream(t.TempDir())).ClientURL()}, "1/a", 10)
	trail := trailOf(a.Bus, "/topic/a")
	r := &recall{history: a.history, fetched: &want{done: true, whole: true}, wish: bus.Wish{After: []bus.Position{{Log: trail.log, Offset: 1}}}}
	trail.inLane(func() {
		trail.recalls = append(trail.recalls, r)
		trail.restart(9)
		if _, known := trail.stands(r); known {
			t.Error("it is known without another look")
		}
		trail.recalls = nil
	})
}

// TestRepairBeforePast: what is missing is fetched though all who fetch the past are at work, and can't go on.
func TestRepairBeforePast(t *testing.T) {
	url := startServer(t, 0, withJetStream(t.TempDir())).ClientURL()
	a := follow(t, Config{URL: url}, "1/a", 10)
	send(t, a.Bus, "1")
	a.want(t, "1")
	stuck := &trail{bus: a.Bus, raw: "stomp.d.topic.a", lane: newLane(1, 1)} // nobody delivers
	for range 2 * fetchers {
		a.history.pasts.fetch(&want{trail: stuck, past: true, all: true, from: 1})
	}
	trailOf(a.Bus, "/topic/a").lose()
	send(t, a.Bus, "2")
	a.want(t, "1", "2")
}

// TestLeftToTheNext: when a connection ends, what is to be fetched stays for the fetchers of the next one.
func TestLeftToTheNext(t *testing.T) {
	b := &Bus{history: newHistory(Config{}.withDefaults())}
	f := newFetcher()
	f.fetch(&want{})
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	b.fetchNext(ended, &spare{bus: b}, f)
	if !f.waited() {
		t.Error("it is gone, and its trail waits for ever")
	}
}

// TestTogether: many wants that lie close together are fetched by reading the stream once, others one by one.
func TestTogether(t *testing.T) {
	const end = 1e9
	wants := func(n int, from uint64) (wants []*want) {
		for range n {
			wants = append(wants, &want{from: from})
		}
		return wants
	}
	all := wants(100, end)
	for _, w := range all {
		w.all = true
	}
	for _, test := range []struct {
		name  string
		wants []*want
		want  int
	}{
		{"few", wants(sweepFrom, end), 0},
		{"many", wants(sweepFrom+1, end-100), sweepFrom + 1},
		{"many, from all over the stream", wants(100, 1), 0},
		{"those near the end", append(wants(10, 1), wants(100, end-1000)...), 100},
		{"all there is", all, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFetcher()
			f.wants = test.wants
			n := len(test.wants)
			if got := len(f.take(end)); got != max(test.want, 1) || len(f.wants) != n-got {
				t.Errorf("it takes %d of %d, want %d; %d are left", got, n, max(test.want, 1), len(f.wants))
			}
		})
	}
	f := newFetcher()
	f.fetch(&want{})
	f.wants[0].drop()
	if got := f.take(end); len(got) > 0 {
		t.Errorf("it takes %d that nobody wants", len(got))
	}
}

// TestTerm: messages that differ have different terms, whatever a server adds; none is unknown.
func TestTerm(t *testing.T) {
	plain := term(nil, nil)
	same := term(nats.Header{"a": {"1", "2"}, "b": {"3"}}, []byte("x"))
	for name, header := range map[string]nats.Header{
		"others": {"a": {"2", "1"}, "b": {"3"}}, "fewer": {"a": {"1", "2"}}, "none": nil, "moved": {"a": {"1"}, "b": {"2", "3"}},
	} {
		if got := term(header, []byte("x")); got == same {
			t.Errorf("with %s it is the same", name)
		}
	}
	if got := term(nats.Header{"Nats-Sequence": {"1"}, "b": {"3"}, "a": {"1", "2"}}, []byte("x")); got != same {
		t.Error("what a server adds makes it another one")
	}
	for _, n := range []uint32{0, 1, 2, plain, same} {
		at := time.Now()
		beside, later := beside(n, at), beside(n, at.Add(1))
		if (place{1, beside}).own() || beside == 0 || beside == later {
			t.Errorf("beside %d is %d, and later %d", n, beside, later)
		}
	}
	if !(place{1, plain}).own() || !(place{1, same}).own() {
		t.Error("a message's place is not its own")
	}
}
