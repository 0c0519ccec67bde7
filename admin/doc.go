// Package admin is what an operator can do, as Go calls on Redis and the bus, and what a node tells
// its operator over HTTP. The CLI and the HTTP handler parse and print; the work is here.
package admin
