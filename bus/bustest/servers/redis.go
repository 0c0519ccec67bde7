package servers

import (
	"context"
	"strconv"
	"testing"
)

// Redis starts redis-server without persistence on a free port, with further arguments. The test's
// end kills it.
func Redis(t testing.TB, args ...string) *Process {
	t.Helper()
	path, port := LookPath(t, "redis-server", "redis-server"), FreePort(t)
	addr := loopback(port)
	return Run(t, Program{
		Addr: addr,
		Path: path,
		Args: append([]string{"--bind", "127.0.0.1", "--port", strconv.Itoa(port), "--dir", t.TempDir(),
			"--save", "", "--appendonly", "no"}, args...),
		Answers: func(ctx context.Context) error { return greets(ctx, addr, "PING\r\n", "+PONG") },
	})
}
