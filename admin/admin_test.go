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

	"github.com/stompgw/stompgw/admin"
	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/membus"
	"github.com/stompgw/stompgw/gateway"
)

func TestPublish(t *testing.T) {
	b := membus.NewCluster().Bus(nodeA)
	got := make(chan bus.Envelope, 1)
	ready := make(chan struct{})
	start(t, func(ctx context.Context) error {
		return b.Receive(ctx, func() { close(ready) }, func(e bus.Envelope) { got <- e })
	})
	<-ready
	e := bus.Envelope{Destination: "/topic/a", Body: []byte("x"), Headers: []bus.Header{{Name: "colour", Value: "blue"}}}
	if err := admin.Publish(t.Context(), b, e); err != nil {
		t.Fatal(err)
	}
	if e := <-got; e.Destination != "/topic/a" || string(e.Body) != "x" {
		t.Errorf("the bus brought %+v", e)
	}
	for _, name := range []string{"", "Destination", "authorization", "PassCode"} {
		e.Headers = []bus.Header{{Name: name, Value: "x"}}
		if err := admin.Publish(t.Context(), b, e); !errors.Is(err, admin.ErrHeader) {
			t.Errorf("header %q gives %v, want ErrHeader", name, err)
		}
	}
	e.Headers = nil
	if err := b.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := admin.Publish(t.Context(), b, e); !errors.Is(err, bus.ErrClosed) {
		t.Errorf("a closed bus gives %v, want ErrClosed", err)
	}
}

// silent is a bus whose broker takes everything and answers nothing.
type silent struct{ bus.Bus }

func (silent) Publish(bus.Envelope, func(error)) error { return nil }

func TestPublishWithoutAnAnswer(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := admin.Publish(ctx, silent{}, bus.Envelope{Destination: "/topic/a"}); !errors.Is(err, bus.ErrUnknown) {
		t.Errorf("no answer gives %v, want ErrUnknown", err)
	}
}

// wantAnswer checks what is answered to a GET.
func wantAnswer(t *testing.T, h http.Handler, path string, code int, body string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	if w.Code != code || w.Body.String() != body {
		t.Errorf("GET %s is %d %q, want %d %q", path, w.Code, w.Body, code, body)
	}
}

// checkOf is a check that finds what is in err.
func checkOf(name string, err *error) admin.Check {
	return admin.Check{Name: name, Err: func() error { return *err }}
}

func TestHandler(t *testing.T) {
	var redis, gateway, bus error
	h := admin.Handler(noFigures, slog.New(slog.DiscardHandler),
		admin.Alive(func() error { return bus }), checkOf("redis", &redis), checkOf("gateway", &gateway))
	wantAnswer(t, h, "/healthz", 200, "ok\n")
	wantAnswer(t, h, "/readyz", 200, "ready\n")
	gateway = errors.New("the node is draining")
	wantAnswer(t, h, "/readyz", 503, "gateway: the node is draining\n")
	redis = errors.New("away")
	wantAnswer(t, h, "/readyz", 503, "redis: away\ngateway: the node is draining\n")
	wantAnswer(t, h, "/healthz", 200, "ok\n")
	bus = errors.New("its goroutines have ended")
	wantAnswer(t, h, "/healthz", 503, "its goroutines have ended\n")
	wantAnswer(t, h, "/", 404, "404 page not found\n")
	for _, path := range []string{"/readyz", "/metrics"} {
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, httptest.NewRequest("POST", path, nil)); w.Code != 405 {
			t.Errorf("POST %s is %d, want 405", path, w.Code)
		}
	}
}

// TestSpared: what a check finds is told and does not count, as long as the check says so.
func TestSpared(t *testing.T) {
	redis, spares, gateway := errors.New("away"), false, error(nil)
	check := checkOf("registry", &redis)
	check.Spares = func() bool { return spares }
	h := admin.Handler(noFigures, slog.New(slog.DiscardHandler), check, checkOf("gateway", &gateway))
	want := func(code int, plain, verbose string, metrics ...string) {
		t.Helper()
		wantAnswer(t, h, "/readyz", code, plain)
		wantAnswer(t, h, "/readyz?verbose", code, verbose)
		wantMetrics(t, scrape(h), metrics...)
	}
	const passes = `stompgw_check_passes{check="registry"} `
	want(503, "registry: away\n", "fails  registry: away\nok     gateway\nnot ready\n", "stompgw_ready 0", passes+"0")
	spares = true
	want(200, "ready\nregistry (does not count): away\n", "fails  registry (does not count): away\nok     gateway\nready\n", "stompgw_ready 1", passes+"0")
	redis = nil
	want(200, "ready\n", "ok     registry\nok     gateway\nready\n", "stompgw_ready 1", passes+"1")
}

// TestVerbose: each check and each source has a line, and a source does not count.
func TestVerbose(t *testing.T) {
	var registry, draining error
	figures := gateway.Figures{Bus: &bus.Figures{Sources: []bus.SourceFigures{{Topic: "orders", Err: errors.New("gone")}, {Topic: "prices"}}}}
	h := admin.Handler(func() gateway.Figures { return figures }, slog.New(slog.DiscardHandler), checkOf("registry", &registry), checkOf("gateway", &draining))
	const sources = "fails  source orders (does not count): gone\nok     source prices\n"
	wantAnswer(t, h, "/readyz", 200, "ready\n")
	wantAnswer(t, h, "/readyz?verbose", 200, "ok     registry\nok     gateway\n"+sources+"ready\n")
	draining = errors.New("the node is draining")
	wantAnswer(t, h, "/readyz?verbose=1", 503, "ok     registry\nfails  gateway: the node is draining\n"+sources+"not ready\n")
	wantAnswer(t, h, "/readyz", 503, "gateway: the node is draining\n")
	figures.Bus, draining = nil, nil // a bus that tells nothing
	wantAnswer(t, h, "/readyz?verbose", 200, "ok     registry\nok     gateway\nready\n")
}

func TestServe(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- admin.Serve(ctx, ln, admin.Handler(noFigures, slog.New(slog.DiscardHandler)), slog.New(slog.DiscardHandler))
	}()
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
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Serve: %v", err)
	}
	ln.Close() // closed already
	if err := admin.Serve(t.Context(), ln, admin.Handler(noFigures, slog.New(slog.DiscardHandler)), slog.New(slog.DiscardHandler)); err == nil {
		t.Error("Serve on a closed listener returns nil")
	}
}
