package admin

import (
	"context"
	"slices"

	"github.com/stompgw/stompgw/gateway/registry"
)

// AskLive sets Live of the sessions whose nodes answer. Nodes that did not answer once are not asked
// again by this Cluster for 30 s, so that a page costs the patience once at most.
func (c *Cluster) AskLive(ctx context.Context, sessions []Session) error {
	_, err := c.askLive(ctx, sessions)
	return err
}

// askLive also returns the nodes that did not answer for all of their sessions, or were not asked.
func (c *Cluster) askLive(ctx context.Context, sessions []Session) (silent map[string]bool, err error) {
	silent = map[string]bool{}
	var questions []*question
	index := map[string]int{} // by key
	for node, ids := range byNode(sessions, index) {
		if c.silence.spares(node) {
			silent[node] = true
			continue
		}
		for chunk := range slices.Chunk(ids, maxIDs) {
			questions = append(questions, &question{node: node, request: request{Op: opLive, Sessions: chunk}})
		}
	}
	err = c.askAll(ctx, questions, func(q *question) {
		if q.err() != nil {
			silent[q.node] = true
			return
		}
		for _, l := range q.whole.Live {
			if i, ok := index[sessionKey(q.node, l.ID)]; ok {
				l.ID = 0 // the session has it
				sessions[i].Live = &l
			}
		}
	})
	return silent, err
}

// byNode groups the ids of those sessions that a node of stompgw has, and notes in index where each
// stands.
func byNode(sessions []Session, index map[string]int) map[string][]registry.SessionID {
	nodes := map[string][]registry.SessionID{}
	for i, s := range sessions {
		if id, ok := s.own(); ok {
			index[s.Key] = i
			nodes[s.Node] = append(nodes[s.Node], id)
		}
	}
	return nodes
}

// own returns the id of a session of stompgw. A node of the replaced system can't be asked: it says
// nothing of a session but the four fields.
func (s Session) own() (registry.SessionID, bool) {
	id, err := registry.ParseSessionID(s.ID)
	return id, err == nil && s.ConnectedAt != nil
}

func sessionKey(node string, id registry.SessionID) string {
	return node + "_" + id.String()
}
