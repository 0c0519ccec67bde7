package kafkabus

import (
	"context"
	"errors"
	"maps"
	"math"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	dialTimeout  = 3 * time.Second // for a TCP connection
	loginTimeout = 5 * time.Second // for what kafka-go sets no deadline for, which is to log in
)

// connections are the sockets to the brokers. kafka-go's transport ends a connection when it next
// looks at it, and nobody can wait for that; here one can.
type connections struct {
	login  time.Duration          // loginTimeout; set by newConnections, never changed
	access atomic.Pointer[access] // of the next one; nil, of tests, for neither TLS nor a login

	mu     sync.Mutex
	open   map[*connection]struct{}
	closed bool
	ctx    context.Context // ends with close, and with it what is being dialled
	cancel context.CancelFunc
	empty  chan struct{} // closed when closed and none is open

	lost   map[string]bool      // by address: the last connection broke
	silent map[string]time.Time // by address: since when none could be made
	again  uint64               // connections made after such a loss
	failed error                // of the last attempt, nil if it succeeded
}

func newConnections() *connections {
	c := &connections{
		login:  loginTimeout,
		open:   make(map[*connection]struct{}),
		empty:  make(chan struct{}),
		lost:   make(map[string]bool),
		silent: make(map[string]time.Time),
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c
}

// dial is what kafka.Transport dials with.
func (c *connections) dial(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	defer context.AfterFunc(c.ctx, cancel)()
	var dialer net.Dialer
	nc, err := dialer.DialContext(ctx, network, address)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failed = err
	if err != nil {
		if c.silent[address].IsZero() {
			c.silent[address] = time.Now()
		}
		return nil, err
	}
	delete(c.silent, address)
	if c.closed {
		nc.Close() // unused
		return nil, net.ErrClosed
	}
	if c.lost[address] {
		delete(c.lost, address)
		c.again++
	}
	conn := &connection{Conn: nc, owner: c, address: address}
	c.open[conn] = struct{}{}
	return c.access.Load().wrap(conn, address), nil
}

// failure returns why the last connection could not be made, nil if it could.
func (c *connections) failure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failed
}

// silence returns for how long there has been no way to any of the addresses, 0 if there may be one.
func (c *connections) silence(addresses ...string) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	least := time.Duration(math.MaxInt64)
	for _, address := range addresses {
		since := c.silent[address]
		if since.IsZero() {
			return 0
		}
		least = min(least, time.Since(since))
	}
	return least
}

// keep forgets what is known of other addresses: those of brokers come and go for as long as a node lives.
func (c *connections) keep(addresses []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	other := func(address string) bool { return !slices.Contains(addresses, address) }
	maps.DeleteFunc(c.lost, func(address string, _ bool) bool { return other(address) })
	maps.DeleteFunc(c.silent, func(address string, _ time.Time) bool { return other(address) })
}

// reconnects returns how often a connection took the place of a broken one.
func (c *connections) reconnects() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.again
}

// close ends all connections, and returns a channel that is closed when whoever dialled them has let
// them go.
func (c *connections) close() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	c.cancel()
	for conn := range c.open {
		conn.Conn.Close() // whoever reads or writes it learns of it
	}
	c.checkEmpty()
	return c.empty
}

func (c *connections) checkEmpty() {
	if !c.closed || len(c.open) > 0 {
		return
	}
	select {
	case <-c.empty:
	default:
		close(c.empty)
	}
}

// connection tells its owner when it breaks and when it is closed.
type connection struct {
	net.Conn
	owner   *connections
	address string
}

func (conn *connection) Read(p []byte) (int, error) {
	n, err := conn.Conn.Read(p)
	if err != nil {
		conn.broke(err)
	}
	return n, err
}

func (conn *connection) broke(err error) {
	if errors.Is(err, net.ErrClosed) {
		return // by this side
	}
	c := conn.owner
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lost[conn.address] = true
}

// SetDeadline implements net.Conn. Before kafka-go logs in it lifts the deadline, and a broker that
// fell silent then would hold it for ever. It lifts it after each request, too, which changes
// nothing: the next one has a deadline of its own.
func (conn *connection) SetDeadline(t time.Time) error {
	if t.IsZero() {
		t = time.Now().Add(conn.owner.login)
	}
	return conn.Conn.SetDeadline(t)
}

func (conn *connection) Close() error {
	err := conn.Conn.Close()
	c := conn.owner
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.open, conn)
	c.checkEmpty()
	return err
}
