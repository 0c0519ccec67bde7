// Package pageapi answers what pages ask over plain HTTP, below the endpoint: which destinations there are, who is in a room,
// and what was said there. Whoever asks is told what a SUBSCRIBE of theirs would let them see, and no more.
//
// It only reads. What it has read it keeps for a second, for everybody who asks; each request is judged anew, by the rules of
// that moment. Which pages may ask, and what browsers are told about that, is up to the caller of ServeHTTP. Nothing in it runs
// on an event loop.
package pageapi
