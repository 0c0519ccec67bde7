package session

import (
	"encoding/json"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/gateway/policy"
)

// refusal is the body of a refusal on the error channel. The first three fields are those of the
// replaced system; programs that know it read no others.
type refusal struct {
	ClientRequestCode *string     `json:"clientRequestCode"`
	ErrorCode         policy.Code `json:"errorCode"`
	ErrorMessage      string      `json:"errorMessage"`
	Error             string      `json:"error"`
	Retryable         bool        `json:"retryable"`
	RetryAfterMS      int64       `json:"retryAfterMs,omitempty"`
	ReceiptID         string      `json:"receiptId,omitempty"`
	Destination       string      `json:"destination,omitempty"`
}

// textMade is the content type of what the server itself writes.
const textMade = "text/plain;charset=UTF-8"

// tellRefusal sends a refusal to the session's own subscription, without the bus.
func (s *Session) tellRefusal(sub *subscription, o origin, r *policy.Refusal) {
	body, err := json.Marshal(refusal{
		ClientRequestCode: o.requestCode,
		ErrorCode:         r.Code,
		ErrorMessage:      r.Message,
		Error:             r.Word,
		Retryable:         r.Retryable,
		RetryAfterMS:      r.RetryAfter.Milliseconds(),
		ReceiptID:         o.receipt,
		Destination:       policy.Discreet(o.destination),
	})
	if err != nil {
		s.host.Log.Error("a refusal can't be written", "session", s, "err", err)
		return
	}
	s.host.Local.Deliver(s.host.Local.Message(bus.Envelope{
		Destination: sub.Destination,
		Headers:     []bus.Header{{Name: "content-type", Value: textMade}},
		Body:        body,
	}), &sub.Subscription)
}
