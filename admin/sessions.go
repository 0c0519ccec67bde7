package admin

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/stompgw/stompgw/gateway/registry"
	"github.com/stompgw/stompgw/gateway/registry/redisregistry"
)

// Session is one session of a live node, as operators see it.
type Session struct {
	Short       string          `json:"id"`      // names it among all nodes, for people: d0b6fbca-5
	Key         string          `json:"key"`     // names it in Redis
	ID          string          `json:"session"` // names it on its node
	Node        string          `json:"node"`
	Principal   string          `json:"principal"` // what individual messages are addressed to
	Member      json.RawMessage `json:"member"`    // null when not logged in
	Transport   string          `json:"transport"`
	Version     string          `json:"stomp_version"`
	Remote      string          `json:"remote_address"`
	ConnectedAt *time.Time      `json:"connected_at"`     // null when its node did not say
	ExpiresAt   *time.Time      `json:"token_expires_at"` // null when nobody is logged in
	Live        *registry.Live  `json:"live"`             // null when its node was not asked, or did not answer

	Cursor string `json:"cursor,omitempty"` // with which a walk goes on behind this session; empty outside of one
}

func newSession(s redisregistry.Session) Session {
	short := s.Node.Short() + "-" + s.ID
	if id, err := registry.ParseSessionID(s.ID); err == nil && s.Value.ConnectedAt != nil { // it is one of stompgw's
		short = s.Node.ShortKey(id)
	}
	return Session{
		Short:       short,
		Key:         s.Key(),
		ID:          s.ID,
		Node:        s.Node.String(),
		Principal:   s.Value.PrincipalUserName,
		Member:      s.Value.MemberUID,
		Transport:   s.Value.Transport,
		Version:     s.Value.Version,
		Remote:      s.Value.RemoteAddress,
		ConnectedAt: s.Value.ConnectedAt,
		ExpiresAt:   s.Value.TokenExpiresAt,
		Cursor:      s.Cursor,
	}
}

// member returns the id of the session's member as the gateway writes it, "" when nobody is logged in.
func (s Session) member() string {
	id, _ := registry.CanonicalMember(string(s.Member)) // null is nobody
	return id
}

// ErrNoSession reports a name that no session of a live node has.
var ErrNoSession = errors.New("no such session")
