package session

import (
	"context"
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
	if s.host.Log.Enabled(context.Background(), slog.LevelDebug) {
		s.host.Log.Debug("refused", s.explain(o, r)...)
	}
}

// logUnheard tells the operator of a refusal that the client is not told: what a front end without a
// subscription to the error destination does not do is the most frequent question there is.
func (s *Session) logUnheard(o origin, r *policy.Refusal) {
	if !s.host.Log.Enabled(context.Background(), slog.LevelWarn) {
		return
	}
	left, ok := s.host.Lines.unheard.Pass()
	if !ok {
		s.logRefusal(o, r)
		return
	}
	s.host.Log.Warn("refused, and the client was not told: it has no subscription to "+s.host.Rules.ErrorDestination(),
		append(s.explain(o, r), "left_out", left)...)
}

// explain is what the log says of a refusal.
func (s *Session) explain(o origin, r *policy.Refusal) []any {
	args := []any{"session", s}
	for _, a := range [...][2]string{
		{"command", o.command},
		{"destination", shortened(policy.Discreet(o.destination))},
		{"word", r.Word},
		{"rule", r.Rule},
		{"at", s.host.Rules.Where(r.Rule)},
	} {
		if a[1] != "" {
			args = append(args, a[0], a[1])
		}
	}
	args = append(args, "code", r.Code)
	if r.Reason != nil {
		args = append(args, "reason", r.Reason)
	}
	return args
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
