// Package schema checks JSON bodies against JSON Schemas, within bounds.
//
// A Schema never changes once compiled, so any goroutine may use it. Its author is trusted to mean well, but not to
// foresee what strangers send: compiling bounds what a schema may be, and checking bounds what a body may cost, whatever
// the two are. So the library, which has no bounds, does not evaluate: it resolves references and checks schemas
// against the drafts, and its result is turned into rules of this package.
package schema
