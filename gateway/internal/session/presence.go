package session

import (
	"bytes"
	"errors"
	"log/slog"

	"github.com/stompgw/stompgw/gateway/auth"
	"github.com/stompgw/stompgw/gateway/internal/router"
	"github.com/stompgw/stompgw/gateway/policy"
	"github.com/stompgw/stompgw/gateway/registry"
	"github.com/stompgw/stompgw/gateway/stomp"
)

// A subscription to a room is present there from its RECEIPT on, while its login lets it receive: as the member that it receives for. One
// to what is below the prefix of presence is a view: it is not in the table of the bus, and what it receives is made on this node.

// Presence keeps who is where. Its methods run on a loop, of which l is the router's part, and wait for nothing.
type Presence interface {
	// Come says that a subscription of a session is in a room from now on, as a member (empty for nobody) with info (nil for none, JSON; kept).
	// counts says that the room's rule only counts. Go takes back one Come of the same session and member. (Changed info: Go and Come.)
	Come(room string, id registry.SessionID, member string, info []byte, counts bool)
	Go(room string, id registry.SessionID, member string)

	// View has s, a subscription to the presence of a room, receive who is there. ready runs once on the loop, perhaps before View returns: with nil
	// when it begins, before the first MESSAGE (the RECEIPT goes between), or with why not (ErrTooMany, bus.ErrDestination). After nil, s.Outlet.Ended is not used:
	// ended runs on the loop when the room has got too many members. Both may call Unview.
	View(l *router.Local, s *router.Subscription, room string, counts bool, ready func(error), ended func(error))
	// Unview takes it back, also where View has been refused or has ended. Neither function of View runs after it.
	Unview(l *router.Local, s *router.Subscription)
}

// ErrTooMany reports a room with more members than are listed.
var ErrTooMany = errors.New("session: too many are present to be listed")

// standing is what presence has been told of a subscription.
type standing struct {
	told   bool   // that it is there, or views
	counts bool   // that no more than numbers are for it
	member string // whom it is there for
	info   []byte // what is shown of him

	// Of a view alone.
	numbers bool        // its client asks for no more
	answer  func(error) // of its SUBSCRIBE; nil when that has been answered
}

// wantsNumbers reports whether a SUBSCRIBE asks how many are present, and not who.
func wantsNumbers(f *stomp.Frame) bool {
	value, _ := f.Header.Get("presence")
	return string(value) == "count"
}

// stand returns the subscription's standing, made if need be.
func (sub *subscription) stand() *standing {
	if sub.grant == nil {
		sub.grant = &grant{}
	}
	if sub.grant.standing == nil {
		sub.grant.standing = &standing{}
	}
	return sub.grant.standing
}

// standing is nil for a subscription of which presence knows nothing.
func (sub *subscription) standing() *standing {
	if sub.grant == nil {
		return nil
	}
	return sub.grant.standing
}

// attend tells presence what is other than it was: whether the subscription may receive, as whom, and what the rules say of the room.
func (sub *subscription) attend() {
	s := sub.session
	if s.host.Presence == nil || sub.entering != nil {
		return
	}
	switch {
	case sub.view:
		sub.look()
	case sub.presence != policy.PresenceNone && !sub.suspended:
		sub.come()
	default:
		sub.depart()
	}
}

// come says that the subscription is in its room, unless just that has been said.
func (sub *subscription) come() {
	s, now := sub.session, standing{told: true, counts: sub.presence == policy.PresenceCount}
	if who := sub.by().identity(); who != nil {
		now.member = who.Member
		if !now.counts {
			now.info = s.shownOf(sub.Destination, who)
		}
	}
	st := sub.stand()
	if st.told && st.member == now.member && st.counts == now.counts && bytes.Equal(st.info, now.info) {
		return
	}
	sub.depart()
	*st = now
	s.host.Presence.Come(sub.Destination, s.id, now.member, now.info, now.counts)
}

// shownOf is what presence_info makes of somebody for a room; nil for nothing, also where that can't be made.
func (s *Session) shownOf(room string, who *auth.Identity) []byte {
	r := s.request(room, nil, who)
	info, err := s.host.Rules.PresenceInfo(&r)
	if err != nil {
		s.host.Lines.shown.Log(s.host.Log, slog.LevelWarn, "presence_info can't be evaluated, so a member is shown by its id alone",
			"session", s, "destination", shortened(policy.Discreet(room)), "err", err)
	}
	return info
}

// depart takes back that the subscription is there, or views.
func (sub *subscription) depart() {
	st, s := sub.standing(), sub.session
	if st == nil || !st.told {
		return
	}
	st.told = false
	if sub.view {
		s.host.Presence.Unview(s.host.Local, &sub.Subscription)
		return
	}
	s.host.Presence.Go(sub.Destination, s.id, st.member)
}

// view begins to look at a room, as its client has asked for.
func (s *Session) view(sub *subscription, o origin) {
	st := sub.stand()
	st.answer = func(err error) {
		st.answer = nil
		s.entered(sub, o, router.Want{}, router.Beginning{Lack: router.Unreadable}, err)
	}
	sub.open(st, func(err error) {
		if st.answer != nil {
			st.answer(err)
		}
	})
}

// look begins to look at the room, stops, or begins anew, since what came meanwhile was not for the client.
func (sub *subscription) look() {
	st := sub.stand()
	counts := st.numbers || sub.presence == policy.PresenceCount
	if st.told == !sub.suspended && (sub.suspended || st.counts == counts) {
		return
	}
	sub.depart()
	if sub.suspended {
		return
	}
	sub.open(st, func(err error) {
		if err != nil { // not from within a walk over the subscriptions
			sub.session.host.Local.Post(func() { sub.outgrown(err) })
		}
	})
}

func (sub *subscription) open(st *standing, ready func(error)) {
	s := sub.session
	st.told, st.counts = true, st.numbers || sub.presence == policy.PresenceCount
	s.host.Presence.View(s.host.Local, &sub.Subscription, s.host.Rules.Room(sub.Destination), st.counts, ready, sub.outgrown)
}

// outgrown ends a view whose room has got too many members.
func (sub *subscription) outgrown(err error) {
	if sub.isThere() {
		sub.session.endSubscription(sub, refusalOf(err))
	}
}

// close ends what presence knows of a subscription that has ended. A SUBSCRIBE of a view that was not answered is answered then.
func (sub *subscription) close() {
	sub.depart()
	if st := sub.standing(); st != nil && st.answer != nil {
		answer := st.answer
		st.answer = nil
		sub.session.host.Local.Post(func() { answer(nil) })
	}
}
