package cli

import (
	"github.com/stompgw/stompgw/cmd/internal/config"
	"github.com/stompgw/stompgw/gateway"
	"github.com/stompgw/stompgw/gateway/asyncapi"
)

// anyHost is the variable for a machine's name.
const anyHost = "{host}"

// AsyncAPI tells what a node of that configuration lets clients do, and where they connect.
func AsyncAPI(cfg *config.Config) asyncapi.Options {
	o := asyncapi.Options{
		Title: "stompgw", Version: gateway.Version,
		Tokens: cfg.HasIssuer(), MustLogIn: cfg.Auth.Anonymous == config.AnonymousRefuse,
	}
	web, tcp, encrypted := "ws", "stomp", ""
	if cfg.TLS.Cert != "" {
		web, tcp, encrypted = "wss", "stomps", ", over TLS"
	}
	server := asyncapi.Server{
		Name: "websocket", Host: reached(cfg.Listen, anyHost), Path: cfg.Endpoint, Protocol: web,
		Description: "STOMP 1.0, 1.1 and 1.2 over WebSocket" + encrypted,
	}
	if cfg.SockJS.Enabled {
		server.Description += "; SockJS answers at the same path"
	}
	o.Servers = append(o.Servers, server)
	if cfg.TCP.Listen != "" {
		o.Servers = append(o.Servers, asyncapi.Server{Name: "tcp", Host: reached(cfg.TCP.Listen, anyHost), Protocol: tcp, Description: "STOMP alone" + encrypted})
	}
	return o
}
