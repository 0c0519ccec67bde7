package gateway_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/bus/membus"
	"github.com/stompgw/stompgw/gateway"
	"github.com/stompgw/stompgw/gateway/internal/ws"
)

// TestDrain holds what clients of every kind see when their node stops.
func TestDrain(t *testing.T) {
	t.Parallel()
	eachSocket(t, testDrain)
}

func testDrain(t *testing.T, start startFunc) {
	for _, c := range []struct {
		name string
		open func(t *testing.T, n *node) *raw
		want func(c *raw)
	}{
		{"session over a WebSocket", func(t *testing.T, n *node) *raw { return n.session(t) }, func(c *raw) { c.wantClosing(1001, "") }},
		{"WebSocket without CONNECT", func(t *testing.T, n *node) *raw { return n.upgrade(t) }, func(c *raw) { c.wantClosing(1001, "") }},
		{"session over TCP", func(t *testing.T, n *node) *raw {
			c := n.dialTCP(t).connect()
			return newRaw(t, c.conn)
		}, (*raw).wantEOF},
		{"TCP without CONNECT", func(t *testing.T, n *node) *raw { return n.occupy(t, n.tcp, "CONN") }, (*raw).wantEnd},
		{"nothing said", func(t *testing.T, n *node) *raw { return n.occupy(t, n.web, "") }, (*raw).wantEOF},
		{"half a request", func(t *testing.T, n *node) *raw { return n.occupy(t, n.web, "GET /st") }, (*raw).wantEnd},
		{"page", func(t *testing.T, n *node) *raw {
			c := n.dialRaw(t, n.web)
			c.write(pageRequest)
			c.wantPage("GET /page?x=1 ")
			return c
		}, (*raw).wantEOF},
		{"half a second request", func(t *testing.T, n *node) *raw {
			c := n.dialRaw(t, n.web)
			c.write(pageRequest + pageRequest[:9])
			c.wantPage("GET /page?x=1 ")
			return c
		}, (*raw).wantEnd},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := start(t, pages(), gateway.WithDrain(time.Hour), connectWithin(time.Hour)) // which few clients do not take
			ws := c.open(t, n)
			stopped := n.stopping()
			c.want(ws)
			ws.conn.Close()
			<-stopped
			if n.Sessions() != 0 {
				t.Errorf("%d sessions are left", n.Sessions())
			}
			for _, address := range []string{n.web, n.tcp} {
				if conn, err := net.Dial("tcp", address); err == nil {
					conn.Close()
					t.Errorf("%s still takes connections", address)
				}
			}
		})
	}
}

// occupy opens a connection and says something that is not answered.
func (n *node) occupy(t *testing.T, address, wire string) *raw {
	c := n.dialRaw(t, address)
	c.write(wire)
	n.session(t).conn.Close() // was accepted after c
	return c
}

// TestWhileDraining holds what a node does that waits for a client to leave.
func TestWhileDraining(t *testing.T) { eachSocket(t, testWhileDraining) }

func testWhileDraining(t *testing.T, start startFunc) {
	n := start(t, pages())
	last := n.session(t)
	var used []*raw
	for range 2 {
		c := n.dialRaw(t, n.web)
		c.write(pageRequest)
		c.wantPage("GET /page?x=1 ")
		used = append(used, c)
	}
	n.Drain()           // does what the end of Run's context does
	n.Drain()           // which is as good as once
	last.wantCode(1001) // and does not answer

	if err := n.Ready(); err == nil || !strings.Contains(err.Error(), "draining") || !n.Draining() {
		t.Errorf("Ready: %v", err)
	}
	for i, request := range []string{pageRequest, upgradeRequest(n.web)} {
		used[i].write(request)
		used[i].response(http.StatusServiceUnavailable)
		used[i].wantEOF()
	}
	for { // the listener may take a moment
		conn, err := net.Dial("tcp", n.web)
		if err != nil {
			break
		}
		conn.Close()
	}
	last.write(closeFrame(1001, ""))
	last.wantEOF()
	last.conn.Close()
	n.stop() // tells if Run has returned an error
	if n.Drain(); n.Ready() == nil || !n.Draining() {
		t.Error("a stopped node is ready, or does not say that it has stopped")
	}
}

// A program that embeds the gateway and forgets to run it is told so.
func TestNotRun(t *testing.T) {
	b := membus.NewCluster().Bus("n")
	defer b.Close(t.Context())
	g := newGateway(t, b)
	server := httptest.NewServer(g)
	defer server.Close()
	n := &node{web: server.Listener.Addr().String(), dial: dialer(t)}
	for _, request := range []string{upgradeRequest(n.web), request("POST", newPath("/stomp")+"/xhr", "")} {
		c := n.dialRaw(t, n.web)
		c.write(request)
		body, err := io.ReadAll(c.response(http.StatusServiceUnavailable).Body)
		if err != nil || !strings.Contains(string(body), "has not called Run") {
			t.Errorf("got %q, %v", body, err)
		}
	}
}

// TestDrainEndsRequests holds that a request which does not end by itself does not keep the node.
func TestDrainEndsRequests(t *testing.T) {
	t.Parallel()
	running := make(chan struct{})
	n := start(t, gateway.WithPages(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(running)
		<-r.Context().Done()
	})))
	c := n.dialRaw(t, n.web)
	c.write(pageRequest)
	<-running
	n.stop()
	c.wantEnd()
}

// TestDrainMany holds that more sessions than go at one time all go in peace, and that the log tells clients that did
// not close their connections from those that did.
func TestDrainMany(t *testing.T) {
	logs := &bustest.Log{}
	patient := ws.DefaultPeriods()
	patient.Close = time.Hour
	inBubble(t, false, func(t *testing.T, b *bubble) {
		var polite []*raw
		for range 100 {
			polite = append(polite, b.session(t))
		}
		go io.Copy(io.Discard, b.session(t).conn) // does not answer the Close frame
		b.Drain()
		for _, c := range polite {
			c.wantClosing(1001, "")
			c.conn.Close()
		}
		time.Sleep(time.Minute)
		if !strings.Contains(logs.String(), "msg=stopped sessions_let_go=100 cut_off=1 in=") {
			t.Errorf("the log says\n%s", logs)
		}
	}, gateway.WithDrain(200*time.Millisecond), gateway.WithLogger(slog.New(slog.NewTextHandler(logs, nil))), gateway.WithPeriods(patient))
}

// TestDrainPaused holds that a session which waits for the bus is closed like any other.
func TestDrainPaused(t *testing.T) {
	n, bus := startTap(t, quick(func(p *ws.Periods) { p.Close = time.Hour }))
	c := n.session(t)
	bus.set(true, false)
	c.write(frame(text, "SEND\ndestination:/topic/x\n\n\x00") + frame(ping, "") + frame(text, sendFrame("late")))
	<-bus.asked
	go n.stop()
	c.wantClosing(1001, "")
}

// TestRunFails holds that a node which can't serve says why, and that one whose bus stops by itself can't.
func TestRunFails(t *testing.T) {
	for _, broken := range []error{errors.New("no more messages"), nil} {
		b := brokenBus{membus.NewCluster().Bus("n"), broken}
		defer b.Close(context.Background())
		err := newGateway(t, b).Run(t.Context(), gateway.Listener{Listener: listen(t)})
		if err == nil || broken != nil && !errors.Is(err, broken) || !strings.HasPrefix(err.Error(), "bus: ") {
			t.Errorf("the bus ends with %v, and Run with %v", broken, err)
		}
	}
}

// brokenBus receives nothing.
type brokenBus struct {
	*membus.Bus
	err error
}

func (b brokenBus) Receive(context.Context, func(), func(bus.Envelope)) error { return b.err }
