package session

import (
	"slices"

	"github.com/stompgw/stompgw/gateway/auth"
	"github.com/stompgw/stompgw/gateway/destination"
	"github.com/stompgw/stompgw/gateway/internal/router"
	"github.com/stompgw/stompgw/gateway/policy"
	"github.com/stompgw/stompgw/gateway/stomp"
)

// maxSubscriptions is how many subscriptions one session may hold.
const maxSubscriptions = 1000

// subscription is one subscription of the session.
type subscription struct {
	router.Subscription
	session   *Session
	window    *window         // of what is not acknowledged; nil for ack:auto
	grant     *grant          // nil: it depends on the session's login, and there is nothing else that few have
	private   bool            // of the session's own destinations: the table does not know it
	login     bool            // its rule looks at who asks
	suspended bool            // by the lapse of its login: it receives nothing
	view      bool            // of a room: Presence puts it into the table
	presence  policy.Presence // of the room that it is to, or views
	event     uint32          // by which the hole came that its client was told of last
	entering  *origin         // of its SUBSCRIBE, until that was answered
}

// subscribe carries out SUBSCRIBE.
func (s *Session) subscribe(f *stomp.Frame, who *auth.Identity) error {
	name, err := required(f, "destination")
	if err != nil {
		return err
	}
	id, mode, err := s.subscribeHeaders(f)
	if err != nil {
		return err
	}
	if s.named(id, name) != nil {
		if id == "" {
			return faultf("SUBSCRIBE", "the session is subscribed to %s already: give each subscription an id header of its own", quoted(name))
		}
		return faultf("SUBSCRIBE id Header", "a subscription of this session has the id %s already: each needs an id of its own", quoted(id))
	}
	o := originOf(f)
	sub, refusal := s.granted(f, o, who)
	if refusal != nil {
		s.refuse(o, refusal)
		return nil
	}
	if sub.ID = id; mode != ackAuto {
		sub.window, sub.WantsAck = &window{mode: mode}, s.version >= stomp.V12
	}
	if sub.view {
		sub.stand().numbers = wantsNumbers(f)
	}
	s.enter(sub, o, wantOf(f))
	return nil
}

// granted asks the rules for a SUBSCRIBE on behalf of who, and makes the subscription that they give.
func (s *Session) granted(f *stomp.Frame, o origin, who *auth.Identity) (*subscription, *policy.Refusal) {
	if len(s.subs) >= maxSubscriptions {
		return nil, policy.Refuse(policy.CodeTooMany)
	}
	r := s.request(o.destination, ownHeaders(f), who)
	given, refusal := s.host.Rules.JudgeSubscribe(&r)
	if refusal == nil && given.Room != "" && s.host.Presence == nil {
		refusal = policy.Refuse(policy.CodeNoRule)
	}
	if refusal != nil {
		return nil, refusal
	}
	sub := &subscription{
		Subscription: router.Subscription{Destination: given.Destination, Version: s.version, Framing: s.conn.Framing()},
		session:      s,
		grant:        s.newGrant(s.guest(who), r.Headers),
		private:      s.host.Rules.IsSession(o.destination),
		login:        given.Login,
		view:         given.Room != "",
		presence:     given.Presence,
	}
	if destination.IsPattern(o.destination) {
		pattern, err := destination.Parse(o.destination)
		if err != nil { // the rules let no such one pass
			return nil, policy.Refuse(policy.CodePattern)
		}
		sub.Pattern = &pattern
	}
	if sub.grant != nil && s.keeps()+sizeOf(sub.grant.headers) > s.host.Outbound {
		return nil, policy.Refuse(policy.CodeTooMany)
	}
	if given.Login && sub.by().identity() != who { // the time of grace was over before
		_, refusal := sub.judge(sub.name())
		sub.suspended = refusal != nil
	}
	return sub, nil
}

// subscribeHeaders reads the id and ack headers of SUBSCRIBE.
func (s *Session) subscribeHeaders(f *stomp.Frame) (id string, mode ackMode, err error) {
	value, _ := f.Header.Get("id")
	if len(value) == 0 && s.version > stomp.V10 {
		return "", 0, faultf("SUBSCRIBE id Header", "SUBSCRIBE needs an id header, which tells the session's subscriptions apart")
	}
	ack, ok := f.Header.Get("ack")
	if !ok {
		ack = []byte("auto")
	}
	if mode, ok = parseAckMode(ack, s.version); !ok {
		modes := "auto, client and client-individual"
		if s.version == stomp.V10 {
			modes = "auto and client"
		}
		return "", 0, faultf("SUBSCRIBE ack Header", "unknown ack mode: STOMP %s has %s", s.version, modes)
	}
	return string(value), mode, nil
}

// enter adds sub and, when messages reach it, answers.
func (s *Session) enter(sub *subscription, o origin, want router.Want) {
	sub.Outlet, sub.entering = sub, &o
	s.subs = append(s.subs, sub)
	if o.receipt != "" {
		s.receipts++
	}
	ready := func(err error) { s.entered(sub, o, want, router.Beginning{Lack: router.Unreadable}, err) }
	switch {
	case sub.view:
		s.view(sub, o)
	case sub.private:
		s.host.Local.WhenLive(ready)
	case sub.Pattern == nil && s.host.Local.HasHistory(sub.Destination):
		s.follow(sub, o, want)
	default:
		s.host.Local.Subscribe(&sub.Subscription, ready)
	}
}

// entered tells how a subscription has turned out, and where it begins if its destination has history.
func (s *Session) entered(sub *subscription, o origin, want router.Want, b router.Beginning, err error) {
	if s.state == closed {
		b.Reader.Close()
		return
	}
	if o.receipt != "" {
		s.receipts--
	}
	refused := sub.entering == nil // by new rules
	sub.entering = nil
	switch {
	case refused:
		b.Reader.Close()
	case err != nil:
		s.host.Log.Debug("can't subscribe", "session", s, "destination", policy.Discreet(o.destination), "err", err)
		s.drop(sub)
		s.refuse(o, refusalOf(err))
	case !sub.isThere(): // by an UNSUBSCRIBE
		b.Reader.Close()
		s.receipt(o.receipt)
	default:
		s.answer(sub, o, want, b)
		sub.attend()
	}
	s.tryLeave()
}

// unsubscribe carries out UNSUBSCRIBE.
func (s *Session) unsubscribe(f *stomp.Frame) error {
	id, _ := f.Header.Get("id")
	destination, _ := f.Header.Get("destination")
	switch {
	case len(id) == 0 && s.version > stomp.V10:
		return faultf("UNSUBSCRIBE", "UNSUBSCRIBE needs an id header: that of the SUBSCRIBE")
	case len(id) == 0 && len(destination) == 0:
		return faultf("UNSUBSCRIBE", "UNSUBSCRIBE needs an id header or a destination header: that of the SUBSCRIBE")
	}
	sub := s.named(string(id), destination)
	if sub == nil && len(id) == 0 {
		sub = s.subscribedTo(string(destination)) // with an id, which 1.0 lets a client leave out here
	}
	if sub == nil {
		s.refuse(originOf(f), policy.Refuse(policy.CodeNotSubscribed))
		return nil
	}
	s.drop(sub)
	s.receiptFor(f)
	return nil
}

// name is what the client calls what it is subscribed to. Destination is that on the bus, which is
// another where it is a member's.
func (sub *subscription) name() string {
	return sub.session.host.Rules.ClientDestination(sub.Destination)
}

// named returns the subscription of that id or, if a 1.0 client gives none, the one without an id
// to destination.
func (s *Session) named(id string, destination []byte) *subscription {
	return s.find(func(sub *subscription) bool {
		return sub.ID == id && (id != "" || sub.name() == string(destination))
	})
}

// subscribedTo returns the first subscription to what the client calls so, nil for none.
func (s *Session) subscribedTo(destination string) *subscription {
	return s.find(func(sub *subscription) bool { return sub.name() == destination })
}

func (s *Session) find(is func(*subscription) bool) *subscription {
	if i := slices.IndexFunc(s.subs, is); i >= 0 {
		return s.subs[i]
	}
	return nil
}

// drop ends a subscription, if it has not ended.
func (s *Session) drop(sub *subscription) {
	i := slices.Index(s.subs, sub)
	if i < 0 {
		return
	}
	s.subs = slices.Delete(s.subs, i, i+1)
	sub.leave()
	if sub.window != nil && s.work != nil {
		s.work.held -= sub.window.heldBytes()
	}
}

// leave takes the subscription out of the table.
func (sub *subscription) leave() {
	if f, ok := sub.Outlet.(*feed); ok {
		f.end()
	}
	sub.close()
	if !sub.private && !sub.view {
		sub.session.host.Local.Unsubscribe(&sub.Subscription)
	}
}

// strays reports whether a member has subscribed to what is another's now, or nobody's: its issuer has another label.
func (sub *subscription) strays() bool {
	rules := sub.session.host.Rules
	return rules.IsMember(sub.Destination) && rules.MemberDestination(sub.by().who.Inbox(), sub.name()) != sub.Destination
}

// Deliver implements router.Outlet.
func (sub *subscription) Deliver(_ *router.Subscription, seq uint64, packed []byte) bool {
	s := sub.session
	if sub.suspended {
		s.host.Stats.Withheld.Add(1)
		return false
	}
	if len(packed) == 0 {
		s.host.Stats.Unpackable.Add(1)
		return false
	}
	if sub.window == nil || sub.window.admit(seq, packed) {
		s.conn.Queue(packed)
		return true
	}
	before := s.busy().held
	s.work.held += len(packed)
	if before <= s.host.Outbound && s.work.held > s.host.Outbound {
		s.host.Local.Post(s.judgeHeld) // not from within a delivery
	}
	return true
}

// Ended implements router.Outlet.
func (sub *subscription) Ended(*router.Subscription) {
	if sub.isThere() {
		sub.session.endSubscription(sub, policy.Refuse(policy.CodeEnded))
	}
}

// endSubscription ends sub and tells the client why.
func (s *Session) endSubscription(sub *subscription, r *policy.Refusal) {
	o := origin{destination: sub.name()}
	if sub.entering != nil { // this is the answer
		o, sub.entering = *sub.entering, nil
	}
	s.drop(sub)
	s.refuse(o, r)
}

// judgeHeld ends the session if too much waits for its acknowledgements.
func (s *Session) judgeHeld() {
	if s.state != closed && s.work.held > s.host.Outbound {
		s.tooSlow("acknowledge")
	}
}
