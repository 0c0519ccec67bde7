package client

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// ErrNoAnswer reports a server that took the connection and did not answer CONNECT in time.
var ErrNoAnswer = errors.New("the server took the connection, but did not answer in time")

// ErrText reports a body that SockJS can't carry. Nothing was sent.
var ErrText = errors.New("SockJS carries only UTF-8 text, and this body is not: connect by ws:// or tcp://")

// Refusal is the server's answer to a frame that it does not carry out. The session goes on.
type Refusal struct {
	Code    int // `stompgw explain CODE` tells what it means
	Message string
	Call    string // the request code of the frame; empty for none
}

func (r *Refusal) Error() string { return fmt.Sprintf("refused with code %d: %s", r.Code, r.Message) }

// ServerError is an ERROR frame, which ends the session. Its body is not kept: servers repeat the
// faulty frame in it, with all that it proves its sender by.
type ServerError struct {
	Code    int // as of a Refusal; 0 for none
	Message string
}

func (e *ServerError) Error() string {
	if e.Code == 0 {
		return "the server ended the session: " + e.Message
	}
	return fmt.Sprintf("the server ended the session with code %d: %s", e.Code, e.Message)
}

// ClosedError is a connection that the server closed and said why, over WebSocket or SockJS.
type ClosedError struct {
	Code   int // RFC 6455 section 7.4, or of SockJS
	Reason string
}

func (e *ClosedError) Error() string {
	if e.Reason == "" {
		return fmt.Sprintf("the server closed the connection with code %d", e.Code)
	}
	return fmt.Sprintf("the server closed the connection with code %d: %s", e.Code, e.Reason)
}

// ConnectError is a server that can't be reached, or is none for this kind of connection.
type ConnectError struct {
	URL string // less what may be secret
	Err error
}

func (e *ConnectError) Error() string { return e.URL + ": " + e.Err.Error() }

func (e *ConnectError) Unwrap() error { return e.Err }

// URLError is a URL that can't be dialled. It does not repeat the URL.
type URLError struct {
	Reason string
}

func (e *URLError) Error() string { return e.Reason }

// maxTold bounds what is kept of a server's text, in bytes.
const maxTold = 500

// tame makes a server's text fit for one line of a terminal.
func tame(text string) string {
	if len(text) > maxTold {
		text = text[:maxTold] + "…"
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, text)
}

// discreet is tame for what may repeat the token.
func (c *Client) discreet(text string) string {
	if c.o.Token != "" {
		text = strings.ReplaceAll(text, c.o.Token, "REDACTED")
	}
	return tame(text)
}
