package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/bus/bustest/servers"
	"github.com/stompgw/stompgw/cmd/internal/cli/clitest"
)

// When who has gone has left, and when a node that says nothing is gone, in these soaks.
const (
	presenceGrace  = time.Second
	presenceExpiry = 2 * time.Second
)

// crowdedRooms is how many rooms have too many to be listed, in turn.
const crowdedRooms = 3

// countedRooms is how the names of rooms begin that are only counted.
const countedRooms = "/topic/counted/"

// presenceSoakConfig is the configuration of nodes with rooms; its variables are the address of Redis, how many members are listed, and the bus.
const presenceSoakConfig = `
listen: 127.0.0.1:0
redis: { addrs: ["%s"] }
registry: { heartbeat: 500ms, expiry: 2s }
presence: { grace: 1s, limit: %d }
channels:
  - { match: "/topic/room/{n}", subscribe: "true", presence: true, presence_info: '{"name": claims.name}' }
  - { match: "/topic/counted/{n}", subscribe: "true", presence: count }
  - { match: "/session/queue/{name}", subscribe: "true" }
drain: { duration: 1s }
%s
`

// presenceSize is how much goes on in a soak.
type presenceSize struct{ rooms, members, sessions, limit int }

// presenceSoak is people who come and go, and some who look who is there, while faults strike.
type presenceSoak struct {
	t         *testing.T
	nodes     []*node
	rooms     []string
	crowd     atomic.Int32 // the room that half of the guests go to
	limit     int          // members of a room that are listed
	truth     *attendance
	guests    []*guest
	onlookers []*onlooker
	faults    []presenceFault
	work      sync.WaitGroup
	brief     bool          // there is little time
	over      chan struct{} // everybody goes
	slowest   time.Duration // until all knew what was so
}

// presenceFault is something that happens to a soak. It returns when it is over; nodes may need longer.
type presenceFault struct {
	name   string
	always bool // also where there is little time
	strike func()
}

// TestPresenceSoak: sessions of members come, go, reload and change nodes, while nodes are killed, drained and suspended, and the broker and
// Redis are killed. Whenever nothing moves, whoever looks at a room, through any node, comes to know who is there and how many. In between nobody
// joins who was there, or leaves who was not.
//
// One room in eight is only counted, and one at a time has too many to be listed.
//
// $SOAK_MINUTES is how long that goes on for each of the buses, with 3,000 sessions of 1,000 members in 200 rooms; without it there is one round of few.
func TestPresenceSoak(t *testing.T) {
	minutes, _ := strconv.ParseFloat(os.Getenv("SOAK_MINUTES"), 64)
	if minutes == 0 {
		t.Parallel() // most of it waits for servers
	}
	for name, broker := range map[string]func(*testing.T) (bus string, restart func()){
		"nats": func(t *testing.T) (string, func()) {
			server := servers.NATS(t, 0)
			return natsAt(server.Addr), func() { server.Kill(); server.Start(t) }
		},
		"kafka": func(t *testing.T) (string, func()) {
			b := servers.Kafka(t)
			b.CreateTopic(t, topic, soakPartitions)
			return existing(b.Addr), func() { b.Kill(); b.Start(t) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			size := presenceSize{rooms: 200, members: 1000, sessions: 3000, limit: 300}
			if minutes == 0 {
				t.Parallel()
				size = presenceSize{rooms: 8, members: 20, sessions: 60, limit: 10}
			}
			bus, restart := broker(t)
			s := newPresenceSoak(t, size, bus, restart)
			if s.brief = minutes == 0; s.brief {
				s.faults = slices.DeleteFunc(s.faults, func(f presenceFault) bool { return !f.always })
			}
			defer s.begin()()
			for begin, rounds := time.Now(), 1; ; rounds++ {
				s.round()
				if time.Since(begin).Minutes() >= minutes || t.Failed() {
					t.Logf("%d rounds, %d times somebody came or went, %d times there were too many to be listed, all knew within %s; %s", rounds, s.truth.count(), s.refused(), s.slowest.Round(time.Millisecond), s.figures())
					return
				}
			}
		})
	}
}

func newPresenceSoak(t *testing.T, size presenceSize, bus string, restart func()) *presenceSoak {
	t.Helper()
	redis := servers.Redis(t)
	file := clitest.WriteFile(t, filepath.Join(t.TempDir(), "stompgw.yaml"), fmt.Sprintf(presenceSoakConfig, redis.Addr, size.limit, bus))
	s := &presenceSoak{t: t, limit: size.limit, over: make(chan struct{})}
	for range 3 {
		s.nodes = append(s.nodes, serve(t, file, secretEnv))
	}
	for i := range size.rooms {
		begin := "/topic/room/"
		if i%8 == 7 {
			begin = countedRooms
		}
		s.rooms = append(s.rooms, begin+strconv.Itoa(i))
	}
	s.truth = newAttendance(s.rooms)
	for i := range size.sessions {
		s.guests = append(s.guests, newGuest(s, i, size.members))
	}
	for i := range size.rooms {
		for _, n := range s.nodes {
			s.onlookers = append(s.onlookers, &onlooker{soak: s, node: n, room: s.rooms[i]})
		}
	}
	kill, drain := (*servers.Process).Kill, func(p *servers.Process) { p.Stop(t) }
	s.faults = []presenceFault{
		{"nothing", false, func() { s.pause(2 * presenceGrace) }},
		{"a node killed", false, func() { s.away(kill, 0) }},
		{"a node killed for long", true, func() { s.away(kill, presenceExpiry+presenceGrace) }},
		{"a node drained", false, func() { s.away(drain, 0) }},
		{"a node suspended", false, func() { s.suspend(3 * time.Second) }},
		{"a node suspended for long", true, func() { s.suspend(presenceExpiry + 3*presenceGrace) }},
		{"the broker killed", true, restart},
		{"Redis killed", true, func() { redis.Kill(); s.pause(presenceExpiry); redis.Start(t) }},
		{"a node killed while Redis is away", false, func() {
			redis.Kill()
			s.away(func(p *servers.Process) {
				p.Kill()
				s.pause(presenceGrace)
				redis.Start(t) // without which none starts
			}, 0)
		}},
		{"the broker killed while a node is suspended", false, func() {
			resume := suspend(t, s.nodes[rand.IntN(len(s.nodes))].Process)
			restart()
			s.pause(presenceExpiry + presenceGrace)
			resume()
		}},
	}
	return s
}

// newGuest makes the guest of a number. One of twenty is nobody.
func newGuest(s *presenceSoak, number, members int) *guest {
	g := &guest{soak: s, badges: []badge{{}}, node: number % len(s.nodes)}
	if number%20 == 0 {
		return g
	}
	id := number % members
	g.member, g.badges = strconv.Itoa(id), nil
	for _, name := range []string{"Ann", "Bob"} {
		token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"mu": id, "name": name, "exp": time.Now().Add(100 * time.Hour).Unix()}).
			SignedString([]byte(secret))
		if err != nil {
			s.t.Fatal(err)
		}
		g.badges = append(g.badges, badge{token, fmt.Sprintf(`{"name":%q}`, name)})
	}
	return g
}

// begin has guests and onlookers begin. end returns when they have gone.
func (s *presenceSoak) begin() (end func()) {
	for _, o := range s.onlookers {
		s.work.Go(o.run)
	}
	for _, g := range s.guests {
		s.work.Go(g.run)
	}
	return func() {
		close(s.over)
		s.work.Wait()
	}
}

// round has all that can happen happen once.
func (s *presenceSoak) round() {
	s.t.Helper()
	for i, f := range s.faults {
		s.crowd.Store(int32(i % crowdedRooms)) // the others empty
		s.pause(2 * presenceGrace)             // or nobody would be there yet whom it could strike
		begin := time.Now()
		f.strike()
		for _, n := range s.nodes {
			n.awaitReady(s.t, true)
		}
		well := time.Since(begin)
		known := s.quiet(f.name)
		s.t.Logf("%s: well again after %s, and known by all %s after everybody stood still", f.name, well.Round(time.Millisecond), known.Round(time.Millisecond))
		if s.t.Failed() {
			return
		}
	}
}

// quiet has nobody move for a while, and fails if not all get to know what is so then. It returns how long that took.
func (s *presenceSoak) quiet(after string) (known time.Duration) {
	s.t.Helper()
	s.truth.hold(true)
	defer s.truth.hold(false)
	bustest.Eventually(s.t, "guests stand still", s.truth.isStill)
	begin := time.Now()
	s.awaitTruth(after)
	known = time.Since(begin)
	s.slowest = max(s.slowest, known)
	if !s.brief || after == s.faults[len(s.faults)-1].name {
		s.pause(presenceGrace + presenceExpiry)
		s.awaitTruth(after + ", and some time after that")
	}
	return known
}

// awaitTruth returns when all onlookers know what is so.
func (s *presenceSoak) awaitTruth(after string) {
	s.t.Helper()
	hung := time.Now().Add(time.Minute)
	for _, o := range s.onlookers {
		for o.differs() != "" {
			if !o.isBroken() && time.Now().Before(hung) {
				time.Sleep(20 * time.Millisecond)
				continue
			}
			s.t.Errorf("after %s, at %s through node %d: %s", after, o.room, s.numberOf(o.node), o.differs())
			return
		}
	}
}

// refused is how often onlookers were told that there are too many to be listed.
func (s *presenceSoak) refused() (n int) {
	for _, o := range s.onlookers {
		o.mu.Lock()
		n += o.refused
		o.mu.Unlock()
	}
	return n
}

func (s *presenceSoak) numberOf(n *node) int {
	for i := range s.nodes {
		if s.nodes[i] == n {
			return i
		}
	}
	return -1
}

// away ends a node, and starts it again after a while.
func (s *presenceSoak) away(end func(*servers.Process), d time.Duration) {
	n := s.nodes[rand.IntN(len(s.nodes))]
	end(n.Process)
	s.pause(d)
	n.Start(s.t)
}

// suspend has a node do nothing for a while.
func (s *presenceSoak) suspend(d time.Duration) {
	resume := suspend(s.t, s.nodes[rand.IntN(len(s.nodes))].Process)
	s.pause(d)
	resume()
}

// pause waits for so long, or until the soak is over.
func (s *presenceSoak) pause(d time.Duration) {
	select {
	case <-time.After(d):
	case <-s.over:
	}
}

func (s *presenceSoak) isOver() bool {
	select {
	case <-s.over:
		return true
	default:
		return false
	}
}

// figures are what the nodes count of presence.
func (s *presenceSoak) figures() string {
	var list []string
	for _, n := range s.nodes {
		_, text := n.get(s.t.Context(), "/metrics")
		for line := range strings.Lines(text) {
			if strings.HasPrefix(line, "stompgw_presence_") {
				list = append(list, strings.TrimSpace(strings.TrimPrefix(line, "stompgw_presence_")))
			}
		}
	}
	return strings.Join(list, ", ")
}
