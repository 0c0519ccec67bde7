package admin

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"

	"github.com/stompgw/stompgw/gateway"
	"github.com/stompgw/stompgw/gateway/registry"
	"github.com/stompgw/stompgw/gateway/registry/redisregistry"
)

const (
	maxRequest     = 256 << 10 // bytes; a node does not look at larger ones
	maxAnswer      = 2 << 20   // bytes of one part; who asks does not look at larger ones
	maxParts       = 1 << 10   // of one answer, 6 million sessions
	maxError       = 1 << 10   // bytes of an answer's error that are told
	maxIDs         = 500       // sessions of one request
	maxDestination = 8 << 10   // bytes, as in a frame
	maxRooms       = 500       // of one request
	maxRoomBytes   = 64 << 10  // of their names together
	maxRequestID   = 64        // bytes
	maxOp          = 32        // bytes
	partSize       = 128 << 10 // bytes of an answer, of which one takes six as JSON at worst, from which on the rest goes into another part
)

// op is what a node is asked to do.
type op string

const (
	opAbout       op = "about"       // say how it is
	opLive        op = "live"        // tell of sessions what Redis does not know
	opSubscribers op = "subscribers" // name the sessions that are subscribed to a destination
	opNames       op = "names"       // name destinations with subscribers, and how many those are
	opPresence    op = "presence"    // say who is in rooms, or how many
	opKick        op = "kick"        // end sessions, and name those that it had
	opEnd         op = "end"         // end subscriptions of sessions to a destination, and name the sessions that had some
	opDrain       op = "drain"       // let its sessions go, and end
	opRefresh     op = "refresh"     // read the blocks of members again, and answer when that is done
	opDone        op = "done"        // that was all of a call: write its line
)

// request is what a node is asked, as JSON. It comes once or several times with the same ID, since
// nobody knows whether the first has arrived; a node acts on it once.
type request struct {
	ID          string               `json:"id"`
	Reply       string               `json:"reply"` // the token of the channel for the answer
	Op          op                   `json:"op"`
	Sessions    []registry.SessionID `json:"sessions,omitempty"`
	Destination string               `json:"destination,omitempty"` // of opNames the match
	After       string               `json:"after,omitempty"`       // of opNames the name behind which they begin
	Most        int                  `json:"most,omitempty"`        // of opNames how many
	Rooms       []string             `json:"rooms,omitempty"`       // of opPresence
	Counts      bool                 `json:"counts,omitempty"`      // of opPresence: how many are there, and not who
	gateway.Kick

	// For the log of the node.
	By   string `json:"by,omitempty"`   // who asks; empty for no operator
	Call string `json:"call,omitempty"` // what several requests of opKick or opEnd have in common
	Whom string `json:"whom,omitempty"` // whose sessions or subscriptions are ended, or which member is blocked, or not any more
	For  string `json:"for,omitempty"`  // how long members are blocked; empty for not any more
}

// answer is what a node says to a request, or one of several parts of it.
type answer struct {
	ID       string                 `json:"id"` // of the request
	Node     string                 `json:"node"`
	Part     int                    `json:"part"`            // from 0 on
	Parts    int                    `json:"parts"`           // of the whole answer
	Error    string                 `json:"error,omitempty"` // why it was not done
	Sessions []registry.SessionID   `json:"sessions,omitempty"`
	Live     []registry.Live        `json:"live,omitempty"`
	Names    []registry.Destination `json:"names,omitempty"`
	Next     string                 `json:"next,omitempty"`    // behind which there may be more names
	Present  []registry.Present     `json:"present,omitempty"` // a room may come in several pieces, with some of its members each
	Left     int                    `json:"left,omitempty"`    // how many of the last rooms are left out, for another request
	State    *nodeState             `json:"state,omitempty"`
}

// ready is what a node says that lets new clients in.
const ready = "yes"

// nodeState is how a node is.
type nodeState struct {
	Draining    bool   `json:"draining"`
	Ready       string `json:"ready"` // ready, or why not
	Sessions    int    `json:"sessions"`
	Connections int    `json:"connections"`
}

// parseRequest takes a message of a control channel. Its errors quote nothing of the message.
func parseRequest(payload string) (r request, err error) {
	if len(payload) > maxRequest {
		return r, fmt.Errorf("%d bytes, the limit is %d", len(payload), maxRequest)
	}
	if err := decodeStrictly(payload, &r); err != nil {
		return r, errors.New("not the JSON of a request")
	}
	switch {
	case r.ID == "" || len(r.ID) > maxRequestID:
		return r, fmt.Errorf("an id of %d bytes, want 1 to %d", len(r.ID), maxRequestID)
	case !isToken(r.Reply):
		return r, errors.New("no token of a channel for the answer")
	case len(r.Op) > maxOp:
		return r, fmt.Errorf("an op of %d bytes, the limit is %d", len(r.Op), maxOp)
	case len(r.Sessions) > maxIDs:
		return r, fmt.Errorf("%d sessions, the limit is %d", len(r.Sessions), maxIDs)
	case len(r.Destination) > maxDestination:
		return r, fmt.Errorf("a destination of %d bytes, the limit is %d", len(r.Destination), maxDestination)
	case len(r.After) > maxDestination:
		return r, fmt.Errorf("a name of %d bytes to begin behind, the limit is %d", len(r.After), maxDestination)
	case len(r.Rooms) > maxRooms:
		return r, fmt.Errorf("%d rooms, the limit is %d", len(r.Rooms), maxRooms)
	case lengthOf(r.Rooms) > maxRoomBytes:
		return r, fmt.Errorf("names of rooms of %d bytes, the limit is %d", lengthOf(r.Rooms), maxRoomBytes)
	case r.Code < 0:
		return r, errors.New("a negative code")
	}
	if err := gateway.CheckReason(r.Reason); err != nil {
		return r, fmt.Errorf("the reason can't be told: %w", err)
	}
	return r, nil
}

// lengthOf is how many bytes texts have together.
func lengthOf(texts []string) (n int) {
	for _, text := range texts {
		n += len(text)
	}
	return n
}

// parseAnswer takes a message of a reply channel.
func parseAnswer(payload string) (a answer, err error) {
	if len(payload) > maxAnswer {
		return a, fmt.Errorf("an answer of %d bytes, the limit is %d", len(payload), maxAnswer)
	}
	if err := json.Unmarshal([]byte(payload), &a); err != nil { // a newer node may say more
		return a, err
	}
	if a.Part < 0 || a.Part >= a.Parts || a.Parts > maxParts {
		return a, fmt.Errorf("part %d of %d", a.Part, a.Parts)
	}
	a.Error = printable(a.Error)
	if a.State != nil {
		a.State.Ready = printable(a.State.Ready)
	}
	return a, nil
}

// printable makes one line of text for a terminal or a log of what a node says.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, text[:min(len(text), maxError)])
}

// decodeStrictly takes one JSON value with fields that v has, and nothing behind it.
func decodeStrictly(text string, v any) error {
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one value")
	}
	return nil
}

// split returns the parts of an answer, each as JSON. A part is partSize and one session, name, or room with one member, large at most.
func split(a answer) (parts []string, err error) {
	empty := a
	empty.Sessions, empty.Live, empty.Names, empty.Present = nil, nil, nil, nil
	whole, size := []answer{empty}, 0 // of the last part
	last := func(n int) *answer {     // with room for n bytes more
		if size >= partSize {
			whole, size = append(whole, empty), 0
		}
		size += n
		return &whole[len(whole)-1]
	}
	for _, id := range a.Sessions {
		part := last(len(`"0123456789abcdef",`))
		part.Sessions = append(part.Sessions, id)
	}
	for _, l := range a.Live {
		part := last(sizeOfLive(l))
		part.Live = append(part.Live, l)
	}
	for _, d := range a.Names {
		part := last(len(d.Name) + len(`{"destination":"","pattern":false,"subscribers":1000000},`))
		part.Names = append(part.Names, d)
	}
	for _, p := range a.Present {
		splitRoom(p, last)
	}
	for i, part := range whole {
		part.Part, part.Parts = i, len(whole)
		text, err := plainJSON(part)
		if err != nil {
			return nil, err
		}
		parts = append(parts, text)
	}
	return parts, nil
}

// plainJSON writes JSON without escapes that only a web page needs: what is shown of a member has a bound, and must not grow on its way.
func plainJSON(v any) (string, error) {
	var text strings.Builder
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return strings.TrimSuffix(text.String(), "\n"), err
}

// splitRoom puts a room into parts, of which last returns the last with so much room: as many pieces as it takes, each with some of
// the members.
func splitRoom(p registry.Present, last func(n int) *answer) {
	empty := p
	empty.Members = nil
	at := last(sizeOfRoom(p))
	at.Present = append(at.Present, empty)
	for _, m := range p.Members {
		if part := last(sizeOfPerson(m)); part != at {
			at = part
			at.Present = append(at.Present, empty)
		}
		room := &at.Present[len(at.Present)-1]
		room.Members = append(room.Members, m)
	}
}

// sizeOfRoom is about how many bytes a room takes as JSON, without its members.
func sizeOfRoom(p registry.Present) int { return len(p.Destination) + 100 }

// sizeOfPerson is about how many bytes a member of a room takes as JSON.
func sizeOfPerson(m registry.Person) int { return len(m.Member) + len(m.Info) + 70 }

// sizeOfLive is about how many bytes l takes as JSON.
func sizeOfLive(l registry.Live) int {
	n := 100
	for _, d := range l.Subscriptions {
		n += len(d) + len(`"",`)
	}
	return n
}

// nodeChannel is where one node is asked, by pub/sub of Redis, behind the prefix of what is stompgw's own.
func nodeChannel(m redisregistry.Map, node string) string { return m.Own() + "node:" + node }

// replyChannel is where somebody waits for answers. A request names the token alone, so that it can't have a
// node publish elsewhere.
func replyChannel(m redisregistry.Map, token string) string { return m.Own() + "reply:" + token }

const tokenBytes = 16

func newToken() string {
	b := make([]byte, tokenBytes)
	rand.Read(b) // never fails: crypto/rand ends the process rather than return an error
	return hex.EncodeToString(b)
}

func isToken(s string) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == tokenBytes
}
