package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stompgw/stompgw/bus/bustest/servers"
	"github.com/stompgw/stompgw/cmd/internal/cli/clitest"
)

// keptRooms keep so much that a page which was away for a moment misses nothing, and one that was for long does.
const keptRooms = `
channels:
  - { match: "/topic/{room}", subscribe: "true", send: "true", history: {size: 100, ttl: 10m} }
  - { match: "/session/queue/{name}", subscribe: "true" }
routes:
  - { match: "/app/topic/{room}", allow: "true", publish: "/topic/{room}" }
`

// TestResumeInBrowser: the chat page goes offline, comes back to the other node, and misses nothing, or says what it
// has missed. testdata/browser/resume.js is what the browser does.
func TestResumeInBrowser(t *testing.T) {
	t.Parallel()
	servers.LookPath(t, chromium(), "chromium")
	script := servers.LookPath(t, "node", "nodejs npm; make install")
	servers.LookPath(t, "../../testdata/browser/node_modules/.bin/playwright-core", "nodejs npm; make install")
	config := clitest.WriteFile(t, filepath.Join(t.TempDir(), "stompgw.yaml"), keptRooms)
	redis := servers.Redis(t).Addr
	for bus, env := range map[string]func(t *testing.T) []string{
		"kafka": func(t *testing.T) []string {
			return []string{"STOMPGW_BUS_KAFKA_BROKERS=" + shared.Kafka(t).Addr, "STOMPGW_BUS_KAFKA_TOPIC=resume", "STOMPGW_BUS_KAFKA_CREATE=true"}
		},
		"nats": func(t *testing.T) []string {
			return []string{"STOMPGW_BUS_DRIVER=nats", "STOMPGW_BUS_NATS_URL=nats://" + servers.NATS(t, 0, "-js", "-sd", t.TempDir()).Addr}
		},
	} {
		t.Run(bus, func(t *testing.T) {
			env, web := append(env(t), "STOMPGW_ORIGINS=http://127.0.0.1:*", "STOMPGW_REDIS_ADDRS="+redis), []string{freeAddr(t), freeAddr(t)}
			var said []func() string
			for _, addr := range web {
				said = append(said, serve(t, config, append(env, "STOMPGW_LISTEN="+addr)...).Output)
			}
			cmd := exec.CommandContext(t.Context(), script, "--test", "--test-reporter=spec", "resume.js")
			cmd.Dir = "../../testdata/browser"
			cmd.Env = append(os.Environ(), "NODES="+strings.Join(web, " "))
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s\nthe nodes said:\n%s\n%s", err, out, said[0](), said[1]())
			}
		})
	}
}
