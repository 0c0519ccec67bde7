package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stompgw/stompgw/bus/bustest/servers"
	"github.com/stompgw/stompgw/cmd/internal/cli/clitest"
)

const (
	storedRooms = 200 // with a history
	missedEach  = 20  // messages that a session has missed
)

func storedRoom(i int) string { return fmt.Sprintf("/topic/kept/%d", i) }

// startKeepers starts nodes with destinations that have history, and others.
func startKeepers(b *testing.B, count int, bus string) (nodes []*node) {
	b.Helper()
	const keep = `
channels:
  - { match: "/topic/kept/{n}", subscribe: "true", send: "true", history: {size: 100, ttl: 10m} }
  - { match: "/topic/{room}", subscribe: "true", send: "true" }
`
	redis := servers.Redis(b).Addr
	for range count {
		config := clitest.WriteFile(b, filepath.Join(b.TempDir(), "stompgw.yaml"), "listen: 127.0.0.1:0\n"+keep+bus+"\n")
		nodes = append(nodes, serve(b, config, "STOMPGW_REDIS_ADDRS="+redis))
	}
	return nodes
}

// BenchmarkHistory measures what BenchmarkNodes does, of destinations without history and with it.
func BenchmarkHistory(b *testing.B) {
	for _, bus := range []struct {
		name  string
		start func(b *testing.B) (config string, broker *servers.Process)
	}{
		{"kafka", func(b *testing.B) (string, *servers.Process) {
			broker := servers.Kafka(b)
			broker.CreateTopic(b, topic, 12)
			return existing(broker.Addr), &broker.Process
		}},
		{"nats", func(b *testing.B) (string, *servers.Process) {
			s := servers.NATS(b, 0, "-js", "-sd", b.TempDir())
			return natsAt(s.Addr), s
		}},
	} {
		b.Run("bus="+bus.name, func(b *testing.B) {
			config, broker := bus.start(b)
			nodes := startKeepers(b, 2, config)
			ways := map[string]*way{"none": newPairIn(b, nodes[0], nodes[1], room), "kept": newPairIn(b, nodes[0], nodes[1], storedRoom)}
			for _, w := range ways {
				paced(b, w, 5000, 2500) // a broker that was just started is slow
			}
			for _, rate := range []int{1000, 5000} {
				for turn := range 2 {
					for name, w := range ways {
						b.Run(fmt.Sprintf("rate=%d/history=%s/turn=%d", rate, name, turn), func(b *testing.B) {
							before := cpuOf(b, broker.PID())
							measure(b, w, rate)
							b.ReportMetric(float64((cpuOf(b, broker.PID())-before).Microseconds())/float64(b.N), "broker-µs/msg")
						})
					}
				}
			}
		})
	}
}

// BenchmarkResumes measures what sessions cost a node that connect, subscribe to one destination and get the RECEIPT, without and with 20
// messages that they have missed; and what others wait meanwhile, 1,000 messages a second from a SEND to the MESSAGE. Run it with
// -benchtime 10000x: b.N is the number of sessions, or of messages.
func BenchmarkResumes(b *testing.B) {
	n := startKeepers(b, 1, natsAt(servers.NATS(b, 0, "-js", "-sd", b.TempDir()).Addr))[0]
	p := newPairIn(b, n, n, room)
	positions := fill(b, n)
	plain := func(i int) (string, int) { return "", 0 }
	resume := func(i int) (string, int) { return "resume:" + positions[i%storedRooms] + "\n", missedEach }
	for turn := range 3 {
		for _, kind := range []struct {
			name string
			want func(i int) (headers string, messages int)
		}{{"plain", plain}, {"resume", resume}} {
			b.Run(fmt.Sprintf("session=%s/turn=%d", kind.name, turn), func(b *testing.B) {
				before := cpuOf(b, n.PID())
				b.ResetTimer()
				comeBack(b, n.Addr, b.N, kind.want)
				b.ReportMetric(float64((cpuOf(b, n.PID())-before).Microseconds())/float64(b.N), "cpu-µs/session")
			})
		}
		b.Run(fmt.Sprintf("others=quiet/turn=%d", turn), func(b *testing.B) { measure(b, p, 1000) })
		b.Run(fmt.Sprintf("others=plain/turn=%d", turn), func(b *testing.B) { during(b, n, plain, func() { measure(b, p, 1000) }) })
		b.Run(fmt.Sprintf("others=resume/turn=%d", turn), func(b *testing.B) { during(b, n, resume, func() { measure(b, p, 1000) }) })
	}
}

// fill publishes to the destinations with history, and returns a position in each behind which 20 messages came.
func fill(b *testing.B, n *node) (positions [storedRooms]string) {
	c := connect(b, n.Addr)
	for i := range storedRooms {
		c.subscribe(b, storedRoom(i))
		for k := range missedEach + 1 {
			c.send(b, "SEND", text(k), "destination", storedRoom(i))
			if f := c.expect(b, "MESSAGE"); k == 0 {
				positions[i] = f.headers["x-position"]
			}
		}
	}
	return positions
}

// during measures while sessions come back, at 2,000 a second at most: as many as come back within five seconds to a node of 10,000.
func during(b *testing.B, n *node, want func(i int) (string, int), measure func()) {
	over := make(chan struct{})
	var running sync.WaitGroup
	count, begin := 0, time.Now()
	running.Go(func() {
		const burst = 200
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for ; ; <-tick.C {
			select {
			case <-over:
				return
			default:
			}
			comeBack(b, n.Addr, burst, want)
			count += burst
		}
	})
	measure()
	close(over)
	running.Wait()
	b.ReportMetric(float64(count)/time.Since(begin).Seconds(), "sessions/s")
}

// comeBack has so many sessions come and go, of which each waits for all that it has asked for.
func comeBack(b *testing.B, addr string, count int, want func(i int) (headers string, messages int)) {
	b.Helper()
	var coming sync.WaitGroup
	for first := range stormDialers {
		coming.Go(func() {
			buf := make([]byte, 16<<10)
			for i := first; i < count; i += stormDialers {
				headers, messages := want(i)
				if err := once(addr, storedRoom(i%storedRooms), headers, messages, buf); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	coming.Wait()
}

// once is the life of a session.
func once(addr, destination, headers string, messages int, buf []byte) error {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.(*net.TCPConn).SetLinger(0); err != nil { // as in dialSession
		return err
	}
	if _, err := fmt.Fprintf(conn, "CONNECT\naccept-version:1.2\nhost:x\n\n\x00SUBSCRIBE\nid:0\ndestination:%s\nreceipt:0\n%s\n\x00", destination, headers); err != nil {
		return err
	}
	const answers = 2 // CONNECTED and RECEIPT
	for frames := 0; frames < answers+messages; {
		n, err := conn.Read(buf)
		if err == io.EOF {
			return fmt.Errorf("%d frames, then the end", frames)
		}
		if err != nil {
			return err
		}
		frames += bytes.Count(buf[:n], []byte{0})
	}
	return nil
}
