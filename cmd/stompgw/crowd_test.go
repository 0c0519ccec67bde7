package main

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// openers is how many clients of a crowd connect at one time.
const openers = 8

// crowd is many receivers of one transport and one destination, and the one who sends to it.
type crowd struct {
	size        int
	destination string
	sender      *client
	sent        int
	delivered   atomic.Int64 // messages, to all together
	answers     atomic.Int64 // that have ended since the receivers are live

	progress chan struct{} // has one when delivered has passed a multiple of size
	failed   chan error    // the first error of a receiver
	readers  sync.WaitGroup
	mu       sync.Mutex
	conns    []net.Conn
}

// gather returns when all receivers wait for messages. The test's end sends them away.
func gather(b *testing.B, n *node, web string, t *transport, name string, size int) *crowd {
	b.Helper()
	c := &crowd{size: size, destination: "/topic/" + name, progress: make(chan struct{}, 1), failed: make(chan error, 1)}
	c.sender = connect(b, n.Addr)
	b.Cleanup(c.leave)
	var opening sync.WaitGroup
	for first := range openers {
		opening.Go(func() {
			if err := c.open(web, t, name, first); err != nil {
				c.fail(err)
			}
		})
	}
	opening.Wait()
	select {
	case err := <-c.failed:
		b.Fatal(err)
	default:
	}
	return c
}

// open opens every receiver of number first modulo openers.
func (c *crowd) open(web string, t *transport, name string, first int) error {
	p, err := newPoster(web)
	if err != nil {
		return err
	}
	defer p.conn.Close()
	for i := first; i < c.size; i += openers {
		r, err := dialReceiver(web, t, fmt.Sprintf("%s-%d", name, i))
		if r != nil {
			c.mu.Lock()
			c.conns = append(c.conns, r.conn)
			c.mu.Unlock()
		}
		if err == nil {
			err = r.subscribe(p, c.destination)
		}
		if err != nil {
			return err
		}
		c.readers.Go(func() { c.read(r) })
	}
	return nil
}

// read counts what r receives until its connection is closed.
func (c *crowd) read(r *receiver) {
	for {
		answers := r.answers
		messages, err := r.step()
		if err != nil {
			c.fail(err)
			return
		}
		c.answers.Add(int64(r.answers - answers))
		if messages == 0 {
			continue
		}
		all, size := c.delivered.Add(int64(messages)), int64(c.size)
		if all/size != (all-int64(messages))/size {
			select {
			case c.progress <- struct{}{}:
			default: // the sender has not looked yet
			}
		}
	}
}

func (c *crowd) fail(err error) {
	if errors.Is(err, net.ErrClosed) {
		return // by leave
	}
	select {
	case c.failed <- err:
	default:
	}
}

// publish sends count messages, as many as window of them on their way at one time, and returns when
// everybody has all.
func (c *crowd) publish(b *testing.B, count, window int) {
	for range count {
		c.wait(b, c.sent-window+1)
		c.sender.send(b, "SEND", numbered(c.sent), "destination", c.destination)
		c.sent++
	}
	c.wait(b, c.sent)
}

// wait waits until there have been as many deliveries as so many messages have.
func (c *crowd) wait(b *testing.B, messages int) {
	want := int64(messages) * int64(c.size)
	for c.delivered.Load() < want {
		hung := time.NewTimer(patience)
		select {
		case <-c.progress:
		case err := <-c.failed:
			b.Fatal(err)
		case <-hung.C:
			b.Fatalf("%d of %d deliveries after %s without progress", c.delivered.Load(), want, patience)
		}
		hung.Stop()
	}
	if all := int64(c.sent) * int64(c.size); c.delivered.Load() > all {
		b.Fatalf("%d deliveries of %d", c.delivered.Load(), all)
	}
}

// leave closes all connections and waits for their readers.
func (c *crowd) leave() {
	c.mu.Lock()
	for _, conn := range c.conns {
		conn.Close()
	}
	c.mu.Unlock()
	c.readers.Wait()
}
