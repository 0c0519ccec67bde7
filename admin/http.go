package admin

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/stompgw/stompgw/gateway"
)

// Part is something of a node beside its gateway that Handler tells of: a Check, RegistryFigures, a
// *Control or a *MemberLimit.
type Part interface {
	collect(s scrape)
}

// Check is one thing that has to be well before new clients are sent to this node.
type Check struct {
	Name string
	Err  func() error // nil, or what is wrong, in words for an operator; it does not block
}

// Handler serves GET /healthz, which is 200 while the process runs, GET /readyz, which is 200 while
// all checks pass and else 503 with a line for each that does not, and GET /metrics, which tells
// Prometheus the figures of the node's gateway and of the parts. figures must not block; log is told
// what a scrape had to leave out.
func Handler(figures func() gateway.Figures, log *slog.Logger, parts ...Part) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", metrics(figures, log, parts))
	checks := checksOf(parts)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		respond(w, http.StatusOK, "ok\n")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		var reasons strings.Builder
		for _, c := range checks {
			if err := c.Err(); err != nil {
				fmt.Fprintf(&reasons, "%s: %v\n", c.Name, err)
			}
		}
		if reasons.Len() > 0 {
			respond(w, http.StatusServiceUnavailable, reasons.String())
			return
		}
		respond(w, http.StatusOK, "ready\n")
	})
	return mux
}

func checksOf(parts []Part) (checks []Check) {
	for _, p := range parts {
		if c, ok := p.(Check); ok {
			checks = append(checks, c)
		}
	}
	return checks
}

func respond(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	io.WriteString(w, text) // a client that left is no concern
}

// shutdownTimeout is how long requests that are being answered have at the end.
const shutdownTimeout = 2 * time.Second

// Serve answers requests on ln with h until ctx ends, and returns when it has ended.
func Serve(ctx context.Context, ln net.Listener, h http.Handler, log *slog.Logger) error {
	srv := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	closed := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
		defer cancel()
		closed <- srv.Shutdown(ctx)
	})
	err := srv.Serve(ln)
	if stop() { // ctx has not ended: the listener failed
		return fmt.Errorf("admin HTTP on %s: %w", ln.Addr(), err)
	}
	if err := <-closed; err != nil { // somebody takes too long to read an answer
		return srv.Close()
	}
	return nil
}
