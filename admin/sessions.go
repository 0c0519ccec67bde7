package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/stompgw/stompgw/gateway/registry"
	"github.com/stompgw/stompgw/gateway/registry/redisregistry"
)

// Session is one session of a live node, as operators see it.
type Session struct {
	Key         string          `json:"key"`     // names it among all nodes
	ID          string          `json:"session"` // names it on its node
	Node        string          `json:"node"`
	Principal   string          `json:"principal"` // what individual messages are addressed to
	Member      json.RawMessage `json:"member"`    // null when not logged in
	Transport   string          `json:"transport"`
	Version     string          `json:"stomp_version"`
	Remote      string          `json:"remote_address"`
	ConnectedAt *time.Time      `json:"connected_at"` // null when its node did not say
}

func newSession(s redisregistry.Session) Session {
	return Session{
		Key:         s.Key(),
		ID:          s.ID.String(),
		Node:        s.Node.String(),
		Principal:   s.Value.PrincipalUserName,
		Member:      s.Value.MemberUID,
		Transport:   s.Value.Transport,
		Version:     s.Value.Version,
		Remote:      s.Value.RemoteAddress,
		ConnectedAt: s.Value.ConnectedAt,
	}
}

// ListSessions returns the live nodes, and walks their sessions in the order of nodes and session
// ids, reading them page by page. An error ends the walk.
func ListSessions(ctx context.Context, r *redisregistry.Reader) ([]registry.Node, iter.Seq2[Session, error], error) {
	nodes, err := r.Nodes(ctx)
	if err != nil {
		return nil, nil, err
	}
	return nodes, func(yield func(Session, error) bool) {
		for s, err := range r.Sessions(ctx, nodes) {
			if !yield(newSession(s), err) || err != nil {
				return
			}
		}
	}, nil
}

// ErrNoSession reports a name that no session of a live node has.
var ErrNoSession = errors.New("no live node has this session")

// FindSession returns the session of a key, or of an id that only one live node has.
func FindSession(ctx context.Context, r *redisregistry.Reader, name string) (Session, error) {
	id, err := registry.ParseSessionID(name)
	if err != nil {
		s, err := r.Find(ctx, name)
		return found(s, err)
	}
	nodes, err := r.Nodes(ctx)
	if err != nil {
		return Session{}, err
	}
	var hits []redisregistry.Session
	for _, node := range nodes {
		s, err := r.Find(ctx, node.Key(id))
		switch {
		case err == nil:
			hits = append(hits, s)
		case !errors.Is(err, redisregistry.ErrNotFound):
			return Session{}, err
		}
	}
	switch len(hits) {
	case 0:
		return Session{}, ErrNoSession
	case 1:
		return newSession(hits[0]), nil
	}
	return Session{}, fmt.Errorf("%d nodes have a session %s: give the whole key, such as %s", len(hits), name, hits[0].Key())
}

func found(s redisregistry.Session, err error) (Session, error) {
	switch {
	case errors.Is(err, redisregistry.ErrNotFound):
		return Session{}, ErrNoSession
	case err != nil:
		return Session{}, err
	}
	return newSession(s), nil
}
