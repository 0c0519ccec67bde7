// Package ws carries STOMP over WebSocket (RFC 6455, whose sections its comments name).
//
// Incoming payload is unmasked in place and streamed to the session as it arrives, however the
// client has split it into frames and messages; so no message is ever buffered, and the limits are
// those of STOMP. Each outgoing STOMP frame is one WebSocket message.
package ws
