package session

import (
	"sync/atomic"

	"github.com/stompgw/stompgw/gateway/policy"
)

// Stats counts what the sessions of a node did. Any goroutine may read it.
type Stats struct {
	Open       atomic.Int64            // sessions between CONNECT and their end
	Frames     atomic.Uint64           // frames received
	Published  atomic.Uint64           // SENDs given to the bus
	Refused    [codesEnd]atomic.Uint64 // refusals by policy.Code, told or not; 0 is for codes that are not of its table
	Withheld   atomic.Uint64           // MESSAGEs that a subscription did not get because its login has lapsed
	Unheard    atomic.Uint64           // refusals of sessions without a subscription to the error channel
	Faults     atomic.Uint64           // ERRORs for faults of the protocol
	SlowClosed atomic.Uint64           // sessions closed because they did not read
	Hung       atomic.Uint64           // sessions closed because their clients hang
	Unpackable atomic.Uint64           // MESSAGEs that the transport of a subscriber can't carry
	Nacks      atomic.Uint64           // NACKs, which redeliver nothing
	Kicked     atomic.Uint64           // sessions that an operator has ended
	Blocked    atomic.Uint64           // frames that were not carried out because their member is blocked
}

// codesEnd is over every policy.Code; TestCodesEnd tells when one more needs more room.
const codesEnd = 32

func (s *Stats) refused(code policy.Code) {
	if code < 0 || code >= codesEnd {
		code = 0
	}
	s.Refused[code].Add(1)
}
