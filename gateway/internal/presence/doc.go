// Package presence keeps track of who is where, on this node and as the other nodes report it.
//
// A room is a destination, and whoever has a subscription to it by its name is present. The book holds the rooms of this node's
// sessions: loops write it, and changes are sent to the other nodes every 100 ms, numbered. A view is a room across all nodes, for
// this node's viewers: each node is asked for its part, and what it sends then keeps the view up to date. A number that does not
// follow the last one, or a digest whose number is not the last one, means a hole, and the node is asked anew. So nothing that is
// lost stays lost, and nothing is stored anywhere but in the memory of the node that knows it.
//
// Goroutines: loops call Come, Go, View and Unview, which wait for nothing but a short lock. Those of the bus call Deliver.
// Everything else runs in Run, which asks and lists nodes on goroutines of its own that it waits for.
package presence
