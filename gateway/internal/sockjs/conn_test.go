package sockjs

import (
	"context"
	"testing"
	"time"

	"github.com/stompgw/stompgw/gateway/internal/loop"
	"github.com/stompgw/stompgw/gateway/internal/session"
)

// placed returns a connection whose session has begun, on a loop that does not run: the test is its
// goroutine.
func placed(t *testing.T) *Conn {
	t.Helper()
	s := New(Options{Path: "/echo", Application: Echo, Heartbeat: time.Hour, SessionTimeout: time.Hour, Parting: time.Hour, StreamLimit: 1})
	l, err := loop.New(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		l.Run(ended) // gives its descriptors back
	})
	c := &Conn{service: s, id: "s", loop: l, shared: &shared{}}
	s.conns[c.id] = c
	c.start()
	return c
}

// The socket of an answer can outlive the session that it was for.
func TestInterruptedAfterTheEnd(t *testing.T) {
	for name, hold := range map[string]func(*Conn, *Receiver){
		"the receiver":        func(c *Conn, r *Receiver) { c.receiver = r },
		"the receiver before": func(c *Conn, r *Receiver) { c.last = r },
	} {
		t.Run(name, func(t *testing.T) {
			c := placed(t)
			r := &Receiver{conn: c}
			c.forget()
			hold(c, r)
			c.interrupted(r, errStuck)
			if c.goodbye != "" {
				t.Errorf("a session that is gone says %s", c.goodbye)
			}
		})
	}
}

// A node that stops forgets a session that has said its last frame, but not before who asked again has
// been told.
func TestDrainWithAReceiver(t *testing.T) {
	c := placed(t)
	c.Close(session.CloseNormal, "")
	c.parted, c.receiver = true, &Receiver{conn: c, transport: c.service.transports[0]}
	if c.Drain(); c.service.conn("s") == nil {
		t.Error("the session is forgotten while its client waits")
	}
	c.receiver = nil
	if c.Drain(); c.service.conn("s") != nil {
		t.Error("the session is kept, and nobody waits")
	}
}
