// Package api serves what a backend asks of a gateway over HTTP: to publish, to say who is there, to end sessions
// and to keep members out. A handler parses, makes one call to package admin, and answers.
//
// Requests and answers are JSON; the OpenAPI document is made from the same Go types. An error is a Problem.
// A request presents its key, whose scopes say what it may do. Nothing here runs on a loop of the gateway.
package api
