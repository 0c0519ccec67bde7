package admin_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stompgw/stompgw/admin"
	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/gateway"
)

// wantAnswer checks what is answered to a GET.
func wantAnswer(t *testing.T, h http.Handler, path string, code int, body string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	if w.Code != code || w.Body.String() != body {
		t.Errorf("GET %s is %d %q, want %d %q", path, w.Code, w.Body, code, body)
	}
}

// TestHandler: a line for each check that fails, with ?verbose also for those that pass and for each source of the
// bus. What is spared does not count, nor does a source.
func TestHandler(t *testing.T) {
	away, draining, gone := errors.New("away"), errors.New("the node is draining"), errors.New("its goroutines have ended")
	for _, tt := range []struct {
		registry, gateway, alive error
		spares                   bool
		code                     int
		plain, verbose           string
		bus                      *bus.Figures
		metrics                  string // stompgw_ready, and whether the registry's check passes
	}{
		{code: 200, plain: "ready\n", verbose: "ok     registry\nok     gateway\nready\n", metrics: "11"},
		{registry: away, code: 503, plain: "registry: away\n", verbose: "fails  registry: away\nok     gateway\nnot ready\n", metrics: "00"},
		{registry: away, spares: true, code: 200, plain: "ready\nregistry (does not count): away\n",
			verbose: "fails  registry (does not count): away\nok     gateway\nready\n", metrics: "10"},
		{registry: away, gateway: draining, code: 503, plain: "registry: away\ngateway: the node is draining\n",
			verbose: "fails  registry: away\nfails  gateway: the node is draining\nnot ready\n", metrics: "00"},
		{gateway: draining, alive: gone, code: 503, plain: "gateway: the node is draining\n", bus: distinct().Bus,
			verbose: "ok     registry\nfails  gateway: the node is draining\nok     source orders\nfails  source prices (does not count): away\nnot ready\n", metrics: "01"},
		{code: 200, plain: "ready\n", bus: distinct().Bus,
			verbose: "ok     registry\nok     gateway\nok     source orders\nfails  source prices (does not count): away\nready\n", metrics: "11"},
	} {
		registry := admin.Check{Name: "registry", Err: func() error { return tt.registry }, Spares: func() bool { return tt.spares }}
		gw := admin.Check{Name: "gateway", Err: func() error { return tt.gateway }}
		figures := func() gateway.Figures { return gateway.Figures{Bus: tt.bus} }
		h := admin.Handler(figures, slog.New(slog.DiscardHandler), admin.Alive(func() error { return tt.alive }), registry, gw)
		wantAnswer(t, h, "/readyz", tt.code, tt.plain)
		wantAnswer(t, h, "/readyz?verbose", tt.code, tt.verbose)
		wantAnswer(t, h, "/readyz?verbose=1", tt.code, tt.verbose)
		wantMetrics(t, scrape(h), "stompgw_ready "+tt.metrics[:1], `stompgw_check_passes{check="registry"} `+tt.metrics[1:])
		if tt.alive == nil {
			wantAnswer(t, h, "/healthz", 200, "ok\n")
		} else {
			wantAnswer(t, h, "/healthz", 503, tt.alive.Error()+"\n")
		}
		wantAnswer(t, h, "/", 404, "404 page not found\n")
		for _, path := range []string{"/readyz", "/metrics"} {
			w := httptest.NewRecorder()
			if h.ServeHTTP(w, httptest.NewRequest("POST", path, nil)); w.Code != 405 {
				t.Errorf("POST %s is %d, want 405", path, w.Code)
			}
		}
	}
}

func TestServe(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	stop := start(t, func(ctx context.Context) error { return admin.Serve(ctx, ln, admin.Handler(noFigures, log), log) })
	resp, err := http.Get("http://" + ln.Addr().String() + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body) // compared below
	resp.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	if string(body) != "ok\n" {
		t.Errorf("/healthz answers %q", body)
	}
	stop()
	ln.Close() // closed already
	if err := admin.Serve(t.Context(), ln, admin.Handler(noFigures, log), log); err == nil {
		t.Error("Serve on a closed listener returns nil")
	}
}

// TestServeWaits: when Serve returns, its handlers have, those too that take their time when their contexts have ended.
func TestServeWaits(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	began, ended := make(chan struct{}), make(chan struct{})
	slow := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(began)
		<-r.Context().Done()
		time.Sleep(100 * time.Millisecond) // for a Serve that does not wait to be found out
		close(ended)
	})
	stop := start(t, func(ctx context.Context) error { return admin.Serve(ctx, ln, slow, slog.New(slog.DiscardHandler)) })
	conn, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	<-began
	stop()
	select {
	case <-ended:
	default:
		t.Error("Serve has left its handler behind")
	}
}
