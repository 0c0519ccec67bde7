package presence

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stompgw/stompgw/gateway/registry"
)

const goodNode = "1764000000000/d0b6fbca-0000-4000-8000-000000000000"

// TestWireChange: the form that nodes of other versions read.
func TestWireChange(t *testing.T) {
	c := change{
		Room: "/topic/a", Node: goodNode, From: 41, To: 44, Count: 12, Anonymous: 3,
		Changes: []registry.Person{
			{Member: json.RawMessage("7"), Sessions: 2, Since: 1764000000000, Info: json.RawMessage(`{"avatar":"https://x/?a=1&b=<2>"}`)},
			{Member: json.RawMessage(`"bob"`)},
		},
	}
	want := `{"node":"` + goodNode + `","from":41,"to":44,"count":12,"anonymous":3,"changes":[` +
		`{"member":7,"sessions":2,"since":1764000000000,"info":{"avatar":"https://x/?a=1&b=<2>"}},{"member":"bob","sessions":0,"since":0}]}`
	if got := string(encode(c)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got, ok := decodeChange("/topic/a", []byte(want)); !ok || string(encode(got)) != want || got.Room != c.Room {
		t.Errorf("got %+v, %v", got, ok)
	}
	if got := string(encode(digest{goodNode, map[string]uint64{"/topic/a": 44}})); got != `{"node":"`+goodNode+`","rooms":{"/topic/a":44}}` {
		t.Errorf("got %s", got)
	}
}

// TestWireRefuses: what no node tells is not believed.
func TestWireRefuses(t *testing.T) {
	good := `{"node":"` + goodNode + `","from":1,"to":2,"count":1,"anonymous":0,"changes":[{"member":7,"sessions":1,"since":1,"info":{}}]}`
	if _, ok := decodeChange("/a", []byte(good)); !ok {
		t.Fatalf("not taken: %s", good)
	}
	for name, edit := range map[string][2]string{
		"no JSON":                      {`{"node"`, `{node`},
		"a node without a name":        {goodNode, ""},
		"a node of another form":       {goodNode, "node"},
		"a long node":                  {goodNode, goodNode + strings.Repeat("0", 200)},
		"numbers that fall":            {`"to":2`, `"to":1`},
		"a number beyond all":          {`"to":2`, `"to":18446744073709551615`},
		"a negative number":            {`"from":1`, `"from":-1`},
		"a negative count":             {`"count":1`, `"count":-1`},
		"a count beyond all":           {`"count":1`, `"count":9007199254740993`},
		"anonymous beyond all":         {`"anonymous":0`, `"anonymous":-5`},
		"many who are listed":          {`"count":1`, `"count":1,"many":true`},
		"a member of null":             {`"member":7`, `"member":null`},
		"a member that is no id":       {`"member":7`, `"member":7.5`},
		"a member in another spelling": {`"member":7`, `"member":"\u0062ob"`},
		"no member":                    {`"member":7,`, ``},
		"negative sessions":            {`"sessions":1`, `"sessions":-1`},
		"a time before all":            {`"since":1`, `"since":-1`},
		"much to show":                 {`"info":{}`, `"info":"` + strings.Repeat("x", MaxInfo) + `"`},
	} {
		body := strings.Replace(good, edit[0], edit[1], 1)
		if c, ok := decodeChange("/a", []byte(body)); ok || body == good {
			t.Errorf("%s: taken as %+v", name, c)
		}
	}
	for _, room := range []string{"", "/", "a", "/\xff", "/a/*", "/" + strings.Repeat("x", MaxRoom)} {
		if _, ok := decodeChange(room, []byte(good)); ok {
			t.Errorf("taken of a room %.20q", room)
		}
	}
	for _, body := range []string{
		`{}`, `[]`, `{"node":"` + goodNode + `","rooms":{"a":1}}`, `{"node":"` + goodNode + `","rooms":{"/a":18446744073709551615}}`, manyRooms(),
	} {
		if _, ok := decodeDigest([]byte(body)); ok {
			t.Errorf("taken: %.80s", body)
		}
	}
	for _, p := range []registry.Present{
		{Count: 1}, {Count: -1, Many: true}, {Anonymous: -1}, {Number: 1 << 63},
		{Count: 1, Members: []registry.Person{{Member: json.RawMessage("7")}}},
	} {
		if isAnswer(&p) {
			t.Errorf("taken: %+v", p)
		}
	}
}

func manyRooms() string {
	d := digest{goodNode, map[string]uint64{}}
	for i := range digestRooms + 1 {
		d.Rooms[fmt.Sprintf("/%d", i)] = 1
	}
	return string(encode(d))
}

// FuzzWire: what is taken from the bus is what a node tells, and a node that tells it again tells the same.
func FuzzWire(f *testing.F) {
	f.Add("/a", []byte(`{"node":"`+goodNode+`","from":1,"to":2,"count":1,"anonymous":0,"changes":[{"member":"b","sessions":1,"since":1,"info":{"a":1}}]}`))
	f.Add("/a", []byte(`{"node":"`+goodNode+`","from":0,"to":2,"count":2000,"anonymous":5,"many":true}`))
	f.Add("/a", []byte(`{"node":"`+goodNode+`","rooms":{"/a":4}}`))
	f.Fuzz(func(t *testing.T, room string, body []byte) {
		if c, ok := decodeChange(room, body); ok {
			again, ok := decodeChange(room, encode(c))
			if !ok || string(encode(again)) != string(encode(c)) {
				t.Errorf("%+v is read as %+v, %v", c, again, ok)
			}
			p := part{}
			p.apply(&c, func(string) {})
			for member, s := range p.people {
				if !utf8.ValidString(member) || s.sessions < 1 || len(s.info) > MaxInfo {
					t.Errorf("%q has %+v", member, s)
				}
			}
		}
		if d, ok := decodeDigest(body); ok {
			again, ok := decodeDigest(encode(d))
			if !ok || !maps.Equal(again.Rooms, d.Rooms) {
				t.Errorf("%+v is read as %+v, %v", d, again, ok)
			}
			if slices.ContainsFunc(slices.Collect(maps.Keys(d.Rooms)), func(room string) bool { return !isRoom(room) }) {
				t.Errorf("%+v", d)
			}
		}
	})
}
