package kafkabus

import (
	"context"
	"errors"
	"io"
	"log/slog"
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
	c, err := newCluster(Config{Brokers: []string{seed}}, []string{"a"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	c.patience = 10 * time.Millisecond
	var running sync.WaitGroup
	defer running.Wait()
	run, stop := context.WithCancel(t.Context())
	defer stop()
	running.Go(func() { c.run(run) })
	until := func(what string, holds func(*view) bool) {
		t.Helper()
		for {
			v, changed := c.view()
			if v != nil && holds(v) {
				return
			}
			select {
			case <-changed:
			case <-untilDeadline(t).Done():
				t.Fatalf("waited in vain %s", what)
			}
		}
	}
	until("for the first view", func(v *view) bool { return len(v.topics[0].leaders) == 1 })
	unplug()
	ln.Close()
	f.AddPartitions(t, "a", 2)
	until("for a view without the seed", func(v *view) bool { return len(v.topics[0].leaders) == 2 })
}

// TestSlowBrokers: brokers that need longer for the view than the transport waits are waited for.
func TestSlowBrokers(t *testing.T) {
	f := fake(t, 1, "a", 1)
	c, err := newCluster(Config{Brokers: f.Addrs}, []string{"a"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	dial := c.transport.Dial
	c.transport.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		nc, err := dial(ctx, network, address)
		return &far{Conn: nc}, err
	}
	run, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	defer running.Wait()
	defer stop()
	running.Go(func() { c.run(run) })
	_, changed := c.view()
	select {
	case <-changed:
	case <-untilDeadline(t).Done():
		t.Fatal("there is no view: ", c.healthy())
	}
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
	if s := c.silence(both[:1]); s != 0 {
		t.Errorf("%s before any attempt", s)
	}
	for _, address := range both {
		if conn, err := c.dial(t.Context(), "tcp", address); err == nil {
			conn.Close()
		}
	}
	for c.silence(both[:1]) == 0 {
		time.Sleep(time.Millisecond) // a clock may stand still for so long
	}
	if s := c.silence(both); s != 0 {
		t.Errorf("%s with one that answers", s)
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
	cfg := Config{Brokers: f.Addrs, SASL: SASL{"plain", "user", "password"}}.withDefaults()
	c, err := newCluster(cfg, []string{"stompgw"})
	if err != nil {
		t.Fatal(err)
	}
	c.conns.login = 100 * time.Millisecond
	p := newProducer(c, cfg, "1/a", slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); c.run(ctx) }()
	<-silent
	for v, changed := c.view(); v == nil; v, changed = c.view() {
		<-changed
	}
	cancel()
	<-ended
	p.close()
	c.close()
}
