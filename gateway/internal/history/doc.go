// Package history keeps what was published to those destinations of a node that have history.
//
// A Store has a ring for each destination. Whatever the bus brings is appended to the ring, and handed to the loops before
// anything else is appended to that destination, so loops and ring have it in the same order. A subscriber is first entered
// in the router's table; then it takes a Cursor, reads the ring up to its end, and from there on takes what the loops bring:
// what it has not read in the ring comes to it, and what it has read is recognized by its number.
//
// A ring is bounded in number and age by the rule of its destination, and all rings together in bytes. What is evicted leaves a
// floor: the point up to which something of a log is missing. That is how a Store knows whether everything after a position is
// there.
package history
