package natsbus

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/bus/bustest/servers"
)

// rooms is how many destinations a storm is about: more than are fetched one by one.
const rooms = sweepFrom + 10

func room(i int) string { return fmt.Sprint("/topic/room.", i) }

// ledger is what was delivered to a node.
type ledger struct {
	mu   sync.Mutex
	live map[string][]bus.Position // by destination, in order
	past map[string][]bus.Position
	told []string // holes
}

func (l *ledger) deliver(e bus.Envelope) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case e.Mark == nil:
		l.told = append(l.told, e.Destination+" has no mark")
	case e.Mark.Hole:
		l.told = append(l.told, fmt.Sprint(e.Destination, e.Mark))
	case e.Mark.Past && slices.Contains(l.past[e.Destination], e.Mark.At): // it comes again, after a failure
	case e.Mark.Past:
		l.past[e.Destination] = append(l.past[e.Destination], e.Mark.At)
	default:
		l.live[e.Destination] = append(l.live[e.Destination], e.Mark.At)
	}
}

// place is the first that came live to a destination; ok is false before.
func (l *ledger) place(destination string) (at bus.Position, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if live := l.live[destination]; len(live) > 0 {
		return live[0], true
	}
	return at, false
}

// stormy returns a node and what is delivered to it; it watches all rooms.
func stormy(t *testing.T, url, name string) (*Bus, *ledger) {
	t.Helper()
	b := newBus(t, Config{URL: url, Deadline: 5 * time.Second}, name, nil)
	l := &ledger{live: map[string][]bus.Position{}, past: map[string][]bus.Position{}}
	b.Remember(keeping(100_000))
	receive(t, b, l.deliver)
	var ready []<-chan error
	for i := range rooms {
		ready = append(ready, listen(b, room(i)))
	}
	for _, r := range ready {
		checkErr(t, <-r, nil)
	}
	return b, l
}

// stored returns the numbers that the stream at url has of each room.
func stored(t *testing.T, url string) map[string][]uint64 {
	t.Helper()
	js, err := connect(t, url).JetStream()
	checkErr(t, err, nil)
	var info *nats.StreamInfo
	bustest.Eventually(t, "the stream answers", func() bool { // a cluster may elect
		info, err = js.StreamInfo("STOMPGW")
		return err == nil
	})
	var sub *nats.Subscription
	bustest.Eventually(t, "the stream can be read", func() bool {
		sub, err = js.PullSubscribe("", "", nats.BindStream("STOMPGW"), nats.AckNone())
		return err == nil
	})
	all := map[string][]uint64{}
	for last := uint64(0); last < info.State.LastSeq; {
		part, err := sub.Fetch(1000, nats.MaxWait(10*time.Second))
		if err != nil {
			t.Fatalf("behind %d of %d: %v", last, info.State.LastSeq, err)
		}
		for _, msg := range part {
			meta, err := msg.Metadata()
			checkErr(t, err, nil)
			destination, _ := decodeSubject("stomp", msg.Subject)
			all[destination] = append(all[destination], meta.Sequence.Stream)
			last = meta.Sequence.Stream
		}
	}
	return all
}

// storm has a node publish, as fast as the stream takes it, while disturb runs. Nodes that watch get all that is stored,
// each once and in order; those that come later recall what they missed from a place that another one knows.
func storm(t *testing.T, urls []string, disturb func()) {
	first, l := stormy(t, urls[0], "1/first")
	sender := newBus(t, Config{URL: urls[len(urls)-1], Queue: 200, Deadline: 5 * time.Second}, "1/sender", nil)
	sender.Remember(keeping(100_000))
	var stop atomic.Bool
	var sent, refused, unknown atomic.Int64
	var wg sync.WaitGroup
	wg.Go(func() {
		for n := 0; !stop.Load(); n++ {
			err := sender.Publish(bus.Envelope{Destination: room(n % rooms), Body: strconv.AppendInt(nil, int64(n), 10)}, func(err error) {
				switch {
				case err == nil:
					sent.Add(1)
				case errors.Is(err, bus.ErrUnknown):
					unknown.Add(1)
				default:
					refused.Add(1)
				}
			})
			if err != nil {
				time.Sleep(time.Millisecond)
			}
		}
	})
	bustest.Eventually(t, "all rooms have begun", func() bool {
		for i := range rooms {
			if _, ok := l.place(room(i)); !ok {
				return false
			}
		}
		return true
	})
	type joiner struct {
		*Bus
		*ledger
		whole [rooms]bool
	}
	var joiners []*joiner
	var unanswered atomic.Int64
	for i := range 3 {
		disturb()
		b, l2 := stormy(t, urls[i%len(urls)], fmt.Sprint("1/j", i))
		j := &joiner{Bus: b, ledger: l2}
		var recalls sync.WaitGroup
		for i := range rooms {
			place, _ := l.place(room(i))
			recalls.Add(1)
			b.Recall(room(i), bus.Wish{After: []bus.Position{place}}, func(r bus.Recalled) {
				if j.whole[i] = r.Whole; errors.Is(r.Err, bus.ErrDown) { // a busy machine takes longer than a Recall waits
					unanswered.Add(1)
				}
				recalls.Done()
			})
		}
		recalls.Wait()
		joiners = append(joiners, j)
	}
	stop.Store(true)
	wg.Wait()
	bustest.Eventually(t, "all is answered", func() bool { return sender.Figures().Queued == 0 })
	t.Logf("%d were sent, of %d nobody knows, %d were refused", sent.Load(), unknown.Load(), refused.Load())
	all := stored(t, urls[0])
	whole := 0
	check := func(name string, b *Bus, l *ledger, from func(destination string) uint64) {
		for destination, want := range all {
			want = want[sortedFrom(want, from(destination)):]
			var got, live []uint64
			bustest.Eventually(t, fmt.Sprint(name, " has the end of ", destination), func() bool {
				l.mu.Lock()
				defer l.mu.Unlock()
				got, live = offsets(l.past[destination], l.live[destination]), offsets(l.live[destination])
				return len(got) > 0 && got[len(got)-1] >= want[len(want)-1]
			})
			if got = got[sortedFrom(got, from(destination)):]; !slices.Equal(got, want) {
				l.mu.Lock()
				past := offsets(l.past[destination])
				l.mu.Unlock()
				t.Errorf("%s has %d of %s, want %d: %s", name, len(got), destination, len(want), difference(got, want, past))
			}
			if !slices.IsSorted(live) {
				t.Errorf("%s has %s out of order", name, destination)
			}
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		if len(l.told) > 0 {
			t.Errorf("%s was told %s", name, strings.Join(l.told[:min(len(l.told), 3)], ", "))
		}
	}
	check("the first", first, l, func(string) uint64 { return 0 })
	for i, j := range joiners {
		check(fmt.Sprint("joiner ", i), j.Bus, j.ledger, func(destination string) uint64 {
			n, _ := strconv.Atoi(strings.TrimPrefix(destination, "/topic/room."))
			if j.whole[n] {
				whole++
				place, _ := l.place(destination)
				return place.Offset + 1 // a trail that began there has not brought it
			}
			at, _ := j.place(destination)
			return at.Offset
		})
	}
	if n := int64(rooms * len(joiners)); whole < 1 && unanswered.Load() < n {
		t.Errorf("no recall was whole, and %d of %d had no answer", unanswered.Load(), n)
	}
}

// difference tells how sorted numbers differ from those that are wanted.
func difference(got, want, past []uint64) string {
	var doubled, missing, more []uint64
	for i, n := range got {
		if i > 0 && got[i-1] == n {
			doubled = append(doubled, n)
		}
		if _, is := slices.BinarySearch(want, n); !is {
			more = append(more, n)
		}
	}
	for _, n := range want {
		if _, is := slices.BinarySearch(got, n); !is {
			missing = append(missing, n)
		}
	}
	ends := func(list []uint64) string {
		if len(list) == 0 {
			return "none"
		}
		return fmt.Sprintf("%d, %d to %d", len(list), list[0], list[len(list)-1])
	}
	return fmt.Sprintf("doubled %s; missing %s; not stored %s; past %s; wanted %s", ends(doubled), ends(missing), ends(more), ends(past), ends(want))
}

func sortedFrom(sorted []uint64, from uint64) int {
	i, _ := slices.BinarySearch(sorted, from)
	return i
}

func offsets(lists ...[]bus.Position) (all []uint64) {
	for _, list := range lists {
		for _, at := range list {
			all = append(all, at.Offset)
		}
	}
	if len(lists) > 1 {
		slices.Sort(all)
	}
	return all
}

// TestStorm: nothing is missing, doubled or out of order while a server is killed.
func TestStorm(t *testing.T) {
	t.Parallel()
	s := servers.NATS(t, 0, "-js", "-sd", t.TempDir())
	storm(t, []string{"nats://" + s.Addr}, func() {
		s.Kill()
		s.Start(t)
	})
}

// TestStormOfCluster: nor while servers of a cluster are killed, one after the other, and the stream's leader moves.
func TestStormOfCluster(t *testing.T) {
	t.Parallel()
	nodes := servers.NATSCluster(t, 3)
	var urls []string
	for _, s := range nodes {
		urls = append(urls, "nats://"+s.Addr)
	}
	foreign := connect(t, urls[0])
	js, err := foreign.JetStream(nats.MaxWait(time.Second))
	checkErr(t, err, nil)
	bustest.Eventually(t, "the cluster has made the stream", func() bool {
		_, err := js.AddStream(&nats.StreamConfig{
			Name: "STOMPGW", Subjects: []string{"stomp.d.>"}, Replicas: 3, MaxMsgsPerSubject: 100_000,
			RePublish: &nats.RePublish{Source: "stomp.d.>", Destination: "stomp.h.>"},
		})
		return err == nil
	})
	turn := 0
	storm(t, urls, func() {
		s := nodes[turn%3]
		turn++
		s.Kill()
		s.Start(t)
		if _, err := foreign.Request("$JS.API.STREAM.LEADER.STEPDOWN.STOMPGW", nil, time.Second); err != nil {
			t.Log(err)
		}
	})
}
