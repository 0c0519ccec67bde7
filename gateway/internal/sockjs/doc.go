// Package sockjs carries sessions over SockJS 0.3: a WebSocket whose messages are JSON arrays, and
// for browsers or networks without it five ways over plain HTTP. The protocol is what the tests of
// sockjs-protocol say, whose sections the comments name.
//
// A Service is SockJS below one path. Over HTTP a session outlives its requests: a Conn is the
// session's end of it, on one loop, and whatever it sends goes to the Receiver of the moment, which
// is a request that waits on its socket on the same loop (xhr, xhr_streaming, eventsource, htmlfile,
// jsonp). Without one it waits, as long and as much as for any other client. What the client sends
// comes by requests of their own (xhr_send, jsonp_send) from net/http.
package sockjs
