// Package stomp reads and writes STOMP 1.0, 1.1 and 1.2 frames.
//
// It knows only bytes: no sockets, no goroutines, no locks, and not what a destination means. A
// [Decoder] takes bytes however the network cut them and returns whole frames, without copying or
// allocating as long as a frame is not cut; AppendFrame and its pieces write frames. Version and
// heart-beat negotiation are functions of header values.
//
// Section names in its comments and errors are those of the STOMP 1.2 specification.
package stomp
