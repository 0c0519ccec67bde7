package registry_test

import (
	"encoding/json"
	"net/netip"
	"regexp"
	"testing"
	"time"

	"github.com/stompgw/stompgw/gateway/registry"
)

// seoul is a zone of its own, so that no test depends on the machine's list of zones.
func seoul() *time.Location { return time.FixedZone("KST", 9*60*60) }

func node(t *testing.T) registry.Node {
	t.Helper()
	n, err := registry.ParseNode("1719999999999/7c0e9d1a-0000-4000-8000-000000000001")
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestNewNode(t *testing.T) {
	form := regexp.MustCompile(`^1719999999999/[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	a, b := registry.NewNode(time.UnixMilli(1719999999999)), registry.NewNode(time.UnixMilli(1719999999999))
	if !form.MatchString(a.String()) {
		t.Errorf("node %q has not the form %s", a, form)
	}
	if a == b {
		t.Errorf("two nodes have the name %q", a)
	}
	if again, err := registry.ParseNode(a.String()); err != nil || again != a {
		t.Errorf("ParseNode(%q) = %q, %v", a, again, err)
	}
}

func TestParseNodeRefuses(t *testing.T) {
	for _, name := range []string{"", "1", "1/", "/u", "x/u", "1/u/v"} {
		if n, err := registry.ParseNode(name); err == nil {
			t.Errorf("ParseNode(%q) = %q, want an error", name, n)
		}
	}
}

func TestNames(t *testing.T) {
	at := time.Date(2025, 2, 3, 14, 5, 6, 789_999_999, seoul())
	for _, tt := range []struct{ what, got, want string }{
		{"session id", registry.SessionID(255).String(), "000000ff"},
		{"a large session id", registry.SessionID(1 << 40).String(), "10000000000"},
		{"session key", node(t).Key(255), "1719999999999/7c0e9d1a-0000-4000-8000-000000000001_000000ff"},
		{"short form of a node", node(t).Short(), "7c0e9d1a"},
		{"short form of a session key", node(t).ShortKey(255), "7c0e9d1a-ff"},
		{"connectDatetime", registry.ConnectDatetime(at), "2025_02_03_T_14_05_06_789_KST"},
		{"principal", node(t).Principal(255, at),
			"1719999999999/7c0e9d1a-0000-4000-8000-000000000001/000000ff/2025_02_03_T_14_05_06_789_KST"},
	} {
		if tt.got != tt.want {
			t.Errorf("%s is %q, want %q", tt.what, tt.got, tt.want)
		}
	}
}

func TestParseSessionID(t *testing.T) {
	for _, id := range []registry.SessionID{0, 1, 255, 1 << 32, 1<<64 - 1} {
		if got, err := registry.ParseSessionID(id.String()); err != nil || got != id {
			t.Errorf("ParseSessionID(%q) = %v, %v", id, got, err)
		}
	}
	for _, text := range []string{"", "ff", "000000FF", "0000000ff", "zzzzzzzz", "-0000001"} {
		if id, err := registry.ParseSessionID(text); err == nil {
			t.Errorf("ParseSessionID(%q) = %v, want an error", text, id)
		}
	}
}

// TestValue holds the bytes that the tools of the replaced system read: four fields, in this order,
// then what was added since.
func TestValue(t *testing.T) {
	s := registry.Session{
		ID:          1,
		ConnectedAt: time.Date(2025, 2, 3, 14, 5, 6, 789e6, seoul()),
		Member:      "42",
		Transport:   "websocket",
		Remote:      netip.MustParseAddrPort("192.0.2.7:40001"),
		Version:     "1.2",
	}
	const four = `{"connectDatetime":"2025_02_03_T_14_05_06_789_KST",` +
		`"serverUuid":"1719999999999/7c0e9d1a-0000-4000-8000-000000000001",` +
		`"principalUserName":"1719999999999/7c0e9d1a-0000-4000-8000-000000000001/00000001/2025_02_03_T_14_05_06_789_KST",`
	const more = `,"transport":"websocket","remoteAddress":"192.0.2.7:40001","version":"1.2",` +
		`"connectedAt":"2025-02-03T14:05:06.789+09:00"}`
	for member, want := range map[string]string{
		"42":    four + `"memberUid":42` + more,
		`"bob"`: four + `"memberUid":"bob"` + more,
		"":      four + `"memberUid":null` + more,
	} {
		s.Member = member
		got, err := json.Marshal(node(t).Value(s))
		if err != nil || string(got) != want {
			t.Errorf("member %q:\n got %s, %v\nwant %s", member, got, err, want)
		}
	}
}

func TestMemory(t *testing.T) {
	m := registry.NewMemory()
	m.Add(registry.Session{ID: 2})
	m.Add(registry.Session{ID: 1})
	m.Add(registry.Session{ID: 2, Member: "42"})
	m.Remove(1)
	m.Remove(3)
	if got := m.Sessions(); len(got) != 1 || got[0].ID != 2 || got[0].Member != "42" {
		t.Errorf("sessions are %+v, want session 2 of member 42", got)
	}
}
