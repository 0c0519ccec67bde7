// Package policy is the channel catalogue: which destinations there are, who may subscribe and
// send to them, where a SEND to the application goes and what it becomes, and what a refused client
// is told.
//
// A Catalogue never changes once made, so any goroutine may ask it. Whatever no rule names is
// refused.
//
// Who may do what, and what a SEND becomes, is said by expressions in CEL. Whoever writes them is
// trusted to mean well and not to foresee what strangers send, so compiling bounds what an
// expression is, and evaluating it what it takes.
package policy
