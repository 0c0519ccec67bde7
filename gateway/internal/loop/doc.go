// Package loop owns sockets and the event loops that serve them.
//
// A Loop is one goroutine. Everything about a connection happens on the loop that owns it:
// reading, the Handler's calls, timers and writing. So nothing about a connection needs a lock,
// and what is queued for a connection leaves in that order. Work from other goroutines enters
// through Post and PostWait.
//
// A turn of a loop reads the sockets that are readable, runs what was posted, advances the timers,
// and then writes: whatever the turn queued for a connection leaves in one write.
//
// On Linux a loop waits in epoll(7), sleeps in Go's own poller, and owns raw descriptors (Adopt). A
// net.Conn (TLS, or any system without epoll) is served by a goroutine that reads and hands over what
// came (AdoptConn); its Handler sees no difference, except before Detach and Move (ReadsAhead). A
// conversation that outlives its sockets is a connection without one (Open).
package loop
