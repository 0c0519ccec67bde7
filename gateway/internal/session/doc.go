// Package session holds one client's STOMP conversation, whatever transport carries it.
//
// Bytes come in through Feed. Each frame goes through the steps of passage.go, which find out who sends
// it, what may become of it, and carry it out, and may wait between them; a file for each command, or a
// few alike, has what it does. A fault of the protocol is answered with one ERROR, and the connection
// closes. A refusal is answered on the error channel, and the connection stays.
package session
