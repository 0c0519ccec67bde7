package stomp

// Limits bound one inbound frame ("Size Limits"). A frame that exceeds one of them is refused as soon as
// that shows, before memory is allocated for what follows.
type Limits struct {
	Headers int // header entries of a frame
	Line    int // octets of the command line and of each header line, as sent, without the end-of-line
	Head    int // octets of all these lines together, with their end-of-lines
	Body    int // octets of the body
}

// DefaultLimits returns 64 entries, 8 KiB a line, 32 KiB a head and 64 KiB a body.
func DefaultLimits() Limits {
	return Limits{Headers: 64, Line: 8 << 10, Head: 32 << 10, Body: 64 << 10}
}
