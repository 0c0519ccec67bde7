// Package api is what a backend asks of a gateway over HTTP: it publishes, asks who is there, ends sessions and
// keeps members out. A handler parses, makes one call of package admin, and answers.
//
// What is asked and answered is JSON; the OpenAPI document is made of the same Go types. An error is a Problem.
// A request names its key, of which the scopes say what it may do. Nothing here runs on a loop of the gateway.
package api
