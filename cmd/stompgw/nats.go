package main

import (
	"fmt"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/natsbus"
	"github.com/stompgw/stompgw/cmd"
)

func openNATS(s cmd.BusSettings) (bus.Bus, error) {
	b, err := natsbus.New(natsConfig(s), s.Node, s.Log)
	if err != nil {
		return nil, fmt.Errorf("bus.nats: %w", err)
	}
	return b, nil
}

func renewNATS(b bus.Bus, s cmd.BusSettings) error {
	if err := b.(*natsbus.Bus).Renew(natsConfig(s)); err != nil {
		return fmt.Errorf("bus.nats: %w", err)
	}
	return nil
}

func natsConfig(s cmd.BusSettings) natsbus.Config {
	return natsbus.Config{
		URL:      s.NATS.URL,
		User:     s.NATS.User,
		Password: s.NATS.Password.Reveal(),
		Token:    s.NATS.Token.Reveal(),
		NKey:     s.NATS.NKey.Reveal(),
		Creds:    s.NATS.Creds.Reveal(),
		TLS:      s.NATS.TLS.Loaded(),
		Prefix:   s.NATS.Prefix,
	}
}
