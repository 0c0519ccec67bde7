package policy

import (
	"strings"

	"github.com/stompgw/stompgw/bus"
)

// Verdict is what the rules make of a SUBSCRIBE or SEND, for people: which rule decides, and what it says.
type Verdict struct {
	Refusal *Refusal // nil if the frame is allowed
	Target  Target   // of an allowed SEND

	// Of an allowed SUBSCRIBE, as in Grant.
	Destination, Room string
	Presence          Presence

	// The rule that decides. All are empty if none does, and for a SUBSCRIBE to the error destination, which is open to all.
	Rule       string // such as "channels[2]"
	Where      string // it is written; empty if unknown
	Match      string
	Field      string // of the rule, that decides: "subscribe", "send", "allow", "patterns" or "presence"
	Expression string // of that field; empty for the last two
}

// TestSubscribe is JudgeSubscribe for people. It may be called from any goroutine.
func (c *Catalogue) TestSubscribe(r *Request) (v Verdict) {
	grant, refusal := c.JudgeSubscribe(r)
	if v.Refusal = refusal; refusal == nil {
		v.Destination, v.Room, v.Presence = grant.Destination, grant.Room, grant.Presence
		v.decided(c, grant.Rule, "subscribe")
	} else {
		v.decided(c, refusal.Rule, "subscribe")
	}
	return v
}

// TestSend is JudgeSend for people. It may be called from any goroutine.
func (c *Catalogue) TestSend(r *Request) (v Verdict) {
	if v.Target, v.Refusal = c.JudgeSend(r); v.Refusal == nil {
		v.decided(c, v.Target.Rule, "send")
	} else {
		v.decided(c, v.Refusal.Rule, "send")
	}
	return v
}

// decided fills in what the rule at path says.
func (v *Verdict) decided(c *Catalogue, path, field string) {
	for _, ru := range c.rules() {
		if ru.path != path {
			continue
		}
		v.Rule, v.Where, v.Match, v.Field = path, ru.where, ru.outline.Match, field
		switch {
		case v.Refusal != nil && v.Refusal.Code == CodePattern:
			v.Field = "patterns"
		case v.Refusal != nil && v.Refusal.Code == CodeNoRule:
			v.Field = "presence"
		case strings.HasPrefix(path, "routes"):
			v.Field, v.Expression = "allow", ru.outline.Route.Allow
		case field == "send":
			v.Expression = ru.outline.Channel.Send
		default:
			v.Expression = ru.outline.Channel.Subscribe
		}
	}
}

// NewTrial makes an anonymous request for a Verdict, without its destination: from a made-up session over WebSocket, with
// those of the headers that rules see.
func NewTrial(headers []bus.Header) *Request {
	r := &Request{From: madeUp{}}
	for _, h := range headers {
		if Travels(h.Name, []byte(h.Value)) {
			r.Headers = append(r.Headers, h)
		}
	}
	return r
}

// madeUp is a session that there is not.
type madeUp struct{}

func (madeUp) Describe() Session {
	return Session{Key: "node_session", Principal: "node/session/connected", Node: "node", Transport: "websocket", Version: "1.2", Remote: "127.0.0.1:1"}
}
