// Package registry is the session book: which sessions a node holds, under which names.
//
// The names are those of the system that stompgw replaces, so that its tools keep working: a node
// is "<epoch millis>/<uuid>", a session's key is "<node>_<session id>", and its principal is
// "<node>/<session id>/<connect time>".
//
// Session is what the book holds of one session, Value is what of that is stored in Redis, and Live is what
// only its node knows. A session's id is text of hexadecimal digits (SessionID), a member's is JSON, 42 or
// "bob" (CanonicalMember).
package registry

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Registry publishes the sessions of one node. Its methods may be called from any goroutine, an
// event loop included: none of them blocks.
type Registry interface {
	// Add publishes a session that has connected, or a change to one.
	Add(s Session)
	// Remove removes a session. An unknown id does nothing.
	Remove(id SessionID)
}

// Node names one running gateway process.
type Node struct {
	name string
}

// NewNode makes the name of a process that starts at the given time.
func NewNode(start time.Time) Node {
	var u [16]byte
	rand.Read(u[:]) // never fails: crypto/rand ends the process rather than return an error
	u[6], u[8] = u[6]&0x0f|0x40, u[8]&0x3f|0x80
	return Node{fmt.Sprintf("%d/%x-%x-%x-%x-%x", start.UnixMilli(), u[:4], u[4:6], u[6:8], u[8:10], u[10:])}
}

// ParseNode reads the name of a node, as String returns it.
func ParseNode(name string) (Node, error) {
	epoch, uuid, ok := strings.Cut(name, "/")
	if _, err := strconv.ParseInt(epoch, 10, 64); !ok || err != nil || uuid == "" || strings.Contains(uuid, "/") {
		return Node{}, fmt.Errorf("registry: %q is not a node's name: want <epoch millis>/<uuid>", name)
	}
	return Node{name}, nil
}

func (n Node) String() string { return n.name }

// Key is the name under which a session of this node is stored in Redis.
func (n Node) Key(id SessionID) string { return n.name + "_" + id.String() }

// Principal is the name that individual messages to the session are addressed to.
func (n Node) Principal(id SessionID, connected time.Time) string {
	return n.name + "/" + id.String() + "/" + ConnectDatetime(connected)
}

// Short is the beginning of the node's UUID, which tells it from the others of a cluster and is short
// enough for people.
func (n Node) Short() string {
	_, uuid, _ := strings.Cut(n.name, "/")
	return uuid[:min(len(uuid), 8)]
}

// ShortKey names a session in the whole cluster as Key does, for people: d0b6fbca-5 is Short and the id
// without leading zeros. Redis, brokers and clients know only Key and Principal.
func (n Node) ShortKey(id SessionID) string {
	return n.Short() + "-" + strconv.FormatUint(uint64(id), 16)
}

// ShortNode is Node.Short for a name. A name that is not one of stompgw's stays as it is.
func ShortNode(name string) string {
	node, err := ParseNode(name)
	if err != nil {
		return name
	}
	return node.Short()
}

// ShortKey is Node.ShortKey for a session's key, as far as stompgw made that key.
func ShortKey(key string) string {
	name, text, _ := strings.Cut(key, "_")
	node, err := ParseNode(name)
	if err != nil {
		return key
	}
	if id, err := ParseSessionID(text); err == nil {
		return node.ShortKey(id)
	}
	return node.Short() + "-" + text
}

// ConnectDatetime writes a time as Java's pattern yyyy_MM_dd_'T'_HH_mm_ss_SSS_z does, in t's zone.
func ConnectDatetime(t time.Time) string {
	zone, _ := t.Zone()
	return fmt.Sprintf("%s_%03d_%s", t.Format("2006_01_02_T_15_04_05"), t.Nanosecond()/1e6, zone)
}

// SessionID is unique within a node for the life of the process.
type SessionID uint64

// String is at least 8 hexadecimal digits, so that one id is never the beginning of another
// before the four-billionth session of a node.
func (id SessionID) String() string { return fmt.Sprintf("%08x", uint64(id)) }

// ParseSessionID is the inverse of SessionID.String.
func ParseSessionID(s string) (SessionID, error) {
	id, err := strconv.ParseUint(s, 16, 64)
	if err != nil || SessionID(id).String() != s {
		return 0, fmt.Errorf("registry: %q is not a session id: want 8 or more hexadecimal digits", s)
	}
	return SessionID(id), nil
}

// MarshalText writes what String does, so that people see the same in JSON.
func (id SessionID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads what String writes.
func (id *SessionID) UnmarshalText(text []byte) (err error) {
	*id, err = ParseSessionID(string(text))
	return err
}

// Live is what only the node knows of one of its sessions.
type Live struct {
	ID            SessionID `json:"id,omitzero"`   // 0, which no session has, if something else names the session
	Subscriptions []string  `json:"destinations"`  // and patterns, in the order of SUBSCRIBE; only the first, at most 100 and 64 KiB
	Subscribed    int       `json:"subscriptions"` // how many there are
	Queued        int       `json:"queued_bytes"`  // that wait for the client, or for it to acknowledge others
}

// Destination is what a node knows of a destination, or a pattern, that its clients have subscribed to.
type Destination struct {
	Name        string `json:"destination"`
	Pattern     bool   `json:"pattern"`     // Name is the text of a pattern that clients have subscribed by
	Subscribers int    `json:"subscribers"` // subscriptions; a session may have several

	// Members and Anonymous are how many members, and sessions that are not logged in, are present if the destination is
	// a room; otherwise nil. For several nodes they are sums: a member on two of them counts twice.
	Members   *int `json:"members,omitempty"`
	Anonymous *int `json:"anonymous,omitempty"`
}

// Session is what the book holds of one session.
type Session struct {
	ID          SessionID
	ConnectedAt time.Time
	Member      string         // the member's id as JSON (42 or "bob"), empty when not logged in
	Transport   string         // such as "websocket", "tcp", "sockjs-websocket" or "xhr-polling"
	Remote      netip.AddrPort // of the connection, which may be a proxy's
	Version     string         // of STOMP: "1.0", "1.1" or "1.2"
	Expires     time.Time      // of the token of its login; zero when there is none
}

// Value is a session as it is stored in Redis, as JSON. The first four fields are the replaced
// system's and never change; more may be added after the last.
type Value struct {
	ConnectDatetime   string          `json:"connectDatetime"`
	ServerUUID        string          `json:"serverUuid"`
	PrincipalUserName string          `json:"principalUserName"`
	MemberUID         json.RawMessage `json:"memberUid"` // null when not logged in
	Transport         string          `json:"transport,omitempty"`
	RemoteAddress     string          `json:"remoteAddress,omitempty"`
	Version           string          `json:"version,omitempty"`
	ConnectedAt       *time.Time      `json:"connectedAt,omitempty"`    // RFC 3339
	TokenExpiresAt    *time.Time      `json:"tokenExpiresAt,omitempty"` // RFC 3339; missing when nobody is logged in
}

// Value is what the registry of node n publishes for s.
func (n Node) Value(s Session) Value {
	member := json.RawMessage("null")
	if s.Member != "" {
		member = json.RawMessage(s.Member)
	}
	v := Value{
		ConnectDatetime:   ConnectDatetime(s.ConnectedAt),
		ServerUUID:        n.name,
		PrincipalUserName: n.Principal(s.ID, s.ConnectedAt),
		MemberUID:         member,
		Transport:         s.Transport,
		Version:           s.Version,
		ConnectedAt:       &s.ConnectedAt,
	}
	if !s.Expires.IsZero() {
		v.TokenExpiresAt = &s.Expires
	}
	if s.Remote.IsValid() {
		v.RemoteAddress = s.Remote.String()
	}
	return v
}
