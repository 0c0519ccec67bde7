package session

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/gateway/policy"
	"github.com/stompgw/stompgw/gateway/registry"
)

func kicked(reason string) policy.Explanation {
	return policy.Explanation{Message: reason, Code: policy.CodeKicked, Word: "kicked"}
}

// kick ends sessions, and returns those that the loop had.
func (r *rig) kick(why policy.Explanation, ids ...registry.SessionID) []registry.SessionID {
	r.t.Helper()
	told := make(chan []registry.SessionID, 1)
	r.loop.Post(func() { r.host.Kick(context.Background(), ids, why, func(had []registry.SessionID) { told <- had }) })
	return <-told
}

// wantKicked checks that the session has ended with one ERROR.
func (p *peer) wantKicked(lines ...string) {
	p.t.Helper()
	p.wantOne("ERROR", append(lines, "error-code:15", "content-type:text/plain")...)
	p.wantClosed(ClosePolicy)
}

// TestKick: the client reads the reason and the code, the connection closes, and of the session nothing is left.
func TestKick(t *testing.T) {
	r := newRig(t)
	p, other := r.connect("1.2", "heart-beat:1000,1000"), r.connect("1.2")
	for _, peer := range []*peer{p, other} {
		peer.feed(subscribe("1", "/topic/a"))
		peer.feed(subscribe("2", "/session/queue/x"))
		peer.want(receipt("1"), receipt("2"))
	}
	p.feed(begin("t") + sendIn("t", "x"))
	if had := r.kick(kicked(`back at 9:00, see C:\news`), p.s.id, p.s.id, 12345); !slices.Equal(had, []registry.SessionID{p.s.id}) {
		t.Errorf("the loop had %v, want %v", had, p.s.id)
	}
	body := "Code 15. Transactions that were not committed are gone. Connect again if you need to, or ask whoever runs this gateway."
	p.want(`ERROR` + "\n" + `message:back at 9\c00, see C\c\\news` + "\nerror-code:15\ncontent-type:text/plain\ncontent-length:" + fmt.Sprint(len(body)) + "\n\n" + body)
	p.wantClosed(ClosePolicy)
	if p.conn.reason != "kicked" {
		t.Errorf("closed with %q", p.conn.reason)
	}
	p.deliver(bus.Envelope{Destination: "/topic/a"})
	p.deliver(bus.Envelope{Destination: "/queue/x", Principal: r.host.Node.Principal(p.s.id, time.UnixMilli(p.s.connected))})
	p.feed("COMMIT\ntransaction:t\n\n^@")
	p.do(func() { p.conn.heard, p.conn.wrote = time.Hour, time.Hour; p.s.Timeout() })
	p.want()
	other.wantOne("MESSAGE", "destination:/topic/a")
	if got := r.book.Sessions(); len(got) != 1 || got[0].ID != other.s.id || len(r.bus.Taken()) != 0 {
		t.Errorf("the book has %v, the bus %v", got, r.bus.Taken())
	}
	if n, open := r.host.Stats.Kicked.Load(), r.host.Stats.Open.Load(); n != 1 || open != 1 {
		t.Errorf("%d kicked, %d open", n, open)
	}
	if had := r.kick(kicked("again"), p.s.id); len(had) != 0 {
		t.Errorf("after its end the loop had %v", had)
	}
}

// TestKickTooMany: who has too many sessions is told that another one would not help.
func TestKickTooMany(t *testing.T) {
	r := newRig(t)
	p := r.connect("1.2")
	r.kick(policy.Explanation{Message: "one too many", Code: policy.CodeSessions, Word: "too_many_sessions"}, p.s.id)
	p.wantOne("ERROR", "message:one too many", "error-code:17",
		"Code 17. Transactions that were not committed are gone. End other sessions of this member first: a client that connects again at once may only end another.")
	if p.conn.reason != "too_many_sessions" {
		t.Errorf("closed with %q", p.conn.reason)
	}
}

// TestKickLeaving: a session whose DISCONNECT waits for the bus is there yet; its last frame is the
// ERROR, whatever the bus says later.
func TestKickLeaving(t *testing.T) {
	r := newRig(t)
	p := r.connect("1.2")
	p.feed("SEND\ndestination:/topic/a\nreceipt:sent\n\n^@DISCONNECT\nreceipt:bye\n\n^@")
	p.want()
	if had := r.kick(kicked("x"), p.s.id); len(had) != 1 {
		t.Error("the loop did not have it")
	}
	p.wantKicked("message:x")
	r.settle(0, nil)
	p.want()
}

// TestKickPaused: what a paused session waits for does not come back to it.
func TestKickPaused(t *testing.T) {
	t.Run("for the bus", func(t *testing.T) {
		r := newRig(t)
		p := r.connect("1.2")
		r.bus.RefuseWith(bus.ErrFull)
		p.feed("SEND\ndestination:/topic/a\nreceipt:1\n\n1^@SEND\ndestination:/topic/a\nreceipt:2\n\n2^@")
		if !p.conn.paused {
			t.Fatal("the session reads on")
		}
		r.kick(kicked("x"), p.s.id)
		p.wantKicked("message:x")
		r.bus.RefuseWith(nil)
		p.do(p.s.Unblock)
		p.feed("SEND\ndestination:/topic/a\n\n3^@")
		p.want()
		if got := r.bus.Bodies(); len(got) != 0 {
			t.Errorf("the bus has %q", got)
		}
	})
	t.Run("for an interceptor", func(t *testing.T) {
		r := newRig(t)
		p := r.connect("1.2")
		asked, ended := make(chan struct{}), make(chan struct{})
		p.do(func() {
			r.host.Intercept = func(ctx context.Context, _ *Inspection) Outcome {
				close(asked)
				<-ctx.Done()
				close(ended)
				return Outcome{}
			}
		})
		p.feed("SEND\ndestination:/topic/a\nreceipt:1\n\n1^@")
		if !p.conn.paused {
			t.Fatal("the session reads on")
		}
		<-asked
		r.kick(kicked("x"), p.s.id)
		p.wantKicked("message:x")
		<-ended // or nobody has told it
		p.do(func() {})
		p.want()
		if got := r.bus.Bodies(); len(got) != 0 {
			t.Errorf("the bus has %q", got)
		}
	})
}

// TestInTurns: of many sessions a turn has some, between which the loop's other work goes on; the end
// of ctx is the end of it.
func TestInTurns(t *testing.T) {
	const sessions = 10 * int(acts)
	for _, stop := range []bool{false, true} {
		t.Run(fmt.Sprintf("stop=%v", stop), func(t *testing.T) {
			r := newRig(t)
			var ids []registry.SessionID
			for range sessions {
				ids = append(ids, r.connect("1.2").s.id)
			}
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			counts, told := make(chan uint64, 2), make(chan []registry.SessionID, 1)
			r.loop.Post(func() {
				r.host.Kick(ctx, ids, kicked("x"), func(had []registry.SessionID) { told <- had })
				counts <- r.host.Stats.Kicked.Load()
				r.loop.Post(func() { // behind the second part
					counts <- r.host.Stats.Kicked.Load()
					if stop {
						cancel()
					}
				})
			})
			for i := range uint64(2) {
				if n := <-counts; n > (i+1)*uint64(acts) {
					t.Errorf("part %d: %d sessions are kicked", i, n)
				}
			}
			had, left := <-told, len(r.book.Sessions())
			if len(had)+left != sessions || stop != (left > 0) || !slices.Equal(had, ids[:len(had)]) {
				t.Errorf("%d were kicked, %d are left", len(had), left)
			}
		})
	}
}

// TestInTurnsEnds: a loop that has ended tells what it has done until then, once.
func TestInTurnsEnds(t *testing.T) {
	r := newRig(t)
	r.end()
	for _, size := range []int{0, 1, 10 * int(acts)} {
		done, seen := 0, 0
		inTurns(context.Background(), r.host.Local, acts, slices.Values(make([]int, size)), func(int) { seen++ }, func() { done++ })
		if done != 1 || seen > int(acts) || size > 0 && seen == 0 {
			t.Errorf("of %d it has seen %d, and told %d times", size, seen, done)
		}
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	told := false
	inTurns(ended, r.host.Local, acts, slices.Values(make([]int, 1)), func(int) { t.Error("nobody wants to know") }, func() { told = true })
	if !told {
		t.Error("it tells nothing")
	}
}

// turns is how many turns of the loop a work takes that ends when its done is called.
func (r *rig) turns(work func(done func())) (n int) {
	ended := make(chan struct{})
	over := false // of the loop
	var count func()
	count = func() {
		if !over {
			n++
			r.loop.Post(count)
		}
	}
	r.loop.Post(func() {
		work(func() { over = true; close(ended) })
		count()
	})
	<-ended
	r.do(func() {})
	return n
}

// TestLooksInTurns: many subscribers of one destination, and many sessions, are looked at some at a time, though sessions
// end meanwhile.
func TestLooksInTurns(t *testing.T) {
	const sessions, each = 200, 100
	for to, least := range map[string]int{"/topic/a": sessions * each / 2 / int(looks), "/topic/*": sessions / 2 / int(acts)} {
		t.Run(to, func(t *testing.T) {
			r := newRig(t)
			var stay []registry.SessionID
			var leave []*peer
			for i := range sessions {
				p := r.connect("1.2")
				for n := range each {
					p.feed(strings.ReplaceAll(subscribeAs(fmt.Sprint(n), "/topic/a", ""), "receipt:", "x:"))
				}
				if i%2 == 0 {
					stay = append(stay, p.s.id)
				} else {
					leave = append(leave, p)
				}
			}
			var got []registry.SessionID
			turns := r.turns(func(done func()) {
				r.host.Subscribers(context.Background(), to, func(ids []registry.SessionID) { got = ids; done() })
				for _, p := range leave { // behind the first part
					p.s.Closed(nil)
				}
			})
			if turns < least {
				t.Errorf("all is done in %d turns, want %d or more", turns, least)
			}
			for _, id := range stay {
				if !slices.Contains(got, id) {
					t.Errorf("session %s is not found", id)
				}
			}
		})
	}
}

func (r *rig) live(ids ...registry.SessionID) (list []registry.Live) {
	told := make(chan []registry.Live, 1)
	r.loop.Post(func() { r.host.Live(context.Background(), ids, func(l []registry.Live) { told <- l }) })
	return <-told
}

// TestLive: an operator sees what a session is subscribed to, and what waits for its client.
func TestLive(t *testing.T) {
	r := newRig(t)
	p, idle, gone := r.connect("1.2"), r.connect("1.2"), r.connect("1.2")
	id := gone.s.id
	gone.do(func() { gone.s.Closed(nil) })
	p.feed("SUBSCRIBE\nid:q\ndestination:/session/queue/x\n\n^@SUBSCRIBE\nid:a\ndestination:/topic/a\nack:client\n\n^@")
	want := []string{"/session/queue/x", "/topic/a"}
	for i := range 200 {
		p.feed(fmt.Sprintf("SUBSCRIBE\nid:%d\ndestination:/topic/%d\n\n^@", i, i))
		want = append(want, fmt.Sprintf("/topic/%d", i))
	}
	p.read()
	idle.read()
	got := r.live(id, idle.s.id, p.s.id, 12345)
	if len(got) != 2 || got[0].ID != idle.s.id || got[0].Subscribed != 0 || got[0].Queued != 0 || len(got[0].Subscriptions) != 0 {
		t.Fatalf("got %+v", got)
	}
	if l := got[1]; l.ID != p.s.id || l.Subscribed != len(want) || !slices.Equal(l.Subscriptions, want[:maxShown]) || l.Queued != 0 {
		t.Errorf("got %+v, want the first %d of %d subscriptions", l, maxShown, len(want))
	}
	for i := range 20 {
		idle.feed(fmt.Sprintf("SUBSCRIBE\nid:%d\ndestination:/topic/%04d%s\n\n^@", i, i, strings.Repeat("x", 8<<10-100)))
	}
	idle.read()
	if l := r.live(idle.s.id)[0]; l.Subscribed != 20 || len(l.Subscriptions) != 8 {
		t.Errorf("of %d long destinations %d are shown, want the first 64 KiB", l.Subscribed, len(l.Subscriptions))
	}
	r.publish("/topic/a", 0, prefetch+10) // ten of them wait behind the others
	queued := 0
	p.do(func() { queued = p.conn.Queued() + p.s.work.held })
	if l := r.live(p.s.id)[0]; l.Queued != queued || p.s.work.held == 0 {
		t.Errorf("%d bytes wait, want %d", l.Queued, queued)
	}
}

func (r *rig) subscribers(destination string) (ids []registry.SessionID) {
	told := make(chan []registry.SessionID, 1)
	r.loop.Post(func() {
		r.host.Subscribers(context.Background(), destination, func(l []registry.SessionID) { told <- l })
	})
	ids = <-told
	slices.Sort(ids)
	return slices.Compact(ids)
}

// TestSubscribers: those are found who have subscribed to that destination, to a pattern or to what it
// matches, and not those whose subscription by pattern happens to receive it.
func TestSubscribers(t *testing.T) {
	r := newLoginRig(t)
	one, two := r.member(r.of(1, time.Hour)), r.member(r.of(2, time.Hour))
	one.subscribes("", "/topic/open/a", "/topic/**", "/session/queue/x")
	two.subscribes("", "/topic/open/b", "/topic/**/a", "/session/queue/x")
	two.feed(subscribeAs("twice", "/topic/open/b", ""))
	two.want(receipt("twice"))
	for destination, want := range map[string][]registry.SessionID{
		"/topic/open/a":                {one.s.id},
		"/topic/open/b":                {two.s.id},
		"/topic/**":                    {one.s.id, two.s.id},
		"/topic/*/b":                   {two.s.id},
		"/session/queue/*":             {one.s.id, two.s.id},
		"/topic/{a}":                   nil,
		"/topic/**/a":                  {one.s.id, two.s.id},
		"/topic/members/a":             nil,
		"/session/queue/x":             {one.s.id, two.s.id},
		"/session/queue/request-error": {one.s.id, two.s.id},
		"/session/queue/y":             nil,
		"/topic/open/c":                nil,
		"/topic/open":                  nil,
		"/topic/*":                     nil,
		"":                             nil,
	} {
		if got := r.subscribers(destination); !slices.Equal(got, want) {
			t.Errorf("%q: %v, want %v", destination, got, want)
		}
	}
	two.feed(unsubscribe("twice"))
	one.do(func() { one.s.Closed(nil) })
	if got := r.subscribers("/topic/open/b"); len(got) != 1 {
		t.Errorf("%v, want the one that has another", got)
	}
	for _, destination := range []string{"/topic/**/a", "/topic/open/a"} {
		if got := r.subscribers(destination); slices.Contains(got, one.s.id) {
			t.Errorf("%s: %v, one of whom is the one whose session has ended", destination, got)
		}
	}
	if got := r.subscribers("/session/queue/x"); !slices.Equal(got, []registry.SessionID{two.s.id}) {
		t.Errorf("%v, want the session that is left", got)
	}
}

// endSubscriptions ends subscriptions, and returns the sessions that had some.
func (r *rig) endSubscriptions(to, reason string, ids ...registry.SessionID) []registry.SessionID {
	why := policy.Explanation{Code: policy.CodeEnded, Word: "subscription_ended", Message: reason}
	told := make(chan []registry.SessionID, 1)
	r.loop.Post(func() {
		r.host.EndSubscriptions(context.Background(), ids, to, why, func(had []registry.SessionID) { told <- had })
	})
	return <-told
}

// TestEndSubscriptions: of a session those to that very destination, or by that very pattern, end, and the client is told
// of each. It goes on, and may subscribe again.
func TestEndSubscriptions(t *testing.T) {
	r := newLoginRig(t)
	one, two := r.member(r.of(1, time.Hour)), r.member(r.of(2, time.Hour))
	for _, p := range []*peer{one, two} {
		p.subscribes("", "/topic/open/a", "/topic/**", "/session/queue/x")
	}
	one.feed(subscribeAs("twice", "/topic/open/a", ""))
	one.want(receipt("twice"))
	for _, to := range []string{"/topic/open/b", "/topic/*", "/topic", ""} {
		if had := r.endSubscriptions(to, "x", one.s.id, two.s.id, 12345); len(had) > 0 {
			t.Errorf("%q: %v had such", to, had)
		}
	}
	one.want()
	if had := r.endSubscriptions("/topic/open/a", "no such room", one.s.id, 12345); !slices.Equal(had, []registry.SessionID{one.s.id}) {
		t.Errorf("%v had such, want %v", had, one.s.id)
	}
	refusals := one.read()
	for _, frame := range refusals {
		wantFrame(t, frame, "MESSAGE", "destination:/session/queue/request-error",
			`{"clientRequestCode":null,"errorCode":18,"errorMessage":"no such room","error":"subscription_ended","retryable":false,"destination":"/topic/open/a"}`)
	}
	if len(refusals) != 2 {
		t.Errorf("%d refusals, want one for each subscription", len(refusals))
	}
	for _, to := range []string{"/topic/**", "/session/queue/x"} {
		if had := r.endSubscriptions(to, "x", one.s.id); len(had) != 1 {
			t.Errorf("%q: nobody had such", to)
		}
		one.read()
	}
	one.deliver(bus.Envelope{Destination: "/topic/open/a"})
	one.want()
	if got := two.read(); len(got) != 2 {
		t.Errorf("the other session got %q", got)
	}
	one.subscribes("", "/topic/open/a")
	one.deliver(bus.Envelope{Destination: "/topic/open/a"})
	one.wantOne("MESSAGE", "destination:/topic/open/a")
	if had := r.endSubscriptions("/session/queue/request-error", "x", one.s.id); len(had) != 1 {
		t.Error("the error destination can't be ended")
	}
	one.want()
}

// TestCounts: names are counted some in each turn, and in their order.
func TestCounts(t *testing.T) {
	r := newRig(t)
	for range 3 {
		p := r.connect("1.2")
		p.feed(subscribe("1", "/topic/a") + subscribe("2", "/topic/a") + subscribe("3", "/session/queue/x"))
		p.read()
	}
	names := slices.Repeat([]string{"/topic/a", "/topic/b", "/session/queue/x"}, 10*int(looks))
	var got []int
	if turns := r.turns(func(done func()) {
		r.host.Counts(context.Background(), names, func(counts []int) { got = counts; done() })
	}); turns < len(names)/int(looks) {
		t.Errorf("all are counted in %d turns", turns)
	}
	if want := slices.Repeat([]int{6, 0, 0}, 10*int(looks)); !slices.Equal(got, want) {
		t.Errorf("%d counts, beginning with %v", len(got), got[:3])
	}
}

// TestEndEntering: a subscription that ends before the bus has it holds up nobody's DISCONNECT.
func TestEndEntering(t *testing.T) {
	b := bustest.NewFakeNarrower()
	r := newRigWith(t, b.Fake, b, loginRules())
	p := r.connect("1.2")
	p.ask("SUBSCRIBE\nid:1\ndestination:/topic/open/a\nreceipt:entered\n\n^@")
	p.want()
	if had := r.endSubscriptions("/topic/open/a", "", p.s.id); len(had) != 1 {
		t.Errorf("%v had such, want the session", had)
	}
	p.ask("DISCONNECT\nreceipt:bye\n\n^@")
	p.wantOne("RECEIPT", "receipt-id:bye")
}
