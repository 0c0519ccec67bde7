package main

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/bus/bustest/servers"
	"github.com/stompgw/stompgw/cmd/internal/cli/clitest"
)

// Of a round on CI; make soak has more.
const (
	soakRoamers    = 100
	soakPublishers = 8
)

const (
	soakRooms      = 24 // with a history that is enough for those who were away
	soakShort      = 3  // with one that is too short for some
	soakQuiet      = 3  // where hardly anything is said
	publisherPause = 40 * time.Millisecond
)

// soakConfig is the configuration of nodes with history; %s is the bus.
const soakConfig = `
listen: 127.0.0.1:0
channels:
  - { match: "/topic/room/{n}", subscribe: "true", send: "true", history: {size: 200, ttl: 10m} }
  - { match: "/topic/quiet/{n}", subscribe: "true", send: "true", history: {size: 200, ttl: 10m} }
  - { match: "/topic/short/{n}", subscribe: "true", send: "true", history: {size: 20, ttl: 10m} }
  - { match: "/session/queue/{name}", subscribe: "true", send: "false" }
drain: { duration: 1s }
%s
`

// site is where a soak takes place.
type site struct {
	nodes   []*node
	log     brokerLog
	revived []*servers.Process // servers that may end by themselves
	ages    bool               // the log drops what is old, so it has to be booked all the time
	epochs  bool               // the terms of positions are those of leaders, and grow
	faults  []fault
}

// fault is something that happens to a site. It returns when it is over; nodes may need longer.
type fault struct {
	name   string
	strike func(s *soak)
}

// brokerLog is the broker without the gateway.
type brokerLog interface {
	// publish publishes as a service does, and may fail. Any goroutine calls it.
	publish(room, body string)
	// book books all that the broker has by now and is not booked yet.
	book(t *testing.T, b *books, parse func(body string) said)
}

// TestHistorySoak: clients lose their connections, and come back to other nodes, while services and other clients publish, nodes and brokers
// are killed, leaders move, and topics and streams are made anew. Whoever is told that he has been recovered misses nothing, and
// gets nothing twice or in another order.
//
// $SOAK_MINUTES is how long that goes on for each of the buses, with 1,000 clients and 20 publishers; without it there is one round of fewer.
func TestHistorySoak(t *testing.T) {
	minutes, _ := strconv.ParseFloat(os.Getenv("SOAK_MINUTES"), 64)
	roamers, publishers := 1000, 20
	sites := map[string]func(t *testing.T) *site{
		"kafka": kafkaSite, "nats": natsSite, "nats cluster": natsClusterSite, "embedded nats": embeddedSite,
	}
	if minutes == 0 { // but never beside other tests of the package: a server in a node gets too little of the processors then
		roamers, publishers = soakRoamers, soakPublishers
	} else {
		sites["kafka cluster"] = kafkaClusterSite // which takes as long as all the others together
	}
	for name, build := range sites {
		t.Run(name, func(t *testing.T) {
			st := build(t)
			sum := &tally{reasons: map[string]float64{}}
			for begin := time.Now(); ; {
				newSoak(t, st, roamers, publishers).round(sum)
				if time.Since(begin).Minutes() >= minutes || t.Failed() {
					break
				}
			}
			t.Log(sum)
		})
	}
}

// tally is what all rounds have in common.
type tally struct {
	rounds                   int
	recovered, failed, holes int64
	verdict                  verdict
	reasons                  map[string]float64 // resumes by outcome, as the nodes count them
}

func (y *tally) String() string {
	return fmt.Sprintf("%d rounds, %d resumes, %d recovered, %d not, %d holes; %s; the nodes say %v",
		y.rounds, y.recovered+y.failed, y.recovered, y.failed, y.holes, y.verdict, y.reasons)
}

// soak is one round.
type soak struct {
	*site
	t          *testing.T
	run        string
	rooms      []string
	addrs      []string
	away       time.Duration // the longest that a roamer stays away
	roamers    []*roamer
	publishers int
	books      *books
	work       sync.WaitGroup
	said       atomic.Bool   // publishers have ended
	settling   atomic.Bool   // roamers stay from now on
	over       chan struct{} // everybody goes
	reasons    map[string]float64

	recovered, failed, holes atomic.Int64
}

func newSoak(t *testing.T, st *site, roamers, publishers int) *soak {
	s := &soak{site: st, t: t, run: strconv.FormatInt(time.Now().UnixNano(), 36), away: 5 * time.Second, publishers: publishers,
		books: newBooks(), over: make(chan struct{}), reasons: map[string]float64{}}
	for name, count := range map[string]int{"room": soakRooms, "short": soakShort, "quiet": soakQuiet} {
		for i := range count {
			s.rooms = append(s.rooms, fmt.Sprintf("/topic/%s/%d", name, i))
		}
	}
	for _, n := range st.nodes {
		s.addrs = append(s.addrs, n.Addr)
	}
	for i := range roamers {
		s.roamers = append(s.roamers, s.newRoamer(i))
	}
	return s
}

// round has all that can happen happen once, and looks at what the roamers were told.
func (s *soak) round(sum *tally) {
	s.t.Helper()
	before := s.outcomes()
	leave := sync.OnceFunc(func() {
		s.said.Store(true)
		close(s.over)
		s.work.Wait()
	})
	defer leave() // of a test that ends here
	for _, r := range s.roamers {
		s.work.Go(r.roam)
	}
	for i := range s.publishers {
		s.work.Go(func() { s.send(i) })
	}
	stop := s.booking()
	for _, f := range s.faults {
		s.pause(2 * time.Second)
		begin := time.Now()
		f.strike(s)
		s.eventually("all nodes are ready", s.allReady)
		s.t.Logf("%s, and well again after %s", f.name, time.Since(begin).Round(time.Millisecond))
	}
	s.pause(2 * time.Second)
	s.said.Store(true)
	s.settling.Store(true)
	s.eventually("all clients are there", s.allSettled)
	stop()
	v := s.verdict()
	leave()
	s.judge(v, before, sum)
}

func (s *soak) judge(v verdict, before map[string]float64, sum *tally) {
	s.t.Helper()
	for outcome, count := range s.outcomes() {
		sum.reasons[outcome] += count - before[outcome]
	}
	for outcome, count := range s.reasons {
		sum.reasons[outcome] += count
	}
	for _, r := range s.roamers {
		if r.fault != nil {
			s.t.Errorf("a client was told what it does not understand: %v", r.fault)
			break
		}
	}
	s.t.Logf("%d resumes, %d recovered, %d holes; %s", s.recovered.Load()+s.failed.Load(), s.recovered.Load(), s.holes.Load(), v)
	if v.faults() > 0 {
		s.t.Errorf("want none of them missing, doubled, out of order or at a wrong position")
	}
	if s.recovered.Load() == 0 {
		s.t.Error("nobody was recovered")
	}
	sum.rounds++
	sum.recovered, sum.failed, sum.holes = sum.recovered+s.recovered.Load(), sum.failed+s.failed.Load(), sum.holes+s.holes.Load()
	sum.verdict.add(v)
}

// verdict waits until nothing is missing any more, or can't be hoped for.
func (s *soak) verdict() (v verdict) {
	s.t.Helper()
	for hung := time.Now().Add(10 * time.Second); ; time.Sleep(500 * time.Millisecond) {
		s.log.book(s.t, s.books, s.parse)
		v = verdict{}
		if s.epochs {
			s.books.learnEpochs(s.roamers)
		}
		for _, r := range s.roamers {
			v.add(r.judge(s.books, true))
		}
		if v.missing == 0 || time.Now().After(hung) {
			return v
		}
	}
}

// booking books what a broker has that keeps little, again and again, until stop is called.
func (s *soak) booking() (stop func()) {
	if !s.ages {
		return func() {}
	}
	ended := make(chan struct{})
	var booking sync.WaitGroup
	booking.Go(func() {
		for {
			select {
			case <-ended:
				return
			case <-time.After(200 * time.Millisecond):
				s.log.book(s.t, s.books, s.parse)
			}
		}
	})
	return sync.OnceFunc(func() { close(ended); booking.Wait() })
}

// eventually waits, and starts anew what has ended by itself, as whoever runs it would: NATS 2.9.10 panics in one of some 15 rounds, as it looks
// for a message that was purged.
func (s *soak) eventually(what string, ok func() bool) {
	s.t.Helper()
	bustest.Eventually(s.t, what, func() bool {
		for _, p := range s.revived {
			if !p.Running() {
				s.t.Log("a server has ended by itself, and is started anew")
				p.Start(s.t)
			}
		}
		return ok()
	})
}

func (s *soak) allReady() bool {
	return !slices.ContainsFunc(s.nodes, func(n *node) bool {
		status, _ := n.get(s.t.Context(), "/readyz")
		return status != http.StatusOK
	})
}

func (s *soak) allSettled() bool {
	for _, r := range s.roamers {
		r.mu.Lock()
		there := r.settled || r.fault != nil
		r.mu.Unlock()
		if !there {
			return false
		}
	}
	return true
}

func (s *soak) isOver() bool {
	select {
	case <-s.over:
		return true
	default:
		return false
	}
}

func (s *soak) isSettling() bool { return s.settling.Load() }

// pause waits for so long, or until the soak is over.
func (s *soak) pause(d time.Duration) {
	select {
	case <-time.After(d):
	case <-s.over:
	}
}

// stayFor returns until when a roamer stays this time.
func (s *soak) stayFor() time.Time {
	return time.Now().Add(200*time.Millisecond + time.Duration(rand.Int64N(int64(3*time.Second))))
}

// room returns one to publish to.
func (s *soak) room() string {
	for {
		room := s.rooms[rand.IntN(len(s.rooms))]
		if !strings.Contains(room, "quiet") || rand.IntN(50) == 0 {
			return room
		}
	}
}

// send publishes numbered messages: by turns through a node, as a client, and as a service.
func (s *soak) send(by int) {
	var out *bufio.Writer
	var conn net.Conn
	for n := 0; !s.said.Load(); n++ {
		s.pause(publisherPause)
		room, body := s.room(), fmt.Sprintf("%s %d %d", s.run, by, n)
		if by%2 == 0 {
			s.log.publish(room, body)
			continue
		}
		if conn == nil {
			var err error
			if conn, err = net.DialTimeout("tcp", s.addrs[rand.IntN(len(s.addrs))], time.Second); err != nil {
				continue
			}
			out = bufio.NewWriter(conn)
			out.WriteString("CONNECT\naccept-version:1.2\nhost:x\nheart-beat:0,0\n\n\x00")
		}
		fmt.Fprintf(out, "SEND\ndestination:%s\n\n%s\x00", room, body)
		conn.SetWriteDeadline(time.Now().Add(time.Second)) // while the broker is away a node does not read
		if err := out.Flush(); err != nil {
			conn.Close()
			conn = nil
		}
	}
	if conn != nil {
		conn.Close()
	}
}

// parse reads a body. One of another run is said by nobody.
func (s *soak) parse(body string) (m said) {
	if n, err := fmt.Sscanf(body, s.run+" %d %d", &m.by, &m.number); n != 2 || err != nil {
		return said{-1, 0}
	}
	return m
}

// kill kills a node and starts it again.
func (s *soak) kill(i int) {
	for outcome, count := range s.nodes[i].outcomes(s.t) {
		s.reasons[outcome] += count
	}
	s.nodes[i].Kill()
	s.nodes[i].Start(s.t)
}

// outcomes returns how many resumes all nodes have counted, by outcome.
func (s *soak) outcomes() map[string]float64 {
	all := map[string]float64{}
	for _, n := range s.nodes {
		for outcome, count := range n.outcomes(s.t) {
			all[outcome] += count
		}
	}
	return all
}

func (n *node) outcomes(t *testing.T) map[string]float64 {
	t.Helper()
	_, text := n.get(context.Background(), "/metrics")
	counts := map[string]float64{}
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, `stompgw_history_resumes_total{outcome="`); ok {
			outcome, value, _ := strings.Cut(rest, `"} `)
			counts[outcome], _ = strconv.ParseFloat(strings.TrimSpace(value), 64)
		}
	}
	return counts
}

// startSoaked starts nodes with history.
func startSoaked(t *testing.T, count int, redis, bus string) (nodes []*node) {
	t.Helper()
	for range count {
		nodes = append(nodes, serve(t, soakFile(t, bus), "STOMPGW_REDIS_ADDRS="+redis))
	}
	return nodes
}

func soakFile(t *testing.T, bus string) string {
	t.Helper()
	return clitest.WriteFile(t, filepath.Join(t.TempDir(), "stompgw.yaml"), fmt.Sprintf(soakConfig, bus))
}
