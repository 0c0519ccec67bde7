package admin

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/gateway"
)

// Part is a part of a node, other than its gateway, that Handler reports on: a Check, an Alive, RegistryFigures,
// a *Control, a *MemberLimit or Certificates.
type Part interface {
	collect(s scrape)
}

// Check is one thing that must be in order before new clients are sent to this node.
type Check struct {
	Name string
	Err  func() error // nil, or what is wrong, in words for an operator; it does not block

	// Spares reports whether the node is ready despite Err, which is still reported. nil means never.
	Spares func() bool
}

// Alive is what GET /healthz asks: nil while the process can do its work, or why only a new one can. It
// depends on nothing outside the process, and does not block.
type Alive func() error

func (Alive) collect(scrape) {} // /healthz tells

// Handler serves GET /healthz, which is 200 while the process runs and every Alive returns nil; GET /readyz,
// which is 200 while all checks that count pass, else 503 with a line for each that does not; and GET
// /metrics, which gives Prometheus the figures of the node's gateway and of the parts. GET /readyz?verbose
// has a line for each check, and one for each source of the bus, which does not count. figures must not
// block; log is told what a scrape had to leave out.
func Handler(figures func() gateway.Figures, log *slog.Logger, parts ...Part) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", metrics(figures, log, parts))
	checks := partsOf[Check](parts)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		for _, ask := range partsOf[Alive](parts) {
			if err := ask(); err != nil {
				respond(w, http.StatusServiceUnavailable, err.Error()+"\n")
				return
			}
		}
		respond(w, http.StatusOK, "ok\n")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		found := look(checks)
		status, text := http.StatusOK, "ready\n"+found.faults()
		if !found.ready() {
			status, text = http.StatusServiceUnavailable, found.faults()
		}
		if r.URL.Query().Has("verbose") {
			text = found.lines(figures().Bus)
		}
		respond(w, status, text)
	})
	return mux
}

// partsOf returns the parts of one kind.
func partsOf[T Part](parts []Part) (all []T) {
	for _, p := range parts {
		if one, ok := p.(T); ok {
			all = append(all, one)
		}
	}
	return all
}

// findings are what some checks, or sources of the bus, came to.
type findings []finding

type finding struct {
	name   string // with a remark where it does not count
	err    error
	counts bool
}

// found is a finding that counts or not, which is told where it is a fault.
func found(name string, err error, spared bool) finding {
	if err != nil && spared {
		name += " (does not count)"
	}
	return finding{name, err, !spared}
}

func look(checks []Check) (all findings) {
	for _, c := range checks {
		all = append(all, found(c.Name, c.Err(), c.Spares != nil && c.Spares()))
	}
	return all
}

// ready reports whether all pass that count.
func (all findings) ready() bool {
	return !slices.ContainsFunc(all, func(f finding) bool { return f.err != nil && f.counts })
}

// faults returns a line for each that fails.
func (all findings) faults() (lines string) {
	for _, f := range all {
		if f.err != nil {
			lines += fmt.Sprintf("%s: %v\n", f.name, f.err)
		}
	}
	return lines
}

// lines returns a line for each check, then one for each source of the bus and each topic of a backend, and what they come to.
// figures is nil for a bus that tells nothing.
func (all findings) lines(figures *bus.Figures) (lines string) {
	if figures != nil {
		for _, s := range figures.Sources {
			all = append(all, found("source "+s.Topic, s.Err, true))
		}
		for _, to := range figures.Targets {
			all = append(all, found("backend "+to.Topic, to.Err, true))
		}
	}
	for _, f := range all {
		if f.err == nil {
			lines += "ok     " + f.name + "\n"
		} else {
			lines += fmt.Sprintf("fails  %s: %v\n", f.name, f.err)
		}
	}
	if !all.ready() {
		return lines + "not ready\n"
	}
	return lines + "ready\n"
}

func respond(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	io.WriteString(w, text) // a client that left is no concern
}

// shutdownTimeout is how long requests that are being answered have at the end.
const shutdownTimeout = 2 * time.Second

// Serve answers requests on ln with h until ctx ends, and returns when all calls of h have returned: requests still being
// answered get 2 s, after which their contexts and connections end.
func Serve(ctx context.Context, ln net.Listener, h http.Handler, log *slog.Logger) error {
	base, end := context.WithCancel(context.WithoutCancel(ctx))
	waited := &waitedHandler{Handler: h}
	srv := &http.Server{
		Handler:           waited,
		BaseContext:       func(net.Listener) context.Context { return base },
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      2 * time.Minute, // from the headers of the request on
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	closed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(closed)
		ctx, cancel := context.WithTimeout(base, shutdownTimeout)
		defer cancel()
		srv.Shutdown(ctx) // where that is not enough, Close follows
	})
	err := fmt.Errorf("HTTP on %s: %w", ln.Addr(), srv.Serve(ln))
	if !stop() { // ctx has ended, and not the listener failed
		<-closed
		err = nil
	}
	end()
	srv.Close() // what it returns is the listener's, which is closed
	waited.wait()
	return err
}

// waitedHandler is a handler whose calls somebody waits for, as Close of a server does not.
type waitedHandler struct {
	http.Handler
	open sync.RWMutex // each call holds it for reading
}

func (h *waitedHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !h.open.TryRLock() {
		return // it came last: its connection is closed
	}
	defer h.open.RUnlock()
	h.Handler.ServeHTTP(w, r)
}

// wait returns when all calls have. There are none behind it.
func (h *waitedHandler) wait() { h.open.Lock() }
