// Package auth tells who a token's bearer is: it checks JSON Web Tokens (RFC 7519), remembers the
// verdicts, and asks a list of those that have been taken back.
//
// It knows no STOMP and no rule. Nothing in it logs, and no error of it holds any part of a token.
package auth
