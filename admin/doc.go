// Package admin is what an operator can do, as Go calls on Redis and the bus, and what a node tells
// its operator over HTTP. The CLI and the HTTP handler parse and print; the work is here.
//
// What a node alone knows, or can do, it is asked over Redis' pub/sub, so it works with either bus and
// no node has to be reachable. All channels begin with the prefix of what is stompgw's own:
//
//	node:<serverUuid>   requests to one node, one JSON object each (request)
//	reply:<token>       its answers to whoever made up the token, in one part or several (answer)
//
// A node also publishes to its own channel, every few seconds and over a connection that it dials anew, a
// token, and connects to Redis anew when that does not arrive: the name of Redis may have come to mean
// another server, and the old one live on.
//
// A request may be lost, with a connection to Redis that is, so it is published several times, and a
// node acts on it once. No answer within the caller's patience means that the node is silent: it may
// have done what it was asked for.
package admin
