// Package embedded runs a NATS server and a Redis-compatible store inside the process, for a
// gateway that one command starts. Both listen on TCP, so that the gateway and other processes
// reach them with the same client code as real ones. Neither keeps anything.
package embedded

import (
	"fmt"
	"net"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/nats-io/nats-server/v2/server"
)

// startTimeout is for a start that takes a millisecond.
const startTimeout = 10 * time.Second

// StartNATS runs a NATS server on addr, until stop ends it and waits for it; port 0 takes a free one. maxPayload
// bounds a message with its headers, in bytes.
func StartNATS(addr string, maxPayload int) (url string, stop func(), err error) {
	host, port, err := free(addr)
	if err != nil {
		return "", nil, err
	}
	s, err := server.NewServer(&server.Options{
		ServerName: "stompgw-embedded",
		Host:       host,
		Port:       port,
		MaxPayload: int32(maxPayload),
		NoSigs:     true, // signals are the gateway's
		NoLog:      true,
	})
	if err != nil {
		return "", nil, fmt.Errorf("embedded NATS: %w", err)
	}
	s.Start()
	if !s.ReadyForConnections(startTimeout) {
		s.Shutdown()
		return "", nil, fmt.Errorf("embedded NATS: does not accept connections on %s", addr)
	}
	return "nats://" + s.Addr().String(), func() { s.Shutdown(); s.WaitForShutdown() }, nil
}

// free returns host and port of addr, with an error if somebody has the port already: the server
// itself tells that only to its log. A port left open is for the server to take.
func free(addr string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(addr)
	if err != nil {
		return "", 0, err
	}
	if text == "0" {
		return host, server.RANDOM_PORT, nil
	}
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return "", 0, err
	}
	defer ln.Close() // its error would say no more than the server's
	return host, ln.Addr().(*net.TCPAddr).Port, nil
}

// StartRedis runs a store on addr, until stop ends it and waits for it; port 0 takes a free one.
func StartRedis(addr string) (listens string, stop func(), err error) {
	store := miniredis.NewMiniRedis()
	store.ClockTTL(true) // else keys never expire
	if err := store.StartAddr(addr); err != nil {
		return "", nil, err
	}
	return store.Addr(), store.Close, nil
}
