// Package policy is the channel catalogue: which destinations there are, who may subscribe and
// send to them, where a SEND to the application goes and what it becomes, and what a refused client
// is told.
//
// A Catalogue never changes once made, so any goroutine may use it. Anything that no rule names is
// refused.
//
// CEL expressions say who may do what, and what a SEND becomes. Their authors are trusted to mean
// well, but not to foresee what strangers send, so compiling bounds what an expression may be, and
// evaluation what it may cost.
package policy
