package admin

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/stompgw/stompgw/gateway/registry"
	"github.com/stompgw/stompgw/gateway/registry/redisregistry"
)

// Find returns the session that a name means: its key, the beginning of a key that only one session
// has, its short id, its principal, or its id where only one live node has that. Errors are
// ErrNoSession and *redisregistry.AmbiguousError.
func (c *Cluster) Find(ctx context.Context, name string) (Session, error) {
	if key, ok := keyOfPrincipal(name); ok {
		s, err := c.find(ctx, key)
		if err == nil && s.Principal != name {
			err = ErrNoSession
		}
		return s, err
	}
	if s, err := c.findShort(ctx, name); !errors.Is(err, ErrNoSession) {
		return s, err
	}
	return c.find(ctx, name)
}

func (c *Cluster) find(ctx context.Context, name string) (Session, error) {
	s, err := c.reader.Find(ctx, name)
	switch {
	case errors.Is(err, redisregistry.ErrNotFound):
		return Session{}, ErrNoSession
	case err != nil:
		return Session{}, err
	}
	return newSession(s), nil
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
		_, others := errors.AsType[*redisregistry.AmbiguousError](err)
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
	return Session{}, &redisregistry.AmbiguousError{Name: short, Keys: []string{found[0].Key, found[1].Key}}
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
