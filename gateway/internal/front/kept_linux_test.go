package front

import (
	"context"
	"io"
	"net"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/stompgw/stompgw/gateway/internal/loop"
)

// TestKeptConnection holds that a connection which is kept after an answer waits for a request of a client
// that still takes the answer, and no longer for one that takes nothing of it.
func TestKeptConnection(t *testing.T) {
	l, err := loop.New(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	next := New(Options{}).nextVisitor
	for name, takes := range map[string][]int{"some": {50_000, 50_000, 0}, "nothing": {0}} {
		t.Run(name, func(t *testing.T) {
			server, client := socketPair(t)
			answered := make(chan *loop.Conn)
			l.AdoptConn(server, nil, func(c *loop.Conn) loop.Handler {
				c.Queue(make([]byte, 150_000))
				c.AwaitDrainUnjudged()
				return &answer{conn: c, next: next, done: answered}
			})
			c := <-answered
			for _, n := range takes {
				if _, err := io.ReadFull(client, make([]byte, n)); err != nil {
					t.Fatal(err)
				}
				waits := make(chan bool)
				l.Post(func() {
					c.Handler().Timeout()
					waits <- c.Handler() != nil
				})
				if got := <-waits; got != (n > 0) {
					t.Fatalf("after it has taken %d bytes it waits on: %v", n, got)
				}
			}
		})
	}
}

// answer is the Handler of a connection whose answer is on its way.
type answer struct {
	visitor
	conn *loop.Conn
	next func(*loop.Conn) loop.Handler
	done chan *loop.Conn
}

func (a *answer) Drained() {
	a.conn.Handle(a.next(a.conn))
	a.done <- a.conn
}

// socketPair makes a connection of which the system tells what the other side has not read.
func socketPair(t *testing.T) (server, client net.Conn) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	var ends [2]net.Conn
	for i, fd := range fds {
		file := os.NewFile(uintptr(fd), "")
		if ends[i], err = net.FileConn(file); err != nil {
			t.Fatal(err)
		}
		file.Close()
	}
	t.Cleanup(func() { ends[1].Close() })
	return ends[0], ends[1]
}
