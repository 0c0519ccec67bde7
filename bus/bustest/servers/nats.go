package servers

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// NATS starts the nats-server of this machine on the given port, or on a free one if that is 0, with further arguments.
// The test's end kills it.
func NATS(t testing.TB, port int, args ...string) *Process {
	t.Helper()
	return runNATS(t, LookPath(t, "nats-server", "nats-server"), port, args...)
}

func runNATS(t testing.TB, path string, port int, args ...string) *Process {
	t.Helper()
	if port == 0 {
		port = FreePort(t)
	}
	addr := loopback(port)
	return Run(t, Program{
		Addr:    addr,
		Path:    path,
		Args:    append([]string{"-a", "127.0.0.1", "-p", strconv.Itoa(port)}, args...),
		Answers: func(ctx context.Context) error { return greets(ctx, addr, "", "INFO ") },
	})
}

// NATSCluster starts a cluster of so many servers with JetStream. They are of the version that go.mod names: replicas of those of Debian
// (2.9) differ, or are lost, when servers are killed in turn.
func NATSCluster(t testing.TB, count int) []*Process {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "nats-server")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", path, "github.com/nats-io/nats-server/v2").CombinedOutput(); err != nil {
		t.Fatalf("nats-server can't be built: %v\n%s", err, out)
	}
	var routes []string
	for range count {
		routes = append(routes, fmt.Sprint("nats://", loopback(FreePort(t))))
	}
	var members []*Process
	for i, route := range routes {
		members = append(members, runNATS(t, path, 0, "-js", "-sd", filepath.Join(dir, strconv.Itoa(i)), "-n", fmt.Sprint("n", i),
			"--cluster_name", "c", "--cluster", route, "--routes", strings.Join(routes, ",")))
	}
	return members
}

// greets returns nil if the server at addr answers hello with a line that begins with greeting.
func greets(ctx context.Context, addr, hello, greeting string) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return err
		}
	}
	if _, err := io.WriteString(conn, hello); err != nil {
		return err
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return err
	}
	if !strings.HasPrefix(line, greeting) {
		return fmt.Errorf("%s answered %q", addr, line)
	}
	return nil
}
