package auth

import "bytes"

// Bearer returns the token in the value of an Authorization header ("Bearer <token>", RFC 6750
// section 2.1). ok is false for anything else. The token itself is not checked.
func Bearer(value []byte) (token []byte, ok bool) {
	const scheme = "bearer " // in any case: RFC 9110 section 11.1
	if len(value) < len(scheme) || !bytes.EqualFold(value[:len(scheme)], []byte(scheme)) {
		return nil, false
	}
	token = bytes.TrimLeft(value[len(scheme):], " ")
	return token, len(token) > 0
}
