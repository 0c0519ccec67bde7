package kafkabus

import (
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentio/kafka-go/protocol"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/bustest/servers"
	"github.com/stompgw/stompgw/bus/kafkabus/internal/form"
)

const room = "/topic/kept/x"

// before is the position before that of a record.
func before(at bus.Position) bus.Position {
	at.Offset--
	return at
}

// TestRecallHead: who begins stands where the next message comes, also where there was none yet; that is one position,
// however many partitions there are.
func TestRecallHead(t *testing.T) {
	forEachKafka(t, 4, nil, func(t *testing.T, addrs []string, topic string) {
		a := newNode(t, Config{Brokers: addrs, Topic: topic}, kept(time.Hour))
		a.wantRecall("nothing", true, room)
		none := a.recall(room, bus.Wish{})
		if len(none.Head) != 1 || none.Head[0].Offset != 0 || !none.Whole {
			t.Fatalf("of an empty topic: %+v", none)
		}
		a.send(room, "1", "2")
		a.want("1 2")
		if head := a.recall(room, bus.Wish{}).Head; !slices.Equal(head, []bus.Position{a.position("2")}) {
			t.Errorf("the head is %v, want %v", head, a.position("2"))
		}
		b := newNode(t, Config{Brokers: addrs, Topic: topic}, kept(time.Hour))
		for _, n := range []*node{a, b} {
			n.wantRecall("from the beginning", true, room, none.Head...)
			n.wantRecall("the last", true, room, a.position("2"))
			n.wantWish("the last ones", true, room, bus.Wish{Last: 20})
		}
	})
}

// TestRecallMadeAgain: a topic that was made again has other logs: nothing of before is whole, the old logs end, and what
// comes then has positions in the new ones.
func TestRecallMadeAgain(t *testing.T) {
	forEachKafka(t, 1, nil, func(t *testing.T, addrs []string, topic string) {
		cfg := Config{Brokers: addrs, Topic: topic}
		a := newNode(t, cfg, kept(time.Hour))
		a.send(room, "1", "2", "3")
		a.want("1 2 3")
		was := a.position("2")
		recreate(t, newWriter(t, addrs).client, topic, 1)
		a.send(room, "4", "5")
		a.wantHoles(bus.Position{Log: was.Log, Offset: bus.Ended})
		a.want("1 2 3 4 5")
		b := newNode(t, cfg, kept(time.Hour))
		b.want("p4 p5")
		for _, n := range []*node{a, b} {
			if at := n.position("5"); at.Log == was.Log || at.Offset != 2 {
				t.Errorf("the new log is %v, the old one %v", at, was)
			}
			n.wantRecall("of the old log", false, room, was)
			n.wantRecall("of the new log", true, room, n.position("4"))
			n.wantRecall("of both", false, room, was, n.position("4"))
		}
	})
}

// TestRecallAway: while a topic is away nobody stands in it, and no position is whole.
func TestRecallAway(t *testing.T) {
	f := fake(t, 1, "stompgw", 1)
	a := newNode(t, Config{Brokers: f.Addrs}, kept(time.Hour))
	a.send(room, "1", "2")
	a.want("1 2")
	must(t, f.DeleteTopic("stompgw"))
	a.poll("for the partition to go", func() bool { return len(a.Figures().Partitions) == 0 })
	a.wantRecall("of a topic that is away", false, room, a.position("1"))
	if head := a.recall(room, bus.Wish{}).Head; len(head) > 0 {
		t.Errorf("somebody stands at %v", head)
	}
}

// TestRecallAwayMeanwhile: who waits for a topic that goes is told at once.
func TestRecallAwayMeanwhile(t *testing.T) {
	f := fake(t, 1, "stompgw", 1)
	a := startNode(t, Config{Brokers: f.Addrs}, kept(time.Hour), func(b *Bus) { b.recalls.patience = time.Hour }, nil)
	a.poll("to be ready", a.isReady)
	a.send(room, "1")
	ahead := a.position("1")
	ahead.Offset++
	answer := make(chan bus.Recalled, 1)
	a.Recall(room, bus.Wish{After: []bus.Position{ahead}, Told: time.Now()}, func(r bus.Recalled) { answer <- r })
	a.wantRecall("somebody else, meanwhile", true, room, a.position("1"))
	must(t, f.DeleteTopic("stompgw"))
	if r := <-answer; r.Whole || !errors.Is(r.Err, errElsewhere) {
		t.Errorf("answered with %+v", r)
	}
}

// TestRecallGaps: offsets that no record has, as the marks of transactions leave them, are nobody's loss: positions are
// compared, never counted.
func TestRecallGaps(t *testing.T) {
	forEachKafka(t, 1, nil, func(t *testing.T, addrs []string, topic string) {
		cfg := Config{Brokers: addrs, Topic: topic}
		a := newNode(t, cfg, kept(time.Hour))
		client, err := kgo.NewClient(kgo.SeedBrokers(addrs...), kgo.TransactionalID(topic), kgo.DefaultProduceTopic(topic))
		must(t, err)
		defer client.Close()
		for _, body := range []string{"1", "2", "3"} {
			rec := kgo.StringRecord(body)
			rec.Headers = []kgo.RecordHeader{{Key: "destination", Value: []byte(room)}}
			must(t, client.BeginTransaction())
			must(t, client.ProduceSync(t.Context(), rec).FirstErr())
			must(t, client.EndTransaction(t.Context(), kgo.TryCommit))
		}
		a.want("1 2 3")
		b := newNode(t, cfg, kept(time.Hour))
		b.want("p1 p2 p3")
		mark := a.position("2")
		mark.Offset++
		for _, n := range []*node{a, b} {
			n.wantRecall("a record", true, room, a.position("2"))
			n.wantRecall("the mark behind it", true, room, mark)
			n.wantRecall("the last one", true, room, a.position("3"))
			n.wantRecall("the head", true, room, n.recall(room, bus.Wish{}).Head...)
		}
	})
}

// TestRecallAnotherCluster: the logs of another cluster are others.
func TestRecallAnotherCluster(t *testing.T) {
	var holes []bus.Position
	tail := newTail(nil, discard)
	tail.hole = func(m *bus.Mark) { holes = append(holes, m.At) }
	tail.remember(kept(time.Hour))
	p := opened(0, 20, mark{0, 1})
	p.cluster = "one"
	was := p.window.log
	newFetcher(tail, share{}).relocate(p, sight{last: mark{90, 3}, end: mark{-1, -1}, id: topicID{2}, cluster: "two"})
	if want := (bus.Position{Log: was, Offset: bus.Ended}); !slices.Equal(holes, []bus.Position{want}) {
		t.Errorf("holes %v", holes)
	}
	if v := p.judge(at(1, 10)); v != elsewhere {
		t.Errorf("a position of the former: %d", v)
	}
	if head, _ := p.head(); head != (bus.Position{Log: logOf(topicID{2}, 0), Term: 4, Offset: 90}) {
		t.Errorf("the head is %v", head)
	}
}

// TestOneEvent: the ends of all logs of a topic that was made anew are one event, and when it is made anew again, that is another one.
func TestOneEvent(t *testing.T) {
	var events []uint32
	tail := newTail(nil, discard)
	tail.hole = func(m *bus.Mark) { events = append(events, m.Event) }
	tail.remember(kept(time.Hour))
	a, b := opened(0, 20), opened(0, 20)
	for _, id := range []topicID{{2}, {3}} {
		for _, p := range []*partition{a, b} {
			newFetcher(tail, share{}).relocate(p, sight{end: mark{-1, -1}, id: id})
		}
	}
	if len(events) != 4 || events[0] == 0 || events[0] != events[1] || events[2] == events[1] || events[2] != events[3] {
		t.Errorf("the holes are of the events %v", events)
	}
	tail.lose(a, 30)
	tail.lose(b, 30)
	if lost := events[4:]; !slices.Equal(lost, []uint32{0, 0}) {
		t.Errorf("what is lost in a log is of the events %v", lost)
	}
}

// TestOneEventOnKafka: so it is with the identities of real topics, whoever of the fetchers sees it first.
func TestOneEventOnKafka(t *testing.T) {
	const partitions = 12
	forEachKafka(t, partitions, nil, func(t *testing.T, addrs []string, topic string) {
		n := newNode(t, Config{Brokers: addrs, Topic: topic}, kept(time.Hour))
		events := func() map[uint32]bool {
			n.mu.Lock()
			defer n.mu.Unlock()
			seen := map[uint32]bool{}
			for _, event := range n.events {
				seen[event] = true
			}
			return seen
		}
		for round := range 2 {
			recreate(t, newWriter(t, addrs).client, topic, partitions)
			n.poll("for the logs to end", func() bool { return len(events()) > round })
		}
		if seen := events(); len(seen) != 2 || seen[0] {
			t.Errorf("the holes are of the events %v, want two", seen)
		}
	})
}

// TestRecallRenewedBrokers: where brokers begin to tell identities, history begins.
func TestRecallRenewedBrokers(t *testing.T) {
	p := opened(0, 20)
	p.id = topicID{}
	p.open(20, time.Now(), mark{20, -1})
	newFetcher(newTail(nil, discard), share{}).relocate(p, sight{last: mark{20, 3}, end: mark{-1, -1}, id: topicID{1}})
	if head, ok := p.head(); !ok || head.Offset != 20 {
		t.Errorf("the head is %v, %t", head, ok)
	}
	if v := p.judge(at(1, 10)); v != old {
		t.Errorf("a position of before: %d", v)
	}
}

// TestRecallRetention: what was removed before this node had read it is a hole; what lies before is not whole.
func TestRecallRetention(t *testing.T) {
	f := fake(t, 1, "stompgw", 1)
	hold, blocked := make(chan struct{}), make(chan struct{}, 10)
	cfg := Config{Brokers: f.Addrs}
	a := newNode(t, cfg, kept(time.Hour))
	b := startNode(t, cfg, kept(time.Hour), nil, func(e bus.Envelope) {
		if string(e.Body) == "1" {
			blocked <- struct{}{}
			<-hold
		}
	})
	b.poll("to be ready", b.isReady)
	a.send(room, "1")
	<-blocked
	a.send(room, "2", "3", "4", "5", "6")
	a.want("1 2 3 4 5 6")
	must(t, f.DeleteRecords("stompgw", 0, 4))
	close(hold)
	b.want("1 5 6")
	b.wantHoles(bus.Position{Log: a.position("1").Log, Offset: 4})
	b.wantRecall("before the hole", false, room, a.position("1"))
	b.wantRecall("within it", false, room, a.position("3"))
	b.wantRecall("its end", true, room, a.position("4"))
	b.wantRecall("behind it", true, room, a.position("5"))
	a.wantRecall("on a node that has read all", true, room, a.position("1"))
	c := newNode(t, cfg, kept(time.Hour))
	c.want("p5 p6")
	c.wantRecall("before what is left, on a new node", false, room, a.position("2"))
	c.wantRecall("before what is left, exactly", true, room, a.position("4"))
}

// TestRecallUnreadable: records that can't be read are a hole, too.
func TestRecallUnreadable(t *testing.T) {
	var holes []bus.Position
	d := newDelivery(10, 100)
	d.id = topicID{1}
	d.open(10, time.Now(), mark{10, -1})
	d.fetcher.tail.hole = func(m *bus.Mark) { holes = append(holes, m.At) }
	d.fetcher.tail.remember(kept(time.Hour))
	must(t, d.deliver(join(setVersion(written(t, 10, 0, text("a", "b")...), 1), written(t, 11, 0, text("c")...)), d.fetcher))
	if want := (bus.Position{Log: d.window.log, Offset: 11}); !slices.Equal(holes, []bus.Position{want}) {
		t.Errorf("holes %v, want %v", holes, want)
	}
	if v := d.judge(at(-1, 10)); v != old {
		t.Errorf("a position before them: %d", v)
	}
}

// TestRecallVector: messages of one destination that come from several partitions have positions in each; a vector is
// whole if all of it is, and if its teller had known of all others.
func TestRecallVector(t *testing.T) {
	forEachKafka(t, 3, nil, func(t *testing.T, addrs []string, topic string) {
		w, cfg := newWriter(t, addrs), Config{Brokers: addrs, Topic: topic}
		for i := range 9 {
			foreign(t, w, topic, i%3, room, strconv.Itoa(i), time.Now())
		}
		a := newNode(t, cfg, kept(time.Hour))
		a.want("p0 p1 p2 p3 p4 p5 p6 p7 p8")
		vector := []bus.Position{a.position("3"), a.position("4"), a.position("5")}
		a.wantRecall("all of it", true, room, vector...)
		a.wantRecall("a part of it, told now", true, room, vector[1])
		lone := []bus.Position{vector[1]}
		a.wantWish("a part of it, told before the window", false, room, bus.Wish{After: lone, Told: time.Now().Add(-2 * time.Hour)})
		a.wantWish("a part of it, never told", false, room, bus.Wish{After: lone})
		a.wantWish("a part of it, after a short while", true, room, bus.Wish{After: lone, Away: time.Minute})
		a.wantWish("all of it, told long ago", true, room, bus.Wish{After: vector, Told: time.Now().Add(-2 * time.Hour)})
		a.wantRecall("one that nobody knows", false, room, vector[0], vector[1], bus.Position{Log: 1, Offset: 1})
		a.wantRecall("the same one twice", true, room, vector[0], vector[0])
		many := slices.Repeat(vector, mostAfter)
		a.wantRecall("too many", false, room, many...)
	})
}

// TestRecallSources: a destination that a source has is in all partitions of it, and in no other source's.
func TestRecallSources(t *testing.T) {
	f := fake(t, 1, "stompgw", 2)
	must(t, f.CreateTopic("orders", 3, nil))
	must(t, f.CreateTopic("others", 2, nil))
	w := newWriter(t, f.Addrs)
	w.must("orders", 0, "0", "1")
	w.must("others", 0, "2")
	cfg := Config{Brokers: f.Addrs, Sources: []Source{
		{Topic: "orders", Destination: "/topic/kept/{topic}/{partition}"}, {Topic: "others", Destination: "/topic/other/{topic}"},
	}}
	a := newNode(t, cfg, kept(time.Hour))
	a.want("p0 p1")
	if head := a.recall("/topic/kept/orders/0", bus.Wish{}).Head; len(head) != 4 || !slices.Contains(head, a.position("1")) {
		t.Errorf("the head has %v, want one of the bus's own topic and three of the source", head)
	}
	if head := a.recall("/topic/kept/orders", bus.Wish{}).Head; len(head) != 1 {
		t.Errorf("the head has %v", head)
	}
	a.wantRecall("of a source", true, "/topic/kept/orders/0", a.position("0"))
	a.wantRecall("of a source, for what is never in it", false, "/topic/kept/orders", a.position("0"))
}

// TestRecallLag: a position that another node has told waits until this one has read as far, and for so long at most.
func TestRecallLag(t *testing.T) {
	f := fake(t, 1, "stompgw", 1)
	cfg := Config{Brokers: f.Addrs}
	hold := make(chan struct{})
	a := newNode(t, cfg, kept(time.Hour))
	b := startNode(t, cfg, kept(time.Hour), nil, func(bus.Envelope) { <-hold })
	b.poll("to be ready", b.isReady)
	a.send(room, "1", "2", "3")
	a.want("1 2 3")
	told := bus.Wish{After: []bus.Position{a.position("2")}, Told: time.Now()}
	answers, seen := make(chan bus.Recalled, 1000), make(chan string, 1000)
	for range 1000 {
		b.Recall(room, told, func(r bus.Recalled) { seen <- b.bodies(); answers <- r })
	}
	b.Recall(room, bus.Wish{}, func(bus.Recalled) {
		if len(answers) > 0 {
			t.Error("answered before this node had read as far")
		}
		close(hold)
	})
	for range 1000 {
		if got := <-answers; !got.Whole {
			t.Fatalf("answered with %+v", got)
		}
		if !strings.HasPrefix(<-seen, "1 2") {
			t.Fatal("answered before this node had read as far")
		}
	}
	b.recalls.patience = 50 * time.Millisecond
	ahead := a.position("3")
	ahead.Offset += 1000
	r := b.recall(room, bus.Wish{After: []bus.Position{ahead}, Told: time.Now()})
	if r.Whole || !strings.Contains(errorText(r.Err), "has not read as far in 50ms") || !errors.Is(r.Err, bus.ErrDown) || len(r.Head) != 1 {
		t.Errorf("of a position that nobody has: %+v", r)
	}
}

// TestRecallBeforeReady: who begins while a node reads the past stands behind that, in all partitions: he hears where when it is read.
func TestRecallBeforeReady(t *testing.T) {
	f := fake(t, 1, "stompgw", 2)
	a := newNode(t, Config{Brokers: f.Addrs}, kept(time.Hour))
	a.send(room, "1", "2", "3")
	a.want("1 2 3")
	hold, reads := make(chan struct{}), make(chan struct{}, 10)
	b := startNode(t, Config{Brokers: f.Addrs}, kept(time.Hour), nil, func(bus.Envelope) { reads <- struct{}{}; <-hold })
	<-reads
	seen := make(chan string, 1)
	b.Recall(room, bus.Wish{}, func(bus.Recalled) { seen <- b.bodies() })
	b.Recall(room, bus.Wish{After: make([]bus.Position, mostAfter+1)}, func(bus.Recalled) { close(hold) }) // which is answered next, and at once
	if got := <-seen; got != "p1 p2 p3" {
		t.Errorf("answered when %q had been read", got)
	}
}

// TestRecallBesideEmptyPartitions: a partition to which nothing was ever published lacks nothing, however lately this node has begun.
func TestRecallBesideEmptyPartitions(t *testing.T) {
	f := fake(t, 1, "stompgw", 3)
	a := startNode(t, Config{Brokers: f.Addrs}, kept(time.Hour), nil, nil)
	a.poll("to be ready", a.isReady)
	a.send(room, "1")
	at, told := a.position("1"), time.Now()
	b := startNode(t, Config{Brokers: f.Addrs}, kept(time.Hour), nil, nil)
	b.poll("to be ready", b.isReady)
	if r := b.recall(room, bus.Wish{After: []bus.Position{at}, Told: told}); !r.Whole {
		t.Errorf("a node that began later: %+v", r)
	}
}

// TestRecallCrowd: so many may wait; the next one is refused, and so is whoever waits when the bus is closed.
func TestRecallCrowd(t *testing.T) {
	f := fake(t, 1, "stompgw", 1)
	a := startNode(t, Config{Brokers: f.Addrs}, kept(time.Hour), func(b *Bus) {
		b.recalls.most, b.recalls.patience = 3, time.Hour
	}, nil)
	a.poll("to be ready", a.isReady)
	a.send(room, "1")
	ahead := a.position("1")
	ahead.Offset += 1000
	wish := bus.Wish{After: []bus.Position{ahead}, Told: time.Now()}
	answers := make(chan error, 10)
	for range 4 {
		a.Recall(room, wish, func(r bus.Recalled) { answers <- r.Err })
	}
	if err := <-answers; !errors.Is(err, errCrowd) {
		t.Errorf("the fourth: %v", err)
	}
	a.wantRecall("one that need not wait", true, room, a.position("1"))
	a.stop()
	for range 3 {
		if err := <-answers; !errors.Is(err, bus.ErrClosed) {
			t.Errorf("the others: %v", err)
		}
	}
	if r := a.recall(room, bus.Wish{}); !errors.Is(r.Err, bus.ErrClosed) {
		t.Errorf("after the end: %+v", r)
	}
}

// TestRecallWrittenAgain: what a log has lost with its end and is written again does not come a second time, but where it
// stands now is a hole: nobody who was before that is told that he has all. What else comes twice tells none.
func TestRecallWrittenAgain(t *testing.T) {
	for name, after := range map[string]sight{
		"cut":           {last: mark{2, 2}, end: mark{1, 1}, id: topicID{1}},
		"without epoch": {last: mark{1, 2}, end: mark{-1, -1}, id: topicID{1}},
		"made again":    {last: mark{1, 0}, end: mark{-1, -1}, id: topicID{2}},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDelivery(0, 100)
			tail, got, holes := d.fetcher.tail, "", []bus.Position(nil)
			kb := &Bus{in: tail, log: discard}
			tail.hole = func(m *bus.Mark) { holes = append(holes, m.At) }
			tail.handle = kb.handler(func(e bus.Envelope) { got += string(e.Body) })
			d.seen = newRepeats(&tail.repeated)
			kb.Remember(kept(time.Hour))
			d.id = topicID{1}
			d.open(0, time.Time{}, mark{0, -1})
			bring := func(epoch int32, numbers ...int) {
				var records []protocol.Record
				for _, n := range numbers {
					records = append(records, protocol.Record(form.Headers.Encode(&bus.Envelope{Destination: room, Body: []byte(strconv.Itoa(n))}, "1/a", uint64(n))))
				}
				batch := written(t, d.offset.Load(), 0, records...)
				binary.BigEndian.PutUint32(batch[12:], uint32(epoch))
				must(t, d.deliver(batch, d.fetcher))
			}
			bring(1, 1, 2, 3)
			d.fetcher.relocate(d.partition, after)
			holes = nil // of a topic that was made again
			d.epoch = 2
			at := func(back int64) bus.Position {
				return bus.Position{Log: d.window.log, Term: 3, Offset: uint64(d.offset.Load() - back)}
			}
			bring(2, 4, 3, 5)
			want := at(1)
			if want.Term = 0; !slices.Equal(holes, []bus.Position{want}) {
				t.Errorf("holes %v, want %v", holes, want)
			}
			if v := d.judge(at(2)); v != old {
				t.Errorf("a position before it: %d", v)
			}
			if v := d.judge(at(1)); v != stands {
				t.Errorf("a position behind it: %d", v)
			}
			bring(2, 5, 4, 6)
			if len(holes) != 1 || got != "123456" || tail.repeated.Load() != 3 {
				t.Errorf("delivered %s, with holes %v and %d repeats", got, holes, tail.repeated.Load())
			}
		})
	}
}

// recallers runs a test in a bubble, with a recaller of a topic of some partitions.
func recallers(t *testing.T, test func(t *testing.T, r *recaller), parts ...*partition) {
	synctest.Test(t, func(t *testing.T) {
		tail := newTail(nil, discard)
		tail.topics = []*followed{{name: "a", parts: parts}}
		r := newRecaller(tail, func(string) int { return 0 }, nil)
		go r.run(t.Context()) // the bubble waits for it
		test(t, r)
	})
}

// pass lets so much time go by in a bubble, and what is to happen by then.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// TestRecallForgets: what waits for something that never comes takes no memory when it was answered.
func TestRecallForgets(t *testing.T) {
	p := opened(0, 20, mark{0, 1})
	recallers(t, func(t *testing.T, r *recaller) {
		var answered atomic.Int64
		for i := range uint64(200) {
			ahead := at(1, 1000+i)
			if i%2 == 0 {
				ahead = at(7, 10)
			}
			r.recall(room, bus.Wish{After: []bus.Position{ahead}}, func(a bus.Recalled) {
				if answered.Add(1); a.Whole || !errors.Is(a.Err, bus.ErrDown) {
					t.Errorf("answered with %+v", a)
				}
			})
		}
		pass(r.patience / 2)
		if !p.suspect.Load() {
			t.Error("nobody looks the log up, though a position is of a later one")
		}
		if n := answered.Load(); n > 0 {
			t.Errorf("%d answered before their time", n)
		}
		pass(r.patience)
		if n := answered.Load(); n != 200 || len(r.waiting) > 0 || len(r.asked) > 0 {
			t.Errorf("%d answered, %d wait", n, len(r.waiting))
		}
	}, p)
}

// TestRecallElection: a position of a leader that this node has not heard of has the log looked up. It is whole where
// nothing was lost, though no record tells.
func TestRecallElection(t *testing.T) {
	p := opened(0, 20, mark{0, 1})
	recallers(t, func(t *testing.T, r *recaller) {
		var answers []bus.Recalled
		r.recall(room, bus.Wish{After: []bus.Position{at(2, 15)}}, func(a bus.Recalled) { answers = append(answers, a) })
		pass(time.Second)
		if len(answers) > 0 || !p.suspect.Load() {
			t.Fatalf("answered with %v, looked up: %t", answers, p.suspect.Load())
		}
		p.epoch = 1
		newFetcher(r.tail, share{}).relocate(p, sight{last: mark{12, 2}, end: mark{10, 1}, id: topicID{1}}) // 10 to 19 were lost
		p.enter(10, 2)
		p.offset.Store(15)
		pass(time.Second)
		if len(answers) != 1 || !answers[0].Whole {
			t.Errorf("answered with %v", answers)
		}
	}, p)
}

// TestRecallSeveral: who waits for several logs, while others wait for more, is answered when the last of them has come.
func TestRecallSeveral(t *testing.T) {
	for _, order := range [][]int{{0, 1}, {1, 0}} {
		parts := []*partition{opened(0, 10, mark{0, 1}), opened(0, 10, mark{0, 1})}
		parts[1].id = topicID{2}
		parts[1].open(0, time.Time{}, mark{0, -1}, mark{0, 1})
		parts[1].offset.Store(10)
		other := at(1, 20)
		other.Log = parts[1].window.log
		recallers(t, func(t *testing.T, r *recaller) {
			ask := func(after ...bus.Position) *bus.Recalled {
				answer := new(bus.Recalled)
				r.recall(room, bus.Wish{After: after, Told: time.Now()}, func(a bus.Recalled) { *answer = a })
				return answer
			}
			far := other
			far.Offset = 1000
			ask(far)
			both := ask(at(1, 20), other)
			for _, i := range order {
				pass(time.Second)
				if both.Err != nil || both.Whole {
					t.Fatalf("answered with %+v", both)
				}
				parts[i].offset.Store(20)
			}
			pass(time.Second)
			if !both.Whole {
				t.Errorf("answered with %+v", both)
			}
		}, parts...)
	}
}

// TestRecallOldBrokers: where brokers tell no identities nothing has history, which the log says once, and all else goes on.
func TestRecallOldBrokers(t *testing.T) {
	f := servers.Fake(t, 1, kfake.MaxVersions(kversion.V2_7_0()), kfake.SeedTopics(3, "stompgw"))
	a := newNode(t, Config{Brokers: f.Addrs}, kept(time.Hour))
	a.send(room, "1", "2")
	a.want("1 2")
	if a.got[0].marked {
		t.Error("a message is marked")
	}
	if r := a.recall(room, bus.Wish{After: []bus.Position{{Log: 1, Offset: 1}}, Told: time.Now()}); r.Whole || len(r.Head) > 0 || !errors.Is(r.Err, errNameless) {
		t.Errorf("recalled %+v", r)
	}
	a.wantLogged("no history: the brokers do not tell the identities of topics")
	if n := strings.Count(a.log(), "no history"); n != 1 {
		t.Errorf("the log says so %d times", n)
	}
	must(t, a.Healthy())
}

// TestRecallMorePartitions: partitions that are added have history from their first record on, and a position that does not name
// them is whole.
func TestRecallMorePartitions(t *testing.T) {
	f := fake(t, 1, "stompgw", 1)
	a := newNode(t, Config{Brokers: f.Addrs}, kept(time.Hour))
	a.send(room, "1", "2")
	a.want("1 2")
	told := bus.Wish{After: []bus.Position{a.position("1")}, Told: time.Now()}
	servers.AddPartitions(t, f.Addrs[0], "stompgw", 8)
	a.poll("for the partitions", func() bool { return len(a.Figures().Partitions) == 8 })
	w := newWriter(t, f.Addrs)
	for i := range 8 {
		foreign(t, w, "stompgw", i, room, fmt.Sprint("new", i), time.Now())
	}
	a.want("1 2 new0 new1 new2 new3 new4 new5 new6 new7")
	a.wantWish("of before", true, room, told)
	for i := range 8 {
		told.After = append(told.After[:1:1], before(a.position(fmt.Sprint("new", i))))
		a.wantWish("the beginning of a new one", true, room, told)
	}
}

// TestRealRecallLostEnd: a real broker that has lost the end of its log with the power: positions of what was lost are not
// whole, on a node that had read it and on one that had not, those before are, and no hole is told.
func TestRealRecallLostEnd(t *testing.T) {
	b := servers.Kafka(t)
	topic := realTopic(t, b, 1)
	cfg := Config{Brokers: []string{b.Addr}, Topic: topic}
	a := newNode(t, cfg, kept(time.Hour))
	for i := range 10 {
		a.send(room, strconv.Itoa(i))
	}
	a.want("0 1 2 3 4 5 6 7 8 9")
	b.Kill()
	cutFile(t, filepath.Join(b.Data(topic, 0), "00000000000000000000.log"))
	b.Start(t)
	for i := range 20 {
		a.send(room, "new"+strconv.Itoa(i))
	}
	a.poll("for the new ones", func() bool { return strings.HasSuffix(a.bodies(), "new19") })
	first := a.position("new0")
	fresh := newNode(t, cfg, kept(time.Hour))
	for name, n := range map[string]*node{"who had read": a, "a new one": fresh} {
		for i := range 10 {
			at := a.position(strconv.Itoa(i))
			n.wantRecall(fmt.Sprintf("%s, %d at %v, where the new ones begin at %v", name, i, at, first), at.Offset < first.Offset, room, at)
		}
		n.wantRecall(name+", of the new ones", true, room, first)
	}
	a.wantHoles()
}
