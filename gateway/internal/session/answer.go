package session

import (
	"encoding/json"
	"log/slog"

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

// logRefusal notes a refusal that the client is told.
func (s *Session) logRefusal(o origin, r *policy.Refusal) {
	s.host.Log.Debug("refused", "", refused{s, o, r})
}

// logUnheard tells the operator of a refusal that the client is not told: what a front end without a
// subscription to the error destination does not do is the most frequent question there is.
func (s *Session) logUnheard(o origin, r *policy.Refusal) {
	if !s.host.Lines.unheard.Log(s.host.Log, slog.LevelWarn,
		"refused, and the client was not told: it has no subscription to "+s.host.Rules.ErrorDestination(), "", refused{s, o, r}) {
		s.logRefusal(o, r)
	}
}

// refused is a refusal as the log tells it, worded only where it does.
type refused struct {
	s *Session
	origin
	*policy.Refusal
}

// LogValue makes attributes of their own of a refusal that has no key.
func (r refused) LogValue() slog.Value {
	attrs := []slog.Attr{{Key: "session", Value: r.s.LogValue()}}
	for _, a := range [...][2]string{
		{"command", r.command},
		{"destination", shortened(policy.Discreet(r.destination))},
		{"word", r.Word},
		{"rule", r.Rule},
		{"at", r.s.host.Rules.Where(r.Rule)},
	} {
		if a[1] != "" {
			attrs = append(attrs, slog.String(a[0], a[1]))
		}
	}
	attrs = append(attrs, slog.Any("code", r.Code))
	if r.Reason != nil {
		attrs = append(attrs, slog.Any("reason", r.Reason))
	}
	return slog.GroupValue(attrs...)
}

// shortened is text, or its first 200 characters.
func shortened(text string) string {
	n := 0
	for i := range text {
		if n++; n > 200 {
			return text[:i] + "…"
		}
	}
	return text
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
