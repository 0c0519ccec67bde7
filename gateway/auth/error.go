package auth

import "fmt"

// The values of Error.Check.
const (
	CheckForm       = "form"
	CheckIssuer     = "issuer"
	CheckAlgorithm  = "algorithm"
	CheckType       = "type"
	CheckSignature  = "signature"
	CheckExpiry     = "expiry"
	CheckNotBefore  = "not before" // the claims "nbf" and "iat"
	CheckAudience   = "audience"
	CheckUsage      = "usage"
	CheckMember     = "member"
	CheckRoles      = "roles"
	CheckRevocation = "revocation"
)

// Error says why a token is not accepted. It quotes nothing of the token.
type Error struct {
	Check  string // what has failed, such as CheckExpiry
	Reason string // for people who run a gateway

	late bool // see Expired
}

// Expired reports whether the token has expired but is otherwise good, as far as its signature, issuer and
// type go: its bearer needs a new one.
func (e *Error) Expired() bool { return e.late }

func (e *Error) Error() string { return e.Check + ": " + e.Reason }

func fault(check, format string, args ...any) *Error {
	return &Error{Check: check, Reason: fmt.Sprintf(format, args...)}
}
