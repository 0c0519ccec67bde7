// Package presence keeps who is where, on this node and as the others tell it.
//
// A room is a destination, and present is who has a subscription to it by its name. The book has the rooms of this node's sessions:
// loops write it, and what has changed is told to the other nodes every 100 ms, numbered. A view is a room over all nodes, for this
// node's viewers: it is asked of each node, and kept up by what they tell then. A number that does not follow the last one, or a digest
// with another one than the last, is a hole, and the node is asked anew. So nothing that is lost stays lost, and
// nothing stands anywhere but in the memory of who knows it.
//
// Goroutines: loops call Come, Go, View and Unview, which wait for nothing but a short lock. Those of the bus call Deliver. All else
// is Run's, which asks and lists nodes on goroutines of its own that it waits for.
package presence
