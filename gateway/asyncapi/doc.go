// Package asyncapi tells what the rules of a gateway say as an AsyncAPI 3.0 document, for people and generators of code.
//
// The application that such a document is about is a client of the gateway: its operations receive what it has subscribed to, and
// send. A channel is a destination, or all that one rule is about, under the name that clients call it by.
package asyncapi
