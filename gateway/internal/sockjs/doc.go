// Package sockjs carries sessions over SockJS 0.3: a WebSocket whose messages are JSON arrays, and
// for browsers or networks without WebSocket, five ways over plain HTTP. The protocol is defined by
// the tests of sockjs-protocol; comments name their sections.
//
// A Service is SockJS below one path. Over HTTP a session outlives its requests: a Conn is the
// session's end of it, on one loop, and what it sends goes to the current Receiver, which is a request
// that waits on its socket on the same loop (xhr, xhr_streaming, eventsource, htmlfile, jsonp). Without
// a Receiver it waits, for as long and within the same limits as for any other client. What the client
// sends comes in separate requests (xhr_send, jsonp_send) from net/http.
package sockjs
