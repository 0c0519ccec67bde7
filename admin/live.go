package admin

import (
	"context"
	"slices"

	"github.com/stompgw/stompgw/gateway/registry"
)

// Live is what the owner node says of a session.
type Live struct {
	Subscriptions []string `json:"destinations"`  // the first of them, 100 and 64 KiB at most
	Subscribed    int      `json:"subscriptions"` // how many there are
	Queued        int      `json:"queued_bytes"`  // that wait for the client
}

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
				sessions[i].Live = &l.Live
			}
		}
	})
	return silent, err
}

// byNode groups the ids of those sessions that a node of stompgw has, and notes in index where each
// stands.
func byNode(sessions []Session, index map[string]int) map[string][]sessionID {
	nodes := map[string][]sessionID{}
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
func (s Session) own() (sessionID, bool) {
	id, err := registry.ParseSessionID(s.ID)
	return sessionID(id), err == nil && s.ConnectedAt != nil
}

func sessionKey(node string, id sessionID) string {
	return node + "_" + registry.SessionID(id).String()
}
