//go:build unix

package kafkabus

import (
	"errors"
	"syscall"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/bustest/servers"
)

// TestRealOutage: a real broker that is stopped, or killed, or that says nothing for a while, costs
// nothing but time, and neither do more partitions.
func TestRealOutage(t *testing.T) {
	b := servers.Kafka(t)
	for _, test := range []struct {
		name string
		run  func(t *testing.T, c *crowd)
	}{
		{"stopped", func(t *testing.T, _ *crowd) { b.Stop(t); b.Start(t) }},
		{"killed", func(t *testing.T, _ *crowd) { b.Kill(); b.Start(t) }},
		{"growing", func(t *testing.T, c *crowd) {
			servers.AddPartitions(t, b.Addr, "growing", 9)
			c.partitioned(9)
			c.more()
		}},
		{"silent", func(t *testing.T, c *crowd) {
			b.Signal(t, syscall.SIGSTOP)
			c.silent(2 * time.Second)
			b.Signal(t, syscall.SIGCONT)
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			b.CreateTopic(t, test.name, 6)
			r := readFrom(t, []string{b.Addr}, test.name)
			o := newOutlet(t, Config{Brokers: []string{b.Addr}, Topic: test.name, Silence: time.Hour, Deadline: time.Hour}, nil)
			o.publishing(5000, func(c *crowd) {
				c.more()
				test.run(t, c)
			}).check(r, test.name == "growing")
		})
	}
}

// TestRealSilence: Publish refuses while a real broker says nothing, what was on its way is unknown,
// and all is well afterwards. So does Forward.
func TestRealSilence(t *testing.T) {
	b := servers.Kafka(t)
	b.CreateTopic(t, "stompgw", 1)
	whileSilent, afterwards := forwardingInSilence(t, b)
	r := readFrom(t, []string{b.Addr}, "stompgw")
	o := newOutlet(t, Config{Brokers: []string{b.Addr}, Silence: 500 * time.Millisecond, Deadline: 2 * time.Second}, nil)
	must(t, <-o.send("/topic/x", "before"))
	b.Signal(t, syscall.SIGSTOP)
	awaitSilence(t, b.Addr)
	sent := o.send("/topic/x", "sent")
	e := bus.Envelope{Destination: "/topic/x", Body: []byte("behind it")}
	err := error(nil)
	poll(t, "for a refusal", func() bool {
		err = o.publish(e, func(error) {})
		return err != nil && !errors.Is(err, bus.ErrFull)
	})
	if !errors.Is(err, bus.ErrDown) {
		t.Errorf("Publish says %v, want ErrDown", err)
	}
	if err := o.healthy(); err == nil {
		t.Error("healthy says nothing")
	} else {
		t.Log(err)
	}
	outcome := <-sent
	if !errors.Is(outcome, bus.ErrUnknown) && !errors.Is(outcome, bus.ErrDown) {
		t.Errorf("done heard %v, want ErrUnknown, or ErrDown if a question had the connection", outcome)
	}
	whileSilent()
	b.Signal(t, syscall.SIGCONT)
	afterwards()
	o.insist("after")
	if err := o.healthy(); err != nil {
		t.Error(err)
	}
	seen := make(map[string]int)
	r.poll("for what was taken last", func() bool { r.mu.Lock(); defer r.mu.Unlock(); return r.bodies["after"] > 0 })
	for _, e := range firsts(r.each(0)) {
		seen[e.body]++
	}
	if seen["before"] != 1 || seen["after"] != 1 || seen["sent"] > 1 || seen["sent"] > 0 && errors.Is(outcome, bus.ErrDown) {
		t.Errorf("done heard %v, and a reader gets %v", outcome, seen)
	}
}

// forwardingInSilence brings something to a backend, and returns what does it while the broker says nothing, and when it answers again.
func forwardingInSilence(t *testing.T, b *servers.Broker) (whileSilent, afterwards func()) {
	b.CreateTopic(t, "orders", 1)
	kb, _ := open(t, Config{Brokers: []string{b.Addr}, Silence: 500 * time.Millisecond, Deadline: 2 * time.Second})
	must(t, kb.Aim([]bus.Target{{Topic: "orders"}}))
	forward := func(body string) error {
		answer := make(chan error, 1)
		if err := kb.Forward(bus.Target{Topic: "orders"}, bus.Envelope{Body: []byte(body)}, func(err error) { answer <- err }); err != nil {
			return err
		}
		return <-answer
	}
	must(t, forward("before"))
	whileSilent = func() {
		if err := forward("sent"); !errors.Is(err, bus.ErrUnknown) {
			t.Errorf("done heard %v of what was for a backend, want ErrUnknown", err)
		}
		poll(t, "for Forward to refuse", func() bool {
			return errors.Is(kb.Forward(bus.Target{Topic: "orders"}, bus.Envelope{}, func(error) {}), bus.ErrDown)
		})
	}
	return whileSilent, func() {
		poll(t, "for the backend's topic to take what comes", func() bool { return forward("after") == nil })
		next := reads(t, []string{b.Addr}, "orders", 0)
		if first := string(next().Value); first != "before" {
			t.Errorf("the backend's first is %s", first)
		}
		for string(next().Value) != "after" { // what was sent in between is there or not
		}
		must(t, kb.Close(t.Context()))
	}
}

// awaitSilence returns when the broker at addr says nothing: its threads stop one by one.
func awaitSilence(t *testing.T, addr string) {
	t.Helper()
	for {
		conn, err := kafka.Dial("tcp", addr)
		must(t, err)
		must(t, conn.SetDeadline(time.Now().Add(200*time.Millisecond)))
		_, err = conn.ApiVersions()
		conn.Close()
		if err != nil {
			return
		}
	}
}
