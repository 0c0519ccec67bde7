package kafkabus

import (
	"crypto/tls"
	"log/slog"
	"strings"
	"testing"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/settings"
)

// TestPlainWarns: only a password that anybody can read on the way is worth a warning.
func TestPlainWarns(t *testing.T) {
	var password settings.Secret
	must(t, password.UnmarshalText([]byte("hunter2")))
	for _, tt := range []struct {
		login Login
		tls   *tls.Config
		warn  bool
	}{
		{Login{"plain", "u", password}, nil, true},
		{Login{"plain", "u", password}, new(tls.Config), false},
		{Login{"scram-sha-512", "u", password}, nil, false},
		{Login{}, nil, false},
	} {
		s := Settings{Config: Config{Brokers: []string{"127.0.0.1:1"}}, SASL: tt.login}
		s.TLS.Loaded = tt.tls
		var log strings.Builder // whose writers have ended when it is read
		b, err := s.Open(bus.Self{Name: "1/a", Log: slog.New(slog.NewTextHandler(&log, nil))})
		must(t, err)
		b.Close(t.Context()) // it holds nothing
		if said := log.String(); strings.Contains(said, "crosses the network unencrypted") != tt.warn || strings.Contains(said, "hunter2") {
			t.Errorf("%q with TLS %t logs %s", tt.login.Mechanism, tt.tls != nil, said)
		}
	}
}

// TestCheckedOpens: settings without a fault make a bus, and those that New refuses have one.
func TestCheckedOpens(t *testing.T) {
	for destination, ok := range map[string]bool{
		"/topic/orders": true, "/topic/{key}": true, "/{topic}/{partition}-{header.x}": true, "/topic/ä b": true,
		"": false, "topic": false, "/topic/{id}": false, "/topic/*": false, "/topic/{header.\xff}": false, "/" + strings.Repeat("a", 1024): false,
	} {
		s := Settings{Config: Config{Brokers: []string{"127.0.0.1:1"}, Topic: "t", Partitions: 1, Replication: 1, Sources: []Source{{Topic: "orders", Destination: destination}}}}
		faults := s.Check()
		b, err := s.Open(bus.Self{Name: "1/a", Log: slog.New(slog.DiscardHandler)})
		if err == nil {
			b.Close(t.Context()) // it holds nothing
		}
		if (err == nil) != ok || (len(faults) == 0) != ok || (len(s.Destinations()) == 1) != ok {
			t.Errorf("%q: %v, Open %v, %v; want all to say the same, taken %t", destination, faults, err, s.Destinations(), ok)
		}
	}
}
