package policy

import "github.com/stompgw/stompgw/bus"

// Request is what a frame asks for, and who asks.
type Request struct {
	Destination string
	Headers     []bus.Header   // the sender's own, those that travel; of repeated ones the first counts
	Member      string         // whom the frame acts for, as JSON: 42 or "bob"; empty for an anonymous one
	Claims      map[string]any // of the token that counts for the frame, as in auth.Identity; nil for an anonymous one
	Inbox       string         // for a SUBSCRIBE: what names the member in its destinations, as auth.Identity.Inbox; empty for none
	From        Asker          // nil when no session asks

	// Outside says that the request comes from outside a session, and not from a frame: what a rule says about sessions
	// or headers can't be known, and such a rule refuses.
	Outside bool
}

// Asker is a session that asks for something. Describe runs only where a rule names the session.
type Asker interface {
	Describe() Session
}

// Session is what rules see of a session, by these names in lower case; member comes from the Request.
type Session struct {
	Key       string // its name in the registry
	Principal string
	Node      string
	Transport string // such as "websocket"
	Version   string // of STOMP
	Remote    string // address and port
}

// Grant allows a SUBSCRIBE.
type Grant struct {
	Rule        string // that allowed it, such as "channels[2]"; empty for the error destination
	Destination string // what to subscribe to on the bus: that of the Request, except for a member's
	Login       bool   // it depends on who is logged in: the rule names claims or session.member, or the destination is a member's

	Presence Presence // of the destination, which is a room unless this is PresenceNone
	Room     string   // whose presence the destination reports, and Presence is that room's; empty if it reports none
}
