package kafkabus

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/bustest/servers"
)

// TestSecurity: TLS and SASL as a real broker has them, and what an operator reads who got them wrong.
func TestSecurity(t *testing.T) {
	b := servers.Kafka(t, servers.Secure())
	b.CreateTopic(t, "stompgw", 3)
	secure := &tls.Config{RootCAs: b.CA}
	as := func(mechanism string) SASL { return SASL{mechanism, servers.User, servers.Password} }
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		wrong := SASL{"scram-sha-512", servers.User, "bad horse"}
		checkRenewed(t, Config{Brokers: []string{b.BothAddr}, TLS: &tls.Config{RootCAs: x509.NewCertPool()}, SASL: wrong}, secure, as("scram-sha-512"))
		checkRenewed(t, Config{Brokers: []string{b.BothAddr}, TLS: secure, SASL: wrong}, secure, as("scram-sha-512"))
	})
	for _, test := range []struct {
		name, addr string
		tls        *tls.Config
		sasl       SASL
		want       string // in what Healthy says; empty for nil
	}{
		{"TLS", b.TLSAddr, secure, SASL{}, ""},
		{"PLAIN", b.SASLAddr, nil, as("plain"), ""},
		{"SCRAM-SHA-256", b.SASLAddr, nil, as("scram-sha-256"), ""},
		{"SCRAM-SHA-512", b.SASLAddr, nil, as("scram-sha-512"), ""},
		{"TLS and PLAIN", b.BothAddr, secure, as("plain"), ""},
		{"TLS and SCRAM-SHA-512", b.BothAddr, secure, as("scram-sha-512"), ""},
		{"TLS by an unknown authority", b.TLSAddr, &tls.Config{RootCAs: x509.NewCertPool()}, SASL{}, "certificate"},
		{"TLS for another name", b.TLSAddr, &tls.Config{RootCAs: b.CA, ServerName: "elsewhere"}, SASL{}, "elsewhere"},
		{"TLS where there is none", b.Addr, secure, SASL{}, "answers"},
		{"no TLS where there is", b.TLSAddr, nil, SASL{}, "answers"},
		{"PLAIN with the wrong password", b.SASLAddr, nil, SASL{"plain", servers.User, "bad horse"}, "SASL Authentication Failed"},
		{"SCRAM with the wrong password", b.SASLAddr, nil, SASL{"scram-sha-256", servers.User, "bad horse"}, "SASL Authentication Failed"},
		{"SCRAM as nobody", b.SASLAddr, nil, SASL{"scram-sha-512", "nobody", "bad horse"}, "SASL Authentication Failed"},
		{"no SASL where there is", b.SASLAddr, nil, SASL{}, "answers"},
	} {
		wg.Go(func() {
			cfg := Config{Brokers: []string{test.addr}, TLS: test.tls, SASL: test.sasl, Silence: 2 * time.Second}
			if test.want == "" {
				checkSecure(t, test.name, cfg)
			} else {
				checkInsecure(t, test.name, cfg, test.want)
			}
		})
	}
}

// checkRenewed checks that a bus which the broker does not let in goes on with what Renew gives it.
func checkRenewed(t *testing.T, wrong Config, secure *tls.Config, login SASL) {
	b, _ := open(t, "renewed", wrong)
	if b == nil {
		return
	}
	for err := b.Healthy(); err == nil || strings.HasSuffix(err.Error(), "not tried yet"); err = b.Healthy() {
		time.Sleep(10 * time.Millisecond)
	}
	if err := b.Renew(secure, login); err != nil {
		t.Errorf("renewed: %v", err)
	}
	answer := make(chan error, 1)
	for b.Healthy() != nil {
		time.Sleep(10 * time.Millisecond)
	}
	if err := b.Publish(bus.Envelope{Destination: "/topic/x"}, func(err error) { answer <- err }); err != nil {
		t.Errorf("renewed: publish: %v", err)
		answer <- err
	}
	if err := <-answer; err != nil {
		t.Errorf("renewed: done heard %v", err)
	}
	if err := b.Close(context.Background()); err != nil {
		t.Errorf("renewed: %v", err)
	}
}

// TestRenew: another password, and another authority to trust, count for the next connection, and nothing else can
// be changed.
func TestRenew(t *testing.T) {
	f := servers.Fake(t, 1, kfake.SeedTopics(1, "stompgw"), kfake.EnableSASL(), kfake.Superuser("PLAIN", "user", "new"))
	b, err := New(Config{Brokers: f.Addrs, SASL: SASL{"plain", "user", "old"}}, "1/a", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close(t.Context())
	for err := b.Healthy(); err == nil || strings.HasSuffix(err.Error(), "not tried yet"); err = b.Healthy() {
		time.Sleep(time.Millisecond)
	}
	for _, refused := range []struct {
		name   string
		secure *tls.Config
		sasl   SASL
	}{
		{"TLS", &tls.Config{}, SASL{"plain", "user", "new"}},
		{"no login", nil, SASL{}},
		{"another mechanism", nil, SASL{"scram-sha-256", "user", "new"}},
		{"no such mechanism", nil, SASL{"gssapi", "user", "new"}},
	} {
		if b.Renew(refused.secure, refused.sasl) == nil {
			t.Errorf("%s is taken", refused.name)
		}
	}
	if err := b.Renew(nil, SASL{"plain", "user", "new"}); err != nil {
		t.Fatal(err)
	}
	for b.Healthy() != nil {
		time.Sleep(time.Millisecond)
	}
}

// TestWrap: TLS is for the host that is dialled, unless the configuration names another, and the latest counts.
func TestWrap(t *testing.T) {
	key, certificate := servers.Certificate(t)
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(certificate)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	defer ln.Close()
	wg.Go(func() {
		for nc, err := ln.Accept(); err == nil; nc, err = ln.Accept() {
			tls.Server(nc, &tls.Config{Certificates: []tls.Certificate{pair}}).Handshake() // the client tells how it went
			nc.Close()
		}
	})
	for _, tt := range []struct {
		name, address string
		cfg           *tls.Config
		fits          bool
	}{
		{"the host of the certificate", "127.0.0.1:9092", &tls.Config{RootCAs: pool}, true},
		{"another host", "127.0.0.2:9092", &tls.Config{RootCAs: pool}, false},
		{"a name for another host", "127.0.0.2:9092", &tls.Config{RootCAs: pool, ServerName: "127.0.0.1"}, true},
		{"another authority", "127.0.0.1:9092", &tls.Config{RootCAs: x509.NewCertPool()}, false},
	} {
		nc, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		err = (&access{tls: tt.cfg}).wrap(nc, tt.address).(*tls.Conn).Handshake()
		nc.Close()
		if (err == nil) != tt.fits {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// open returns a bus, and its log.
func open(t *testing.T, name string, cfg Config) (*Bus, *bytes.Buffer) {
	logged := new(bytes.Buffer)
	b, err := New(cfg, "1/a", slog.New(slog.NewTextHandler(logged, &slog.HandlerOptions{Level: slog.LevelDebug})))
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return nil, nil
	}
	return b, logged
}

func checkSecure(t *testing.T, name string, cfg Config) {
	b, _ := open(t, name, cfg)
	if b == nil {
		return
	}
	answer := make(chan error, 1)
	if err := b.Publish(bus.Envelope{Destination: "/topic/x"}, func(err error) { answer <- err }); err != nil {
		t.Errorf("%s: publish: %v", name, err)
		answer <- err
	}
	if err := <-answer; err != nil {
		t.Errorf("%s: done heard %v", name, err)
	}
	if err := b.Close(context.Background()); err != nil {
		t.Errorf("%s: %v", name, err)
	}
}

func checkInsecure(t *testing.T, name string, cfg Config, want string) {
	b, logged := open(t, name, cfg)
	if b == nil {
		return
	}
	deadline := time.Now().Add(time.Minute)
	err := b.Healthy()
	for err == nil || strings.HasSuffix(err.Error(), "not tried yet") {
		if time.Now().After(deadline) {
			break
		}
		time.Sleep(10 * time.Millisecond)
		err = b.Healthy()
	}
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%s: Healthy says %v, want %s", name, err, want)
	} else {
		t.Logf("%s: %v", name, err)
	}
	if err := b.Close(context.Background()); err != nil {
		t.Errorf("%s: %v", name, err)
	}
	for _, text := range []string{err.Error(), logged.String()} {
		if strings.Contains(text, "horse") {
			t.Errorf("%s: the password is in %s", name, text)
		}
	}
}
