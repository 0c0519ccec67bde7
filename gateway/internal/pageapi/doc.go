// Package pageapi answers what pages ask over plain HTTP, below the endpoint: which destinations there are, who is in a room, and what was
// said there. Who asks is told what a SUBSCRIBE of theirs would let them see, and no more.
//
// It only reads. What it has read it keeps for a second, for all who ask; each is judged anew, by the rules of that moment. Whose pages may
// ask, and what browsers are told of it, is for who calls ServeHTTP. Nothing of it runs on an event loop.
package pageapi
