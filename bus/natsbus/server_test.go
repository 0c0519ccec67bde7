package natsbus

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/bustest/servers"
)

func TestMain(m *testing.M) {
	beServer()
	goleak.VerifyTestMain(m)
}

// startServer runs a NATS server within the test, on the given port; 0 is a free one.
func startServer(t testing.TB, port int, change ...func(*server.Options)) *server.Server {
	t.Helper()
	if port == 0 {
		port = server.RANDOM_PORT
	}
	s, err := server.NewServer(options(port, change...))
	must(t, err)
	s.Start()
	if !s.ReadyForConnections(time.Minute) {
		t.Fatal("the embedded NATS server does not start")
	}
	t.Cleanup(func() { stopServer(s) })
	return s
}

func options(port int, change ...func(*server.Options)) *server.Options {
	opts := &server.Options{Host: "127.0.0.1", Port: port, NoLog: true, NoSigs: true}
	for _, f := range change {
		f(opts)
	}
	return opts
}

// change has a living server load other options.
func change(t testing.TB, s *server.Server, f func(*server.Options)) {
	t.Helper()
	checkErr(t, s.ReloadOptions(options(portOf(t, s.ClientURL()), f)), nil)
}

func stopServer(s *server.Server) {
	s.Shutdown()
	s.WaitForShutdown()
}

// startProcess runs the nats-server of this machine with further arguments, and returns its URL.
func startProcess(t testing.TB, args ...string) string {
	t.Helper()
	return "nats://" + servers.NATS(t, 0, args...).Addr
}

// newBus returns a bus that the test's end closes.
func newBus(t testing.TB, cfg Config, node string, log *slog.Logger) *Bus {
	t.Helper()
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	b, err := New(cfg, node, log)
	must(t, err)
	t.Cleanup(func() {
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		_ = b.Close(ended) // a test that cares has closed it before
	})
	return b
}

// open returns the bus of node 1/a, and its log.
func open(t testing.TB, cfg Config) (*Bus, events) {
	t.Helper()
	log := make(events, 1000)
	return newBus(t, cfg, "1/a", slog.New(slog.NewTextHandler(log, nil))), log
}

// connect returns a foreign client of the server at url.
func connect(t testing.TB, url string) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect(url)
	must(t, err)
	t.Cleanup(nc.Close)
	return nc
}

// must ends the test after an error.
func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// checkErr reports what somebody heard, or was told, that is not want; nil is no error.
func checkErr(t testing.TB, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// events is a log whose messages a test can wait for.
type events chan string

func (e events) Write(line []byte) (int, error) {
	e <- string(line)
	return len(line), nil
}

// await returns the next line that contains text.
func (e events) await(text string) string {
	for line := range e {
		if strings.Contains(line, text) {
			return line
		}
	}
	return ""
}

// receive runs Receive until the test ends, and returns when it is ready.
func receive(t testing.TB, b *Bus, deliver func(bus.Envelope)) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- b.Receive(ctx, func() { close(ready) }, deliver) }()
	t.Cleanup(func() {
		cancel()
		checkErr(t, <-ended, nil)
	})
	<-ready
}

// collect runs Receive until the test ends, and returns where it puts what is delivered.
func collect(t testing.TB, b *Bus) <-chan bus.Envelope {
	t.Helper()
	arrived := make(chan bus.Envelope, 1000)
	receive(t, b, func(e bus.Envelope) { arrived <- e })
	return arrived
}

// portOf returns the port of a server's URL.
func portOf(t testing.TB, url string) int {
	t.Helper()
	_, port, err := net.SplitHostPort(strings.TrimPrefix(url, "nats://"))
	must(t, err)
	n, err := strconv.Atoi(port)
	must(t, err)
	return n
}
