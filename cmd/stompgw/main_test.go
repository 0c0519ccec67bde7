package main

import (
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/coder/websocket"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/bus/bustest/servers"
	"github.com/stompgw/stompgw/cmd/internal/cli/clitest"
)

// shared is the Kafka of the tests that leave it alone.
var shared servers.Shared

// TestMain makes the test binary a stompgw when a test, or a script, starts it as one.
func TestMain(m *testing.M) {
	if os.Getenv("RUN_AS_STOMPGW") != "" {
		main()
	}
	os.Setenv("GORACE", "atexit_sleep_ms=0") // of the processes of the tests: the race detector has each wait for a second at its end
	testscript.Main(shared.Main(m), map[string]func(){"stompgw": main, "nats": natsPub})
}

func TestSignalEndsCleanly(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		n := standalone(t)
		n.Signal(t, sig)
		n.awaitEnd(t, 0)
		if !regexp.MustCompile(`(?s)msg=serving.*draining.*stopped`).MatchString(n.Output()) { // in this order, also where no session has to go
			t.Errorf("after %s the log is\n%s", sig, n.Output())
		}
	}
}

// TestSecondSignal: a client that does not answer the closing handshake holds up the drain, and
// the second signal does not wait for it.
func TestSecondSignal(t *testing.T) {
	web := freeAddr(t)
	n := standalone(t, "--listen", web)
	conn, _, err := websocket.Dial(t.Context(), "ws://"+web+"/stomp", nil) // which answers when it is read
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	n.Signal(t, syscall.SIGTERM)
	n.awaitSays(t, "draining")
	n.Signal(t, syscall.SIGTERM)
	n.awaitEnd(t, 1)
}

// TestHangup: SIGHUP reloads the rules of a file, and the node goes on. It ends one without a file.
func TestHangup(t *testing.T) {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP) // nohup ignores it, and a child would too
	defer signal.Reset(syscall.SIGHUP)
	bare := standalone(t)
	bare.Signal(t, syscall.SIGHUP)
	bare.awaitEnd(t, -1)
	file := filepath.Join(t.TempDir(), "t.yaml")
	clitest.WriteFile(t, file, "channels: []\n")
	n := standalone(t, "--config", file)
	c := connect(t, n.Addr)
	c.subscribe(t, errorChannel)
	clitest.WriteFile(t, file, "chanels: []\n")
	n.Signal(t, syscall.SIGHUP)
	n.awaitSays(t, "did you mean channels?")
	c.send(t, "SUBSCRIBE", "", "id", "a", "destination", "/topic/a")
	c.expect(t, "MESSAGE") // that there is no rule for it
	clitest.WriteFile(t, file, "channels: [{match: /topic/a, subscribe: 'true'}]\n")
	n.Signal(t, syscall.SIGHUP)
	n.awaitSays(t, "msg=reloaded channels=1 routes=0 subscriptions_ended=0")
	c.subscribe(t, "/topic/a")
	n.Signal(t, syscall.SIGTERM)
	n.awaitEnd(t, 0)
}

// standalone starts `stompgw serve --standalone` on free ports.
func standalone(t *testing.T, args ...string) *node {
	t.Helper()
	return run(t, "", append([]string{"serve", "--standalone"}, args...),
		"STOMPGW_LISTEN=127.0.0.1:0", "STOMPGW_EMBEDDED_REDIS=127.0.0.1:0", "STOMPGW_EMBEDDED_NATS=127.0.0.1:0")
}

// awaitSays returns when the node has logged text.
func (n *node) awaitSays(t *testing.T, text string) {
	t.Helper()
	bustest.Eventually(t, "it says "+text, func() bool { return strings.Contains(n.Output(), text) })
}

// awaitEnd returns when the node has ended by itself, which it has to with an exit code.
func (n *node) awaitEnd(t *testing.T, want int) {
	t.Helper()
	bustest.Eventually(t, "the node has ended", func() bool { return !n.Running() })
	if got := n.ExitCode(); got != want {
		t.Errorf("exit code %d, want %d:\n%s", got, want, n.Output())
	}
}
