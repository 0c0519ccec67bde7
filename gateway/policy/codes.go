package policy

import (
	"time"

	"github.com/stompgw/stompgw/gateway/schema"
)

// Code is the stable number that a refused client is told in "errorCode".
type Code int

const (
	CodeLogin         Code = 1  // log in, or renew the JWT
	CodeNotAllowed    Code = 2  // a rule names the destination and says no
	CodeNoRule        Code = 3  // no rule names the destination
	CodePattern       Code = 4  // a subscription by pattern, where none is allowed
	CodeUnavailable   Code = 5  // the broker does not answer
	CodeUnknown       Code = 6  // the broker may or may not have the message
	CodeTooLarge      Code = 7  // more than the broker, or a transaction, accepts
	CodeDestination   Code = 8  // the destination can't be carried
	CodeTooMany       Code = 9  // too many subscriptions or transactions
	CodeTransaction   Code = 10 // some SENDs of a transaction were refused
	CodeNotSubscribed Code = 11 // no subscription to end
	CodeContent       Code = 12 // the bus has no way to write the message
	CodeBody          Code = 13 // a route's expression can't be evaluated on the message
	CodeInternal      Code = 14 // the gateway failed
	CodeKicked        Code = 15 // an operator has ended the session; in an ERROR
	CodeBlocked       Code = 16 // an operator has blocked the member for a while; in an ERROR, or for a frame in another's session
	CodeSessions      Code = 17 // the member has too many sessions; in an ERROR
	CodeEnded         Code = 18 // the broker no longer delivers a subscription's destination, or an operator has ended the subscription
	CodeNotRecovered  Code = 19 // what a subscription has missed is unknown, or no longer available; it continues from now
	CodeHole          Code = 20 // some messages of a subscription with history are lost; it continues
	CodeManyPresent   Code = 21 // too many are present in a room to list them; they can be counted
	CodeSchema        Code = 22 // the body does not fit the channel's schema
	CodeRate          Code = 23 // over a limit of the channel, the session or the node; in an ERROR if that ends the session
)

// Explanation is the entry of one code in the table that code, README and CLI share.
type Explanation struct {
	Code      Code
	Word      string // stable, for programs
	Message   string // for people
	Retryable bool   // the same frame may pass later
}

// Codes is the table of all codes, in their order.
func Codes() []Explanation {
	return []Explanation{
		{CodeLogin, "login", "Need Login", false},
		{CodeNotAllowed, "not_allowed", "Not allowed", false},
		{CodeNoRule, "no_rule", "No channel or route has this destination", false},
		{CodePattern, "pattern", "Subscriptions by pattern are not allowed here", false},
		{CodeUnavailable, "unavailable", "The message broker does not answer, try again", true},
		{CodeUnknown, "outcome_unknown", "The message may or may not have been published", false},
		{CodeTooLarge, "too_large", "The message, or the transaction that it belongs to, is too large", false},
		{CodeDestination, "destination", "The destination is too long or can't be used", false},
		{CodeTooMany, "too_many", "Too many subscriptions or transactions in this session", false},
		{CodeTransaction, "transaction_incomplete", "Some messages of the transaction were refused, the others published", false},
		{CodeNotSubscribed, "not_subscribed", "This session has no such subscription", false},
		{CodeContent, "content", "The message broker can carry UTF-8 text alone", false},
		{CodeBody, "body", "The message's body is not what this route works on", false},
		{CodeInternal, "internal", "The gateway failed on this frame", true},
		{CodeKicked, "kicked", "The session was ended by an operator", false},
		{CodeBlocked, "blocked", "This member may not connect for a while", true},
		{CodeSessions, "too_many_sessions", "This member has too many sessions", false},
		{CodeEnded, "subscription_ended", "The subscription has ended: the message broker brings its destination no more", true},
		{CodeNotRecovered, "not_recovered", "What was missed is no longer available, the subscription goes on from now", false},
		{CodeHole, "hole", "Some messages are lost, the subscription goes on after them", false},
		{CodeManyPresent, "too_many_present", "Too many are present to be listed, but they can be counted", true},
		{CodeSchema, "schema", "The message's body does not match the channel's schema", false},
		{CodeRate, "rate", "Too many messages in a short time, try again later", true},
	}
}

// Refusal is the answer to a frame that is not carried out. It is not a fault of the protocol: the
// connection stays.
type Refusal struct {
	Explanation
	RetryAfter time.Duration // when to try again, 0 if unknown
	Rule       string        // that refused it, such as "channels[2]"; empty for none
	Reason     error         // for the log only, nil if the code says it all; it quotes nothing of the message
	Fault      *schema.Fault // for CodeSchema: the place in the body, for its sender only, and the rule; nil for other codes
}

// Refuse returns the refusal for a code in the table; any other code is a bug.
func Refuse(code Code) *Refusal {
	e, ok := Explain(code)
	if !ok {
		panic("policy: a code without an explanation")
	}
	return &Refusal{Explanation: e}
}

// Explain returns the entry of a code in the table.
func Explain(code Code) (Explanation, bool) {
	for _, e := range Codes() {
		if e.Code == code {
			return e, true
		}
	}
	return Explanation{}, false
}

// Fallback is what happens to a refusal if the session has no subscription to the error destination.
type Fallback string

const (
	FallbackDrop  Fallback = "drop"  // counted and logged
	FallbackError Fallback = "error" // an ERROR frame, which closes the connection
)
