package kafkabus

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/stompgw/stompgw/bus/bustest/servers"
)

// leftOut stands for an answer that does not name a topic at all.
const leftOut kafka.Error = -2

// said is what the brokers say of a topic named orders to those who ask for it by name, as the
// tail does and the writer does not.
type said struct {
	brokers *kfake.Cluster
	left    atomic.Bool
	fault   *kfake.FaultHandle
}

// says has a cluster say what is true, for now.
func says(f *servers.FakeCluster) *said {
	s := &said{brokers: f.Cluster}
	s.brokers.ControlKey(kmsg.Metadata.Int16(), func(kreq kmsg.Request) (kmsg.Response, error, bool) {
		s.brokers.KeepControl()
		if req := kreq.(*kmsg.MetadataRequest); s.left.Load() {
			req.Topics = slices.DeleteFunc(req.Topics, func(t kmsg.MetadataRequestTopic) bool { return *t.Topic == "orders" })
		}
		return nil, nil, false
	})
	return s
}

// say has it say a code, or what is true if that is 0.
func (s *said) say(code kafka.Error) {
	s.left.Store(code == leftOut)
	if s.fault != nil {
		s.fault.Remove()
		s.fault = nil
	}
	if code > 0 {
		err := kerr.TypedErrorForCode(int16(code))
		named := func(req kmsg.Request) bool { return len(req.(*kmsg.MetadataRequest).Topics) > 0 }
		s.fault = s.brokers.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Metadata}, Topic: "orders", Err: err, Count: -1, When: named})
	}
}

// ordersFault returns what is amiss with the only source.
func (r *reading) ordersFault() string {
	all := r.sources()
	if len(all) != 1 || all[0].Topic != "orders" {
		return "it is not there"
	}
	return errorText(all[0].Err)
}

// TestSourceAtFirst: a source that can't be read when the node starts keeps nobody waiting, and is told
// of. It begins at its first record after a clean word that it does not exist, and else at its end.
func TestSourceAtFirst(t *testing.T) {
	for _, test := range []struct {
		name string
		code kafka.Error
		says string
		want string
	}{
		{"missing", kafka.UnknownTopicOrPartition, "kafkabus: topic orders does not exist: create it, or take it out of bus.kafka.sources", "1 2 3"},
		{"denied", kafka.TopicAuthorizationFailed, "kafkabus: topic orders: let this node's user describe and read it: [29]", "3"},
		{"left out", leftOut, "kafkabus: topic orders: the brokers do not say whether it exists", "3"},
		{"no leader", kafka.LeaderNotAvailable, "kafkabus: topic orders: [5]", "3"},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := fake(t, 1, "a", 1)
			must(t, f.CreateTopic("orders", 1, nil))
			w := newWriter(t, f.Addrs)
			w.must("orders", 0, "1", "2")
			brokers := says(f)
			brokers.say(test.code)
			r := start(t, func(t *tail) { t.patience = time.Second }, Config{Brokers: f.Addrs}, nil, "a", "orders")
			r.wait(r.ready, "to be ready without the source")
			if fault := r.ordersFault(); !strings.HasPrefix(fault, test.says) {
				t.Errorf("the source: %s, want %s", fault, test.says)
			}
			r.wantLogged("a source can't be read; all else goes on")
			w.must("a", 0, "own")
			r.of("a", 0, 1)
			if err := r.healthy(time.Hour); err != nil {
				t.Errorf("healthy says %v: the source counts", err)
			}
			brokers.say(0)
			r.poll("for the source", func() bool { return r.ordersFault() == "" })
			w.must("orders", 0, "3")
			r.want("orders", 0, strings.Fields(test.want)...)
		})
	}
}

// TestTopicLost: a topic that is lost is read on from where it was when it is back, whatever the brokers
// said meanwhile, unless it was made again. A source fails alone.
func TestTopicLost(t *testing.T) {
	for _, source := range []bool{true, false} {
		for _, code := range []kafka.Error{kafka.UnknownTopicOrPartition, kafka.TopicAuthorizationFailed, leftOut, kafka.LeaderNotAvailable} {
			t.Run(fmt.Sprintf("source %t/%d", source, code), func(t *testing.T) {
				f := fake(t, 1, "orders", 1)
				w := newWriter(t, f.Addrs)
				w.must("orders", 0, "old")
				brokers := says(f)
				topics := []string{"orders"}
				if source {
					must(t, f.CreateTopic("a", 1, nil))
					topics = []string{"a", "orders"}
				}
				r := start(t, func(t *tail) { t.patience = time.Second }, Config{Brokers: f.Addrs}, nil, topics...)
				r.wait(r.ready, "to be ready")
				fault := func() string {
					if source {
						return r.ordersFault()
					}
					return r.unfit()
				}
				w.must("orders", 0, "1", "2")
				r.of("orders", 0, 2)
				brokers.say(code)
				r.poll("for the topic to be lost", func() bool { return fault() != "" })
				w.must("orders", 0, "3")
				if source {
					w.must("a", 0, "own")
					r.of("a", 0, 1)
					if err := r.healthy(time.Hour); err != nil {
						t.Errorf("healthy says %v: the source counts", err)
					}
				}
				brokers.say(0)
				w.must("orders", 0, "4")
				r.want("orders", 0, "1", "2", "3", "4")
				r.poll("for the topic", func() bool { return fault() == "" })
				if f := r.figures(); f.Gaps > 0 {
					t.Errorf("figures %+v", f)
				}
			})
		}
	}
}

// TestSourceDenied: what may be described and not read counts as read by nobody: a source fails alone,
// and a node is not ready that may not read its own topic.
func TestSourceDenied(t *testing.T) {
	f := fake(t, 1, "a", 1)
	must(t, f.CreateTopic("orders", 1, nil))
	w := newWriter(t, f.Addrs)
	w.must("orders", 0, "old")
	brokers := f.Cluster
	deny := func(topic string) (allow func()) {
		return brokers.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: topic, Err: kerr.TopicAuthorizationFailed, Count: -1}).Remove
	}
	allow := deny("orders")
	r := readFrom(t, f.Addrs, "a", "orders")
	r.poll("for the source to be denied", func() bool { return strings.Contains(r.ordersFault(), "Authorization Failed") })
	w.must("a", 0, "own")
	r.of("a", 0, 1)
	w.must("orders", 0, "1")
	allow()
	allow = deny("a")
	r.want("orders", 0, "1")
	r.poll("for health to go", func() bool {
		err := r.healthy(time.Hour)
		return err != nil && strings.Contains(err.Error(), "topic a: let this node's user describe and read it")
	})
	again := startReading(t, f.Addrs, nil, "a", "orders")
	again.poll("for the other node to be denied", func() bool {
		return strings.Contains(errorText(again.healthy(time.Hour)), "topic a: let this node's user describe and read it")
	})
	select {
	case <-again.ready:
		t.Error("ready, and may not read")
	default:
	}
	allow()
	again.wait(again.ready, "to be ready")
	r.poll("for health", func() bool { return r.healthy(time.Hour) == nil })
}

// TestComplaint: the log hears at once, then each minute, and when all is well again; of what comes and
// goes each five seconds at most.
func TestComplaint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c complaint
		start := time.Now()
		var told []string
		look := func(amiss bool) {
			silence, tell := c.judge(amiss, time.Now())
			if tell {
				told = append(told, strconv.FormatBool(amiss)+" "+time.Since(start).String()+" "+silence.String())
			}
		}
		for range 130 {
			look(true)
			time.Sleep(time.Second)
		}
		look(false)
		look(false)
		for i := range 20 {
			time.Sleep(time.Second)
			look(i%2 == 0)
		}
		time.Sleep(time.Minute)
		look(true)
		want := []string{
			"true 0s 0s", "true 1m0s 1m0s", "true 2m0s 2m0s", "false 2m10s 2m10s",
			"true 2m11s 0s", "false 2m12s 1s", "true 2m17s 0s", "false 2m18s 1s", "true 2m23s 0s", "false 2m24s 1s",
			"true 2m29s 0s", "false 2m30s 1s", "true 3m30s 0s",
		}
		if !slices.Equal(told, want) {
			t.Errorf("told\n%s\nwant\n%s", strings.Join(told, "\n"), strings.Join(want, "\n"))
		}
	})
}

// TestRealSources: sources of a real broker that asks for rights come and go, with what this node may
// read and with the topics themselves, and the bus goes on. So do the topics of backends.
func TestRealSources(t *testing.T) {
	b := servers.Kafka(t, servers.Secure(), servers.Guarded())
	for _, topic := range []string{"stompgw", "denied", "granted", "lost"} {
		b.CreateTopic(t, topic, 1)
	}
	for _, topic := range []string{"stompgw", "granted", "lost", "missing"} {
		b.Grant(t, topic)
	}
	w := newWriter(t, []string{b.Addr})
	write := func(topic string, values ...string) { t.Helper(); w.must(topic, 0, values...) }
	for _, topic := range []string{"denied", "granted", "lost"} {
		write(topic, "old", "older")
	}
	cfg := Config{Brokers: []string{b.SASLAddr}, SASL: SASL{"scram-sha-256", servers.User, servers.Password}}
	r := start(t, func(*tail) {}, cfg, nil, "stompgw", "denied", "granted", "lost", "missing")
	o := newOutlet(t, cfg, nil)
	r.wait(r.ready, "to be ready")
	r.wantSources("denied: Authorization Failed", "granted", "lost", "missing: does not exist")
	r.wantLogged(`msg="a source can't be read; all else goes on" topic=denied`)
	r.wantLogged(`msg="a source can't be read; all else goes on" topic=missing`)
	write("granted", "1")
	r.want("granted", 0, "1")

	b.Grant(t, "denied")
	b.Revoke(t, "granted")
	r.wantSources("denied", "granted: Authorization Failed", "lost", "missing: does not exist")
	write("denied", "1")
	write("granted", "2")
	r.want("denied", 0, "1")
	o.insist("own")
	r.want("stompgw", 0, "own")

	b.DeleteTopic(t, "lost")
	r.wantSources("denied", "granted: Authorization Failed", "lost: does not exist", "missing: does not exist")
	b.Grant(t, "granted")
	r.wantSources("denied", "granted", "lost: does not exist", "missing: does not exist")
	write("granted", "3")
	r.want("granted", 0, "1", "2", "3")

	for _, topic := range []string{"lost", "missing"} {
		b.CreateTopic(t, topic, 1)
		write(topic, "1", "2", "3")
		r.want(topic, 0, "1", "2", "3")
	}
	r.wantSources("denied", "granted", "lost", "missing")

	b.Revoke(t, "stompgw")
	r.poll("for health to go", func() bool { return strings.Contains(r.unfit(), "topic stompgw: let this node's user") })
	b.Grant(t, "stompgw")
	r.poll("for health", func() bool { return r.unfit() == "" })
	o.insist("again")
	r.want("stompgw", 0, "own", "again")
	checkTargetDenied(t, b, cfg)
}
