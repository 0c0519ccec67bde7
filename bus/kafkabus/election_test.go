package kafkabus

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stompgw/stompgw/bus/bustest/servers"
)

// TestRealRecallElection: in a cluster of a controller and two more brokers, one of these is elected that lacks what the
// other had acknowledged alone. Positions of that are not whole, on nodes that had read it and on others; those before
// and those of the new leader are, and what came in the place of the lost comes.
func TestRealRecallElection(t *testing.T) {
	one := servers.Kafka(t)
	brokers := map[int]*servers.Broker{2: servers.Kafka(t, servers.Member(one, 2)), 3: servers.Kafka(t, servers.Member(one, 3))}
	const topic = "elected"
	one.CreateTopicOn(t, topic, 1, 2, 3)
	cfg := Config{Brokers: []string{one.Addr}, Topic: topic}
	a := newNode(t, cfg, kept(time.Hour))
	send := func(prefix string, count int) {
		for i := range count {
			a.send(room, prefix+strconv.Itoa(i))
		}
	}
	send("both", 10)
	brokers[3].Kill()
	send("lost", 10) // they are taken when broker 3 counts no more
	last := a.position("lost9")
	brokers[2].Kill()
	brokers[3].Start(t)
	send("new", 5)
	first := a.position("new0")
	if lost := a.position("lost0"); first.Offset != lost.Offset || first.Log != lost.Log || first.Term <= lost.Term {
		t.Fatalf("the first of the new leader is at %v, in the place of %v", first, lost)
	}
	b := newNode(t, cfg, kept(time.Hour))
	if strings.Contains(b.bodies(), "lost") {
		t.Errorf("a new node has %s", b.bodies())
	}
	for name, n := range map[string]*node{"who had read": a, "a new one": b} {
		for i := range 10 {
			n.wantRecall(fmt.Sprint(name, ", both", i), true, room, a.position("both"+strconv.Itoa(i)))
			n.wantRecall(fmt.Sprint(name, ", lost", i), false, room, a.position("lost"+strconv.Itoa(i)))
		}
		for i := range 5 {
			n.wantRecall(fmt.Sprint(name, ", new", i), true, room, a.position("new"+strconv.Itoa(i)))
		}
		n.wantRecall(name+", the last that was lost", false, room, last)
	}
	a.wantHoles()
}
