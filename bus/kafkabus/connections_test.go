package kafkabus

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/stompgw/stompgw/bus/bustest/servers"
)

// listen returns a listener that the test's end closes.
func listen(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return ln
}

// TestSeedsGone: a cluster whose only address that this node was told of is no more is followed by
// what it said of its brokers.
func TestSeedsGone(t *testing.T) {
	f := fake(t, 1, "a", 1)
	ln := listen(t)
	seed := ln.Addr().String()
	var links sync.WaitGroup
	ctx, unplug := context.WithCancel(t.Context())
	defer links.Wait()
	defer unplug()
	links.Go(func() { relay(ctx, &links, ln, f.Addrs[0]) })
	w := watch(t, []string{seed}, nil)
	w.until("for the first view", func(v *view) bool { return len(v.topics[0].leaders) == 1 })
	unplug()
	ln.Close()
	servers.AddPartitions(t, f.Addrs[0], "a", 2)
	w.until("for a view without the seed", func(v *view) bool { return len(v.topics[0].leaders) == 2 })
}

// TestStaleBroker: a broker that is cut off from the others, and goes on naming a leader that is no more,
// is believed until that leader has been out of reach for some time.
func TestStaleBroker(t *testing.T) {
	f := fake(t, 2, "a", 1)
	ln := listen(t)
	gone := ln.Addr().String()
	ln.Close()
	brokers := f.Cluster
	if err := brokers.MoveTopicPartition("a", 0, 1); err != nil {
		t.Fatal(err)
	}
	brokers.ControlKey(kmsg.Metadata.Int16(), func(req kmsg.Request) (kmsg.Response, error, bool) {
		brokers.KeepControl()
		if brokers.CurrentNode() == 1 {
			return nil, nil, false
		}
		res := withoutLeader(brokers, append(f.Addrs, gone), req.(*kmsg.MetadataRequest), "a", 1, none)
		res.(*kmsg.MetadataResponse).Topics[0].Partitions[0].Leader = 2
		return res, nil, true
	})
	w := watch(t, f.Addrs[:1], nil)
	w.until("for the old view", func(v *view) bool { return v.topics[0].leaders[0] == 2 })
	if nc, err := w.conns.dial(t.Context(), "tcp", gone); err == nil { // as whoever reads or writes does
		nc.Close()
	}
	w.until("for a view of another broker", func(v *view) bool { return v.topics[0].leaders[0] == 1 })
}

// watched is a cluster whose view a test watches.
type watched struct {
	*cluster
	t *testing.T
}

// watch follows what the brokers say of the topic a until the test ends. wrap, if set, changes its connections.
func watch(t *testing.T, brokers []string, wrap func(net.Conn) net.Conn) watched {
	t.Helper()
	w := newWork(t, Config{Brokers: brokers}, wrap, "a")
	w.patience = 10 * time.Millisecond
	w.start()
	return watched{w.cluster, t}
}

func (w watched) until(what string, holds func(*view) bool) {
	w.t.Helper()
	poll(w.t, what, func() bool { v, _ := w.view(); return v != nil && holds(v) }, func() any { return w.healthy() })
}

// TestSlowBrokers: brokers that need longer for the view than the transport waits are waited for.
func TestSlowBrokers(t *testing.T) {
	f := fake(t, 1, "a", 1)
	w := watch(t, f.Addrs, func(nc net.Conn) net.Conn { return &far{Conn: nc} })
	w.until("for a view", func(*view) bool { return true })
}

// far is a connection over which each answer takes longer than a view may take.
type far struct {
	net.Conn
	asked bool
}

func (f *far) Write(p []byte) (int, error) {
	f.asked = true
	return f.Conn.Write(p)
}

func (f *far) Read(p []byte) (int, error) {
	if f.asked {
		time.Sleep(metadataTTL + metadataTTL/4)
		f.asked = false
	}
	return f.Conn.Read(p)
}

// relay connects whoever comes to ln with the other end, until ctx ends.
func relay(ctx context.Context, links *sync.WaitGroup, ln net.Listener, to string) {
	for {
		near, err := ln.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", to)
		if err != nil {
			near.Close()
			continue
		}
		context.AfterFunc(ctx, func() { near.Close(); far.Close() })
		for _, pair := range [][2]net.Conn{{near, far}, {far, near}} {
			links.Go(func() {
				_, _ = io.Copy(pair[0], pair[1]) // until either end closes
				pair[0].Close()
			})
		}
	}
}

// TestConnectionsSilence: there is no way to some addresses once there is none to each of them.
func TestConnectionsSilence(t *testing.T) {
	here, c := listen(t), newConnections()
	ln := listen(t)
	gone := ln.Addr().String()
	ln.Close()
	both := []string{gone, here.Addr().String()}
	if s := c.silence(gone); s != 0 {
		t.Errorf("%s before any attempt", s)
	}
	for _, address := range both {
		if conn, err := c.dial(t.Context(), "tcp", address); err == nil {
			conn.Close()
		}
	}
	poll(t, "for silence", func() bool { return c.silence(gone) > 0 })
	if s := c.silence(both...); s != 0 {
		t.Errorf("%s with one that answers", s)
	}
	c.keep(both[1:])
	if s := c.silence(gone); s != 0 {
		t.Errorf("%s of an address that is no broker's any more", s)
	}
	<-c.close()
}

// TestConnectionsClose: close ends what is read and waits until whoever reads has closed.
func TestConnectionsClose(t *testing.T) {
	ln, c := listen(t), newConnections()
	conn, err := c.dial(context.Background(), "tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	closed, left := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(left)
		if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("the reader got %v", err)
		}
		time.Sleep(20 * time.Millisecond) // in which a close that does not wait returns
		select {
		case <-closed:
			t.Error("close did not wait")
		default:
		}
		conn.Close()
	}()
	<-c.close()
	close(closed)
	<-left
	if _, err := c.dial(context.Background(), "tcp", ln.Addr().String()); err == nil {
		t.Error("there is a connection after close")
	}
	<-c.close() // again
	if c.reconnects() != 0 {
		t.Error("its own close counts as a loss")
	}
}

// TestReconnects: a connection counts that takes the place of one that the other end broke.
func TestReconnects(t *testing.T) {
	ln, c := listen(t), newConnections()
	defer func() { <-c.close() }()
	for i := range 3 {
		conn, err := c.dial(context.Background(), "tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if got := c.reconnects(); got != uint64(i) {
			t.Errorf("%d reconnects, want %d", got, i)
		}
		other, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		other.Close()
		if _, err := conn.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("read: %v", err)
		}
		conn.Close()
	}
}

// TestDialFailure: the last failure is known until a connection succeeds.
func TestDialFailure(t *testing.T) {
	ln, c := listen(t), newConnections()
	defer func() { <-c.close() }()
	gone := listen(t)
	gone.Close()
	if _, err := c.dial(context.Background(), "tcp", gone.Addr().String()); err == nil || c.failure() != err {
		t.Errorf("dial says %v, and failure %v", err, c.failure())
	}
	conn, err := c.dial(context.Background(), "tcp", ln.Addr().String())
	if err != nil || c.failure() != nil {
		t.Errorf("dial says %v, and failure %v", err, c.failure())
	}
	conn.Close()
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
