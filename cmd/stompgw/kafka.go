package main

import (
	"fmt"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/kafkabus"
	"github.com/stompgw/stompgw/cmd"
)

func openKafka(s cmd.BusSettings) (bus.Bus, error) {
	secure := s.Kafka.TLS.Loaded()
	if s.Kafka.SASL.Mechanism == "plain" && secure == nil {
		s.Log.Warn("the password for Kafka crosses the network as it is: set bus.kafka.tls.enabled, or bus.kafka.sasl.mechanism to scram-sha-512")
	}
	b, err := kafkabus.New(kafkabus.Config{
		Brokers:     s.Kafka.Brokers,
		Topic:       s.Kafka.Topic,
		Envelope:    kafkabus.Format(s.Kafka.Envelope),
		Create:      s.Kafka.Create,
		Partitions:  s.Kafka.Partitions,
		Replication: s.Kafka.Replication,
		Sources:     sources(s),
		TLS:         secure,
		SASL:        login(s),
		Message:     s.Message,
	}, s.Node, s.Log)
	if err != nil {
		return nil, fmt.Errorf("bus.kafka: %w", err)
	}
	return b, nil
}

func renewKafka(b bus.Bus, s cmd.BusSettings) error {
	if err := b.(*kafkabus.Bus).Renew(s.Kafka.TLS.Loaded(), login(s)); err != nil {
		return fmt.Errorf("bus.kafka: %w", err)
	}
	return nil
}

func login(s cmd.BusSettings) kafkabus.SASL {
	return kafkabus.SASL{Mechanism: s.Kafka.SASL.Mechanism, User: s.Kafka.SASL.User, Password: s.Kafka.SASL.Password.Reveal()}
}

func sources(s cmd.BusSettings) (list []kafkabus.Source) {
	for _, source := range s.Kafka.Sources {
		list = append(list, kafkabus.Source{Topic: source.Topic, Destination: source.Destination, Headers: source.Headers})
	}
	return list
}
