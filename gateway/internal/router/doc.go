// Package router brings envelopes to the sessions of this node that want them.
//
// A Router is the node's side of the bus: it publishes, receives, and knows which loops have a
// subscriber for a destination. Each loop has a Local: the table of its own subscriptions, which
// needs no lock. A Message is an envelope prepared for delivery, once per node; its frame is encoded
// once for each kind of subscriber on a loop, and all of them share the bytes.
package router
