package kafkabus

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/segmentio/kafka-go/protocol/apiversions"
	"github.com/segmentio/kafka-go/protocol/metadata"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/stompgw/stompgw/bus/bustest/servers"
)

// listen returns a listener that the test's end closes.
func listen(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { ln.Close() })
	return ln
}

// TestSeedsGone: a cluster whose only address that this node was told of is no more is followed by
// what it said of its brokers.
func TestSeedsGone(t *testing.T) {
	f := fake(t, 2, "a", 1)
	w := watch(t, f.Addrs[1:])
	w.until("for the first view", func(v *view) bool { return len(v.hosts) == 2 })
	must(t, f.RemoveNode(1))
	w.until("for a view without the seed", func(v *view) bool { return len(v.hosts) == 1 })
}

// TestStaleBroker: a broker that is cut off from the others, and goes on naming a leader that is no more,
// is believed until somebody could not reach that leader.
func TestStaleBroker(t *testing.T) {
	f := fake(t, 2, "a", 1)
	ln := listen(t)
	gone := ln.Addr().String()
	ln.Close()
	brokers := f.Cluster
	must(t, brokers.MoveTopicPartition("a", 0, 1))
	brokers.ControlKey(kmsg.Metadata.Int16(), func(req kmsg.Request) (kmsg.Response, error, bool) {
		brokers.KeepControl()
		if brokers.CurrentNode() == 1 {
			return nil, nil, false
		}
		res := withoutLeader(brokers, append(f.Addrs, gone), req.(*kmsg.MetadataRequest), "a", 1, none)
		res.(*kmsg.MetadataResponse).Topics[0].Partitions[0].Leader = 2
		return res, nil, true
	})
	w := watch(t, f.Addrs[:1])
	w.until("for the old view", func(v *view) bool { return v.topics["a"].leaders[0] == 2 })
	if _, sent, err := w.ask(t.Context(), 2, new(apiversions.Request)); err == nil || sent { // as whoever reads or writes does
		t.Error("there is a leader")
	}
	w.until("for a view of another broker", func(v *view) bool { return v.topics["a"].leaders[0] == 1 })
}

// watched is a cluster whose view a test watches.
type watched struct {
	*cluster
	t *testing.T
}

// watch follows what the brokers say of the topic a until the test ends.
func watch(t *testing.T, brokers []string) watched {
	t.Helper()
	w := newWork(t, Config{Brokers: brokers}, nil, "a")
	w.patience, w.pause = 100*time.Millisecond, 10*time.Millisecond
	w.start()
	return watched{w.cluster, t}
}

func (w watched) until(what string, holds func(*view) bool) {
	w.t.Helper()
	poll(w.t, what, func() bool { v, _ := w.view(); return v != nil && holds(v) }, func() any { return w.healthy() })
}

// TestSlowBrokers: brokers that need longer for the view than one is waited for at first get more time.
func TestSlowBrokers(t *testing.T) {
	f := fake(t, 1, "a", 1)
	f.ControlKey(kmsg.Metadata.Int16(), func(kmsg.Request) (kmsg.Response, error, bool) {
		f.SleepControl(func() { time.Sleep(250 * time.Millisecond) })
		return nil, nil, false // it stays
	})
	w := watch(t, f.Addrs)
	w.until("for a view", func(*view) bool { return true })
}

// TestConnections: a connection is used again by the next question, unless it has been idle for long or its
// address is no broker's any more. One that the other end broke is made again, which counts.
func TestConnections(t *testing.T) {
	f := fake(t, 1, "a", 1)
	c := newConnections(new(access))
	dialled, dial := 0, c.dialer
	c.dialer = func(ctx context.Context, network, address string) (net.Conn, error) {
		dialled++
		return dial(ctx, network, address)
	}
	ask := func(ctx context.Context, address string, want error, wantDialled int, wantAgain uint64) {
		t.Helper()
		_, sent, err := c.ask(ctx, address, new(metadata.Request))
		if !errors.Is(err, want) || sent != (address == f.Addrs[0]) {
			t.Errorf("%v, sent %t, want %v", err, sent, want)
		}
		if dialled != wantDialled || c.again.Load() != wantAgain {
			t.Errorf("%d connections and %d reconnects, want %d and %d", dialled, c.again.Load(), wantDialled, wantAgain)
		}
	}
	ask(t.Context(), f.Addrs[0], nil, 1, 0)
	c.keep(f.Addrs)
	ask(t.Context(), f.Addrs[0], nil, 1, 0)
	c.idle[f.Addrs[0]][0].since = time.Now().Add(-idleTimeout)
	c.keep(f.Addrs)
	ask(t.Context(), f.Addrs[0], nil, 2, 0)
	c.keep([]string{"elsewhere:1"})
	ask(t.Context(), f.Addrs[0], nil, 3, 0)
	f.ControlKey(kmsg.Metadata.Int16(), func(kmsg.Request) (kmsg.Response, error, bool) { return nil, io.EOF, true })
	other, err := c.dial(t.Context(), f.Addrs[0]) // which would fail the next one
	must(t, err)
	other.Close()
	c.idle[f.Addrs[0]] = append(c.idle[f.Addrs[0]], idleConn{other, time.Now()})
	slices.Reverse(c.idle[f.Addrs[0]])
	ask(t.Context(), f.Addrs[0], io.ErrUnexpectedEOF, 4, 0)
	ask(t.Context(), f.Addrs[0], nil, 5, 1)
	ctx, cancel := context.WithCancel(t.Context())
	f.ControlKey(kmsg.Metadata.Int16(), func(kmsg.Request) (kmsg.Response, error, bool) { cancel(); return nil, nil, true })
	ask(ctx, f.Addrs[0], context.Canceled, 5, 1)
	ask(t.Context(), f.Addrs[0], nil, 6, 1)
	ln := listen(t)
	ln.Close()
	ask(t.Context(), ln.Addr().String(), syscall.ECONNREFUSED, 7, 1)
	c.close()
	ask(t.Context(), f.Addrs[0], nil, 8, 1)
	if len(c.idle) > 0 {
		t.Error("there is a connection after close")
	}
}

// TestSilentLogin: a broker that falls silent while this node logs in is left for another try.
func TestSilentLogin(t *testing.T) {
	f := servers.Fake(t, 1, kfake.SeedTopics(1, "stompgw"), kfake.EnableSASL(), kfake.Superuser("PLAIN", "user", "password"))
	silent := make(chan struct{})
	f.ControlKey(int16(kmsg.SASLAuthenticate), func(kmsg.Request) (kmsg.Response, error, bool) {
		close(silent)
		return nil, nil, true
	})
	w := newWork(t, Config{Brokers: f.Addrs, SASL: SASL{"plain", "user", "password"}}, nil, "stompgw")
	w.conns.login = 100 * time.Millisecond
	w.start()
	<-silent
	poll(t, "for a view", func() bool { v, _ := w.view(); return v != nil })
}
