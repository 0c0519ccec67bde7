// Package session holds one client's STOMP conversation, whatever transport carries it.
//
// Bytes come in through Feed; dispatch tells the commands apart, and a file each carries them out.
// A fault of the protocol is answered with one ERROR, and the connection closes. A refusal is
// answered on the error channel, and the connection stays.
package session
