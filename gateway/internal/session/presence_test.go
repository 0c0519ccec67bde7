package session

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/gateway/internal/router"
	"github.com/stompgw/stompgw/gateway/policy"
	"github.com/stompgw/stompgw/gateway/registry"
)

// attendance is a Presence that writes down what it is told. All of it is the loop's; views begin when the test says.
type attendance struct {
	told  []string
	here  map[string]int // who is where
	views map[*router.Subscription]*viewing
	last  *viewing // that has begun to wait
}

type viewing struct {
	sub          *router.Subscription
	ready, ended func(error)
}

func (a *attendance) Come(room string, id registry.SessionID, member string, info []byte, counts bool) {
	a.here[fmt.Sprint(room, id, member)]++
	line := strings.TrimSpace(fmt.Sprintf("come %s %s %s", room, member, info))
	if counts {
		line += " counts"
	}
	a.told = append(a.told, line)
}

func (a *attendance) Go(room string, id registry.SessionID, member string) {
	if a.here[fmt.Sprint(room, id, member)]--; a.here[fmt.Sprint(room, id, member)] < 0 {
		a.told = append(a.told, "who never came")
	}
	a.told = append(a.told, strings.TrimSpace(fmt.Sprintf("go %s %s", room, member)))
}

func (a *attendance) View(_ *router.Local, s *router.Subscription, room string, counts bool, ready, ended func(error)) {
	if a.views[s] != nil {
		a.told = append(a.told, "a view of a view")
	}
	a.last = &viewing{s, ready, ended}
	a.views[s] = a.last
	a.told = append(a.told, fmt.Sprintf("view %s for %s counts=%v", room, s.Destination, counts))
}

func (a *attendance) Unview(_ *router.Local, s *router.Subscription) {
	a.told = append(a.told, "unview "+s.Destination)
	delete(a.views, s)
}

// presenceRig has rooms, and a Presence to which everything about them is told.
type presenceRig struct {
	*loginRig
	*attendance
}

const named = `has(claims.name) ? {"name": claims.name} : {}`

func newPresenceRig(t *testing.T, channels ...policy.Channel) *presenceRig {
	t.Helper()
	a := newAttendance()
	return &presenceRig{newLoginRig(t, func(h *Host) { h.Presence, h.Rules = a, roomRules(t, channels...) }), a}
}

func newAttendance() *attendance {
	return &attendance{here: map[string]int{}, views: map[*router.Subscription]*viewing{}}
}

func roomRules(t *testing.T, channels ...policy.Channel) *policy.Catalogue {
	return mustRules(t, slices.Concat(channels, []policy.Channel{
		{Match: "/topic/room/{n}", Subscribe: "true", Presence: policy.PresenceMembers, PresenceInfo: named},
		{Match: "/topic/counted/{n}", Subscribe: "true", Presence: policy.PresenceCount},
		{Match: "/topic/club/{n}", Subscribe: "'mu' in claims", Presence: policy.PresenceMembers, PresenceInfo: "{'of': vars.n}"},
	})...)
}

// wantTold checks what presence was told since the last time.
func (r *presenceRig) wantTold(want ...string) {
	r.t.Helper()
	var got []string
	r.do(func() { got, r.told = r.told, nil })
	if !slices.Equal(got, want) {
		r.t.Fatalf("presence was told\n%q, want\n%q", got, want)
	}
}

// wantNobody checks that whoever came has gone.
func (r *presenceRig) wantNobody() {
	r.t.Helper()
	r.do(func() {
		for who, n := range r.here {
			if n != 0 {
				r.t.Errorf("%s is there %d times", who, n)
			}
		}
		if len(r.views) > 0 {
			r.t.Errorf("%d views are left", len(r.views))
		}
	})
}

// reload makes other rules of the room count, and returns how many subscriptions that ends.
func (r *presenceRig) reload(channels ...policy.Channel) (ended int) {
	rules := mustRules(r.t.(*testing.T), channels...)
	r.do(func() { r.host.Reload(rules, func(n int) { ended = n }) })
	return ended
}

// TestComeAndGo: who subscribes to a room is there as whom he does it for, as often as he does it, until he leaves.
func TestComeAndGo(t *testing.T) {
	r := newPresenceRig(t)
	p, nobody := r.member(r.of(42, time.Hour, "name", "Ann", "mail", "ann@example.com")), r.connect("1.2")
	p.subscribes("", "/topic/room/1")
	r.wantTold(`come /topic/room/1 42 {"name":"Ann"}`)
	p.feed(subscribeAs("again", "/topic/room/1", ""))
	p.want(receipt("again"))
	r.wantTold(`come /topic/room/1 42 {"name":"Ann"}`)
	p.subscribes(r.of("bob", time.Hour), "/topic/counted/1", "/topic/club/2")
	r.wantTold(`come /topic/counted/1 "bob" counts`, `come /topic/club/2 "bob" {"of":"2"}`)
	nobody.feed(subscribe("1", "/topic/room/1") + subscribe("2", "/topic/club/1"))
	nobody.read()
	r.wantTold("come /topic/room/1")

	p.subscribes("", "/topic/*", "/topic/**", "/session/queue/x", "/topic/open/a") // patterns, and what is no room
	r.wantTold()
	p.feed(unsubscribe("again"))
	r.wantTold("go /topic/room/1 42")
	p.feed("DISCONNECT\n\n^@")
	r.wantTold("go /topic/room/1 42", `go /topic/counted/1 "bob"`, `go /topic/club/2 "bob"`)
	nobody.do(func() { nobody.s.Closed(errors.New("cut off")) })
	r.wantTold("go /topic/room/1")
	r.wantNobody()
}

// TestNotThereYet: a SUBSCRIBE that is refused, or taken back before it is answered, brings nobody into a room.
func TestNotThereYet(t *testing.T) {
	a, b := newAttendance(), bustest.NewFake()
	b.Late = true
	r := &presenceRig{&loginRig{rig: newRigOn(t, b, b, func(h *Host) { h.Presence, h.Rules = a, roomRules(t) })}, a}
	p := r.connect("1.2", "heart-beat:0,0")
	p.feed(subscribe("1", "/topic/room/1") + unsubscribe("1") + subscribe("2", "/topic/room/2") + subscribe("3", "/topic/room/3") + subscribe("4", "/topic/closed"))
	if ended := r.reload(policy.Channel{Match: "/topic/room/2"}, policy.Channel{Match: "/topic/room/{n}", Subscribe: "true", Presence: policy.PresenceCount}); ended != 1 {
		t.Fatalf("%d subscriptions ended, want 1", ended)
	}
	p.read()
	r.wantTold()
	b.Ready()
	p.until("answered", func() bool { return len(p.conn.out) == 2 })
	p.want(receipt("1"), receipt("3"))
	r.wantTold("come /topic/room/3 counts")
	p.do(func() { p.s.Drain() })
	r.wantTold("go /topic/room/3")
	r.wantNobody()
}

// TestPresenceOfLogins: in a room one is whom one may receive for: nobody before a login and after its lapse, and nowhere where the rule needs one.
func TestPresenceOfLogins(t *testing.T) {
	r := newPresenceRig(t)
	p := r.connect("1.2", "heart-beat:0,0").errors()
	p.subscribes("", "/topic/room/1", "/topic/counted/1")
	r.wantTold("come /topic/room/1", "come /topic/counted/1 counts")
	p.ask(sendAs("/topic/open/a", r.of(42, time.Minute, "name", "Ann"), "x"))
	r.wantTold("go /topic/room/1", `come /topic/room/1 42 {"name":"Ann"}`, "go /topic/counted/1", "come /topic/counted/1 42 counts")
	p.subscribes("", "/topic/club/1")
	r.wantTold(`come /topic/club/1 42 {"of":"1"}`)

	r.later(p, time.Minute)
	p.wantCode(policy.CodeLogin)
	r.wantTold() // in the time of grace
	r.later(p, testGrace)
	r.wantTold("go /topic/room/1 42", "come /topic/room/1", "go /topic/counted/1 42", "come /topic/counted/1 counts", "go /topic/club/1 42")

	p.ask(sendAs("/topic/open/a", r.of(42, time.Hour, "name", "Ann"), "x"))
	r.wantTold("go /topic/room/1", `come /topic/room/1 42 {"name":"Ann"}`, "go /topic/counted/1", "come /topic/counted/1 42 counts", `come /topic/club/1 42 {"of":"1"}`)
	p.ask(sendAs("/topic/open/a", r.of(42, 2*time.Hour, "name", "Ann", "mail", "x"), "x"))
	r.wantTold() // nothing that is shown
	p.ask(sendAs("/topic/open/a", r.of(42, 3*time.Hour, "name", "Anna"), "x"))
	r.wantTold("go /topic/room/1 42", `come /topic/room/1 42 {"name":"Anna"}`)
	p.feed("DISCONNECT\n\n^@")
	r.wantTold("go /topic/room/1 42", "go /topic/counted/1 42", "go /topic/club/1 42")
	r.wantNobody()
}

// TestPresenceOfGuests: who subscribed by a token of its own is there as that member, and leaves with it.
func TestPresenceOfGuests(t *testing.T) {
	r := newPresenceRig(t)
	p := r.member(r.of(42, time.Hour))
	p.subscribes(r.of("bob", time.Minute), "/topic/club/1")
	p.subscribes("", "/topic/club/1b")
	r.wantTold(`come /topic/club/1 "bob" {"of":"1"}`, `come /topic/club/1b 42 {"of":"1b"}`)
	r.later(p, time.Minute)
	p.wantCode(policy.CodeLogin)
	r.later(p, testGrace)
	r.wantTold(`go /topic/club/1 "bob"`)
	p.ask(sendAs("/topic/open/a", r.of("bob", time.Hour), "x"))
	r.wantTold(`come /topic/club/1 "bob" {"of":"1"}`)
	p.feed(unsubscribe("/topic/club/1"))
	r.wantTold(`go /topic/club/1 "bob"`)
}

// TestPresenceReload: new rules make rooms, end them, and show something else of who is there.
func TestPresenceReload(t *testing.T) {
	r := newPresenceRig(t)
	p := r.member(r.of(42, time.Hour, "name", "Ann"))
	p.subscribes("", "/topic/open/a")
	r.wantTold()
	room := policy.Channel{Match: "/topic/open/a", Subscribe: "true", Presence: policy.PresenceMembers}
	r.reload(room)
	r.wantTold("come /topic/open/a 42")
	r.reload(room)
	r.wantTold()
	room.PresenceInfo = "{'n': claims.name}"
	r.reload(room)
	r.wantTold("go /topic/open/a 42", `come /topic/open/a 42 {"n":"Ann"}`)
	room.Presence, room.PresenceInfo = policy.PresenceCount, ""
	r.reload(room)
	r.wantTold("go /topic/open/a 42", "come /topic/open/a 42 counts")
	r.reload()
	r.wantTold("go /topic/open/a 42")
	r.reload(room)
	room.Subscribe = "false"
	if ended := r.reload(room); ended != 1 {
		t.Errorf("%d subscriptions ended", ended)
	}
	r.wantTold("come /topic/open/a 42 counts", "go /topic/open/a 42")
	r.wantNobody()
}

// TestShownInVain: where presence_info can't be evaluated, the member is there without, and the log says why.
func TestShownInVain(t *testing.T) {
	r := newPresenceRig(t, policy.Channel{Match: "/topic/room/{n}", Subscribe: "true", Presence: policy.PresenceMembers, PresenceInfo: `{"n": claims[claims.key]}`})
	p := r.member(r.of(42, time.Hour, "key", "private"))
	p.subscribes("", "/topic/room/1")
	r.wantTold("come /topic/room/1 42")
	if logs := r.logs.String(); !strings.Contains(logs, "presence_info can't be evaluated") || !strings.Contains(logs, "no such key") || strings.Contains(logs, "private") {
		t.Errorf("the log says\n%s", logs)
	}
}

// begin answers the view that waits.
func (r *presenceRig) begin(err error) {
	r.do(func() { r.last.ready(err) })
}

// tell sends a MESSAGE to the newest view.
func (r *presenceRig) tell(body string) {
	r.do(func() {
		r.host.Local.Deliver(r.host.Local.Message(bus.Envelope{Destination: r.last.sub.Destination, Body: []byte(body)}), r.last.sub)
	})
}

// TestView: a view is a subscription as others are, to a room of which the client has to be let know.
func TestView(t *testing.T) {
	r := newPresenceRig(t)
	p := r.member(r.of(42, time.Hour))
	const room, view = "/topic/room/1", "/presence/topic/room/1"
	p.feed(subscribeAs("1", view, ""))
	p.want()
	r.wantTold("view " + room + " for " + view + " counts=false")
	r.begin(nil)
	p.want(receipt("1"))
	r.tell("here")
	p.wantOne("MESSAGE", "destination:"+view, "subscription:1")
	if live := live(p); live.Subscribed != 2 || live.Subscriptions[1] != view {
		t.Errorf("operators see %+v", live)
	}
	p.feed(unsubscribe("1"))
	p.want(receipt("un1"))
	r.wantTold("unview " + view)

	p.feed("SUBSCRIBE\nid:2\ndestination:" + view + "\npresence:count\nack:client-individual\nreceipt:2\n\n^@")
	r.wantTold("view " + room + " for " + view + " counts=true")
	r.begin(nil)
	p.want(receipt("2"))
	for range prefetch + 1 {
		r.tell("x")
	}
	if got := p.read(); len(got) != prefetch {
		t.Errorf("%d messages came without an ACK, want %d", len(got), prefetch)
	}
	p.feed(subscribeAs("3", "/presence/topic/counted/1", ""))
	r.wantTold("view /topic/counted/1 for /presence/topic/counted/1 counts=true")
	r.begin(nil)
	p.read()
	p.feed("DISCONNECT\nreceipt:bye\n\n^@")
	p.want(receipt("bye"))
	r.wantTold("unview "+view, "unview /presence/topic/counted/1")
	r.wantNobody()
}

// live is what operators see of a session.
func live(p *peer) (l registry.Live) {
	p.do(func() { l = p.s.live() })
	return l
}

// TestViewRefused: what the rules, and a room of too many, answer.
func TestViewRefused(t *testing.T) {
	r := newPresenceRig(t)
	p := r.connect("1.2").errors()
	for name, want := range map[string]policy.Code{
		"/presence/topic/open/a": policy.CodeNoRule, "/presence/topic/club/1": policy.CodeLogin, "/presence/topic/*": policy.CodePattern,
		"/presence/session/queue/x": policy.CodeNoRule, "/presence/presence/topic/room/1": policy.CodeNoRule, "$presence/topic/room/1": policy.CodeNoRule,
	} {
		p.ask(subscribeAs("1", name, ""))
		p.wantCode(want)
		p.ask(sendAs(name, "", "x"))
		p.wantCode(policy.CodeNoRule)
	}
	r.wantTold()
	p.feed(subscribeAs("1", "/presence/topic/room/1", ""))
	r.begin(ErrTooMany)
	if got := p.wantRefusal("too_many_present"); !strings.Contains(got, `"clientRequestCode":"SUBSCRIBE"`) || !strings.Contains(got, `"retryable":true,"receiptId":"1"`) {
		t.Errorf("got %s", got)
	}
	p.feed(subscribeAs("1", "/presence/topic/room/1", ""))
	r.begin(nil)
	p.want(receipt("1"))
	r.do(func() { r.last.ended(ErrTooMany) })
	if got := p.wantRefusal("too_many_present"); !strings.Contains(got, `"clientRequestCode":null`) || !strings.Contains(got, `"destination":"/presence/topic/room/1"`) {
		t.Errorf("got %s", got)
	}
	p.feed(unsubscribe("1"))
	p.wantCode(policy.CodeNotSubscribed)
	r.wantNobody()

	r.do(func() { r.host.Presence = nil })
	p.feed(subscribeAs("1", "/presence/topic/room/1", "") + subscribeAs("2", "/topic/room/1", ""))
	if got := p.read(); len(got) != 2 || !strings.Contains(got[0], `"errorCode":3`) || got[1] != receipt("2") {
		t.Errorf("without a Presence: %q", got)
	}
}

// TestViewTakenBack: a view that ends before it has begun is answered all the same, once.
func TestViewTakenBack(t *testing.T) {
	const view = "/presence/topic/room/1"
	for _, how := range []string{"UNSUBSCRIBE", "new rules", "an operator", "the connection"} {
		t.Run(how, func(t *testing.T) {
			r := newPresenceRig(t)
			p := r.connect("1.2", "heart-beat:0,0").errors()
			p.feed(subscribeAs("1", view, ""))
			want := []string{receipt("1")}
			switch how {
			case "UNSUBSCRIBE":
				p.feed(unsubscribe("1"))
				want = []string{receipt("un1"), receipt("1")}
			case "new rules":
				r.reload(policy.Channel{Match: "/topic/room/1"})
			case "an operator":
				p.do(func() { p.s.endSubscriptions(view, policy.Refuse(policy.CodeEnded).Explanation) })
			case "the connection":
				p.do(func() { p.s.Closed(errors.New("cut off")) })
				want = nil
			}
			got := p.read()
			if refused := how == "new rules" || how == "an operator"; refused && (len(got) != 1 || !strings.Contains(got[0], `"receiptId":"1"`)) || !refused && !slices.Equal(got, want) {
				t.Errorf("got %q", got)
			}
			r.wantTold("view /topic/room/1 for "+view+" counts=false", "unview "+view)
			r.wantNobody()
			if how != "the connection" {
				p.feed("DISCONNECT\nreceipt:bye\n\n^@") // nothing is outstanding
				p.want(receipt("bye"))
				p.wantClosed(CloseNormal)
			}
		})
	}
}

// TestViewSuspended: while its login has lapsed a view looks at nothing. Then it begins anew, as what has come meanwhile was not for it.
func TestViewSuspended(t *testing.T) {
	const view = "/presence/topic/club/1"
	for _, begun := range []bool{true, false} {
		t.Run(fmt.Sprintf("begun=%v", begun), func(t *testing.T) {
			r := newPresenceRig(t)
			p := r.member(r.of(42, time.Minute))
			p.feed(subscribeAs("1", view, ""))
			r.wantTold("view /topic/club/1 for " + view + " counts=false")
			first := r.last
			if begun {
				r.begin(nil)
				p.want(receipt("1"))
			}
			r.later(p, time.Minute)
			p.wantCode(policy.CodeLogin)
			r.later(p, testGrace)
			if !begun { // its RECEIPT has to come
				r.wantTold()
				r.begin(nil)
				p.want(receipt("1"))
			}
			r.wantTold("unview " + view)
			r.tell("late")
			p.want()
			p.ask(sendAs("/topic/open/a", r.of(42, time.Hour), "x"))
			r.wantTold("view /topic/club/1 for " + view + " counts=false")
			if r.begin(nil); r.last == first {
				t.Fatal("it looks as before")
			}
			p.want()
			r.tell("here")
			p.wantOne("MESSAGE", "subscription:1")

			r.later(p, time.Hour)
			p.wantCode(policy.CodeLogin)
			r.later(p, testGrace)
			p.ask(sendAs("/topic/open/a", r.of(42, 3*time.Hour), "x"))
			r.begin(ErrTooMany) // meanwhile
			p.wantRefusal("too_many_present")
			r.wantTold("unview "+view, "view /topic/club/1 for "+view+" counts=false", "unview "+view)
			r.wantNobody()
		})
	}
}

// TestViewReload: a view counts when the rule of its room only does so, and ends with the room.
func TestViewReload(t *testing.T) {
	const view = "/presence/topic/room/1"
	r := newPresenceRig(t)
	p := r.connect("1.2").errors()
	p.feed(subscribeAs("1", view, ""))
	r.begin(nil)
	p.want(receipt("1"))
	room := policy.Channel{Match: "/topic/room/{n}", Subscribe: "true", Presence: policy.PresenceMembers}
	r.reload(room)
	r.wantTold("view /topic/room/1 for " + view + " counts=false")
	room.Presence = policy.PresenceCount
	r.reload(room)
	r.begin(nil)
	r.wantTold("unview "+view, "view /topic/room/1 for "+view+" counts=true")
	p.want()
	for _, rules := range [][]policy.Channel{{{Match: view, Subscribe: "false"}, room}, {{Match: "/topic/room/{n}", Subscribe: "true"}}} {
		if ended := r.reload(rules...); ended != 1 {
			t.Errorf("%d subscriptions ended", ended)
		}
		p.wantRefusal("")
		r.wantTold("unview " + view)
		r.reload(room)
		p.feed(subscribeAs("1", view, ""))
		r.begin(nil)
		p.want(receipt("1"))
		r.wantTold("view /topic/room/1 for " + view + " counts=true")
	}
}
