package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
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

	Cursor string `json:"cursor,omitempty"` // a walk goes on behind this session with it; empty outside a walk
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
var ErrNoSession = redisregistry.ErrNotFound

// Find returns the session that a name means: its key, its short id or its principal; unless the cluster is Exact, also
// the beginning of a key that only one session has, or an id that only one live node has. Errors are ErrNoSession and
// *AmbiguousError.
func (c *Cluster) Find(ctx context.Context, name string) (s Session, err error) {
	if key, ok := keyOfPrincipal(name); ok {
		if s, err = c.find(ctx, key); err == nil && s.Principal != name {
			err = ErrNoSession
		}
	} else if s, err = c.findShort(ctx, name); errors.Is(err, ErrNoSession) {
		s, err = c.findKey(ctx, name)
	}
	if errors.Is(err, ErrNoSession) {
		err = fmt.Errorf("%s: %w", name, ErrNoSession)
	}
	return s, err
}

func (c *Cluster) find(ctx context.Context, name string) (Session, error) {
	s, err := c.reader.Find(ctx, name)
	if err != nil {
		return Session{}, err
	}
	return newSession(s), nil
}

// findKey finds the session of a key, or of what else may mean one.
func (c *Cluster) findKey(ctx context.Context, name string) (Session, error) {
	s, err := c.find(ctx, name)
	_, several := errors.AsType[*AmbiguousError](err)
	if c.Exact && (several || err == nil && s.Key != name) {
		return Session{}, ErrNoSession
	}
	return s, err
}

// findShort finds the session of a short id. Two nodes might begin alike, though hardly ever.
func (c *Cluster) findShort(ctx context.Context, short string) (Session, error) {
	node, id, ok := strings.Cut(short, "-")
	if !ok || strings.Contains(node, "/") {
		return Session{}, ErrNoSession
	}
	nodes, err := c.reader.Nodes(ctx)
	if err != nil {
		return Session{}, err
	}
	var found []Session
	for _, n := range nodes {
		if registry.ShortNode(n.Node) != node {
			continue
		}
		s, err := c.find(ctx, n.Node+"_"+longID(id, n.Foreign()))
		_, others := errors.AsType[*AmbiguousError](err)
		switch {
		case others, errors.Is(err, ErrNoSession):
		case err != nil:
			return Session{}, err
		case s.Short == short: // and not one whose key only begins so
			found = append(found, s)
		}
	}
	switch len(found) {
	case 0:
		return Session{}, ErrNoSession
	case 1:
		return found[0], nil
	}
	return Session{}, &AmbiguousError{Name: short, What: "sessions", Keys: []string{found[0].Key, found[1].Key}}
}

// keyOfPrincipal returns the key of the session that a principal addresses, see registry.Node.
func keyOfPrincipal(name string) (key string, ok bool) {
	parts := strings.Split(name, "/")
	if len(parts) != 4 {
		return "", false
	}
	return parts[0] + "/" + parts[1] + "_" + parts[2], true
}

// longID is the id on its node of which a short id has the end. Nodes of the replaced system have ids
// of any form.
func longID(id string, foreign bool) string {
	if n, err := strconv.ParseUint(id, 16, 64); err == nil && !foreign {
		return registry.SessionID(n).String()
	}
	return id
}

// AskLive sets Live of the sessions whose nodes answer. A node that did not answer is not asked again by
// this Cluster for 30 s, so a page costs the patience at most once.
func (c *Cluster) AskLive(ctx context.Context, sessions []Session) error {
	_, err := c.askLive(ctx, sessions)
	return err
}

// askLive also returns the nodes that did not answer for all of their sessions, or were not asked.
func (c *Cluster) askLive(ctx context.Context, sessions []Session) (silent map[string]bool, err error) {
	silent = map[string]bool{}
	var questions []*question
	nodes := byNode(sessions)
	for node, at := range nodes {
		if c.spares(node, opLive) {
			silent[node] = true
			continue
		}
		for ids := range slices.Chunk(slices.Sorted(maps.Keys(at)), maxIDs) {
			questions = append(questions, &question{node: node, request: request{Op: opLive, Sessions: ids}})
		}
	}
	err = c.askAll(ctx, questions, func(q *question) {
		if q.err() != nil {
			silent[q.node] = true
			return
		}
		for _, l := range q.whole.Live {
			if i, ok := nodes[q.node][l.ID]; ok {
				l.ID = 0 // the session has it
				sessions[i].Live = &l
			}
		}
	})
	return silent, err
}

// byNode says of the sessions of stompgw's nodes where each stands in the list.
func byNode(sessions []Session) map[string]map[registry.SessionID]int {
	nodes := map[string]map[registry.SessionID]int{}
	for i, s := range sessions {
		id, own := s.own()
		if !own {
			continue
		}
		if nodes[s.Node] == nil {
			nodes[s.Node] = map[registry.SessionID]int{}
		}
		nodes[s.Node][id] = i
	}
	return nodes
}

// own returns the id of a session of stompgw. A node of the replaced system can't be asked: it says
// nothing of a session but the four fields.
func (s Session) own() (registry.SessionID, bool) {
	id, err := registry.ParseSessionID(s.ID)
	return id, err == nil && s.ConnectedAt != nil
}
