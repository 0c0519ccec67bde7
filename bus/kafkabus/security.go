package kafkabus

import (
	"fmt"

	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"
)

// SASL says as whom to log in.
type SASL struct {
	Mechanism      string // plain, scram-sha-256 or scram-sha-512; empty for none
	User, Password string
}

func (s SASL) mechanism() (sasl.Mechanism, error) {
	switch s.Mechanism {
	case "":
		return nil, nil
	case "plain":
		return plain.Mechanism{Username: s.User, Password: s.Password}, nil
	case "scram-sha-256":
		return scramMechanism(scram.SHA256, s)
	case "scram-sha-512":
		return scramMechanism(scram.SHA512, s)
	}
	return nil, fmt.Errorf("kafkabus: SASL mechanism %q: want plain, scram-sha-256 or scram-sha-512", s.Mechanism)
}

func scramMechanism(algorithm scram.Algorithm, s SASL) (sasl.Mechanism, error) {
	m, err := scram.Mechanism(algorithm, s.User, s.Password)
	if err != nil { // about characters that no password may have; it does not quote them
		return nil, fmt.Errorf("kafkabus: SASL user or password: %w", err)
	}
	return m, nil
}
