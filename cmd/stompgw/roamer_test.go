package main

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// roamer is a client that loses its connection again and again, stays away for a while, comes back to another node, and goes on
// where it was. It keeps book of what it was told.
type roamer struct {
	soak  *soak
	rooms []string

	// Of the goroutine that runs it.
	node   int
	places map[string]*place // by room

	mu      sync.Mutex
	records map[string][]event // by room
	settled bool               // it stays, and all its subscriptions are live
	fault   error
}

// place is where a roamer stands in a room.
type place struct {
	position string
	due      int    // messages that are yet to be replayed
	whole    *visit // on which all had come that there was
}

// visit is a connection of a roamer.
type visit struct {
	*client
	heard time.Time // the last byte
}

func (s *soak) newRoamer(number int) *roamer {
	r := &roamer{soak: s, node: number % len(s.addrs), places: map[string]*place{}, records: map[string][]event{}}
	for _, step := range []int{0, 7, 13} {
		room := s.rooms[(number+step)%len(s.rooms)]
		if !slices.Contains(r.rooms, room) {
			r.rooms = append(r.rooms, room)
			r.places[room] = &place{}
		}
	}
	return r
}

// roam runs the roamer until the soak ends.
func (r *roamer) roam() {
	for !r.soak.isOver() {
		err := r.stay(r.soak.stayFor())
		if err != nil && !isLost(err) {
			r.mu.Lock()
			r.fault = err
			r.mu.Unlock()
			return
		}
		if !r.soak.isSettling() {
			r.soak.pause(time.Duration(rand.Int64N(int64(r.soak.away))))
		}
		r.node = (r.node + 1 + rand.IntN(max(1, len(r.soak.addrs)-1))) % len(r.soak.addrs)
	}
}

// isLost reports whether an error is that of a connection, and no fault of the gateway.
func isLost(err error) bool {
	_, isNet := errors.AsType[net.Error](err)
	return isNet || strings.Contains(err.Error(), "EOF") || strings.Contains(err.Error(), "reset") || errors.Is(err, net.ErrClosed)
}

// stay has the roamer connected for so long, or longer if the soak settles meanwhile. The connection ends as one does that is cut.
func (r *roamer) stay(until time.Time) error {
	conn, err := net.DialTimeout("tcp", r.soak.addrs[r.node], time.Second)
	if err != nil {
		r.soak.pause(50 * time.Millisecond)
		return err
	}
	defer conn.Close()
	l := &visit{client: newClient(conn)}
	if err := r.begin(l); err != nil {
		return err
	}
	defer r.settle(false)
	entering := len(r.rooms)
	for {
		settling := r.soak.isSettling()
		if r.soak.isOver() || !settling && time.Now().After(until) {
			return nil
		}
		r.settle(settling && entering == 0)
		conn.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
		f, err := l.read()
		if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
			continue
		}
		if err != nil {
			return err
		}
		l.heard = time.Now()
		if f.command == "RECEIPT" {
			entering--
		}
		if err := r.take(l, f); err != nil {
			return err
		}
	}
}

func (r *roamer) settle(settled bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.settled = settled
}

// begin logs in and subscribes.
func (r *roamer) begin(l *visit) error {
	var frames strings.Builder
	frames.WriteString("CONNECT\naccept-version:1.2\nhost:x\nheart-beat:0,0\n\n\x00")
	fmt.Fprintf(&frames, "SUBSCRIBE\nid:errors\ndestination:%s\n\n\x00", errorChannel)
	for _, room := range r.rooms {
		p := r.places[room]
		fmt.Fprintf(&frames, "SUBSCRIBE\nid:%s\ndestination:%s\nreceipt:%s\n", room, room, room)
		if p.position != "" {
			fmt.Fprintf(&frames, "resume:%s\n", p.position)
			if p.whole != nil {
				fmt.Fprintf(&frames, "away:%d\n", time.Since(p.whole.heard).Milliseconds())
			}
		}
		frames.WriteString("\n\x00")
	}
	l.heard = time.Now()
	_, err := l.conn.Write([]byte(frames.String()))
	return err
}

// take keeps book of a frame.
func (r *roamer) take(l *visit, f frame) error {
	switch {
	case f.command == "CONNECTED":
		return nil
	case f.command == "RECEIPT":
		r.answer(l, f.headers["receipt-id"], f.headers)
		return nil
	case f.command != "MESSAGE":
		return fmt.Errorf("got %+v", f)
	case f.headers["destination"] != errorChannel:
		r.message(l, f)
		return nil
	}
	return r.refusal(f.body)
}

func (r *roamer) answer(l *visit, room string, told map[string]string) {
	p := r.places[room]
	p.due, _ = strconv.Atoi(told["replayed"])
	if p.due == 0 {
		p.position, p.whole = told["x-position"], l
	}
	e := event{kind: begun, from: pointsIn(told["x-position"])}
	switch told["recovered"] {
	case "true":
		e = event{kind: resumed, count: p.due}
		r.soak.recovered.Add(1)
	case "false":
		r.soak.failed.Add(1)
	}
	r.note(room, e)
}

func (r *roamer) message(l *visit, f frame) {
	room := f.headers["destination"]
	p := r.places[room]
	p.position = f.headers["x-position"]
	if p.due--; p.due == 0 {
		p.whole = l
	}
	e := event{kind: heard, said: r.soak.parse(f.body)}
	if points := pointsIn(p.position); len(points) == 1 {
		e.at = points[0]
	}
	r.note(room, e)
}

// refusal takes what the error destination says: holes, and what makes the roamer try again.
func (r *roamer) refusal(body string) error {
	for _, room := range r.rooms {
		if strings.Contains(body, `"destination":"`+room+`"`) && strings.Contains(body, `"errorCode":20,`) {
			r.soak.holes.Add(1)
			r.note(room, event{kind: hole})
			return nil
		}
	}
	return fmt.Errorf("a refusal: %s", body)
}

func (r *roamer) note(room string, e event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.records[room] = append(r.records[room], e)
}

// judge returns what the records say, and whether the roamer has settled.
func (r *roamer) judge(b *books, whole bool) (v verdict) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for room, record := range r.records {
		v.add(b.judge(room, record, whole))
	}
	return v
}

// pointsIn reads a position: a checksum of four bytes, when it was told, and for each log its number, a term and an offset.
func pointsIn(position string) (points []point) {
	b, err := base64.RawURLEncoding.DecodeString(position)
	if err != nil || len(b) < 5 {
		return nil
	}
	b = b[4:]
	number := func() (v uint64) {
		v, n := binary.Uvarint(b)
		b = b[max(0, n):]
		return v
	}
	for number(); len(b) > 8; {
		p := point{log: binary.LittleEndian.Uint64(b)}
		b = b[8:]
		p.term = number()
		p.offset = number()
		points = append(points, p)
	}
	return points
}
