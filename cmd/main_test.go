package cmd

import (
	"bytes"
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/kafkabus"
	"github.com/stompgw/stompgw/bus/natsbus"
)

func TestMain(m *testing.M) {
	redis.SetLogger(discard{})
	// go-redis looks once a second for a Redis that is away, and sleeps on for as long when it is closed.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/redis/go-redis/v9/internal/pool.(*ConnPool).tryDial"))
}

// discard is what go-redis logs to; it has one logger for the process.
type discard struct{}

func (discard) Printf(context.Context, string, ...any) {}

// patience is how long a test waits for what must happen; it only decides when a test has hung.
const patience = 2 * time.Minute

// process is the stompgw of the tests, less its outputs.
func process(args ...string) Process {
	nats := func(s BusSettings) (bus.Bus, error) {
		return natsbus.New(natsbus.Config{URL: s.NATS.URL, Prefix: s.NATS.Prefix}, s.Node, s.Log)
	}
	kafka := func(s BusSettings) (bus.Bus, error) {
		cfg := kafkabus.Config{Brokers: s.Kafka.Brokers, Topic: s.Kafka.Topic, Create: s.Kafka.Create, Message: s.Message}
		for _, source := range s.Kafka.Sources {
			cfg.Sources = append(cfg.Sources, kafkabus.Source{Topic: source.Topic, Destination: source.Destination})
		}
		return kafkabus.New(cfg, s.Node, s.Log)
	}
	return Process{Args: append([]string{"stompgw"}, args...), Drivers: []Driver{{Name: "kafka", Open: kafka}, {Name: "nats", Open: nats}, {Name: "embedded", Open: nats}}}
}

// run runs a command to its end.
func run(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	p := process(args...)
	p.Stdout, p.Stderr = &out, &errs
	code = Main(t.Context(), p)
	return code, out.String(), errs.String()
}

func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// closedAddr is an address where nobody listens.
func closedAddr(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// golden compares text with a file of testdata. UPDATE_GOLDEN=1 writes the file instead.
func golden(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if text != string(want) {
		t.Errorf("%s:\n got %q\nwant %q", name, text, want)
	}
}

func wantLine(t *testing.T, text, want string) {
	t.Helper()
	if text != want+"\n" {
		t.Errorf("\n got %s\nwant %s", text, want)
	}
}

func contains(t *testing.T, text string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
}
