package admin

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stompgw/stompgw/gateway"
	"github.com/stompgw/stompgw/gateway/registry"
)

const token = "00112233445566778899aabbccddeeff"

func TestParseRequest(t *testing.T) {
	const want = `{"id":"a-1","reply":"` + token + `","op":"kick","sessions":["0000002a"],"reason":"bye","code":15}`
	r, err := parseRequest(want)
	if err != nil || r.Op != opKick || !slices.Equal(r.Sessions, []registry.SessionID{42}) || r.Reason != "bye" || r.Code != 15 {
		t.Errorf("%+v, %v", r, err)
	}
	if text, err := json.Marshal(r); err != nil || string(text) != want {
		t.Errorf("written again it is %s, %v", text, err)
	}
}

func TestParseRequestRefuses(t *testing.T) {
	for what, payload := range map[string]string{
		"nothing":                   ``,
		"no JSON":                   `kick all`,
		"no object":                 `[]`,
		"two objects":               `{"id":"a","reply":"` + token + `"}{}`,
		"an unknown field":          `{"id":"a","reply":"` + token + `","op":"about","x":1}`,
		"no id":                     `{"reply":"` + token + `","op":"about"}`,
		"a long id":                 `{"id":"` + strings.Repeat("a", maxRequestID+1) + `","reply":"` + token + `"}`,
		"no reply":                  `{"id":"a","op":"about"}`,
		"a reply of no token":       `{"id":"a","reply":"` + token[1:] + `x","op":"about"}`,
		"a reply elsewhere":         `{"id":"a","reply":"../other","op":"about"}`,
		"a long op":                 `{"id":"a","reply":"` + token + `","op":"` + strings.Repeat("a", maxOp+1) + `"}`,
		"a session that is none":    `{"id":"a","reply":"` + token + `","op":"kick","sessions":["bob"]}`,
		"a session that is null":    `{"id":"a","reply":"` + token + `","op":"kick","sessions":[7]}`,
		"too many sessions":         `{"id":"a","reply":"` + token + `","op":"kick","sessions":["00000001"` + strings.Repeat(`,"00000001"`, maxIDs) + `]}`,
		"a long destination":        `{"id":"a","reply":"` + token + `","op":"subscribers","destination":"` + strings.Repeat("a", maxDestination+1) + `"}`,
		"a long name to go on":      `{"id":"a","reply":"` + token + `","op":"names","after":"` + strings.Repeat("a", maxDestination+1) + `"}`,
		"too many rooms":            `{"id":"a","reply":"` + token + `","op":"presence","rooms":["/a"` + strings.Repeat(`,"/a"`, maxRooms) + `]}`,
		"too long rooms":            `{"id":"a","reply":"` + token + `","op":"presence","rooms":["/a"` + strings.Repeat(`,"/`+strings.Repeat("a", 8<<10)+`"`, 8) + `]}`,
		"a long reason":             `{"id":"a","reply":"` + token + `","op":"kick","reason":"` + strings.Repeat("a", 201) + `"}`,
		"a reason of two lines":     `{"id":"a","reply":"` + token + `","op":"kick","reason":"a\nb"}`,
		"a reason with an escape":   `{"id":"a","reply":"` + token + `","op":"kick","reason":"\u001b[31m"}`,
		"a blank reason":            `{"id":"a","reply":"` + token + `","op":"kick","reason":"  "}`,
		"a negative code":           `{"id":"a","reply":"` + token + `","op":"kick","code":-1}`,
		"more than a request takes": `{"id":"a","reply":"` + token + `","op":"about"}` + strings.Repeat(" ", maxRequest),
	} {
		if r, err := parseRequest(payload); err == nil {
			t.Errorf("%s: parsed as %+v", what, r)
		} else if len(err.Error()) > 200 || strings.ContainsAny(err.Error(), "\n\x1b") {
			t.Errorf("%s: the error quotes the message: %q", what, err)
		}
	}
}

// TestSplit: parts come to what was split, and none is large.
func TestSplit(t *testing.T) {
	many := answer{ID: "a", Node: "n"}
	for i := range 100_000 {
		many.Sessions = append(many.Sessions, registry.SessionID(i)<<32)
	}
	long := answer{ID: "a", Node: "n"}
	for i := range 50 { // each has 63 KiB, and takes six times that
		l := registry.Live{ID: registry.SessionID(i)}
		for range 100 {
			l.Subscriptions = append(l.Subscriptions, strings.Repeat("<", 650))
		}
		long.Live = append(long.Live, l)
	}
	names := answer{ID: "a", Node: "n", Next: "/z"}
	for i := range 60 {
		names.Names = append(names.Names, registry.Destination{Name: strings.Repeat("<", 8<<10), Subscribers: i})
	}
	rooms := answer{ID: "a", Node: "n", Left: 2}
	for i := range 50 {
		room := registry.Present{Destination: "/" + strings.Repeat("<", 8<<10-3) + fmt.Sprintf("%02d", i), Number: uint64(i), Count: i, Anonymous: 3, Many: i == 7}
		for n := range i % 3 * 300 {
			room.Members = append(room.Members, registry.Person{Member: fmt.Appendf(nil, "%d", n+1000), Sessions: n + 1, Since: int64(n), Info: fmt.Appendf(nil, `"%01000d"`, n)})
		}
		rooms.Present = append(rooms.Present, room)
	}
	for what, a := range map[string]answer{
		"long names": names, "rooms": rooms,
		"nothing": {ID: "a", Node: "n"}, "an error": {ID: "a", Node: "n", Error: "no"},
		"100,000 sessions": many, "much of 50 sessions": long,
	} {
		parts, err := split(a)
		if err != nil {
			t.Fatal(err)
		}
		q := question{node: "n", parts: map[int]struct{}{}}
		slices.Reverse(parts) // the last first
		for i, text := range parts {
			if len(text) > maxAnswer {
				t.Errorf("%s: a part has %d bytes", what, len(text))
			}
			part, err := parseAnswer(text)
			if err == nil {
				err = q.add(part)
			}
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			if q.add(part) == nil {
				t.Errorf("%s: a part is taken twice", what)
			}
			if done := i == len(parts)-1; q.done != done {
				t.Fatalf("%s: with %d of %d parts it is done: %v", what, i+1, len(parts), q.done)
			}
		}
		slices.Sort(q.whole.Sessions)
		slices.SortFunc(q.whole.Live, func(a, b registry.Live) int { return int(a.ID) - int(b.ID) })
		slices.SortFunc(q.whole.Names, func(a, b registry.Destination) int { return a.Subscribers - b.Subscribers })
		if present := sorted(whole(q.whole.Present)); !reflect.DeepEqual(present, a.Present) || q.whole.Left != a.Left {
			t.Errorf("%s: %d rooms came", what, len(present))
		}
		if !reflect.DeepEqual(q.whole.Names, a.Names) || q.whole.Next != a.Next {
			t.Errorf("%s: %d names came", what, len(q.whole.Names))
		}
		if !reflect.DeepEqual(q.whole.Sessions, a.Sessions) || !reflect.DeepEqual(q.whole.Live, a.Live) || q.whole.Error != a.Error {
			t.Errorf("%s: %d sessions, %d live and %q came", what, len(q.whole.Sessions), len(q.whole.Live), q.whole.Error)
		}
	}
}

// sorted puts rooms, and their members, in order.
func sorted(rooms []registry.Present) []registry.Present {
	slices.SortFunc(rooms, func(a, b registry.Present) int { return strings.Compare(a.Destination, b.Destination) })
	for _, room := range rooms {
		slices.SortFunc(room.Members, func(a, b registry.Person) int { return strings.Compare(string(a.Member), string(b.Member)) })
	}
	return rooms
}

// TestSenselessRooms: what no node says of rooms counts for nothing.
func TestSenselessRooms(t *testing.T) {
	const good = `{"destination":"/a","count":1,"anonymous":2,"members":[{"member":7,"sessions":1,"since":5,"info":{"name":"x"}}]}`
	for payload, sense := range map[string]bool{
		``: true, `"present":[` + good + `]`: true, `"present":[` + good + `],"left":1`: true, `"error":"no"`: false,
		`"left":2`: false, `"left":-1`: false, `"present":[{"destination":"/c"}]`: false,
		`"present":[{"destination":"/a","count":-1}]`: false, `"present":[{"destination":"/a","anonymous":-1}]`: false,
		`"present":[{"destination":"/a","members":[{"member":7,"sessions":0}]}]`:        false,
		`"present":[{"destination":"/a","members":[{"member":null,"sessions":1}]}]`:     false,
		`"present":[{"destination":"/a","members":[{"sessions":1}]}]`:                   false,
		`"present":[{"destination":"/a","members":[{"member":"\u0062","sessions":1}]}]`: false,
	} {
		a, err := parseAnswer(strings.TrimSuffix(`{"id":"a","node":"n","part":0,"parts":1,`+payload, ",") + "}")
		q := question{node: "n", request: request{Rooms: []string{"/a", "/b"}}, parts: map[int]struct{}{}}
		if err == nil {
			err = q.add(a)
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := q.present(); (err == nil) != sense {
			t.Errorf("%s: %v", payload, err)
		}
	}
}

// TestPortion: requests of rooms fit their bounds, and lose none.
func TestPortion(t *testing.T) {
	var rooms []string
	for i := range 3000 {
		rooms = append(rooms, fmt.Sprint("/", i, strings.Repeat("<", i*i%(8<<10-8)*(i%40/39))))
	}
	n := 0
	for n < len(rooms) {
		some := portion(rooms[n:])
		text, err := json.Marshal(request{ID: "a", Reply: token, Op: opPresence, Rooms: some})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parseRequest(string(text)); len(some) == 0 || err != nil {
			t.Fatalf("%d rooms: %v", len(some), err)
		}
		n += len(some)
	}
	if n != len(rooms) {
		t.Errorf("%d rooms, want %d", n, len(rooms))
	}
}

// TestHostileAnswers: what others publish for a question does not settle it.
func TestHostileAnswers(t *testing.T) {
	for _, payload := range []string{
		``, `null`, `{}`, `{"id":"a","node":"n","part":-1,"parts":1}`, `{"id":"a","node":"n","part":1,"parts":1}`,
		`{"id":"a","node":"n","part":0,"parts":1000000000}`, `{"id":"a","node":"n","part":0,"parts":1,"sessions":[1]}`,
		strings.Repeat(" ", maxAnswer) + `{"id":"a","node":"n","part":0,"parts":1}`,
	} {
		if a, err := parseAnswer(payload); err == nil {
			t.Errorf("%.80q is %+v", payload, a)
		}
	}
	q := question{node: "n", parts: map[int]struct{}{}}
	if q.add(answer{Node: "m", Parts: 1}) == nil || q.done {
		t.Error("another node can answer")
	}
	if err := q.add(answer{Node: "n", Part: 0, Parts: 3}); err != nil {
		t.Fatal(err)
	}
	if q.add(answer{Node: "n", Part: 1, Parts: 2}) == nil || q.done {
		t.Error("the number of parts can change")
	}
	a, err := parseAnswer(`{"id":"a","node":"n","part":0,"parts":1,"error":"\u001b[31mred\nblue","state":{"ready":"a\u0007b"}}`)
	if err != nil || a.Error != " [31mred blue" || a.State.Ready != "a b" {
		t.Errorf("%q and %+v, %v: want what a terminal can show", a.Error, a.State, err)
	}
}

// FuzzParseRequest holds that what is taken is within the limits, and is the same when it is written
// and read again.
func FuzzParseRequest(f *testing.F) {
	f.Add(`{"id":"a-1","reply":"` + token + `","op":"kick","sessions":["0000002a"],"reason":"bye","code":15}`)
	f.Add(`{"id":"a-1","reply":"` + token + `","op":"subscribers","destination":"/topic/a"}`)
	f.Add(`{"id":"a-1","reply":"` + token + `","op":"names","destination":"/topic/*","after":"/topic/a","most":1000}`)
	f.Add(`{"id":"a-1","reply":"` + token + `","op":"presence","rooms":["/topic/a"],"counts":true}`)
	f.Fuzz(func(t *testing.T, payload string) {
		r, err := parseRequest(payload)
		if err != nil {
			return
		}
		if len(r.Sessions) > maxIDs || len(r.Rooms) > maxRooms || lengthOf(r.Rooms) > maxRoomBytes || gateway.CheckReason(r.Reason) != nil || !isToken(r.Reply) || len(r.Destination) > maxDestination || len(r.After) > maxDestination {
			t.Errorf("%+v is over the limits", r)
		}
		text, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		again, err := parseRequest(string(text))
		if err != nil && len(text) <= maxRequest {
			t.Errorf("%s is not taken: %v", text, err)
		}
		if len(r.Sessions) == 0 {
			r.Sessions, again.Sessions = nil, nil
		}
		if len(r.Rooms) == 0 {
			r.Rooms, again.Rooms = nil, nil
		}
		if err == nil && !reflect.DeepEqual(r, again) {
			t.Errorf("%+v is read again as %+v", r, again)
		}
	})
}

// FuzzParseAnswer holds that no answer, whatever it is, panics, or settles a question of another node.
func FuzzParseAnswer(f *testing.F) {
	f.Add(`{"id":"a","node":"n","part":0,"parts":1,"error":"no"}`)
	f.Add(`{"id":"a","node":"n","part":1,"parts":2,"live":[{"id":"0000002a","destinations":["/topic/a"],"subscriptions":1}]}`)
	f.Fuzz(func(t *testing.T, payload string) {
		a, err := parseAnswer(payload)
		if err != nil {
			return
		}
		q := question{node: "n", parts: map[int]struct{}{}}
		if err := q.add(a); err == nil && (a.Node != "n" || q.done != (a.Parts == 1)) {
			t.Errorf("%+v settles the question: %v", a, q.done)
		}
	})
}
