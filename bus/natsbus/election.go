package natsbus

import "github.com/nats-io/nats.go"

// Of three servers with a stream the one that leads it publishes again what it stores. Where it is killed, or steps down, the next one has
// what was stored last, and does not publish it: nobody hears of it until somebody publishes to the same destination again. So after
// an election all trails ask, and what came over their subscriptions before is no proof that nothing is missing.

// electedSubject is where JetStream tells of a new leader, before the name of the stream.
const electedSubject = "$JS.EVENT.ADVISORY.STREAM.LEADER_ELECTED."

// hearElections has the keeper hear of them over c. Who may not subscribe to that learns it from the stream, at the next glance. It fails
// only when c has ended.
func (b *Bus) hearElections(c *conn) error {
	if c.nc.ConnectedClusterName() == "" {
		return nil
	}
	_, err := c.nc.Subscribe(electedSubject+b.history.stream, func(*nats.Msg) { b.history.heardElection() })
	return err
}

// heardElection has the stream looked at with the next beat: the new leader may not answer at once.
func (h *history) heardElection() {
	h.elections.Add(1)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.elected, h.changed = true, true
}

// isLedAnew reports whether another server leads the stream than when this was last asked.
func (h *history) isLedAnew(info *streamInfo) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if leader := info.leader(); leader != "" && leader != h.leader {
		if h.leader != "" && !h.elected {
			h.elections.Add(1)
			h.elected = true
		}
		h.leader = leader
	}
	anew := h.elected
	h.elected = false
	return anew
}
