package natsbus

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/url"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/stompgw/stompgw/bus/bustest"
)

// startPeer runs a server that is the first of a cluster, or joins one, and lets in who knows the password.
func startPeer(t *testing.T, port int, change ...func(*server.Options)) *server.Server {
	return startServer(t, port, append(change, func(o *server.Options) {
		o.Username, o.Password = "gateway", "hunter2"
		o.Cluster = server.ClusterOpts{Name: "test", Host: "127.0.0.1", Port: server.RANDOM_PORT, PoolSize: -1}
	})...)
}

// routeTo has a server join the cluster of another one.
func routeTo(s *server.Server) func(*server.Options) {
	return func(o *server.Options) { o.Routes = server.RoutesFromStr("nats-route://" + s.ClusterAddr().String()) }
}

// TestOtherServersOfCluster: a node that was given one server of a cluster goes to another when that ends,
// with the login of the first one's URL, and back when both have changed. Where the certificates have names
// alone, those that were told of by address have to have the name of the one that told.
func TestOtherServersOfCluster(t *testing.T) {
	host := newIdentity(t, "localhost")
	for name, tt := range map[string]struct {
		secure func(*server.Options)
		url    string
		tls    *tls.Config
	}{
		"plain":   {func(*server.Options) {}, "nats://gateway:hunter2@127.0.0.1:%d", nil},
		"by name": {func(o *server.Options) { o.TLSConfig = &tls.Config{Certificates: []tls.Certificate{host.Certificate}} }, "tls://gateway:hunter2@localhost:%d", trust(host)},
	} {
		t.Run(name, func(t *testing.T) {
			one := startPeer(t, 0, tt.secure)
			two := startPeer(t, 0, tt.secure, routeTo(one))
			bustest.Eventually(t, "they are a cluster", func() bool { return one.NumRoutes() > 0 && two.NumRoutes() > 0 })
			port := one.Addr().(*net.TCPAddr).Port
			b, log := open(t, Config{URL: fmt.Sprintf(tt.url, port), TLS: tt.tls})
			if line := log.await("bus connected"); strings.Contains(line, "hunter2") {
				t.Errorf("logged %s", line)
			}
			checkErr(t, watchFor(b, "/topic/a"), nil)
			stopServer(one)
			if line := log.await("bus connected"); !strings.Contains(line, two.Name()) {
				t.Errorf("logged %s, want a connection to %s", line, two.Name())
			}
			checkErr(t, ask(b, "/topic/a", 1), nil)
			stopServer(two)
			startPeer(t, port, tt.secure)
			log.await("bus connected")
			checkErr(t, ask(b, "/topic/a", 1), nil)
		})
	}
}

// TestServersInTurn: each is tried before one is tried again, those that were told of too.
func TestServersInTurn(t *testing.T) {
	p, err := parsePool("nats://a, tls://b:1,c")
	must(t, err)
	if got := p.hosts; got != "a,b:1,c" {
		t.Errorf("they are called %q", got)
	}
	p.servers = append(p.servers, address{url: &url.URL{Scheme: "nats", Host: "d:4222"}})
	seen := map[string]int{}
	for range 2 * len(p.servers) {
		seen[p.next().url.Host]++
	}
	for _, host := range []string{"a", "b:1", "c", "d:4222"} {
		if seen[host] != 2 {
			t.Errorf("in two rounds %s was tried %d times", host, seen[host])
		}
	}
	for host, want := range map[string]bool{"a:4222": true, "a:4223": false, "b:1": true, "d:4222": false} {
		if p.has(host) != want {
			t.Errorf("%s counts as configured: %t", host, !want)
		}
	}
}
