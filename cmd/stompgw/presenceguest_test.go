package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"time"
)

// guest is a session that comes and goes: of a member, who may have others, or of nobody.
type guest struct {
	soak   *presenceSoak
	member string // as JSON; empty for nobody
	badges []badge
	node   int

	// Of a visit.
	rooms []string
	badge badge
}

// badge is a token of a member, and what it shows of him.
type badge struct{ token, info string }

// errOver ends a guest.
var errOver = errors.New("the soak is over")

// run has the guest come and go until the soak is over.
func (g *guest) run() {
	for {
		g.soak.pause(g.absence())
		for !g.soak.truth.move(false) {
			g.soak.pause(50 * time.Millisecond)
			if g.soak.isOver() {
				return
			}
		}
		for lost := true; lost; { // who has lost his connection comes back at once
			c, err := g.come()
			if err != nil {
				g.soak.truth.moved()
				return
			}
			g.note(1)
			g.soak.truth.moved()
			lost = g.stay(c)
			g.note(-1)
			if rand.IntN(2) == 0 {
				fmt.Fprint(c.conn, "DISCONNECT\n\n\x00")
			}
			c.conn.Close()
		}
		g.soak.truth.moved()
		if g.soak.isOver() {
			return
		}
	}
}

// absence is how long the guest stays away: mostly as for a reload, else for longer than the grace.
func (g *guest) absence() time.Duration {
	if rand.IntN(3) > 0 {
		return time.Duration(rand.Int64N(int64(presenceGrace / 4)))
	}
	return presenceGrace + time.Duration(rand.Int64N(int64(2*presenceGrace)))
}

func (g *guest) note(sessions int) {
	for _, room := range g.rooms {
		g.soak.truth.note(room, g.member, g.badge.info, g.node, sessions)
	}
}

// come returns when the guest is in some rooms, through any node that takes him.
func (g *guest) come() (*client, error) {
	s := g.soak
	g.rooms = nil
	if rand.IntN(2) == 0 {
		g.rooms = append(g.rooms, s.rooms[s.crowd.Load()])
	}
	for range 1 + rand.IntN(2) {
		if room := s.rooms[rand.IntN(len(s.rooms))]; !slices.Contains(g.rooms, room) {
			g.rooms = append(g.rooms, room)
		}
	}
	g.badge = g.badges[rand.IntN(len(g.badges))]
	for !s.isOver() {
		if rand.IntN(2) == 0 {
			g.node = rand.IntN(len(s.nodes))
		}
		conn, err := net.DialTimeout("tcp", s.nodes[g.node].Addr, time.Second)
		if err != nil {
			g.node = rand.IntN(len(s.nodes))
			s.pause(50 * time.Millisecond)
			continue
		}
		c := newClient(conn)
		if err := g.enter(c); err == nil {
			return c, nil
		}
		conn.Close()
		g.node = rand.IntN(len(s.nodes))
	}
	return nil, errOver
}

// enter fails where a node does not answer in time: it may be killed or suspended, or its broker away.
func (g *guest) enter(c *client) error {
	var frames strings.Builder
	frames.WriteString("CONNECT\naccept-version:1.2\nhost:x\nheart-beat:0,0\n")
	if g.badge.token != "" {
		frames.WriteString("Authorization:Bearer " + g.badge.token + "\n")
	}
	frames.WriteString("\n\x00")
	for _, room := range g.rooms {
		fmt.Fprintf(&frames, "SUBSCRIBE\nid:%s\ndestination:%s\nreceipt:%s\n\n\x00", room, room, room)
	}
	if err := c.conn.SetDeadline(time.Now().Add(2 * time.Second)); err != nil {
		return err
	}
	if _, err := c.conn.Write([]byte(frames.String())); err != nil {
		return err
	}
	for answers := 0; answers < 1+len(g.rooms); {
		f, err := c.read()
		if err != nil {
			return err
		}
		if f.command == "ERROR" {
			return fmt.Errorf("got %+v", f)
		}
		answers++
	}
	return nil
}

// stay returns when the guest goes, or has lost his connection. He is moving then.
func (g *guest) stay(c *client) (lost bool) {
	until := time.Now().Add(time.Duration(rand.Int64N(int64(3 * presenceGrace))))
	for {
		if g.soak.isOver() {
			return !g.soak.truth.move(true)
		}
		if time.Now().After(until) && g.soak.truth.move(false) {
			return false
		}
		if err := c.conn.SetDeadline(time.Now().Add(250 * time.Millisecond)); err != nil {
			return g.soak.truth.move(true)
		}
		_, err := c.read()
		if timeout, ok := errors.AsType[net.Error](err); err != nil && (!ok || !timeout.Timeout()) {
			return g.soak.truth.move(true)
		}
	}
}
