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

const nginxConfig = "../../configs/nginx.conf"

// TestNginx: the page of the replaced system works through nginx, in front of two nodes on Kafka that
// run with the configuration for those who replace that system. testdata/browser/nginx.js is what the
// browser does.
func TestNginx(t *testing.T) {
	t.Parallel()
	servers.LookPath(t, chromium(), "chromium")
	node := servers.LookPath(t, "node", "nodejs npm; make install")
	servers.LookPath(t, "../../testdata/browser/node_modules/.bin/playwright-core", "nodejs npm; make install")
	bus, redis := shared.Kafka(t).Addr, servers.Redis(t).Addr
	addrs := []string{freeAddr(t), freeAddr(t)}
	var said []func() string
	for _, addr := range addrs {
		n := serve(t, "../../configs/spring.yaml", "STOMPGW_LISTEN="+addr, "STOMPGW_BUS_KAFKA_BROKERS="+bus, "STOMPGW_BUS_KAFKA_TOPIC=nginx", "STOMPGW_REDIS_ADDRS="+redis,
			"STOMPGW_LIMITS_CONNECT_TIMEOUT=1m") // a browser on a busy machine may take long between two requests
		said = append(said, n.Output)
	}
	proxy := startNginx(t, addrs, true)
	cmd := exec.CommandContext(t.Context(), node, "--test", "--test-reporter=spec", "nginx.js")
	cmd.Dir = "../../testdata/browser"
	cmd.Env = append(os.Environ(), "PROXY=http://"+proxy.Addr+"/")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s\nnginx said:\n%s\nthe nodes:\n%s\n%s", err, out, proxy.Output(), said[0](), said[1]())
	}
}

// startNginx starts nginx in front of nodes, with the file that comes with stompgw but for the addresses, and
// perhaps for the connections to nodes that it keeps.
func startNginx(t *testing.T, nodes []string, keeps bool) *servers.Process {
	t.Helper()
	nginx := servers.LookPath(t, "nginx", "nginx-light")
	text, err := os.ReadFile(nginxConfig)
	if err != nil {
		t.Fatal(err)
	}
	addr, config := freeAddr(t), string(text)
	changes := [][2]string{
		{"server 127.0.0.1:13001 ", "server " + nodes[0] + " "},
		{"server 127.0.0.1:13011 ", "server " + nodes[1] + " "},
		{"listen 127.0.0.1:8080;", "listen " + addr + ";"},
	}
	if !keeps {
		changes = append(changes, [2]string{"keepalive 64;", ""}, [2]string{"keepalive_timeout 30s;", ""})
	}
	for _, change := range changes {
		if strings.Count(config, change[0]) != 1 {
			t.Fatalf("%s has not one %q", nginxConfig, change[0])
		}
		config = strings.Replace(config, change[0], change[1], 1)
	}
	dir := t.TempDir()
	file := clitest.WriteFile(t, filepath.Join(dir, "nginx.conf"), config)
	p := servers.Run(t, servers.Program{
		Addr:    addr,
		Path:    nginx,
		Args:    []string{"-p", dir, "-c", file, "-g", "daemon off; master_process off;"}, // one process, which ends with the test
		Answers: servers.AnswersOK("http://" + addr + "/"),
	})
	t.Cleanup(func() { p.Stop(t) })
	return p
}

// chromium is the browser that the tests in testdata/browser run.
func chromium() string {
	if path := os.Getenv("CHROMIUM"); path != "" {
		return path
	}
	return "/usr/bin/chromium"
}
