package main

import (
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stompgw/stompgw/bus/bustest/servers"
)

const (
	stormSize    = 15000 // sessions that reconnect at once
	stormDialers = 16
)

// BenchmarkStorm measures from a SEND to the MESSAGE of sessions that stay, 1,000 of them a second,
// while nothing else happens, while 15,000 others lose their connections and connect again within five
// seconds, or as fast as they can, and while they do so and Redis says nothing. Clients, node and
// Redis share the processors, of which the fastest storm takes all. Run it with -benchtime 20000x or so; b.N
// is the number of messages.
func BenchmarkStorm(b *testing.B) {
	redis := servers.Redis(b)
	n := startNode(b, redis.Addr, natsAt(servers.NATS(b, 0).Addr))
	p := newPair(b, n, n)
	s := &storm{addr: n.Addr, conns: make([]net.Conn, stormSize)}
	b.Cleanup(s.drop)
	s.reconnect(b)
	b.Run("quiet", func(b *testing.B) { measure(b, p, 1000) })
	s.pause = 5 * time.Second * stormDialers / stormSize
	b.Run("storm of five seconds", func(b *testing.B) { s.during(b, func() { measure(b, p, 1000) }) })
	s.pause = 0
	b.Run("fastest storm", func(b *testing.B) { s.during(b, func() { measure(b, p, 1000) }) })
	b.Run("fastest storm without Redis", func(b *testing.B) {
		defer suspend(b, redis)()
		s.during(b, func() { measure(b, p, 1000) })
	})
}

// storm is sessions that come and go together.
type storm struct {
	addr  string
	conns []net.Conn
	pause time.Duration // of a dialer, after each connection
}

// during measures while the storm goes on, again and again.
func (s *storm) during(b *testing.B, measure func()) {
	over := make(chan struct{})
	var running sync.WaitGroup
	rounds := 0
	begin := time.Now()
	running.Go(func() {
		for {
			select {
			case <-over:
				return
			default:
			}
			s.drop()
			s.reconnect(b)
			rounds++
		}
	})
	measure()
	close(over)
	running.Wait()
	b.ReportMetric(float64(rounds*stormSize)/time.Since(begin).Seconds(), "connects/s")
}

func (s *storm) drop() {
	for _, conn := range s.conns {
		if conn != nil {
			conn.Close()
		}
	}
}

// reconnect opens all sessions.
func (s *storm) reconnect(b *testing.B) {
	share := (len(s.conns) + stormDialers - 1) / stormDialers
	var opening sync.WaitGroup
	for conns := range slices.Chunk(s.conns, share) {
		opening.Go(func() {
			for i := range conns {
				var err error
				if conns[i], err = dialSession(s.addr); err != nil {
					b.Error(err)
					return
				}
				time.Sleep(s.pause)
			}
		})
	}
	opening.Wait()
}

// dialSession returns a connection that has been answered with CONNECTED.
func dialSession(addr string) (net.Conn, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	if err := conn.(*net.TCPConn).SetLinger(0); err != nil { // thousands of ports must not wait for their time
		return conn, err
	}
	if _, err := conn.Write([]byte("CONNECT\naccept-version:1.2\nhost:x\n\n\x00")); err != nil {
		return conn, err
	}
	answer := make([]byte, 1024) // one read has all of it: it is one write, and smaller
	_, err = conn.Read(answer)
	return conn, err
}
