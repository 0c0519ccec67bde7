// Package session holds one client's STOMP conversation, whatever transport carries it.
//
// Bytes come in through Feed. Each frame goes through the steps of passage.go, which find out who sends
// it and what it may do, then carry it out; it may wait between steps. What a command does is in a file of
// its own, or one for a few similar commands. A protocol error is answered with one ERROR, and the
// connection closes. A refusal is answered on the error channel, and the connection stays.
package session
