package gateway

import (
	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/gateway/auth"
	"github.com/stompgw/stompgw/gateway/internal/history"
	"github.com/stompgw/stompgw/gateway/internal/router"
	"github.com/stompgw/stompgw/gateway/policy"
)

// Figures are a node's counts since it was made, and its current state.
type Figures struct {
	Sessions     int                    // between CONNECT and their end
	Connections  int                    // also those without a session; a SockJS session over HTTP counts as one beside its requests
	Frames       uint64                 // received whole, heart-beats not counted
	Published    uint64                 // SENDs given to the bus
	Delivered    uint64                 // MESSAGEs handed to sessions, including those that report a refusal
	Unpackable   uint64                 // messages not delivered because a subscriber's transport can't carry them: over SockJS, if not UTF-8
	Oversized    uint64                 // messages from the bus that were larger than what may wait for one session
	LeftOut      uint64                 // headers of messages from the bus that no client got, as STOMP has no place for them
	Refused      map[policy.Code]uint64 // frames that were not carried out, with an entry for each code
	RefusedOther uint64                 // the same, with an interceptor's own codes
	Exceeded     map[string]uint64      // SENDs over a limit, by what the limit is for: "channel", "session" or "node"
	Dropped      uint64                 // those of Exceeded that were dropped without telling the client
	Resumed      map[string]uint64      // SUBSCRIBEs with a position, by "recovered", or by why they could not resume there
	Replayed     uint64                 // MESSAGEs read from the history that the node keeps
	History      History
	Presence     PresenceFigures
	Withheld     uint64       // messages not delivered to a subscription whose login has lapsed
	Tokens       auth.Figures // what became of tokens
	Unheard      uint64       // refusals to sessions that were not subscribed to the error destination
	Faults       uint64       // ERRORs for faults of the protocol
	SlowCloses   uint64       // sessions closed because they did not read, or acknowledge, fast enough
	HungCloses   uint64       // sessions closed because their clients hung, see WithHung
	Nacks        uint64       // NACKs, which redeliver nothing
	Kicked       uint64       // sessions ended by Kick
	Blocked      uint64       // CONNECTs, logins and frames of members that are blocked, see Block
	BusError     error        // nil while the broker answers
	Bus          *bus.Figures // nil when the bus is not a bus.Measured
}

// History is what a node keeps of what was published to channels with history.
type History = history.Figures

// Figures may be called from any goroutine, before, during and after Run, and waits for nothing.
func (g *Gateway) Figures() Figures {
	stats := g.set.host.Stats
	f := Figures{
		Sessions:     g.Sessions(),
		Frames:       stats.Frames.Load(),
		Published:    stats.Published.Load(),
		Refused:      map[policy.Code]uint64{},
		Exceeded:     map[string]uint64{},
		Dropped:      stats.Dropped.Load(),
		Resumed:      map[string]uint64{},
		Replayed:     stats.Replayed.Load(),
		Unheard:      stats.Unheard.Load(),
		Faults:       stats.Faults.Load(),
		SlowCloses:   stats.SlowClosed.Load(),
		HungCloses:   stats.Hung.Load(),
		Nacks:        stats.Nacks.Load(),
		Kicked:       stats.Kicked.Load(),
		Blocked:      stats.Blocked.Load(),
		Unpackable:   stats.Unpackable.Load(),
		BusError:     g.bus.Healthy(),
		Withheld:     stats.Withheld.Load(),
		RefusedOther: stats.Refused[0].Load(),
	}
	for lack := range router.Lacks {
		f.Resumed[lack.String()] = stats.Resumed[lack].Load()
	}
	for scope := range policy.Scopes {
		f.Exceeded[scope.String()] = stats.Exceeded[scope].Load()
	}
	for _, e := range policy.Codes() {
		f.Refused[e.Code] = stats.Refused[e.Code].Load()
	}
	if g.set.host.Auth != nil {
		f.Tokens = g.set.host.Auth.Figures()
	}
	if g.engine.Load() != nil {
		f.Connections = g.front.Connections()
	}
	if r := g.router.Load(); r != nil {
		f.Delivered, f.Oversized, f.LeftOut = r.Delivered(), r.Oversized(), r.LeftOut()
		f.History = r.History()
	}
	if p := g.presence.Load(); p != nil {
		f.Presence = p.Figures()
	}
	if b, ok := g.bus.(bus.Measured); ok {
		f.Bus = new(b.Figures())
	}
	return f
}
