package embedded_test

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/stompgw/stompgw/cmd/internal/embedded"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// startNATS starts a server that takes bodies of so many bytes, and connects to it. stop ends it; so does the end of the test.
func startNATS(t *testing.T, body int) (nc *nats.Conn, stop func()) {
	t.Helper()
	url, end, err := embedded.StartNATS("127.0.0.1:0", body)
	if err != nil {
		t.Fatal(err)
	}
	stop = sync.OnceFunc(end)
	t.Cleanup(stop)
	if nc, err = nats.Connect(url); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc, stop
}

func TestNATS(t *testing.T) {
	nc, _ := startNATS(t, 2<<20)
	if got := nc.MaxPayload(); got != 2<<20 {
		t.Errorf("the server takes messages of %d bytes, want %d", got, 2<<20)
	}
}

// TestJetStream: it has a folder of its own, which goes with it.
func TestJetStream(t *testing.T) {
	folder := t.TempDir()
	t.Setenv("TMPDIR", folder)
	nc, stop := startNATS(t, 1<<20)
	js, err := nc.JetStream()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.AddStream(&nats.StreamConfig{Name: "S", Subjects: []string{"s"}, Storage: nats.FileStorage, MaxBytes: 1 << 30}); err != nil {
		t.Error(err)
	}
	if _, err := js.Publish("s", []byte("x")); err != nil {
		t.Error(err)
	}
	if files, err := os.ReadDir(folder); len(files) != 1 || err != nil {
		t.Errorf("its folder is %v, %v", files, err)
	}
	stop()
	if files, err := os.ReadDir(folder); len(files) != 0 || err != nil {
		t.Errorf("it left %v, %v", files, err)
	}
}

// TestNoFolder: without a place for files the server runs without JetStream.
func TestNoFolder(t *testing.T) {
	t.Setenv("TMPDIR", filepath.Join(t.TempDir(), "nowhere"))
	nc, _ := startNATS(t, 1<<20)
	js, err := nc.JetStream()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.AccountInfo(); !errors.Is(err, nats.ErrJetStreamNotEnabled) {
		t.Errorf("asked for JetStream it says %v", err)
	}
}

// TestRedis: keys expire by themselves, which miniredis does only when it is told to.
func TestRedis(t *testing.T) {
	addr, stop, err := embedded.StartRedis("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	client := redis.NewClient(&redis.Options{Addr: addr})
	defer client.Close()
	if err := client.Set(t.Context(), "k", "v", 5*time.Millisecond).Err(); err != nil {
		t.Fatal(err)
	}
	for client.Exists(t.Context(), "k").Val() == 1 { // a key that stays hangs the test
	}
}

func TestPortInUse(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	addr := ln.Addr().String()
	if _, _, err := embedded.StartNATS(addr, 1<<20); !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), addr) {
		t.Errorf("NATS on a port in use: %v", err)
	}
	if _, _, err := embedded.StartRedis(addr); !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), addr) {
		t.Errorf("Redis on a port in use: %v", err)
	}
}
