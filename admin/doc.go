// Package admin is what an operator can do, as Go calls on Redis and the bus, and what a node tells
// its operator over HTTP. The CLI and the HTTP handler parse and print; the work is here.
//
// A node is asked over Redis pub/sub for what only it knows or can do, so this works with either bus and
// no node has to be reachable. All channels begin with stompgw's own prefix:
//
//	node:<serverUuid>   requests to one node, one JSON object each (request)
//	reply:<token>       its answers to whoever made up the token, in one part or several (answer)
//
// Every few seconds a node also publishes a token to its own channel, over a newly dialled connection. If it
// does not arrive, the node reconnects to Redis: the name of Redis may now mean another server while the old
// one lives on.
//
// A request may be lost with a connection to Redis, so it is published several times, and a node acts on
// it once. No answer within the caller's patience means that the node is silent: it may have done what it
// was asked to do.
package admin
