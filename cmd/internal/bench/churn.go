package bench

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/gobwas/ws"

	"github.com/stompgw/stompgw/gateway/stomp"
)

// churn is a benchmark of connections: each connects, logs in, subscribes, says goodbye, and is closed.
type churn struct {
	*target
	destination string
	clients     int     // at one time
	rate        float64 // connections a second; 0 for as fast as can be
	duration    time.Duration

	errors errorList
	mu     sync.Mutex
	lives  *hdrhistogram.Histogram // how long they took, in microseconds
	next   time.Time               // when the next one begins, with a rate
	count  int64
}

// visit is a connection's life.
type visit struct{ c *churn }

func (v visit) frame(c *conn, f *stomp.Frame) error {
	switch f.Command {
	case stomp.CommandConnected:
		return c.write(append(c.pack(v.c.subscribeFrame(0, v.c.destination)), c.pack(v.c.goodbyeFrame())...))
	case stomp.CommandReceipt:
		return errLeft
	}
	return nil
}

func (visit) pause() {}

// errLeft ends a connection that the server has let go.
var errLeft = errors.New("the session has ended as it should")

func (c *churn) run(ctx context.Context, meter *meter) (*report, error) {
	c.lives, c.next = newHistogram(), time.Now()
	meter.begin()
	start := time.Now()
	var wg sync.WaitGroup
	for i := range c.clients {
		wg.Go(func() { c.visits(ctx, i, start.Add(c.duration)) })
	}
	wg.Wait()
	meter.end()
	r := &report{Seconds: time.Since(start).Seconds(), Clients: c.clients, Rate: c.rate, Connections: c.count}
	r.latencies(c.lives)
	c.errors.fill(r)
	meter.fill(r, c.count)
	if err := c.errors.get(); c.count == 0 && err != nil {
		return nil, err
	}
	return r, ctx.Err()
}

// visits makes one connection after another.
func (c *churn) visits(ctx context.Context, node int, end time.Time) {
	for ; c.wait(ctx, end); node++ {
		start := time.Now()
		if err := c.visit(ctx, node); err != nil && ctx.Err() == nil {
			c.errors.add(err)
			sleepUntil(ctx, start.Add(100*time.Millisecond)) // a server that is down is not asked all the time
			continue
		}
		c.mu.Lock()
		c.lives.RecordValue(time.Since(start).Microseconds())
		c.count++
		c.mu.Unlock()
	}
}

// wait reports whether it is time for another connection before the end.
func (c *churn) wait(ctx context.Context, end time.Time) bool {
	if c.rate == 0 {
		return ctx.Err() == nil && time.Now().Before(end)
	}
	c.mu.Lock()
	due := c.next
	c.next = due.Add(time.Duration(float64(time.Second) / c.rate))
	c.mu.Unlock()
	return due.Before(end) && sleepUntil(ctx, due)
}

func (c *churn) visit(ctx context.Context, node int) error {
	conn, err := c.login(ctx, node, visit{c})
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { conn.nc.Close() })
	defer stop()
	conn.nc.SetReadDeadline(time.Now().Add(c.timeout)) // a closed connection says so when it is read
	switch err := conn.read(); {
	case errors.Is(err, errLeft):
		return nil
	case conn.isUp() && (errors.Is(err, io.EOF) || errors.Is(err, closed(ws.StatusNormalClosure))):
		return nil // its answer to DISCONNECT: RabbitMQ's over WebSocket has no RECEIPT
	case errors.Is(err, os.ErrDeadlineExceeded):
		return silence(c.timeout)
	default:
		return err
	}
}

// progress says how it goes.
func (c *churn) progress() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return grouped(float64(c.count)) + " connections"
}
