package redisregistry

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/stompgw/stompgw/bus/bustest/servers"
)

// redisPair writes the files of a certificate for servers, and returns what a client trusts it by.
func redisPair(t *testing.T) (cert, key string, trust *tls.Config) {
	t.Helper()
	private, certificate := servers.Certificate(t)
	cert, key = filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	for name, text := range map[string][]byte{cert: certificate, key: private} {
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(certificate)
	return cert, key, &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
}

// TestSetLogin: the user, the password and who is trusted may change. Connections that there are go on; the next
// ones go by the new login, those beside too.
func TestSetLogin(t *testing.T) {
	cert, key, trust := redisPair(t)
	secure := strconv.Itoa(servers.FreePort(t))
	server := servers.Redis(t, "--tls-port", secure, "--tls-cert-file", cert, "--tls-key-file", key, "--tls-auth-clients", "no")
	acl := func(user, password string) {
		servers.RedisCLI(t, server, "ACL", "SETUSER", user, "reset", "on", ">"+password, "~*", "&*", "+@all")
	}
	acl("node", "old")
	c := NewClient(Options{Addrs: []string{"127.0.0.1:" + secure}, Login: Login{User: "node", Password: "old", TLS: trust}})
	defer c.Close()
	beside := c.Beside()
	asks := func() error {
		t.Helper()
		for _, c := range []*Client{c, beside} {
			if err := c.Redis().Ping(t.Context()).Err(); err != nil {
				return err
			}
		}
		return nil
	}
	want := func(what, fault string) {
		t.Helper()
		if err := asks(); (err == nil) != (fault == "") || err != nil && !strings.Contains(err.Error(), fault) {
			t.Fatalf("%s: %v, want %q", what, err, fault)
		}
	}
	drop := func() { servers.RedisCLI(t, server, "CLIENT", "KILL", "TYPE", "normal") }

	want("at first", "")
	acl("node", "new")
	want("a connection that there is", "")
	drop()
	want("the old password", "WRONGPASS")
	c.SetLogin(Login{User: "node", Password: "new", TLS: trust})
	want("the new one", "")

	cert, key, trusted := redisPair(t)
	servers.RedisCLI(t, server, "CONFIG", "SET", "tls-cert-file", cert, "tls-key-file", key)
	acl("other", "secret")
	drop()
	want("an authority that is not trusted", "certificate")
	c.SetLogin(Login{User: "other", Password: "secret", TLS: trusted})
	want("another user, and another authority", "")
	if user := c.Redis().Do(t.Context(), "ACL", "WHOAMI").Val(); user != "other" {
		t.Errorf("it asks as %v", user)
	}
}

// TestSetLoginOfSentinels: the password for the Sentinels may change.
func TestSetLoginOfSentinels(t *testing.T) {
	server, port := servers.Redis(t), servers.FreePort(t)
	_, of, _ := net.SplitHostPort(server.Addr)
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	file := filepath.Join(t.TempDir(), "sentinel.conf")
	text := fmt.Sprintf("bind 127.0.0.1\nport %d\nsentinel monitor main 127.0.0.1 %s 1\nrequirepass old\n", port, of)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	sentinel := servers.Run(t, servers.Program{
		Addr: addr, Path: "redis-server", Args: []string{file, "--sentinel"},
		Answers: func(ctx context.Context) error {
			client := redis.NewSentinelClient(&redis.Options{Addr: addr, Password: "old"})
			defer client.Close()
			return client.GetMasterAddrByName(ctx, "main").Err()
		},
	})
	login := Login{SentinelPass: "old"}
	c := NewClient(Options{Addrs: []string{addr}, Master: "main", Login: login})
	defer c.Close()
	if err := c.Redis().Ping(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	servers.RedisCLI(t, sentinel, "-a", "old", "--no-auth-warning", "ACL", "SETUSER", "default", "resetpass", ">new")
	login.SentinelPass = "new"
	c.SetLogin(login)
	if err := c.Redis().Ping(t.Context()).Err(); err != nil {
		t.Error(err)
	}
}
