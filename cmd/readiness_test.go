package cmd

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stompgw/stompgw/bus/bustest/servers"
	"github.com/stompgw/stompgw/cmd/internal/cli/clitest"
)

// TestReadinessOfRedis: a node that has never reached Redis is not ready, since it does not know whom it
// must not let in. One that has lost it is, but where readiness.redis says that it is required.
func TestReadinessOfRedis(t *testing.T) {
	for setting, lost := range map[string]string{
		"ignore": "200 ready\nregistry (does not count): redis ADDR: away for ", "required": "503 registry: redis ADDR: away for ",
	} {
		t.Run(setting, func(t *testing.T) {
			t.Chdir(t.TempDir())
			redis := servers.Redis(t)
			redis.Kill()
			admin := fmt.Sprintf("127.0.0.1:%d", servers.FreePort(t))
			clitest.WriteFile(t, "t.yaml", fmt.Sprintf("listen: 127.0.0.1:0\nadmin: {listen: '%s'}\nbus: {driver: embedded}\nembedded: {nats: '127.0.0.1:0'}\n"+
				"redis: {addrs: ['%s']}\nregistry: {heartbeat: 50ms}\nreadiness: {redis: %s}\n", admin, redis.Addr, setting))
			ctx, cancel := context.WithCancel(t.Context())
			var node sync.WaitGroup
			defer node.Wait()
			defer cancel()
			p := process("serve", "--config", "t.yaml")
			p.Stdout, p.Stderr = io.Discard, io.Discard
			node.Go(func() { Main(ctx, p) })

			var said string
			await := func(what, want string) {
				t.Helper()
				want = strings.ReplaceAll(want, "ADDR", redis.Addr)
				clitest.Eventually(t, what+": /readyz says "+want, func() bool {
					said = readyz(t, admin)
					return strings.HasPrefix(said, want)
				})
			}
			await("not reached", "503 registry: redis ADDR: has not answered yet")
			redis.Start(t)
			await("reached", "200 ready\n")
			redis.Kill()
			await("lost", lost)
		})
	}
}

// readyz returns the status and body of a node's /readyz, "" while it does not listen.
func readyz(t *testing.T, addr string) string {
	t.Helper()
	defer http.DefaultClient.CloseIdleConnections()
	resp, err := http.Get("http://" + addr + "/readyz")
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%d %s", resp.StatusCode, body)
}
