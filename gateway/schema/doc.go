// Package schema holds JSON bodies to JSON Schemas, within bounds.
//
// A Schema never changes once compiled, so any goroutine may use it. Whoever writes one is trusted to mean well and
// not to foresee what strangers send: compiling bounds what a schema is, and checking a body what it takes, whatever
// the two are. So it is not the library that evaluates, which knows no bounds: it resolves references and holds
// schemas to the drafts, and what it makes of them is turned into rules of this package.
package schema
