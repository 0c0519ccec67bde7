package gateway_test

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/bus/membus"
	"github.com/stompgw/stompgw/gateway"
	"github.com/stompgw/stompgw/gateway/policy"
	"github.com/stompgw/stompgw/gateway/registry"
)

// patience ends a test that hangs. No test passes or fails by how long something takes.
const patience = 2 * time.Minute

// node is a running gateway with one HTTP port and one STOMP port.
type node struct {
	*gateway.Gateway
	name     registry.Node
	web, tcp string                        // addresses
	dial     func(address string) net.Conn // for clients; it fails the test
	sessions *registry.Memory
	stop     func() // drains, and waits
}

// compile makes a catalogue with the prefixes, and the error destination, of all tests, unless rules have others.
func compile(t testing.TB, rules policy.Rules) *policy.Catalogue {
	t.Helper()
	if rules.Prefixes.App == "" {
		rules.Prefixes = policy.DefaultPrefixes()
	}
	rules.ErrorDestination = cmp.Or(rules.ErrorDestination, "/session/queue/request-error")
	c, err := policy.New(rules)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func rules(t testing.TB) *policy.Catalogue {
	t.Helper()
	return compile(t, policy.Rules{
		Channels: []policy.Channel{
			{Match: "/topic/kept", Subscribe: "true", Send: "true", History: policy.History{Size: 100, TTL: time.Hour}},
			{Match: "/topic/kept/long", Subscribe: "true", Send: "true", History: policy.History{Size: 1000, TTL: time.Hour}},
			{Match: "/topic/{room}", Subscribe: "true", Send: "true"},
			{Match: "/session/queue/{name}", Subscribe: "true", Send: "true"},
			{Match: "/topic/secret/{room}", Subscribe: "false", Send: "false"},
		},
		Routes: []policy.Route{
			{Match: "/app/topic/{channel}", Allow: "true", Publish: "/topic/{channel}"},
			{Match: "/app/chat/{channel}", Allow: "true", Publish: "/topic/{channel}", Body: `{"content": body.chat}`, Headers: `{"x-by": vars.channel}`},
		},
	})
}

// newGateway makes a node that does not run.
func newGateway(t testing.TB, b bus.Bus, opts ...gateway.Option) *gateway.Gateway {
	t.Helper()
	g, err := gateway.New(registry.NewNode(time.Now()), b, registry.NewMemory(), rules(t), opts...)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// start runs a node on free ports until the test ends.
func start(t testing.TB, opts ...gateway.Option) *node {
	t.Helper()
	return startOn(t, membus.NewCluster(), opts...)
}

func startOn(t testing.TB, cluster *membus.Cluster, opts ...gateway.Option) *node {
	t.Helper()
	name := registry.NewNode(time.Now())
	return startNode(t, name, cluster.Bus(name.String()), nil, opts...)
}

// port makes a listener what a test wants it to be.
type port func(net.Listener) gateway.Listener

// startNode closes b when the node has stopped. kind is nil for plain ports.
func startNode(t testing.TB, name registry.Node, b bus.Bus, kind port, opts ...gateway.Option) *node {
	t.Helper()
	if kind == nil {
		kind = func(ln net.Listener) gateway.Listener { return gateway.Listener{Listener: ln} }
	}
	s := patientSockJS()
	opts = append([]gateway.Option{gateway.WithParting(time.Millisecond), gateway.WithSockJS(&s)}, opts...) // few tests want to wait
	web, tcp := listen(t), listen(t)
	n := serve(t, name, b, kind(web), kind(tcp), opts...)
	n.web, n.tcp, n.dial = web.Addr().String(), tcp.Addr().String(), dialer(t)
	return n
}

func dialer(t testing.TB) func(address string) net.Conn {
	return func(address string) net.Conn {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		return conn
	}
}

// serve runs a node until the test ends.
func serve(t testing.TB, name registry.Node, b bus.Bus, http, stomp gateway.Listener, opts ...gateway.Option) *node {
	t.Helper()
	n := &node{name: name, sessions: registry.NewMemory()}
	g, err := gateway.New(name, b, n.sessions, rules(t), append([]gateway.Option{gateway.WithDrain(0)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	n.Gateway = g
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	stomp.STOMP = true
	go func() { done <- g.Run(ctx, http, stomp) }()
	n.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
		b.Close(context.Background())
	})
	t.Cleanup(func() {
		for range 20 { // a node that knows that its clients have gone need not tell them
			if n.Figures().Connections == 0 {
				break
			}
			time.Sleep(time.Millisecond)
		}
		n.stop()
	})
	bustest.Eventually(t, "the node is ready", func() bool { return n.Ready() == nil })
	return n
}

// stopping has the node stop while the test goes on.
func (n *node) stopping() (stopped <-chan struct{}) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		n.stop()
	}()
	return done
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

// client speaks raw STOMP, over whatever carries it.
type client struct {
	t    testing.TB
	conn net.Conn
	in   []byte
}

func (n *node) dialTCP(t testing.TB) *client {
	t.Helper()
	return newClient(t, n.dial(n.tcp))
}

func (n *node) dialWS(t testing.TB) *client {
	t.Helper()
	c := n.upgrade(t)
	return &client{t: t, conn: &webSocket{Conn: c.conn, raw: c}}
}

func newClient(t testing.TB, conn net.Conn) *client {
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	return &client{t: t, conn: conn}
}

// send writes a frame given in lines, with ^@ for NUL at its end.
func (c *client) send(frame string) {
	c.t.Helper()
	if _, err := io.WriteString(c.conn, strings.ReplaceAll(frame, "^@", "\x00")); err != nil {
		c.t.Fatalf("send: %v", err)
	}
}

// next returns the next frame without its NUL.
func (c *client) next() string {
	c.t.Helper()
	frame, err := c.read()
	if err != nil {
		c.t.Fatalf("waiting for a frame: %v (have %q)", err, c.in)
	}
	return frame
}

func (c *client) read() (string, error) {
	buf := make([]byte, 4096)
	for {
		c.in = bytes.TrimLeft(c.in, "\r\n")
		if size := frameSize(c.in); size > 0 {
			frame := string(c.in[:size-1])
			c.in = c.in[size:]
			return frame, nil
		}
		n, err := c.conn.Read(buf)
		if c.in = append(c.in, buf[:n]...); err != nil && n == 0 {
			return "", err
		}
	}
}

// expect returns the next frame, which must begin with command and hold every one of the lines.
func (c *client) expect(command string, lines ...string) string {
	c.t.Helper()
	frame := c.next()
	if !strings.HasPrefix(frame, command+"\n") {
		c.t.Fatalf("got %q, want %s", frame, command)
	}
	for _, line := range lines {
		if !strings.Contains(frame+"\n", "\n"+line+"\n") {
			c.t.Fatalf("got %q, want a line %q", frame, line)
		}
	}
	return frame
}

// connect opens a STOMP 1.2 session.
func (c *client) connect() *client {
	c.t.Helper()
	c.send("CONNECT\naccept-version:1.2\nhost:test\n\n^@")
	c.expect("CONNECTED", "version:1.2", "heart-beat:10000,10000", "server:stompgw/"+gateway.Version)
	return c
}

// subscribe waits for the receipt.
func (c *client) subscribe(id, destination string) {
	c.t.Helper()
	c.send("SUBSCRIBE\nid:" + id + "\ndestination:" + destination + "\nreceipt:sub-" + id + "\n\n^@")
	c.expect("RECEIPT", "receipt-id:sub-"+id)
}

// startFunc is start, or does the same for another kind of port.
type startFunc func(t testing.TB, opts ...gateway.Option) *node

// eachSocket runs a test on nodes that serve their connections in the two ways there are: by the
// descriptor, where the system has epoll, and as a net.Conn with a goroutine of its own.
func eachSocket(t *testing.T, test func(*testing.T, startFunc)) {
	t.Run("descriptor", func(t *testing.T) { test(t, start) })
	t.Run("net.Conn", func(t *testing.T) {
		test(t, func(t testing.TB, opts ...gateway.Option) *node {
			name := registry.NewNode(time.Now())
			return startNode(t, name, membus.NewCluster().Bus(name.String()), func(ln net.Listener) gateway.Listener {
				return gateway.Listener{Listener: streams{ln}}
			}, opts...)
		})
	})
}

// streams hides that its connections are sockets.
type streams struct{ net.Listener }

func (s streams) Accept() (net.Conn, error) {
	nc, err := s.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return struct{ *net.TCPConn }{nc.(*net.TCPConn)}, nil
}

// entrance is a way in for STOMP, the same for all transports.
type entrance struct {
	name string
	dial func(t testing.TB, n *node) *client
}

// entrances are those with a socket of their own, and some of SockJS.
func entrances(transports ...transport) []entrance {
	list := []entrance{
		{"tcp", func(t testing.TB, n *node) *client { return n.dialTCP(t) }},
		{"websocket", func(t testing.TB, n *node) *client { return n.dialWS(t) }},
	}
	for _, tr := range transports {
		list = append(list, entrance{tr.name, func(t testing.TB, n *node) *client { return n.dialSock(t, tr) }})
	}
	return list
}

func eachTransport(t *testing.T, test func(t *testing.T, dial func(*node) *client)) {
	for _, e := range entrances(oneOfEach()...) {
		t.Run(e.name, func(t *testing.T) { test(t, func(n *node) *client { return e.dial(t, n) }) })
	}
}

func TestMessageFromSocketToSocket(t *testing.T) {
	eachTransport(t, func(t *testing.T, dial func(*node) *client) {
		n := start(t)
		reader, writer := dial(n).connect(), dial(n).connect()
		reader.subscribe("0", "/topic/chat")
		writer.send("SEND\ndestination:/app/topic/chat\ncontent-type:text/plain\nfoo:bar\nreceipt:r1\n\nhello^@")
		writer.expect("RECEIPT", "receipt-id:r1")
		reader.expect("MESSAGE", "destination:/topic/chat", "subscription:0", "content-type:text/plain",
			"content-length:5", "foo:bar", "hello")
	})
}
