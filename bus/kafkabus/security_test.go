package kafkabus

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"strings"
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
	strangers := &tls.Config{RootCAs: x509.NewCertPool()}
	for name, wrong := range map[string]*tls.Config{"renewed": strangers, "renewed password": secure} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, _ := open(t, Config{Brokers: []string{b.BothAddr}, TLS: wrong, SASL: SASL{"scram-sha-512", servers.User, "bad horse"}, Silence: time.Minute})
			awaitRefusal(t, b)
			if err := b.Renew(secure, as("scram-sha-512")); err != nil {
				t.Error(err)
			}
			poll(t, "for health", func() bool { return b.Healthy() == nil })
			checkPublish(t, b)
		})
	}
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
		{"TLS by an unknown authority", b.TLSAddr, strangers, SASL{}, "certificate"},
		{"TLS for another name", b.TLSAddr, &tls.Config{RootCAs: b.CA, ServerName: "elsewhere"}, SASL{}, "elsewhere"},
		{"TLS where there is none", b.Addr, secure, SASL{}, "answers"},
		{"no TLS where there is", b.TLSAddr, nil, SASL{}, "answers"},
		{"PLAIN with the wrong password", b.SASLAddr, nil, SASL{"plain", servers.User, "bad horse"}, "SASL Authentication Failed"},
		{"SCRAM with the wrong password", b.SASLAddr, nil, SASL{"scram-sha-256", servers.User, "bad horse"}, "SASL Authentication Failed"},
		{"SCRAM as nobody", b.SASLAddr, nil, SASL{"scram-sha-512", "nobody", "bad horse"}, "SASL Authentication Failed"},
		{"no SASL where there is", b.SASLAddr, nil, SASL{}, "answers"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b, logged := open(t, Config{Brokers: []string{test.addr}, TLS: test.tls, SASL: test.sasl, Silence: 2 * time.Second})
			if test.want != "" {
				checkInsecure(t, b, logged, test.want)
			} else {
				checkPublish(t, b)
			}
		})
	}
}

// awaitRefusal waits until b has tried to connect, and returns what it says.
func awaitRefusal(t *testing.T, b *Bus) (err error) {
	poll(t, "for an attempt", func() bool {
		err = b.Healthy()
		return err != nil && !errors.Is(err, bus.ErrUntried)
	})
	return err
}

// checkPublish checks that b publishes, and closes it.
func checkPublish(t *testing.T, b *Bus) {
	t.Helper()
	answer := make(chan error, 1)
	must(t, b.Publish(bus.Envelope{Destination: "/topic/x"}, func(err error) { answer <- err }))
	if err := <-answer; err != nil {
		t.Errorf("done heard %v", err)
	}
	if err := b.Close(context.Background()); err != nil {
		t.Error(err)
	}
}

// TestRenew: another password, and another authority to trust, count for the next connection, and nothing else can
// be changed.
func TestRenew(t *testing.T) {
	f := servers.Fake(t, 1, kfake.SeedTopics(1, "stompgw"), kfake.EnableSASL(), kfake.Superuser("PLAIN", "user", "new"))
	b, err := New(Config{Brokers: f.Addrs, SASL: SASL{"plain", "user", "old"}}, "1/a", slog.New(slog.DiscardHandler))
	must(t, err)
	defer b.Close(t.Context())
	awaitRefusal(t, b)
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
	must(t, b.Renew(nil, SASL{"plain", "user", "new"}))
	poll(t, "for health", func() bool { return b.Healthy() == nil })
}

// open returns a bus, and its log.
func open(t *testing.T, cfg Config) (*Bus, *bytes.Buffer) {
	t.Helper()
	logged := new(bytes.Buffer)
	b, err := New(cfg, "1/a", slog.New(slog.NewTextHandler(logged, &slog.HandlerOptions{Level: slog.LevelDebug})))
	must(t, err)
	return b, logged
}

func checkInsecure(t *testing.T, b *Bus, logged *bytes.Buffer, want string) {
	t.Helper()
	err := awaitRefusal(t, b)
	if !strings.Contains(err.Error(), want) {
		t.Errorf("Healthy says %v, want %s", err, want)
	}
	if err := b.Close(context.Background()); err != nil {
		t.Error(err)
	}
	for _, text := range []string{err.Error(), logged.String()} {
		if strings.Contains(text, "horse") {
			t.Errorf("the password is in %s", text)
		}
	}
}
