package main

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain makes the test binary a stompgw when a test, or a script, starts it as one.
func TestMain(m *testing.M) {
	if os.Getenv("RUN_AS_STOMPGW") != "" {
		main()
	}
	os.Setenv("GORACE", "atexit_sleep_ms=0") // of the processes of the tests: the race detector has each wait for a second at its end
	testscript.Main(m, map[string]func(){"stompgw": main, "nats": natsPub})
}

// start runs `stompgw serve --standalone` as a process of its own, on free ports.
func start(t *testing.T, args ...string) (cmd *exec.Cmd, url string, stderr *bufio.Scanner) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	args = append([]string{"serve", "--standalone", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"}, args...)
	cmd = exec.CommandContext(ctx, os.Args[0], args...)
	cmd.Env = append(os.Environ(), "RUN_AS_STOMPGW=1", "STOMPGW_EMBEDDED_REDIS=127.0.0.1:0", "STOMPGW_EMBEDDED_NATS=127.0.0.1:0")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	errs, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if m := regexp.MustCompile(`STOMP +ws://(\S+)/stomp`).FindStringSubmatch(lines.Text()); m != nil {
			return cmd, m[1], bufio.NewScanner(errs)
		}
	}
	t.Fatal("stompgw ended before it served")
	return nil, "", nil
}

// await reads lines until one holds text.
func await(t *testing.T, lines *bufio.Scanner, text string) {
	t.Helper()
	for lines.Scan() {
		if strings.Contains(lines.Text(), text) {
			return
		}
	}
	t.Fatalf("the log ended without %q", text)
}

func TestSignalEndsCleanly(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		cmd, _, stderr := start(t)
		await(t, stderr, "serving")
		notify(t, cmd, sig)
		await(t, stderr, "draining")
		await(t, stderr, "stopped") // behind it, also where no session has to go
		for stderr.Scan() {         // until the process closes it
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("after %s: %v, want exit code 0", sig, err)
		}
	}
}

// TestSecondSignal: a client that does not answer the closing handshake holds up the drain, and
// the second signal does not wait for it.
func TestSecondSignal(t *testing.T) {
	cmd, addr, stderr := start(t)
	conn := upgrade(t, addr)
	defer conn.Close()
	notify(t, cmd, syscall.SIGTERM)
	await(t, stderr, "draining")
	notify(t, cmd, syscall.SIGTERM)
	if cmd.Wait(); cmd.ProcessState.ExitCode() != 1 {
		t.Errorf("%s, want exit code 1", cmd.ProcessState)
	}
}

// TestHangup: SIGHUP reloads the rules of a file, and the node goes on.
func TestHangup(t *testing.T) {
	file := filepath.Join(t.TempDir(), "t.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("channels: []\n")
	cmd, _, stderr := start(t, "--config", file)
	await(t, stderr, "serving")
	write("chanels: []\n")
	notify(t, cmd, syscall.SIGHUP)
	await(t, stderr, "did you mean channels?")
	write("channels: [{match: /topic/a}]\n")
	notify(t, cmd, syscall.SIGHUP)
	await(t, stderr, "msg=reloaded channels=1 routes=0")
	notify(t, cmd, syscall.SIGTERM)
	await(t, stderr, "draining")
	for stderr.Scan() { // until the process closes it
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v, want exit code 0", err)
	}
}

func notify(t *testing.T, cmd *exec.Cmd, sig syscall.Signal) {
	t.Helper()
	if err := cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
}

func upgrade(t *testing.T, addr string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	const request = "GET /stomp HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("upgrade: %v, %v", resp, err)
	}
	return conn
}
