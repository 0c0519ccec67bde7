package auth

import "fmt"

// What Error.Check can be.
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

// Error says why a token is not taken. It quotes nothing of it.
type Error struct {
	Check  string // what has failed, such as CheckExpiry
	Reason string // for people who run a gateway
}

func (e *Error) Error() string { return e.Check + ": " + e.Reason }

func fault(check, format string, args ...any) *Error {
	return &Error{check, fmt.Sprintf(format, args...)}
}
