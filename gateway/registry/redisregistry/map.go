package redisregistry

import (
	"cmp"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"

	"github.com/stompgw/stompgw/gateway/registry"
)

// Map says where the session map of a cluster is stored. All nodes and tools of the cluster must use the
// same. The client remains the caller's; see NewClient.
type Map struct {
	Client *Client
	Prefix string // of every key, such as "stompgw:"; may be empty
	Layout Layout // default Hashes
}

// Layout is how sessions are stored in Redis.
type Layout string

const (
	// Hashes is 64 hashes for each node: a heartbeat costs the same however many sessions there are.
	Hashes Layout = "hashes"

	// Keys is a string for each session, as in the replaced system: its nodes and tools see the sessions,
	// and theirs are seen here. Each session costs a command at every heartbeat.
	Keys Layout = "keys"
)

// Own is the prefix of what only stompgw uses: its channels, and its keys other than sessions. It differs
// for each layout and Prefix, unless a Prefix is chosen to begin like these; see Claim. It begins as it did
// in versions where maps could share it, so that ACL rules still hold. In the layout Keys it never begins
// as a session key does, so that tools that scan for those find nothing else.
func (m Map) Own() string {
	switch {
	case m.Layout == Keys:
		return "stompgw:" + m.Prefix + "keys:"
	case m.Prefix == "":
		return "stompgw:hashes:"
	}
	return m.Prefix
}

// formerOwn is what Own was when maps of different layouts could share it, empty where it still is.
func (m Map) formerOwn() string {
	if m.Layout == Keys || m.Prefix == "" {
		return "stompgw:" + m.Prefix
	}
	return ""
}

// layout is Layout, which has a default.
func (m Map) layout() Layout { return cmp.Or(m.Layout, Hashes) }

func (m Map) names() names { return names{m.Prefix, m.Own(), m.layout()} }

// buckets is how many hashes the sessions of one node are spread over, and how many sorted sets its
// members, so that no single command that frees or walks one of them holds up Redis for long.
const buckets = 64

// bucketOf is the hash that a session stands in.
func bucketOf(id registry.SessionID) int { return int(id % buckets) }

// shardOf is the sorted set that the sessions of a member stand in.
func shardOf(member string) int { return int(crc32.ChecksumIEEE([]byte(member)) % buckets) }

// names makes the names of Redis keys.
type names struct {
	prefix string // of the keys of sessions in the layout Keys
	own    string // of all others
	layout Layout
}

func (n names) nodes() string { return n.own + "nodes" }

func (n names) alive(node string) string { return n.own + "alive:" + node }

func (n names) blocked() string { return n.own + "blocked" }

func (n names) sessions(node string, bucket int) string {
	return n.own + "sessions:" + node + ":" + strconv.Itoa(bucket)
}

func (n names) members(node string, shard int) string {
	return n.own + "members:" + node + ":" + strconv.Itoa(shard)
}

// parseKey takes the key of a session apart, without a prefix. On a node of the replaced system the
// id may be any text.
func parseKey(key string) (node registry.Node, id string, err error) {
	name, id, ok := strings.Cut(key, "_")
	if !ok || id == "" {
		return registry.Node{}, "", fmt.Errorf("%q is not a session key: want <node>_<session id>", key)
	}
	node, err = registry.ParseNode(name)
	return node, id, err
}

// parseOurKey is parseKey of a node of stompgw.
func parseOurKey(key string) (node registry.Node, id registry.SessionID, err error) {
	node, text, err := parseKey(key)
	if err == nil {
		id, err = registry.ParseSessionID(text)
	}
	return node, id, err
}

// idOf takes the key of a session of a node of stompgw apart.
func idOf(node registry.Node, key string) (registry.SessionID, error) {
	owner, id, err := parseOurKey(key)
	if err == nil && owner != node {
		err = fmt.Errorf("session %s does not belong there", key)
	}
	return id, err
}
