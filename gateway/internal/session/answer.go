package session

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/gateway/policy"
	"github.com/stompgw/stompgw/gateway/schema"
	"github.com/stompgw/stompgw/gateway/stomp"
)

// The answers to a client are a RECEIPT for what was done, one ERROR at the end of its connection, and a
// refusal on the error channel for what was not done, after which the session goes on.

// receipt sends a RECEIPT, with more headers if there are any to tell, unless none was asked for.
func (s *Session) receipt(id string, more ...bus.Header) {
	if id == "" {
		return
	}
	out := stomp.AppendCommand(s.host.out[:0], "RECEIPT")
	out = stomp.AppendEntry(out, s.version, "receipt-id", id)
	for _, h := range more {
		out = stomp.AppendEntry(out, s.version, h.Name, h.Value)
	}
	s.queue(stomp.AppendEnd(out))
}

// receiptFor sends the RECEIPT that f asks for, if it does.
func (s *Session) receiptFor(f *stomp.Frame) { s.receipt(receiptOf(f)) }

func receiptOf(f *stomp.Frame) string {
	id, _ := f.Header.Get("receipt")
	return string(id)
}

// queue packs and sends a frame that is this session's alone. It was written into host.out.
func (s *Session) queue(frame []byte) {
	s.host.out = frame
	framing := s.conn.Framing()
	packed := make([]byte, 0, len(frame)+framing.Overhead())
	if packed = framing.Append(packed, utf8.Valid(frame), frame, nil); len(packed) > 0 {
		s.conn.Queue(packed)
	}
}

// errorFrame is an ERROR.
type errorFrame struct {
	receipt         string        // of the frame at fault; empty when it asked for none
	version         string        // header of that name, when no version is common
	code            policy.Code   // for programs; 0 for none
	retryAfter      time.Duration // when to connect again, 0 when that can't be told
	summary, detail string
}

// endWith ends the session with an ERROR ("ERROR").
func (s *Session) endWith(e errorFrame, code CloseCode, reason string) {
	out := stomp.AppendCommand(s.host.out[:0], "ERROR")
	out = stomp.AppendEntry(out, s.version, "message", e.summary)
	if e.receipt != "" {
		out = stomp.AppendEntry(out, s.version, "receipt-id", e.receipt)
	}
	if e.version != "" {
		out = stomp.AppendEntry(out, s.version, "version", e.version)
	}
	if e.code != 0 {
		out = stomp.AppendEntry(out, s.version, "error-code", strconv.Itoa(int(e.code)))
	}
	if e.retryAfter > 0 {
		out = stomp.AppendEntry(out, s.version, "retry-after-ms", strconv.FormatInt(e.retryAfter.Milliseconds(), 10))
	}
	out = stomp.AppendEntry(out, s.version, "content-type", "text/plain")
	s.queue(stomp.AppendBody(out, []byte(e.detail)))
	s.end(code, reason)
}

// turnAway ends the session with an ERROR that says why.
func (s *Session) turnAway(receipt, why string) {
	s.endWith(errorFrame{receipt: receipt, summary: why}, ClosePolicy, "refused")
}

// tooSlow ends the session of a client that does not read, or acknowledge, as fast as messages come.
func (s *Session) tooSlow(verb string) {
	s.host.Stats.SlowClosed.Add(1)
	s.host.Lines.slow.Log(s.host.Log, slog.LevelInfo, "closed a session that "+verb+"s too slowly", "session", s, "waiting", s.host.Outbound)
	s.endWith(errorFrame{
		summary: fmt.Sprintf("the client %ss too slowly: more than %d bytes wait for it", verb, s.host.Outbound),
		detail:  fmt.Sprintf("Messages have been dropped. Connect again; subscribe to less, or %s faster.", verb),
	}, ClosePolicy, "too slow")
}

// fault answers a fault of the protocol with one ERROR.
func (s *Session) fault(err error, receipt string) {
	s.host.Stats.Faults.Add(1)
	s.host.Log.Debug("protocol fault", "session", s, "err", err)
	e := errorFrame{receipt: receipt, summary: err.Error()}
	var fault *stomp.ProtocolError
	switch {
	case errors.As(err, &fault):
		e.summary, e.detail = fault.Summary, "STOMP specification: "+fault.Section
	case errors.Is(err, stomp.ErrNoCommonVersion):
		e.summary, e.detail = "no common protocol version", "Supported protocol versions are 1.0 1.1 1.2"
		e.version = stomp.Versions
	}
	s.endWith(e, CloseProtocol, "")
}

// Reject ends the conversation of a client that does not speak STOMP, with an ERROR that says why.
func (s *Session) Reject(why string) { s.fault(faultf("STOMP Frames", "%s", why), "") }

// faultf describes a fault of the client.
func faultf(section, format string, args ...any) error {
	return &stomp.ProtocolError{Section: section, Summary: fmt.Sprintf(format, args...), Offset: -1}
}

// quoted shows the name or the id that a client has made up: a part of it, on one line, and no token.
func quoted[T string | []byte](value T) string {
	return fmt.Sprintf("%.80q", policy.Discreet(string(value)))
}

// required returns the value of a header that the frame must have.
func required(f *stomp.Frame, name string) ([]byte, error) {
	value, ok := f.Header.Get(name)
	if !ok || len(value) == 0 {
		article := "a"
		if name == "id" {
			article = "an"
		}
		return nil, faultf(f.Command, "%s needs %s %s header", f.Command, article, name)
	}
	return value, nil
}

// origin is what an answer needs of a frame that is gone by then.
type origin struct {
	command     string // empty when no frame has asked
	destination string
	receipt     string  // empty when none is asked for
	requestCode *string // nil when there is none
}

func originOf(f *stomp.Frame) (o origin) {
	destination, _ := f.Header.Get("destination")
	o.command, o.destination, o.receipt = f.Command, string(destination), receiptOf(f)
	if code, ok := f.Header.Get(headerRequestCode); ok {
		o.requestCode = new(string(code))
	}
	return o
}

// refuse answers what is not carried out.
func (s *Session) refuse(o origin, r *policy.Refusal) {
	if s.tellRefusal(o, r) {
		s.logRefusal(o, r)
		return
	}
	s.host.Stats.Unheard.Add(1)
	if s.host.Fallback != policy.FallbackError {
		s.logUnheard(o, r)
		return
	}
	s.logRefusal(o, r)
	s.endWith(errorFrame{receipt: o.receipt, summary: r.Message,
		detail: fmt.Sprintf("Code %d. Subscribe to %s to be told of refusals without losing the connection.", r.Code, s.host.Rules.ErrorDestination())}, ClosePolicy, "refused")
}

// note tells a client something that it should know, if it listens to the error destination. It ends nothing.
func (s *Session) note(o origin, r *policy.Refusal) {
	s.logRefusal(o, r)
	s.tellRefusal(o, r)
}

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

	Schema *schema.Fault `json:"schema,omitempty"`
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
	attrs := slices.DeleteFunc([]slog.Attr{
		{Key: "session", Value: r.s.LogValue()},
		slog.String("command", r.command),
		slog.String("destination", shortened(policy.Discreet(r.destination))),
		slog.String("word", r.Word),
		slog.String("rule", r.Rule),
		slog.String("at", r.s.host.Rules.Where(r.Rule)),
	}, func(a slog.Attr) bool { return a.Value.String() == "" })
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

// tellRefusal counts a refusal and sends it to the session's own subscription, without the bus. It reports whether there is
// one.
func (s *Session) tellRefusal(o origin, r *policy.Refusal) (heard bool) {
	s.host.Stats.refused(r.Code)
	sub := s.subscribedTo(s.host.Rules.ErrorDestination())
	if sub == nil {
		return false
	}
	body, err := json.Marshal(refusal{
		ClientRequestCode: o.requestCode,
		ErrorCode:         r.Code,
		ErrorMessage:      r.Message,
		Error:             r.Word,
		Retryable:         r.Retryable,
		RetryAfterMS:      r.RetryAfter.Milliseconds(),
		ReceiptID:         o.receipt,
		Destination:       policy.Discreet(o.destination),
		Schema:            r.Fault,
	})
	if err != nil {
		s.host.Log.Error("a refusal can't be written", "session", s, "err", err)
		return true
	}
	s.host.Local.Deliver(s.host.Local.Message(bus.Envelope{
		Destination: sub.Destination,
		Headers:     []bus.Header{{Name: "content-type", Value: textMade}},
		Body:        body,
	}), &sub.Subscription)
	return true
}
