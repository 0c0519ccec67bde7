package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/stompgw/stompgw/bus/bustest/servers"
	"github.com/stompgw/stompgw/cmd/internal/cli/clitest"
	"github.com/stompgw/stompgw/gateway/registry/redisregistry"
)

const (
	presentRooms   = 200
	presentMembers = 1000
	joinsAtOnce    = 5000 // sessions that are there together
)

// startPresent starts nodes with destinations that have presence, and others.
func startPresent(b *testing.B, count int, redis, bus, settings string) (nodes []*node) {
	b.Helper()
	const config = `
listen: 127.0.0.1:0
channels:
  - { match: "/topic/here/{n}", subscribe: "true", presence: true, presence_info: '{"name": claims.name}' }
  - { match: "/topic/{kind}/{n}", subscribe: "true" }
redis: { addrs: ["%s"] }
%s
%s
`
	for range count {
		file := clitest.WriteFile(b, filepath.Join(b.TempDir(), "stompgw.yaml"), fmt.Sprintf(config, redis, bus, settings))
		nodes = append(nodes, serve(b, file, secretEnv))
	}
	return nodes
}

// memberTokens are those of members 0 to count-1.
func memberTokens(b testing.TB, count int) (tokens []string) {
	b.Helper()
	for id := range count {
		token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"mu": id, "name": "somebody of the name " + strconv.Itoa(id), "exp": time.Now().Add(time.Hour).Unix()}).
			SignedString([]byte(secret))
		if err != nil {
			b.Fatal(err)
		}
		tokens = append(tokens, token)
	}
	return tokens
}

// BenchmarkJoins measures what sessions of 1,000 members cost that connect, subscribe to one of 200 destinations, and go when 5,000 have come: of
// destinations without presence, with it, and where all rooms are looked at through another node. Run it with -benchtime 10000x; b.N is the number of sessions.
func BenchmarkJoins(b *testing.B) {
	redis, monitor := servers.Redis(b), servers.FreePort(b)
	nats := servers.NATS(b, 0, "-m", strconv.Itoa(monitor))
	nodes := startPresent(b, 2, redis.Addr, natsAt(nats.Addr), "log: { level: warn }")
	tokens := memberTokens(b, presentMembers)
	client := redisregistry.NewClient(redisregistry.Options{Addrs: []string{redis.Addr}})
	defer client.Close()
	commands := func() float64 {
		text, err := client.Redis().Info(b.Context(), "stats").Result()
		if err != nil {
			b.Fatal(err)
		}
		return figureIn(text, "total_commands_processed:")
	}
	join := func(b *testing.B, rooms string) {
		cpu, viewing, bus, sent, asked := cpuOf(b, nodes[0].PID()), cpuOf(b, nodes[1].PID()), cpuOf(b, nats.PID()), natsMessages(b, monitor), commands()
		b.ResetTimer()
		for left := b.N; left > 0; left -= joinsAtOnce {
			conns := present(b, nodes[0].Addr, min(left, joinsAtOnce), rooms, tokens)
			for _, conn := range conns {
				conn.Close()
			}
		}
		time.Sleep(time.Second) // what is told later counts too
		each := func(sum float64) float64 { return sum / float64(b.N) * 10_000 }
		b.ReportMetric(each((cpuOf(b, nodes[0].PID()) - cpu).Seconds()), "node-s/10,000")
		b.ReportMetric(each((cpuOf(b, nodes[1].PID()) - viewing).Seconds()), "other-s/10,000")
		b.ReportMetric(each((cpuOf(b, nats.PID()) - bus).Seconds()), "nats-s/10,000")
		b.ReportMetric(each(natsMessages(b, monitor)-sent), "envelopes/10,000")
		b.ReportMetric(each(commands()-asked), "redis/10,000")
	}
	for turn := range 2 {
		for _, kind := range []string{"plain", "here"} {
			b.Run(fmt.Sprintf("rooms=%s/turn=%d", kind, turn), func(b *testing.B) { join(b, kind) })
		}
	}
	viewer := connect(b, nodes[1].Addr)
	for i := range presentRooms {
		viewer.send(b, "SUBSCRIBE", "", "id", strconv.Itoa(i), "destination", fmt.Sprintf("/presence/topic/here/%d", i))
	}
	go io.Copy(io.Discard, viewer.conn)
	for turn := range 2 {
		b.Run(fmt.Sprintf("rooms=viewed/turn=%d", turn), func(b *testing.B) { join(b, "here") })
	}
}

// figureIn returns the number behind a name.
func figureIn(text, name string) float64 {
	_, rest, _ := strings.Cut(text, name)
	value, _, _ := strings.Cut(strings.TrimSpace(rest), "\r\n")
	f, _ := strconv.ParseFloat(value, 64)
	return f
}

// natsMessages is how many messages a server has received.
func natsMessages(b *testing.B, monitor int) float64 {
	resp, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/varz", monitor))
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	var figures struct {
		InMsgs float64 `json:"in_msgs"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&figures); err != nil {
		b.Fatal(err)
	}
	return figures.InMsgs
}

// present opens sessions, each subscribed to one of the rooms of a kind. Without tokens they are nobody's.
func present(b *testing.B, addr string, count int, kind string, tokens []string) []net.Conn {
	b.Helper()
	return openAll(b, count, func(i int) (net.Conn, error) {
		login := ""
		if tokens != nil {
			login = "Authorization:Bearer " + tokens[i%len(tokens)] + "\n"
		}
		return openWith(addr, login, fmt.Sprintf("/topic/%s/%d", kind, i%presentRooms), "RECEIPT")
	})
}

// openAll opens connections, many at a time.
func openAll(b *testing.B, count int, open func(i int) (net.Conn, error)) []net.Conn {
	b.Helper()
	conns := make([]net.Conn, count)
	var opening sync.WaitGroup
	for first := range stormDialers {
		opening.Go(func() {
			for i := first; i < count; i += stormDialers {
				var err error
				if conns[i], err = open(i); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	opening.Wait()
	return slices.DeleteFunc(conns, func(conn net.Conn) bool { return conn == nil })
}

// openWith opens a session with one subscription, and returns when it has read some text.
func openWith(addr, login, destination, text string) (net.Conn, error) {
	conn, err := askFor(addr, login, destination)
	if err != nil {
		return conn, err
	}
	return conn, awaitText(conn, text)
}

// askFor opens a session with one subscription, and does not wait for any answer.
func askFor(addr, login, destination string) (net.Conn, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	if err := conn.(*net.TCPConn).SetLinger(0); err != nil { // as in dialSession
		return conn, err
	}
	_, err = fmt.Fprintf(conn, "CONNECT\naccept-version:1.2\nhost:x\nheart-beat:0,0\n%s\n\x00SUBSCRIBE\nid:0\ndestination:%s\nreceipt:0\n\n\x00", login, destination)
	return conn, err
}

func awaitText(conn net.Conn, text string) error {
	var said strings.Builder
	for buf := make([]byte, 16<<10); !strings.Contains(said.String(), text); {
		n, err := conn.Read(buf)
		if err != nil {
			return fmt.Errorf("%w after %q", err, said.String())
		}
		said.Write(buf[:n])
	}
	return nil
}

// BenchmarkLastLeft measures from SIGKILL of a node to the `left` of the last of 1,000 members whose sessions were there, as somebody sees it through
// another node. Run it with -benchtime 1x; b.N is the number of nodes that are killed.
func BenchmarkLastLeft(b *testing.B) {
	for _, expiry := range []time.Duration{3 * time.Second, 15 * time.Second} {
		for _, grace := range []time.Duration{time.Second, 5 * time.Second} {
			b.Run(fmt.Sprintf("expiry=%s/grace=%s", expiry, grace), func(b *testing.B) {
				nodes := startPresent(b, 2, servers.Redis(b).Addr, natsAt(servers.NATS(b, 0).Addr),
					fmt.Sprintf("registry: { heartbeat: %s, expiry: %s }\npresence: { grace: %s }", expiry/3, expiry, grace))
				tokens := memberTokens(b, presentMembers)
				for range b.N {
					b.StopTimer()
					v := connect(b, nodes[0].Addr)
					v.send(b, "SUBSCRIBE", "", "id", "0", "destination", "/presence/topic/here/0")
					conns := openAll(b, presentMembers, func(i int) (net.Conn, error) {
						return openWith(nodes[1].Addr, "Authorization:Bearer "+tokens[i]+"\n", "/topic/here/0", "RECEIPT")
					})
					for there := 0; there < presentMembers; {
						there = countIn(b, v.expect(b, "MESSAGE"))
					}
					b.StartTimer()
					nodes[1].Kill()
					for there := presentMembers; there > 0; {
						there = countIn(b, v.expect(b, "MESSAGE"))
					}
					b.StopTimer()
					for _, conn := range conns {
						conn.Close()
					}
					nodes[1].Start(b)
					b.StartTimer()
				}
				b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "s/node")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

// countIn returns how many members a report says are there.
func countIn(b *testing.B, f frame) int {
	b.Helper()
	var report struct{ Count int }
	if err := json.Unmarshal([]byte(f.body), &report); err != nil {
		b.Fatal(err)
	}
	return report.Count
}

// BenchmarkViewers measures how 15,000 clients connect at once, of which each looks at one room where 100 members are, and gets the list of them: beside as many
// that subscribe to a destination. Run it with -benchtime 1x; b.N is the number of storms.
func BenchmarkViewers(b *testing.B) {
	nodes := startPresent(b, 2, servers.Redis(b).Addr, natsAt(servers.NATS(b, 0).Addr), "log: { level: warn }")
	tokens := memberTokens(b, 100)
	members := openAll(b, len(tokens), func(i int) (net.Conn, error) {
		return openWith(nodes[i%2].Addr, "Authorization:Bearer "+tokens[i]+"\n", "/topic/here/0", "RECEIPT")
	})
	defer func() {
		for _, conn := range members {
			conn.Close()
		}
	}()
	for turn := range 2 {
		for _, kind := range []struct{ name, destination, text string }{{"plain", "/topic/plain/0", "RECEIPT"}, {"viewer", "/presence/topic/here/0", `"count":100`}} {
			b.Run(fmt.Sprintf("client=%s/turn=%d", kind.name, turn), func(b *testing.B) {
				cpu, asked := cpuOf(b, nodes[0].PID()), nodes[0].figure(b, "stompgw_presence_questions_total")
				for range b.N {
					conns := openAll(b, stormSize, func(int) (net.Conn, error) { return askFor(nodes[0].Addr, "", kind.destination) })
					for _, conn := range conns {
						if err := awaitText(conn, kind.text); err != nil {
							b.Fatal(err)
						}
					}
					b.StopTimer()
					for _, conn := range conns {
						conn.Close()
					}
					b.StartTimer()
				}
				clients := float64(b.N * stormSize)
				b.ReportMetric(clients/b.Elapsed().Seconds(), "clients/s")
				b.ReportMetric(float64((cpuOf(b, nodes[0].PID())-cpu).Microseconds())/clients, "cpu-µs/client")
				b.ReportMetric((nodes[0].figure(b, "stompgw_presence_questions_total")-asked)/float64(b.N), "questions")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}
