package kafkabus

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"

	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"
)

// SASL says as whom to log in.
type SASL struct {
	Mechanism      string // plain, scram-sha-256 or scram-sha-512; empty for none
	User, Password string
}

// access is how the next connection to a broker is made sure of, and as whom it logs in.
type access struct {
	tls       *tls.Config    // nil for none
	mechanism sasl.Mechanism // nil for none
}

func newAccess(secure *tls.Config, s SASL) (*access, error) {
	algorithm := scram.SHA256
	switch s.Mechanism {
	case "":
		return &access{tls: secure}, nil
	case "plain":
		return &access{secure, plain.Mechanism{Username: s.User, Password: s.Password}}, nil
	case "scram-sha-256":
	case "scram-sha-512":
		algorithm = scram.SHA512
	default:
		return nil, fmt.Errorf("kafkabus: SASL mechanism %q: want plain, scram-sha-256 or scram-sha-512", s.Mechanism)
	}
	m, err := scram.Mechanism(algorithm, s.User, s.Password)
	if err != nil { // about characters that no password may have; it does not quote them
		return nil, fmt.Errorf("kafkabus: SASL user or password: %w", err)
	}
	return &access{secure, m}, nil
}

// Renew makes new connections verify the brokers, and log in, as given; existing ones stay. Whether there
// is TLS, and the mechanism, can't change. After an error nothing has changed.
func (b *Bus) Renew(secure *tls.Config, s SASL) error {
	next, err := newAccess(secure, s)
	if err != nil {
		return err
	}
	access := &b.cluster.conns.access
	was := access.Load()
	if (next.tls == nil) != (was.tls == nil) || s.Mechanism != b.cfg.SASL.Mechanism {
		return errors.New("kafkabus: TLS can't be turned on or off, nor the SASL mechanism changed, while the bus is open")
	}
	access.Store(next)
	return nil
}

// wrap puts TLS on a new connection to address, if there is any. The handshake comes with the first
// bytes that are written.
func (a *access) wrap(nc net.Conn, address string) net.Conn {
	if a.tls == nil {
		return nc
	}
	cfg := a.tls
	if cfg.ServerName == "" {
		cfg = cfg.Clone()
		cfg.ServerName, _, _ = net.SplitHostPort(address)
	}
	return tls.Client(nc, cfg)
}
