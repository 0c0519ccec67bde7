// Package asyncapi describes the rules of a gateway as an AsyncAPI 3.0 document, for people and code generators.
//
// The application in such a document is a client of the gateway: its operations receive what it has subscribed to, and
// send. A channel is a destination, or everything that one rule is about, under the name that clients use.
package asyncapi
