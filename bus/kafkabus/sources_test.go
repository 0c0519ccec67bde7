package kafkabus

import (
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/stompgw/stompgw/bus/bustest/servers"
)

// leftOut stands for an answer that does not name a topic at all.
const leftOut kafka.Error = -2

// said is what the brokers say of a topic named orders to those who ask for it by name, as the
// tail does and the writer does not.
type said struct{ code atomic.Int32 } // a kafka.Error; 0 for what is true

func (s *said) say(code kafka.Error) { s.code.Store(int32(code)) }

// says has a cluster of one broker answer so.
func says(f *servers.FakeCluster) *said {
	s, brokers, addr := new(said), f.Cluster, f.Addrs[0]
	brokers.ControlKey(kmsg.Metadata.Int16(), func(kreq kmsg.Request) (kmsg.Response, error, bool) {
		brokers.KeepControl()
		req, code := kreq.(*kmsg.MetadataRequest), kafka.Error(s.code.Load())
		if code == 0 || len(req.Topics) == 0 {
			return nil, nil, false
		}
		return metadataWith(brokers, addr, req, code), nil, true
	})
	return s
}

func metadataWith(brokers *kfake.Cluster, addr string, req *kmsg.MetadataRequest, code kafka.Error) kmsg.Response {
	res := unknownTopic(addr, req).(*kmsg.MetadataResponse)
	for i := range res.Topics {
		rt := &res.Topics[i]
		rt.ErrorCode = int16(code)
		if *rt.Topic == "orders" {
			continue
		}
		rt.ErrorCode = 0
		if info := brokers.TopicInfo(*rt.Topic); info != nil {
			rt.TopicID = info.TopicID
		}
		for number := int32(0); brokers.LeaderFor(*rt.Topic, number) >= 0; number++ {
			p := kmsg.NewMetadataResponseTopicPartition()
			p.Partition = number
			rt.Partitions = append(rt.Partitions, p)
		}
	}
	if code == leftOut {
		res.Topics = slices.DeleteFunc(res.Topics, func(t kmsg.MetadataResponseTopic) bool { return *t.Topic == "orders" })
	}
	return res
}

// ordersFault returns what is amiss with the only source.
func (r *reading) ordersFault() string {
	all := r.sources()
	if len(all) != 1 || all[0].Topic != "orders" {
		return "it is not there"
	}
	return errorText(all[0].Err)
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func (r *reading) log() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.logged.String()
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
			if err := f.CreateTopic("orders", 1, nil); err != nil {
				t.Fatal(err)
			}
			w := newWriter(t, f.Addrs)
			w.must("orders", 0, "1", "2")
			brokers := says(f)
			brokers.say(test.code)
			r := startPatient(t, time.Second, f.Addrs, nil, "a", "orders")
			r.wait(r.ready, "to be ready without the source")
			if fault := r.ordersFault(); !strings.HasPrefix(fault, test.says) {
				t.Errorf("the source: %s, want %s", fault, test.says)
			}
			r.poll("for the log", func() bool { return strings.Contains(r.log(), "a source can't be read; all else goes on") })
			w.must("a", 0, "own")
			r.of("a", 0, 1)
			if err := r.healthy(time.Hour); err != nil {
				t.Errorf("healthy says %v: the source counts", err)
			}
			brokers.say(0)
			r.poll("for the source", func() bool { return r.ordersFault() == "" })
			w.must("orders", 0, "3")
			if got := values(r.of("orders", 0, len(strings.Fields(test.want)))); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

// TestSourceLost: a source that is lost later fails alone. When it is back it is read on from where it
// was, whatever the brokers said meanwhile, unless it was made again.
func TestSourceLost(t *testing.T) {
	for _, code := range []kafka.Error{kafka.UnknownTopicOrPartition, kafka.TopicAuthorizationFailed, leftOut, kafka.LeaderNotAvailable} {
		t.Run(strconv.Itoa(int(code)), func(t *testing.T) {
			f := fake(t, 1, "a", 1)
			if err := f.CreateTopic("orders", 1, nil); err != nil {
				t.Fatal(err)
			}
			w := newWriter(t, f.Addrs)
			w.must("orders", 0, "old")
			brokers := says(f)
			r := startPatient(t, time.Second, f.Addrs, nil, "a", "orders")
			r.wait(r.ready, "to be ready")
			w.must("orders", 0, "1", "2")
			r.of("orders", 0, 2)
			brokers.say(code)
			r.poll("for the source to be lost", func() bool { return r.ordersFault() != "" })
			w.must("orders", 0, "3")
			w.must("a", 0, "own")
			r.of("a", 0, 1)
			if err := r.healthy(time.Hour); err != nil {
				t.Errorf("healthy says %v: the source counts", err)
			}
			brokers.say(0)
			w.must("orders", 0, "4")
			if got := values(r.of("orders", 0, 4)); got != "1 2 3 4" {
				t.Errorf("got %s", got)
			}
			r.poll("for the source", func() bool { return r.ordersFault() == "" })
			if f := r.figures(); f.Gaps > 0 {
				t.Errorf("figures %+v", f)
			}
		})
	}
}

// TestOwnTopicLost: the bus's own topic is read on from where it was, too, whatever the brokers said of
// it meanwhile.
func TestOwnTopicLost(t *testing.T) {
	for _, code := range []kafka.Error{kafka.UnknownTopicOrPartition, kafka.TopicAuthorizationFailed, leftOut, kafka.LeaderNotAvailable} {
		t.Run(strconv.Itoa(int(code)), func(t *testing.T) {
			f := fake(t, 1, "orders", 1)
			w := newWriter(t, f.Addrs)
			w.must("orders", 0, "old")
			brokers := says(f)
			r := readFrom(t, f.Addrs, "orders")
			w.must("orders", 0, "1", "2")
			r.of("orders", 0, 2)
			brokers.say(code)
			r.poll("for the topic to be lost", func() bool { return r.cluster.healthy() != nil })
			w.must("orders", 0, "3")
			brokers.say(0)
			w.must("orders", 0, "4")
			if got := values(r.of("orders", 0, 4)); got != "1 2 3 4" {
				t.Errorf("got %s", got)
			}
			r.poll("for health", func() bool { return r.cluster.healthy() == nil && r.healthy(time.Hour) == nil })
			if f := r.figures(); f.Gaps > 0 {
				t.Errorf("figures %+v", f)
			}
		})
	}
}

// TestSourceDenied: what may be described and not read counts as read by nobody: a source fails alone,
// and a node is not ready that may not read its own topic.
func TestSourceDenied(t *testing.T) {
	f := fake(t, 1, "a", 1)
	if err := f.CreateTopic("orders", 1, nil); err != nil {
		t.Fatal(err)
	}
	w := newWriter(t, f.Addrs)
	w.must("orders", 0, "old")
	var denied atomic.Value
	denied.Store("orders")
	brokers := f.Cluster
	brokers.ControlKey(kmsg.Fetch.Int16(), func(kreq kmsg.Request) (kmsg.Response, error, bool) {
		brokers.KeepControl()
		req := kreq.(*kmsg.FetchRequest)
		for _, topic := range req.Topics {
			if topic.Topic == denied.Load() {
				res := errorsFor(req, 0, 0).(*kmsg.FetchResponse)
				for i := range res.Topics {
					if res.Topics[i].Topic == topic.Topic {
						res.Topics[i].Partitions[0].ErrorCode = int16(kafka.TopicAuthorizationFailed)
					}
				}
				return res, nil, true
			}
		}
		return nil, nil, false
	})
	r := readFrom(t, f.Addrs, "a", "orders")
	r.poll("for the source to be denied", func() bool { return strings.Contains(r.ordersFault(), "Authorization Failed") })
	w.must("a", 0, "own")
	r.of("a", 0, 1)
	w.must("orders", 0, "1")
	denied.Store("a")
	if got := values(r.of("orders", 0, 1)); got != "1" {
		t.Errorf("got %s", got)
	}
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
	denied.Store("")
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
