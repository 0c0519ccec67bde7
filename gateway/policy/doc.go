// Package policy is the channel catalogue: which destinations there are, who may subscribe and
// send to them, where a SEND to the application goes, and what a refused client is told.
//
// A Catalogue never changes once made, so any goroutine may ask it. Whatever no rule names is
// refused.
package policy
