package session

import (
	"context"
	"log/slog"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/stompgw/stompgw/bus/seldom"
	"github.com/stompgw/stompgw/gateway/auth"
	"github.com/stompgw/stompgw/gateway/internal/router"
	"github.com/stompgw/stompgw/gateway/policy"
	"github.com/stompgw/stompgw/gateway/registry"
	"github.com/stompgw/stompgw/gateway/stomp"
)

// Host is what all sessions of one loop share. But for Local and Rules, the loops of a node have the same.
type Host struct {
	Local    *router.Local
	Rules    *policy.Catalogue // Reload replaces them
	Presence Presence          // nil: nobody is told who is where
	Naming
	Access
	Hooks
	Bounds
	Records
	*Pools

	passage passage            // of the frame that goes its way
	out     []byte             // the frame being written
	beats   map[Framing][]byte // a packed heart-beat
}

// Naming is how a session is known.
type Naming struct {
	Node     registry.Node
	Server   string // CONNECTED's server header
	Registry registry.Registry
}

// Access is who may log in, and for how long.
type Access struct {
	Auth      *auth.Authenticator // nil: nobody can log in
	Blocks    *Blocks             // who may not
	LoginOnly bool                // CONNECT needs a token that is good
	Grace     time.Duration       // after a token's expiry, in which its subscriptions still receive
	Now       func() time.Time    // the time that tokens expire by
}

// Hooks are the embedder's code, which may block.
type Hooks struct {
	Intercept func(context.Context, *Inspection) Outcome // nil for none
	Handler   func(destination string) Handler           // nil, as its result, for none
}

// Bounds are what a client may take.
type Bounds struct {
	Limits         *stomp.Limits
	Outbound       int             // bytes that may wait for a client
	HeartBeat      stomp.HeartBeat // what the server offers
	Hung           time.Duration   // without a heart-beat that was promised, though the connection lives; 0 for ever
	ConnectTimeout time.Duration   // from the first byte to CONNECT
	Ledger         *Ledger         // what counts, beyond a session, for the limits of Rules
}

// Records are what is told of sessions to others than their clients, and what where a client does not listen.
type Records struct {
	Fallback policy.Fallback
	Stats    *Stats
	Lines    *Lines
	Log      *slog.Logger
}

// Pools do what would hold up a loop. The loops of a node share them.
type Pools struct {
	Workers *Workers // for what takes the processor for long
	Checks  *Workers // for tokens that memory does not know
	Waiters *Workers // for the embedder's code
}

// What frames of a node may wait for at a time; others wait for their turn.
const (
	maxChecks  = 1024 // tokens: the list of revoked ones has a second to answer
	maxWaiters = 1024 // the embedder's code, which may take long
)

// NewPools leaves half of the processors to the loops.
func NewPools() *Pools {
	return &Pools{
		Workers: NewWorkers(max(runtime.GOMAXPROCS(0)/2, 1)),
		Checks:  NewWorkers(maxChecks),
		Waiters: NewWorkers(maxWaiters),
	}
}

// Close is for when no loop runs any more. It waits for all workers to end.
func (p *Pools) Close() {
	p.Waiters.Close()
	p.Checks.Close()
	p.Workers.Close()
}

// beat returns a packed heart-beat, which all connections of a kind share.
func (h *Host) beat(f Framing) []byte {
	if b := h.beats[f]; b != nil {
		return b
	}
	if h.beats == nil {
		h.beats = map[Framing][]byte{}
	}
	h.beats[f] = f.Append(nil, true, []byte{'\n'}, nil)
	return h.beats[f]
}

// Stats counts what the sessions of a node did. Any goroutine may read it.
type Stats struct {
	Open       atomic.Int64                // sessions between CONNECT and their end
	Frames     atomic.Uint64               // frames received
	Published  atomic.Uint64               // SENDs given to the bus
	Refused    [codesEnd]atomic.Uint64     // refusals by policy.Code, told or not; 0 is for codes that are not of its table
	Asked      atomic.Int64                // questions to backends of which the client-request-code is remembered
	Withheld   atomic.Uint64               // MESSAGEs that a subscription did not get because its login has lapsed
	Resumed    [router.Lacks]atomic.Uint64 // SUBSCRIBEs with a position, by why they do not go on there; None is for those that do
	Replayed   atomic.Uint64               // MESSAGEs that were read from what the node has kept
	Unheard    atomic.Uint64               // refusals of sessions without a subscription to the error channel
	Faults     atomic.Uint64               // ERRORs for faults of the protocol
	SlowClosed atomic.Uint64               // sessions closed because they did not read
	Hung       atomic.Uint64               // sessions closed because their clients hang
	Unpackable atomic.Uint64               // MESSAGEs that the transport of a subscriber can't carry
	Nacks      atomic.Uint64               // NACKs, which redeliver nothing
	Kicked     atomic.Uint64               // sessions that an operator has ended
	Blocked    atomic.Uint64               // frames that were not carried out because their member is blocked

	Exceeded [policy.Scopes]atomic.Uint64 // SENDs over a limit, by whose SENDs it counts
	Dropped  atomic.Uint64                // those of them of which their clients were told nothing
}

// codesEnd is over every policy.Code; TestCodesEnd tells when one more needs more room.
const codesEnd = 32

func (s *Stats) refused(code policy.Code) {
	if code < 0 || code >= codesEnd {
		code = 0
	}
	s.Refused[code].Add(1)
}

// Lines are what the log says, once a second and node at most, of what clients cause.
type Lines struct {
	slow, hung, unheard, token, shown, fast, full seldom.Line
}

// All is each of them.
func (l *Lines) All() []*seldom.Line {
	return []*seldom.Line{&l.slow, &l.hung, &l.unheard, &l.token, &l.shown, &l.fast, &l.full}
}
