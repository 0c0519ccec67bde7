package kafkabus

import (
	"context"
	"io"
	"maps"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go/protocol"

	"github.com/stompgw/stompgw/bus/kafkabus/internal/wire"
)

const (
	dialTimeout  = 3 * time.Second // for a TCP connection
	loginTimeout = 5 * time.Second // for that, TLS and the login
	idleTimeout  = 5 * time.Minute // of a connection
)

// connections are those to the brokers. Whoever asks a broker has one to himself until it has answered.
type connections struct {
	access atomic.Pointer[access] // of the next one
	again  atomic.Uint64          // how many took the place of one that broke
	login  time.Duration          // loginTimeout; set by newConnections, never changed
	dialer func(ctx context.Context, network, address string) (net.Conn, error)

	mu     sync.Mutex
	idle   map[string][]idleConn // by address; what was used last stands at the end
	lost   map[string]bool       // by address: the last one broke
	closed bool
}

// idleConn is a connection that nobody uses.
type idleConn struct {
	*wire.Conn
	since time.Time
}

func newConnections(a *access) *connections {
	c := &connections{
		login:  loginTimeout,
		dialer: (&net.Dialer{Timeout: dialTimeout}).DialContext,
		idle:   make(map[string][]idleConn),
		lost:   make(map[string]bool),
	}
	c.access.Store(a)
	return c
}

// ask asks the broker at an address until ctx ends, and says whether the request may have been sent.
func (c *connections) ask(ctx context.Context, address string, request protocol.Message) (answer protocol.Message, sent bool, err error) {
	conn := c.take(address)
	if conn == nil {
		if conn, err = c.dial(ctx, address); err != nil {
			return nil, false, err
		}
	}
	err = within(ctx, conn, func() (err error) {
		answer, err = conn.Ask(request)
		return err
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case ctx.Err() == nil && err != nil: // then the others are no better
		c.lost[address] = true
		c.drop(address, func(idleConn) bool { return true })
		return nil, true, err
	case err != nil:
		return nil, true, err
	case c.closed:
		conn.Close() // it has answered
	default:
		c.idle[address] = append(c.idle[address], idleConn{conn, time.Now()})
	}
	return answer, true, nil
}

// within runs f, which uses conn, and closes that when ctx ends before, or after an error.
func within(ctx context.Context, conn io.Closer, f func() error) error {
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	err := f()
	if !stop() {
		err = ctx.Err()
	}
	if err != nil {
		conn.Close() // it is of no use any more
	}
	return err
}

// take returns an idle connection, nil if there is none.
func (c *connections) take(address string) *wire.Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := c.idle[address]
	if len(list) == 0 {
		return nil
	}
	last := len(list) - 1
	c.idle[address] = list[:last]
	return list[last].Conn
}

func (c *connections) dial(ctx context.Context, address string) (conn *wire.Conn, err error) {
	ctx, cancel := context.WithTimeout(ctx, c.login)
	defer cancel()
	nc, err := c.dialer(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	access := c.access.Load()
	nc = access.wrap(nc, address)
	err = within(ctx, nc, func() (err error) {
		conn, err = wire.NewConn(ctx, nc, access.mechanism)
		return err
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil && c.lost[address] {
		delete(c.lost, address)
		c.again.Add(1)
	}
	return conn, err
}

// keep closes what has been idle for too long, and forgets all other addresses: those of brokers come and
// go for as long as a node lives.
func (c *connections) keep(addresses []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.DeleteFunc(c.lost, func(address string, _ bool) bool { return !slices.Contains(addresses, address) })
	for address := range c.idle {
		c.drop(address, func(conn idleConn) bool {
			return c.closed || time.Since(conn.since) > idleTimeout || !slices.Contains(addresses, address)
		})
	}
}

// drop closes those that nobody uses and that are to go. The caller holds mu.
func (c *connections) drop(address string, goes func(idleConn) bool) {
	c.idle[address] = slices.DeleteFunc(c.idle[address], func(conn idleConn) bool {
		if !goes(conn) {
			return false
		}
		conn.Close() // it has answered
		return true
	})
	if len(c.idle[address]) == 0 {
		delete(c.idle, address)
	}
}

// close ends the connections that nobody uses, and the others when they have been used.
func (c *connections) close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.keep(nil)
}
