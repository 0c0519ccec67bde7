package session

import (
	"fmt"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stompgw/stompgw/bus"
)

// What happens on the seam between what is replayed and what comes live. All of it but the last is posted to the loop, and done when that turns;
// a message is kept, and a hole is known, before.
const (
	subscribes = 's' // with the place behind the first message
	answers    = 'a' // the bus, that all came which it has of that
	comes      = 'm' // the next message
	lacks      = 'h' // the next message does not come: it is a hole
	takes      = 'd' // the client takes what is queued for him
	turns      = '|' // the loop, and does what was posted to it
)

// mostTurns is how often the loop turns in between, at most: with more of them the race detector takes long.
const mostTurns = 2

// TestSeam: in whatever order all of that happens, whoever is told that it goes on where it was gets all that came since, each once and
// in order, and hears of a hole where it is; and so does who begins. What it gets is counted as delivered, and nothing else is.
func TestSeam(t *testing.T) {
	r, b := newRecallRig(t, func(h *Host) { h.Outbound = 500 }) // a message fills half of it
	count := 0
	for _, order := range orders("samhmd") {
		if strings.IndexByte(order, answers) < strings.IndexByte(order, subscribes) {
			continue
		}
		for mask := range 1 << (len(order) - 1) {
			script := withTurns(order, mask)
			if bits.OnesCount(uint(mask)) > mostTurns || !strings.Contains(script[strings.IndexByte(script, subscribes):strings.IndexByte(script, answers)], string(turns)) {
				continue // the bus has not been asked when it answers
			}
			for _, how := range []string{"resumes", "begins", "begins in a new room"} {
				if count++; !newSeam(r, b, count).plays(script, how) {
					t.FailNow()
				}
			}
		}
	}
	t.Log(count, "interleavings")
}

// orders are all that the letters of a word have.
func orders(word string) (all []string) {
	if word == "" {
		return []string{""}
	}
	for i, letter := range word {
		if strings.ContainsRune(word[:i], letter) {
			continue
		}
		for _, rest := range orders(word[:i] + word[i+1:]) {
			all = append(all, string(letter)+rest)
		}
	}
	return all
}

// withTurns has the loop turn behind those letters of which the bit is set.
func withTurns(order string, mask int) (script string) {
	for i, letter := range order {
		script += string(letter)
		if mask>>i&1 != 0 {
			script += string(turns)
		}
	}
	return script
}

// seam is a destination, and somebody who comes back to it.
type seam struct {
	*peer
	bus    *recaller
	room   string
	at     bus.Position
	number int      // of the last message
	begun  int      // and of that behind which one stands who begins, as the bus says
	gate   chan any // closed when the loop may turn; nil: it may
	heard  []string // numbers of messages, and holes
	whole  bool     // it was told that it goes on where it was
}

func newSeam(r *rig, b *recaller, n int) *seam {
	return &seam{peer: r.connect("1.2").errors(), bus: b, room: fmt.Sprint("/topic/kept/", n), at: bus.Position{Log: uint64(n)}}
}

// plays reports whether all is as it has to be.
func (s *seam) plays(script, how string) bool {
	s.t.Helper()
	resume := ""
	switch how {
	case "resumes":
		resume = s.comeHere()
	case "begins":
		s.comeHere()
	default:
		s.do(func() { s.s.busy().draining, s.conn.awaited = true, true }) // of another subscription
	}
	before := s.router.Delivered()
	for _, letter := range script + string(turns) {
		if letter == turns {
			s.turn()
			continue
		}
		s.stand()
		s.happens(letter, resume)
	}
	for n := -1; n != len(s.heard); {
		n = len(s.heard)
		s.happens(takes, resume)
		s.turn()
	}
	wrong := s.wrong()
	if n := s.router.Delivered() - before; wrong == "" && n != uint64(len(s.heard)) {
		wrong = fmt.Sprintf("%d are counted", n)
	}
	if wrong != "" {
		s.t.Errorf("%s, where one %s: %s in %q", script, how, wrong, s.heard)
		return false
	}
	s.peer.feed("DISCONNECT\n\n^@")
	return true
}

// comeHere has the peer be there for the first message and not for the second. It returns where it stands then.
func (s *seam) comeHere() (resume string) {
	s.feed("SUBSCRIBE\nid:0\ndestination:" + s.room + "\n\n^@")
	s.bus.said = bus.Recalled{Whole: true}
	s.bus.answer(s.rig)
	s.happens(comes, "")
	s.do(func() {})
	_, rest, _ := strings.Cut(s.wantOne("MESSAGE"), "\nx-position:")
	resume, _, _ = strings.Cut(rest, "\n")
	s.feed("UNSUBSCRIBE\nid:0\n\n^@")
	s.happens(comes, "")
	s.do(func() {})
	return resume
}

// stand has the loop not turn.
func (s *seam) stand() {
	if s.gate == nil {
		gate := make(chan any)
		s.gate = gate
		s.loop.Post(func() { <-gate })
	}
}

func (s *seam) turn() {
	if s.gate != nil {
		close(s.gate)
		s.gate = nil
	}
	s.do(func() {})
}

func (s *seam) happens(what rune, resume string) {
	switch what {
	case subscribes:
		frame := "SUBSCRIBE\nid:1\ndestination:" + s.room + "\nreceipt:begun\n"
		if resume != "" {
			frame += "resume:" + resume + "\n"
		}
		s.loop.Post(func() { s.s.Feed([]byte(frame + "\n\x00")) })
	case answers:
		s.bus.mu.Lock()
		done := s.bus.asked[0]
		s.bus.asked = nil
		s.bus.mu.Unlock()
		s.begun = s.number
		done(bus.Recalled{Head: []bus.Position{s.at}, Whole: true})
	case comes:
		s.number++
		s.at.Offset++
		s.bus.Deliver(bus.Envelope{Destination: s.room, Body: fmt.Append(nil, s.number, strings.Repeat(" ", 200)), Mark: &bus.Mark{At: s.at}})
	case lacks:
		s.number++
		s.at.Offset++
		s.bus.Deliver(bus.Envelope{Mark: &bus.Mark{At: s.at, Hole: true}})
	case takes:
		s.loop.Post(s.take)
	}
}

// take runs on the loop.
func (s *seam) take() {
	out := s.conn.out
	s.conn.out = nil
	for _, packed := range out {
		head, body, _ := strings.Cut(string(packed), "\n\n")
		switch {
		case strings.HasPrefix(head, "RECEIPT"):
			s.whole = strings.Contains(head, "recovered:true")
		case strings.Contains(body, `"errorCode":20`):
			s.heard = append(s.heard, "hole")
		default:
			s.heard = append(s.heard, strings.Fields(body)[0])
		}
	}
	if s.conn.awaited {
		s.conn.awaited = false
		s.s.Drained()
	}
}

// wrong says what is, of what came.
func (s *seam) wrong() string {
	last, first := 1, false
	if !s.whole { // who begins may have more, that came while he did, and be told to stand behind a hole of that time
		last, first = s.begun, true
	}
	holed := first && slices.Contains(s.heard, "hole")
	for _, text := range append(s.heard, fmt.Sprint(s.number+1)) {
		number, err := strconv.Atoi(text)
		switch {
		case err != nil:
			holed = true
			continue
		case number <= last && !first, number > last+1 && !holed:
			return fmt.Sprintf("%d after %d", number, last)
		}
		last, holed, first = number, false, false
	}
	return ""
}
