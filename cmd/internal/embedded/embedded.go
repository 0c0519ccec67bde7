// Package embedded runs a NATS server and a Redis-compatible store inside the process, for a
// gateway that one command starts. Both listen on TCP, so that the gateway and other processes
// reach them with the same client code as real ones. They keep their data only as long as they run.
package embedded

import (
	"fmt"
	"net"
	"os"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/nats-io/nats-server/v2/server"
)

// storage bounds what JetStream may take of the disk, in bytes. The stream of history takes half of it by default.
const storage = 2 << 30

// startTimeout is for a start that takes a millisecond.
const startTimeout = 10 * time.Second

// StartNATS runs a NATS server with JetStream on addr, until stop ends it and waits for it; port 0 takes a free one.
// maxPayload bounds a message with its headers, in bytes. JetStream has a folder for temporary files of its own,
// which stop removes. Where none can be made, as in a container with a read-only root, there is no JetStream: only
// history needs it, and the bus says so.
func StartNATS(addr string, maxPayload int) (url string, stop func(), err error) {
	host, port, err := free(addr)
	if err != nil {
		return "", nil, err
	}
	folder, err := os.MkdirTemp("", "stompgw-nats-")
	stored := err == nil
	remove := func() {
		if stored {
			_ = os.RemoveAll(folder) // else the system does, one day
		}
	}
	s, err := server.NewServer(&server.Options{
		ServerName:        "stompgw-embedded",
		Host:              host,
		Port:              port,
		MaxPayload:        int32(maxPayload),
		JetStream:         stored,
		JetStreamMaxStore: storage,
		StoreDir:          folder,
		NoSigs:            true, // signals are the gateway's
		NoLog:             true,
	})
	if err != nil {
		remove()
		return "", nil, fmt.Errorf("embedded NATS: %w", err)
	}
	stop = func() { s.Shutdown(); s.WaitForShutdown(); remove() }
	s.Start()
	if !s.ReadyForConnections(startTimeout) {
		stop()
		return "", nil, fmt.Errorf("embedded NATS: does not accept connections on %s", addr)
	}
	return "nats://" + s.Addr().String(), stop, nil
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
