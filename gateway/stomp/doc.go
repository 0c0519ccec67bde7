// Package stomp reads and writes STOMP 1.0, 1.1 and 1.2 frames.
//
// It knows bytes alone: no sockets, no goroutines, no locks, no meaning of a destination. A
// [Decoder] takes bytes however the network cut them and gives whole frames, without copying and
// without allocating as long as a frame is not cut; AppendFrame and its pieces write frames.
// Version and heart-beat negotiation stand beside them, as functions of header values.
//
// Section names in its comments and errors are those of the STOMP 1.2 specification.
package stomp
