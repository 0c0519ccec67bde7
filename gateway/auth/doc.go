// Package auth tells who a token's bearer is: it checks JSON Web Tokens (RFC 7519), remembers the
// verdicts, and asks a list of revoked tokens.
//
// It knows nothing of STOMP or rules. Nothing in it logs, and none of its errors holds any part of a token.
package auth
