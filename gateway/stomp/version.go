package stomp

import "bytes"

// Version is a version of the protocol. Later versions compare greater. The zero value stands for
// a connection that has not negotiated one yet.
type Version uint8

// The versions this package speaks.
const (
	V10 Version = iota + 1
	V11
	V12
)

// Versions lists the versions this package speaks, as the version header of an ERROR does.
const Versions = "1.0,1.1,1.2"

// String returns v as the version header of CONNECTED writes it, and "" before negotiation.
func (v Version) String() string {
	switch v {
	case V10:
		return "1.0"
	case V11:
		return "1.1"
	case V12:
		return "1.2"
	}
	return ""
}

// NegotiateVersion returns the highest version that both sides speak, by the client's
// accept-version header: a list separated by commas, with spaces around them ignored. A client without
// that header (present is false) speaks 1.0. If there is no common version the error is
// ErrNoCommonVersion ("Protocol Negotiation").
func NegotiateVersion(acceptVersion []byte, present bool) (Version, error) {
	if !present {
		return V10, nil
	}
	var best Version
	for more := true; more; {
		var item []byte
		item, acceptVersion, more = bytes.Cut(acceptVersion, []byte{','})
		for v := V10; v <= V12; v++ {
			if string(bytes.TrimSpace(item)) == v.String() {
				best = max(best, v)
			}
		}
	}
	if best == 0 {
		return 0, ErrNoCommonVersion
	}
	return best, nil
}
