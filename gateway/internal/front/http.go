package front

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// handoff is the net.Listener of net/http: what it accepts are connections whose first request the
// loops have read.
type handoff struct {
	conns  chan net.Conn
	mu     sync.Mutex // between give and Close
	closed bool
}

// handoffQueue is how many connections may wait for net/http, which takes them in no time once it runs.
const handoffQueue = 4096

func newHandoff() *handoff { return &handoff{conns: make(chan net.Conn, handoffQueue)} }

// give reports whether the connection was taken. It does not wait.
func (h *handoff) give(nc net.Conn) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return false
	}
	select {
	case h.conns <- nc:
		return true
	default:
		return false
	}
}

func (h *handoff) Accept() (net.Conn, error) {
	nc, ok := <-h.conns
	if !ok {
		return nil, net.ErrClosed
	}
	return nc, nil
}

// Close closes what still waits, too.
func (h *handoff) Close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil
	}
	h.closed = true
	close(h.conns)
	for nc := range h.conns {
		nc.Close()
	}
	return nil
}

func (h *handoff) Addr() net.Addr { return &net.TCPAddr{} }

// prefixed is a connection of which some bytes have been read already.
type prefixed struct {
	net.Conn
	rest []byte
}

func (p *prefixed) Read(b []byte) (int, error) {
	if len(p.rest) == 0 {
		return p.Conn.Read(b)
	}
	n := copy(b, p.rest)
	if p.rest = p.rest[n:]; len(p.rest) == 0 {
		p.rest = nil
	}
	return n, nil
}

// ownServer is the key in the context of requests that came to a port of the node's own.
type ownServer struct{}

// isOwn reports whether the next request on the connection of r is the node's too.
func isOwn(r *http.Request) bool { return r.Context().Value(ownServer{}) != nil }

// Serve answers what the loops don't answer in place, until ctx ends. Requests
// that are still running then have a second.
func (d *Door) Serve(ctx context.Context) error {
	h := d.house.Load()
	var conns sync.WaitGroup
	server := &http.Server{
		Handler:           d,
		ReadHeaderTimeout: d.ConnectTimeout,
		ReadTimeout:       time.Minute,
		WriteTimeout:      time.Minute,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    maxRequestHead,
		ConnContext: func(ctx context.Context, _ net.Conn) context.Context {
			return context.WithValue(ctx, ownServer{}, true)
		},
		ErrorLog: slog.NewLogLogger(d.Log.Handler(), slog.LevelDebug),
		ConnState: func(_ net.Conn, s http.ConnState) {
			switch s {
			case http.StateNew:
				conns.Add(1)
				h.elsewhere.Add(1)
			case http.StateClosed, http.StateHijacked:
				h.elsewhere.Add(-1)
				conns.Done()
			}
		},
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(h.http) }()
	<-ctx.Done()
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = server.Shutdown(grace) // its error says that requests are still running
	err := <-served
	_ = server.Close() // them, and what Serve took while Shutdown looked; the listener has nothing to say
	conns.Wait()
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// tryAnother is what clients read of a node that is full, or stops.
const tryAnother = "this node takes no connections now, try another"

// refuseFull sends a client elsewhere.
func (d *Door) refuseFull(w http.ResponseWriter) {
	w.Header().Set("Connection", "close")
	why := tryAnother
	if d.house.Load() == nil {
		why = "this gateway does not run: the program that it is in has not called Run"
	}
	http.Error(w, why, http.StatusServiceUnavailable)
}

// hijack takes a connection from net/http, with what was read of it and not used.
func hijack(w http.ResponseWriter) (nc net.Conn, rest []byte, err error) {
	nc, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, nil, err
	}
	rest, err = rw.Reader.Peek(rw.Reader.Buffered())
	if err != nil {
		return nil, nil, errors.Join(err, nc.Close())
	}
	rest = bytes.Clone(rest)
	if p, ok := nc.(*prefixed); ok {
		nc, rest = p.Conn, append(rest, p.rest...)
	}
	return nc, rest, nil
}
