package kafkabus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/bustest/servers"
)

// TestOutage: whatever happens to the brokers, each envelope is in the log, in order, its done has heard nil
// once, and a reader gets all of it.
func TestOutage(t *testing.T) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, f *servers.FakeCluster, c *crowd)
	}{
		{"none", func(*testing.T, *servers.FakeCluster, *crowd) {}},
		{"leaders move", func(t *testing.T, f *servers.FakeCluster, c *crowd) {
			for range 10 {
				c.more()
				f.ShufflePartitionLeaders()
			}
		}},
		{"stop and start", func(t *testing.T, f *servers.FakeCluster, c *crowd) {
			for range 2 {
				c.more()
				f.Stop()
				c.silent(300 * time.Millisecond)
				f.Start(t)
			}
			c.more()
		}},
		{"more partitions", func(t *testing.T, f *servers.FakeCluster, c *crowd) {
			c.more()
			servers.AddPartitions(t, f.Addrs[0], "stompgw", 20)
			c.partitioned(20)
			c.more()
		}},
		{"temporary errors", func(t *testing.T, f *servers.FakeCluster, _ *crowd) {
			for _, err := range []*kerr.Error{
				kerr.NotLeaderForPartition, kerr.LeaderNotAvailable, kerr.NotEnoughReplicas, kerr.NotEnoughReplicasAfterAppend,
				kerr.RequestTimedOut, kerr.UnknownTopicOrPartition, kerr.KafkaStorageError, kerr.CorruptMessage, kerr.UnknownServerError,
			} {
				h := f.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "stompgw", Err: err, Count: 5})
				ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
				if err := h.Wait(ctx, 5); err != nil {
					t.Error(err)
				}
				cancel()
			}
		}},
		{"closed connections", func(t *testing.T, f *servers.FakeCluster, _ *crowd) {
			broken := make(chan struct{})
			left := 20
			f.ControlKey(kmsg.Produce.Int16(), func(kmsg.Request) (kmsg.Response, error, bool) {
				if left--; left == 0 {
					close(broken)
					return nil, errors.New("the last one"), true
				}
				f.KeepControl()
				return nil, errors.New("another one"), left%2 == 0
			})
			<-broken
		}},
		{"broken fetches", func(t *testing.T, f *servers.FakeCluster, _ *crowd) {
			broken := make(chan struct{})
			left := 9
			f.ControlKey(kmsg.Fetch.Int16(), func(kreq kmsg.Request) (kmsg.Response, error, bool) {
				f.KeepControl()
				switch left--; {
				case left == 0:
					close(broken)
				case left > 0 && left%2 == 0:
					return nil, errors.New("closes the connection"), true
				case left > 0:
					res := kreq.ResponseKind().(*kmsg.FetchResponse)
					res.ErrorCode = int16(kafka.Unknown)
					return res, nil, true
				}
				return nil, nil, false
			})
			<-broken
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			f, cfg := seeded(t)
			r := readFrom(t, f.Addrs, "stompgw")
			c := newOutlet(t, cfg, nil).publishing(500, func(c *crowd) { test.run(t, f, c) })
			c.check(r, test.name == "more partitions")
		})
	}
}

// TestTopicAgain: a topic that is deleted, and made again with fewer partitions, costs what was on its
// way to those that are gone; each envelope is answered once all the same, and the next ones arrive.
func TestTopicAgain(t *testing.T) {
	f, cfg := seeded(t)
	cfg.Deadline = time.Second
	r := readFrom(t, f.Addrs, "stompgw")
	again := 0 // how many were taken before the topic was made again
	c := newOutlet(t, cfg, nil).publishing(500, func(c *crowd) {
		c.more()
		if err := f.DeleteTopic("stompgw"); err != nil {
			t.Error(err)
		}
		c.silent(100 * time.Millisecond)
		if err := f.CreateTopic("stompgw", 3, nil); err != nil {
			t.Error(err)
		}
		c.partitioned(3)
		again = c.more()
	})
	for i := range c.to {
		body := strconv.Itoa(i)
		got := c.answers[body]
		if len(got) != 1 || got[0] != nil && !errors.Is(got[0], bus.ErrDown) && !errors.Is(got[0], bus.ErrUnknown) {
			t.Fatalf("the answers to %s are %v", body, got)
		}
	}
	r.poll("for all that was taken afterwards", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return !slices.ContainsFunc(c.taken[again:], func(body string) bool { return r.bodies[body] == 0 })
	})
}

// TestLostAnswers: a batch whose answer is lost is written again, as it was.
func TestLostAnswers(t *testing.T) {
	f, cfg := seeded(t)
	var requests atomic.Int64
	o := newOutlet(t, cfg, func(nc net.Conn) net.Conn { return &lossy{Conn: nc, requests: &requests} })
	r := readFrom(t, f.Addrs, "stompgw")
	log := o.publishing(1000, func(*crowd) {}).check(r, false)
	if again := len(log) - len(firsts(log)); again == 0 {
		t.Error("no record was written twice: the test shows nothing")
	}
}

// lossy is a connection that loses the answer to every third Produce request, after it has arrived,
// and then breaks.
type lossy struct {
	net.Conn
	requests *atomic.Int64 // of all connections
	lose     bool
}

func (l *lossy) Write(p []byte) (int, error) {
	if len(p) > 6 && p[4] == 0 && p[5] == byte(kmsg.Produce) { // kafka-go writes a request's beginning in one piece
		l.lose = l.requests.Add(1)%3 == 0
	}
	return l.Conn.Write(p)
}

func (l *lossy) Read(p []byte) (int, error) {
	n, err := l.Conn.Read(p)
	if err == nil && l.lose {
		l.Close()
		return 0, io.EOF
	}
	return n, err
}

// TestSilence: brokers that take connections and say nothing are no reason to wait for anything.
func TestSilence(t *testing.T) {
	f := servers.Fake(t, 1)
	f.Control(func(kmsg.Request) (kmsg.Response, error, bool) { f.KeepControl(); return nil, nil, true })
	cfg := Config{Brokers: f.Addrs, Silence: 100 * time.Millisecond, Deadline: 500 * time.Millisecond}
	b, err := New(cfg, "1/a", slog.New(slog.DiscardHandler))
	must(t, err)
	answer := make(chan error, 1)
	e := bus.Envelope{Destination: "/topic/x"}
	must(t, b.Publish(e, func(err error) { answer <- err }))
	poll(t, "for a refusal", func() bool { return errors.Is(b.Publish(e, func(error) {}), bus.ErrDown) })
	if err := <-answer; !errors.Is(err, bus.ErrDown) {
		t.Errorf("done heard %v, want ErrDown", err)
	}
	if err := b.Healthy(); err == nil || !strings.Contains(err.Error(), f.Addrs[0]) {
		t.Errorf("Healthy says %v", err)
	}
	if err := b.Close(context.Background()); err != nil {
		t.Error(err)
	}
}

// TestUnanswered: a leader that has taken a request and does not answer makes Publish refuse; its
// late answer makes it accept again. Other partitions notice nothing.
func TestUnanswered(t *testing.T) {
	f, cfg := seeded(t)
	cfg.Silence = 100 * time.Millisecond
	o := newOutlet(t, cfg, nil)
	to := destinations(12)
	hold, held := make(chan struct{}), make(chan struct{})
	var once sync.Once
	f.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		if req.(*kmsg.ProduceRequest).Topics[0].Partitions[0].Partition == 0 {
			once.Do(func() { close(held) })
			f.SleepControl(func() { <-hold })
		}
		return nil, nil, false // it stays, and the cluster answers
	})
	first := o.send(to[0], "a")
	<-held
	poll(t, "for a refusal", func() bool {
		return errors.Is(o.publish(bus.Envelope{Destination: to[0]}, func(error) {}), bus.ErrDown)
	})
	if err := o.healthy(); err == nil || !strings.Contains(err.Error(), "has taken nothing for partition 0 of topic stompgw") {
		t.Errorf("healthy says %v", err)
	}
	if err := <-o.send(to[1], "b"); err != nil {
		t.Errorf("to another partition: %v", err)
	}
	close(hold)
	if err := <-first; err != nil {
		t.Errorf("in the end: %v", err)
	}
	poll(t, "for those that came before the refusal", func() bool { return o.healthy() == nil })
	if err := <-o.send(to[0], "c"); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// TestTooLarge: what the topic does not take is refused by the broker until its limit is known, and then at once.
func TestTooLarge(t *testing.T) {
	f := servers.Fake(t, 1)
	must(t, f.CreateTopic("stompgw", 1, map[string]string{limitName: "5000"}))
	o := newOutlet(t, Config{Brokers: f.Addrs}, nil)
	poll(t, "for Publish to refuse", func() bool {
		answer := make(chan error, 1)
		err := o.publish(bus.Envelope{Destination: "/topic/x", Body: make([]byte, 10_000)}, func(err error) { answer <- err })
		if err == nil {
			if err := <-answer; !errors.Is(err, bus.ErrTooLarge) {
				t.Errorf("done heard %v", err)
			}
		}
		return errors.Is(err, bus.ErrTooLarge)
	})
	if err := <-o.send("/topic/x", "small"); err != nil {
		t.Error(err)
	}
}

// TestRealRequestLimit: a broker whose socket.request.max.bytes is below the topic's max.message.bytes closes
// the connection on what is larger, which is refused; all else arrives, also what waits in large batches.
func TestRealRequestLimit(t *testing.T) {
	b := servers.Kafka(t, servers.Setting("socket.request.max.bytes=200000"))
	b.CreateTopic(t, "stompgw", 1)
	r := readFrom(t, []string{b.Addr}, "stompgw")
	o := newOutlet(t, Config{Brokers: []string{b.Addr}}, nil)
	large := o.send("/topic/x", strings.Repeat("L", 300_000))
	var small []<-chan error
	for i := range 100 {
		small = append(small, o.send("/topic/x", fmt.Sprint(i)+strings.Repeat("s", 10_000)))
	}
	if err := <-large; !errors.Is(err, bus.ErrTooLarge) {
		t.Errorf("done heard %v, want ErrTooLarge", err)
	}
	for i, answer := range small {
		if err := <-answer; err != nil {
			t.Errorf("a small one, %d: %v", i, err)
		}
	}
	if got := len(firsts(r.each(len(small)))); got != len(small) {
		t.Errorf("the log has %d records, want %d", got, len(small))
	}
}

// TestKcatPartitions: kcat puts a key where this producer does, if it is used as bus/README.md has it.
func TestKcatPartitions(t *testing.T) {
	kcat := servers.Kcat(t)
	b := shared.Kafka(t)
	readme, err := os.ReadFile("../README.md")
	must(t, err)
	_, line, _ := strings.Cut(string(readme), "kcat -P ")
	line, _, _ = strings.Cut(line, "\n")
	_, partitioner, found := strings.Cut(line, " -X ")
	if !found {
		t.Fatalf("kcat %s does not say how to choose the partition", line)
	}
	topic := realTopic(t, b, 7)
	r := readFrom(t, []string{b.Addr}, topic)
	o := newOutlet(t, Config{Brokers: []string{b.Addr}, Topic: topic}, nil)
	var lines []string
	for i := range 100 {
		key := strings.Repeat("k", i%9) + fmt.Sprintf("/topic/%d/ä€", i)
		lines = append(lines, fmt.Sprintf("%s|kcat %d", key, i))
		must(t, <-o.send(key, fmt.Sprintf("we %d", i)))
	}
	cmd := exec.CommandContext(t.Context(), kcat, "-P", "-b", b.Addr, "-t", topic, "-K", "|", "-X", strings.Fields(partitioner)[0])
	cmd.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	at := make(map[string]int) // by key
	for _, e := range r.each(2 * len(lines)) {
		if other, seen := at[e.key]; seen && other != e.partition {
			t.Errorf("%s is in partition %d by one and in %d by the other", e.key, other, e.partition)
		}
		at[e.key] = e.partition
	}
	if len(at) != len(lines) {
		t.Errorf("%d keys, want %d", len(at), len(lines))
	}
}
