package admin

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/stompgw/stompgw/gateway/registry"
)

// Bounds of what Cluster.Member returns.
const (
	MaxMemberSessions = 1000    // sessions that it lists
	maxMemberCount    = 100_000 // that it counts
)

// Member is what is known about a member.
type Member struct {
	ID       json.RawMessage `json:"member"`
	Online   bool            `json:"online"`   // it has a session
	Total    int             `json:"total"`    // how many it has on all live nodes, counted up to 100,000
	Sessions []Session       `json:"sessions"` // the first MaxMemberSessions
	Block    *Block          `json:"block"`    // null when it may connect
}

// Member returns what Redis knows about a member, named as registry.ParseMember takes it, whether it is connected or not; no
// node is asked. Errors are registry.ErrMember and those of Redis.
func (c *Cluster) Member(ctx context.Context, member string) (Member, error) {
	id, err := registry.ParseMember(member)
	if err != nil {
		return Member{}, err
	}
	m := Member{ID: json.RawMessage(id), Sessions: []Session{}}
	for s, err := range c.Sessions(ctx, Filter{Member: id}, "") {
		if err != nil {
			return Member{}, err
		}
		if s.Cursor = ""; m.Total < MaxMemberSessions {
			m.Sessions = append(m.Sessions, s)
		}
		if m.Total++; m.Total == maxMemberCount {
			break
		}
	}
	m.Online = m.Total > 0
	blocks, err := c.Blocks(ctx)
	if i := slices.IndexFunc(blocks, func(b Block) bool { return string(b.Member) == id }); i >= 0 {
		m.Block = &blocks[i]
	}
	return m, err
}
