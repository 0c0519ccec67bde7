package session

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/gateway/policy"
)

// limitRules are channels with limits: of /topic/refuse, drop and close it is 2/s with a burst of 3.
func limitRules(change ...func(*policy.Rules)) policy.Rules {
	var r policy.Rules
	for _, over := range []policy.Over{policy.OverRefuse, policy.OverDrop, policy.OverClose} {
		r.Channels = append(r.Channels, policy.Channel{
			Match: "/topic/" + over.String() + "/{room}", Subscribe: "true", Send: "true",
			Limits: policy.Limits{Rate: policy.Rate{Times: 2, Per: time.Second}, Burst: 3, Over: over, Message: 8},
		})
	}
	r.Channels = append(r.Channels, policy.Channel{Match: "/topic/open", Subscribe: "true", Send: "true"}, policy.Channel{Match: "/topic/closed"})
	r.Routes = []policy.Route{
		{Match: "/app/plain/{room}", Allow: "true", Publish: "/topic/refuse/{room}"},
		{Match: "/app/named/{room}", Allow: "true", Publish: "/topic/refuse/{room}", Headers: `{"x-room": vars.room}`},
		{Match: "/app/short/{room}", Allow: "true", Publish: "/topic/refuse/{room}", Body: `"short"`},
		{Match: "/app/twice/{room}", Allow: "true", Publish: "/topic/refuse/{room}", Body: `text + text`},
	}
	for _, c := range change {
		c(&r)
	}
	return r
}

func perSession(l policy.Limit) func(*policy.Rules) {
	return func(r *policy.Rules) { r.PerSession = l }
}
func perNode(l policy.Limit) func(*policy.Rules) { return func(r *policy.Rules) { r.PerNode = l } }

// everyHour lets so many through, and no more within the time of a test.
func everyHour(burst int) policy.Limit {
	return policy.Limit{Rate: policy.Rate{Times: 1, Per: time.Hour}, Burst: burst}
}

// newLimitRig is a rig on whose clock members log in and limits count.
func newLimitRig(t testing.TB, rules policy.Rules, configure ...func(*Host)) *loginRig {
	t.Helper()
	return newLoginRig(t, append(configure, func(h *Host) {
		h.Rules = compile(t, rules)
	})...)
}

// pause lets time go by for what is counted.
func (r *loginRig) pause(d time.Duration) { r.late.Add(int64(d)) }

// reloadRules makes other rules count.
func (r *loginRig) reloadRules(rules policy.Rules) {
	r.t.Helper()
	c := compile(r.t, rules)
	r.do(func() { r.host.Reload(c, func(int) {}) })
}

// sends feeds SENDs to a destination, and returns how many of them reached the bus. What comes back is thrown away.
func (p *peer) sends(n int, destination string) (passed int) {
	p.t.Helper()
	before := len(p.bus.Bodies())
	p.ask(strings.Repeat(sendAs(destination, "", "x"), n))
	p.read()
	return len(p.bus.Bodies()) - before
}

// wantPassed checks how many of n SENDs pass.
func (p *peer) wantPassed(want, n int, destination string) {
	p.t.Helper()
	if got := p.sends(n, destination); got != want {
		p.t.Fatalf("%d of %d SENDs to %s passed, want %d", got, n, destination, want)
	}
}

// wantStats checks what was counted over limits.
func (r *rig) wantStats(channel, session, node, dropped, told uint64) {
	r.t.Helper()
	s := r.host.Stats
	got := []uint64{s.Exceeded[policy.OfChannel].Load(), s.Exceeded[policy.OfSession].Load(), s.Exceeded[policy.OfNode].Load(),
		s.Dropped.Load(), s.Refused[policy.CodeRate].Load()}
	if want := []uint64{channel, session, node, dropped, told}; !slices.Equal(got, want) {
		r.t.Errorf("over the limits of channels, sessions and the node, dropped, told: %d, want %d", got, want)
	}
}

// TestLimit: what is over a limit is refused with the time after which it passes, all that was accepted is published, and one
// channel's limit is not another's.
func TestLimit(t *testing.T) {
	r := newLimitRig(t, limitRules())
	p := r.connect("1.2").errors()
	p.feed("SEND\ndestination:/topic/refuse/a\n\n1^@SEND\ndestination:/topic/refuse/b\n\n2^@SEND\ndestination:/topic/refuse/a\nreceipt:3\n\n3^@" +
		"SEND\ndestination:/topic/refuse/a\nreceipt:4\nclient-request-code:c\n\n4^@SEND\ndestination:/topic/open\n\n5^@")
	const want = `{"clientRequestCode":"c","errorCode":23,"errorMessage":"Too many messages in a short time, try again later","error":"rate",` +
		`"retryable":true,"retryAfterMs":500,"receiptId":"4","destination":"/topic/refuse/a"}`
	if got := p.wantRefusal("rate"); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	p.settle(2, nil)
	p.want(receipt("3"))
	if got := p.bus.Bodies(); !slices.Equal(got, []string{"1", "2", "3", "5"}) {
		t.Fatalf("the bus has %q", got)
	}
	r.pause(499 * time.Millisecond)
	p.wantPassed(0, 2, "/topic/refuse/a")
	r.pause(time.Millisecond)
	p.wantPassed(1, 2, "/topic/refuse/a")
	r.pause(time.Hour)
	p.wantPassed(3, 5, "/topic/refuse/a")
	r.wantStats(6, 0, 0, 0, 6)
	r.connect("1.2").wantPassed(3, 4, "/topic/refuse/a") // each session for itself
	if log := r.logs.String(); !strings.Contains(log, `reason="channels[0].limits.rate is 2/s, burst 3"`) {
		t.Errorf("the log has\n%s", log)
	}
}

// TestRetryAfter: whoever waits as long as he is told passes, and one who sends all the time has no more than burst and rate.
func TestRetryAfter(t *testing.T) {
	for _, text := range []string{"1/h", "7/h", "1000/h", "7/m", "300/m", "1/s", "3/s", "333/s", "999/s", "1000/s", "777777/s", "1000000/s"} {
		t.Run(strings.ReplaceAll(text, "/", "-"), func(t *testing.T) {
			var rate policy.Rate
			if err := rate.UnmarshalText([]byte(text)); err != nil {
				t.Fatal(err)
			}
			rules := compile(t, limitRules(perSession(policy.Limit{Rate: rate, Burst: 2})))
			began := time.Now()
			now, passed, waited := began, 0, 0
			b := newBucket(rules.PerSession())
			for tries := 0; waited < 1000; tries++ {
				wait := b.take(now)
				switch {
				case tries > 10_000:
					t.Fatalf("%d passed without waiting", passed-waited)
				case wait == 0:
					passed++
				case wait%time.Millisecond != 0 || wait > rate.Per+time.Millisecond:
					t.Fatalf("told to wait for %s", wait)
				default:
					waited++
					now = now.Add(wait)
					if again := b.take(now); again != 0 {
						t.Fatalf("told to wait for %s, and then for %s", wait, again)
					}
					passed++
				}
			}
			if most := 2 + rate.PerSecond()*now.Sub(began).Seconds(); float64(passed) > most+1e-3 {
				t.Errorf("%d passed, want %f at most", passed, most)
			}
		})
	}
}

// TestLimitDrop: what is dropped is counted, and the client told nothing; but where it awaits an answer that would say that it was
// carried out, it is told that it was not.
func TestLimitDrop(t *testing.T) {
	r := newLimitRig(t, limitRules())
	p := r.connect("1.2").errors()
	p.wantPassed(3, 3, "/topic/drop/a")
	p.feed(sendAs("/topic/drop/a", "", "x") + sendAs("/topic/drop/a", "", "x"))
	p.want()
	r.wantStats(2, 0, 0, 2, 0)
	p.feed("SEND\ndestination:/topic/drop/a\nreceipt:r\n\nx^@")
	if got := p.wantRefusal("rate"); !strings.Contains(got, `"receiptId":"r"`) {
		t.Error(got)
	}
	p.feed("BEGIN\ntransaction:t\n\n^@SEND\ndestination:/topic/drop/a\ntransaction:t\n\nx^@SEND\ndestination:/topic/open\ntransaction:t\n\nkept^@")
	p.wantRefusal("rate")
	p.feed("COMMIT\ntransaction:t\nreceipt:c\n\n^@")
	p.settle(3, nil)
	p.wantRefusal("transaction_incomplete")
	r.wantStats(4, 0, 0, 2, 2)
	if got := p.bus.Bodies(); !slices.Equal(got, []string{"x", "x", "x", "kept"}) {
		t.Errorf("the bus has %q", got)
	}
	if log := r.logs.String(); strings.Count(log, "msg=dropped ") != 2 {
		t.Errorf("the log has\n%s", log)
	}
}

// TestLimitClose: the session ends with an ERROR that says when to come back, and what was accepted stays.
func TestLimitClose(t *testing.T) {
	r := newLimitRig(t, limitRules())
	p := r.connect("1.2")
	p.feed(strings.Repeat(sendAs("/topic/close/a", "", "kept"), 3) + "SEND\ndestination:/topic/close/a\nreceipt:r\n\nover^@" + sendAs("/topic/open", "", "behind"))
	p.wantOne("ERROR", "message:Too many messages in a short time, try again later", "error-code:23", "retry-after-ms:500", "receipt-id:r")
	p.wantClosed(ClosePolicy)
	if got := p.bus.Bodies(); !slices.Equal(got, []string{"kept", "kept", "kept"}) {
		t.Errorf("the bus has %q", got)
	}
	r.wantStats(1, 0, 0, 0, 1)
	if log := r.logs.String(); !strings.Contains(log, "closed a session that sends too fast") {
		t.Errorf("the log has\n%s", log)
	}
}

// TestLimitInTransaction: a SEND counts when it comes, and neither COMMIT nor ABORT changes that.
func TestLimitInTransaction(t *testing.T) {
	for _, end := range []string{"COMMIT", "ABORT"} {
		p := newLimitRig(t, limitRules()).connect("1.2").errors()
		p.feed("BEGIN\ntransaction:t\n\n^@" + strings.Repeat("SEND\ndestination:/topic/refuse/a\ntransaction:t\n\nx^@", 3) + end + "\ntransaction:t\n\n^@")
		p.want()
		p.wantPassed(0, 1, "/topic/refuse/a")
	}
}

// TestLimitOfRoute: what routes make of SENDs, and what goes to the channel itself, counts together; so does the size of what is published.
func TestLimitOfRoute(t *testing.T) {
	p := newLimitRig(t, limitRules()).connect("1.2").errors()
	p.wantPassed(1, 1, "/app/plain/a")
	p.wantPassed(1, 1, "/app/short/a")
	p.wantPassed(1, 1, "/topic/refuse/a")
	for _, destination := range []string{"/app/plain/a", "/app/short/b", "/topic/refuse/c"} {
		p.feed(sendAs(destination, "", "x"))
		p.wantRefusal("rate")
	}
}

func TestLimitOfSize(t *testing.T) {
	for _, test := range []struct {
		destination string
		body        int
		fits        bool
	}{
		{"/topic/refuse/a", 8, true},
		{"/topic/refuse/a", 9, false},
		{"/topic/open", 9, true},
		{"/app/plain/a", 8, true},
		{"/app/plain/a", 9, false},
		{"/app/named/a", 8, true},
		{"/app/named/a", 9, false},
		{"/app/short/a", 9, true},
		{"/app/short/a", large, true},
		{"/app/twice/a", 4, true},
		{"/app/twice/a", 5, false},
		{"/app/twice/a", large, false},
	} {
		t.Run(fmt.Sprintf("%s of %d", strings.ReplaceAll(test.destination[1:], "/", " "), test.body), func(t *testing.T) {
			p := newLimitRig(t, limitRules()).connect("1.2").errors()
			p.ask(sendAs(test.destination, "", strings.Repeat("x", test.body)))
			if test.fits {
				p.want()
			} else {
				p.wantRefusal("too_large")
			}
			if got := len(p.bus.Bodies()); got != map[bool]int{true: 1}[test.fits] {
				t.Errorf("the bus has %d messages", got)
			}
		})
	}
}

// TestLimitOfSession: all SENDs count, those that rules refuse too, and nothing else does.
func TestLimitOfSession(t *testing.T) {
	r := newLimitRig(t, limitRules(perSession(everyHour(4))))
	p := r.connect("1.2").errors()
	p.feed("SUBSCRIBE\nid:1\ndestination:/topic/open\nreceipt:s\n\n^@BEGIN\ntransaction:t\n\n^@ABORT\ntransaction:t\n\n^@UNSUBSCRIBE\nid:1\n\n^@")
	p.want(receipt("s"))
	for _, destination := range []string{"/topic/closed", "/app/nowhere"} {
		p.feed(sendAs(destination, "", "x"))
		p.wantRefusal("")
	}
	p.wantPassed(2, 5, "/topic/open")
	p.feed(sendAs("/topic/open", "", "x"))
	if got := p.wantRefusal("rate"); !strings.Contains(got, `"retryAfterMs":3600000,`) {
		t.Error(got)
	}
	r.wantStats(0, 4, 0, 0, 4)
	r.connect("1.2").wantPassed(4, 5, "/topic/open")
}

func TestLimitOfSessionCloses(t *testing.T) {
	limit := everyHour(2)
	limit.Over = policy.OverClose
	p := newLimitRig(t, limitRules(perSession(limit))).connect("1.2")
	p.feed(strings.Repeat(sendAs("/topic/open", "", "x"), 3))
	p.wantOne("ERROR", "error-code:23", "retry-after-ms:3600000")
	p.wantClosed(ClosePolicy)
}

// TestLimitOfNode: all sessions count together, but for what is over their own limits; it is refused, and the operator warned.
func TestLimitOfNode(t *testing.T) {
	limit := everyHour(2)
	limit.Over = policy.OverDrop
	r := newLimitRig(t, limitRules(perSession(limit), perNode(everyHour(5))))
	p, other, third := r.connect("1.2").errors(), r.connect("1.2").errors(), r.connect("1.2").errors()
	p.wantPassed(2, 10, "/topic/open")
	other.wantPassed(2, 2, "/topic/open")
	third.feed(sendAs("/topic/open", "", "x") + sendAs("/topic/open", "", "x"))
	if got := third.wantRefusal("rate"); !strings.Contains(got, `"retryAfterMs":3600000,`) {
		t.Error(got)
	}
	r.wantStats(0, 8, 1, 8, 1)
	r.pause(time.Hour)
	third.wantPassed(1, 2, "/topic/open")
	if log := r.logs.String(); !strings.Contains(log, `level=WARN msg="refused what clients send: it is more than limits.node lets the node take in" limit="1/h, burst 5"`) {
		t.Errorf("the log has\n%s", log)
	}
}

// TestLimitBeforeEmbedder: the embedder's code sees nothing that is over the limits of the session and the node; a channel's is asked
// for what an interceptor has made of a SEND.
func TestLimitBeforeEmbedder(t *testing.T) {
	seen := 0 // one frame is under way at a time
	r := newLimitRig(t, limitRules(perSession(everyHour(5))), func(h *Host) {
		h.Intercept = func(_ context.Context, in *Inspection) Outcome {
			if in.Frame.Command == "SEND" {
				seen++
				in.Frame.Header[0].Value = []byte("/topic/refuse/a")
			}
			return Outcome{}
		}
	})
	p := r.accept()
	p.ask("CONNECT\naccept-version:1.2\nheart-beat:0,0\n\n^@")
	p.wantOne("CONNECTED")
	for range 7 {
		p.ask(sendAs("/topic/open", "", "x"))
	}
	r.do(func() {
		if seen != 5 {
			t.Errorf("%d SENDs were shown, want 5", seen)
		}
	})
	if n := len(p.bus.Bodies()); n != 3 {
		t.Errorf("%d SENDs passed, want 3", n)
	}
	r.wantStats(2, 2, 0, 0, 4)
}

// TestLimitOfHandler: a function that takes SENDs is asked for those within the limits; what it publishes is not counted.
func TestLimitOfHandler(t *testing.T) {
	r := newLimitRig(t, limitRules(perSession(everyHour(2))), func(h *Host) {
		h.Handler = func(string) Handler {
			return func(context.Context, *Inspection) Reaction {
				out := Reaction{}
				for range 4 {
					out.Publish = append(out.Publish, bus.Envelope{Destination: "/topic/refuse/a"})
				}
				return out
			}
		}
	})
	p := r.connect("1.2").errors()
	for range 3 {
		p.ask(sendAs("/app/rpc", "", "x"))
	}
	p.wantRefusal("rate")
	if n := len(p.bus.Bodies()); n != 8 {
		t.Errorf("%d messages, want 8", n)
	}
}

// TestLimitReload: what has been counted goes on over a reload, by the new limits.
func TestLimitReload(t *testing.T) {
	rate := func(times, burst int) func(*policy.Rules) {
		return func(r *policy.Rules) {
			r.Channels[0].Limits.Rate.Times, r.Channels[0].Limits.Burst = times, burst
			r.Channels = append([]policy.Channel{{Match: "/topic/new"}}, r.Channels...) // the rules' numbers are others
		}
	}
	r := newLimitRig(t, limitRules(perSession(everyHour(100)), perNode(everyHour(100))))
	p := r.connect("1.2").errors()
	p.wantPassed(3, 4, "/topic/refuse/a")
	r.reloadRules(limitRules(rate(2, 3), perSession(everyHour(100)), perNode(everyHour(100))))
	p.wantPassed(0, 1, "/topic/refuse/a")
	r.reloadRules(limitRules(rate(10, 20), perSession(everyHour(100)), perNode(everyHour(100))))
	p.wantPassed(0, 1, "/topic/refuse/a") // more fits in, and has yet to come
	r.pause(time.Second)
	p.wantPassed(10, 11, "/topic/refuse/a")
	r.reloadRules(limitRules())
	r.pause(time.Hour)
	p.wantPassed(3, 4, "/topic/refuse/a") // less fits in
	r.reloadRules(limitRules(func(r *policy.Rules) { r.Channels[0].Limits = policy.Limits{} }))
	p.wantPassed(5, 5, "/topic/refuse/a")

	r.reloadRules(limitRules(perSession(everyHour(100)), perNode(everyHour(100))))
	sent := 4 + 1 + 1 + 11 // with those limits
	p.wantPassed(100-sent+1, 100, "/topic/open")
	r.reloadRules(limitRules(perNode(everyHour(100))))
	p.wantPassed(0, 1, "/topic/open")
	r.reloadRules(limitRules())
	p.wantPassed(1, 1, "/topic/open")
}

// TestLimitReconnect: a member who comes back goes on with what was left; others, and those who are nobody, begin anew.
func TestLimitReconnect(t *testing.T) {
	r := newLimitRig(t, limitRules(perSession(everyHour(3))))
	leave := func(p *peer) {
		p.feed("DISCONNECT\n\n^@")
		p.wantClosed(CloseNormal)
		p.do(func() { p.s.Closed(nil) })
	}
	p := r.login(r.of(42, time.Minute))
	p.wantPassed(3, 4, "/topic/open")
	leave(p)

	p = r.login(r.of(42, time.Hour)) // by another token
	p.wantPassed(0, 1, "/topic/open")
	tab := r.login(r.of(42, time.Hour)) // each session for itself
	tab.wantPassed(3, 4, "/topic/open")
	r.login(r.of("42", time.Hour)).wantPassed(3, 4, "/topic/open")
	other := r.login(r.of(7, time.Hour))
	other.wantPassed(1, 1, "/topic/open")
	leave(other)
	nobody := r.connect("1.2")
	nobody.wantPassed(3, 4, "/topic/open")
	leave(nobody)
	r.connect("1.2").wantPassed(3, 4, "/topic/open")

	r.pause(time.Hour)
	p.wantPassed(1, 2, "/topic/open")
	r.pause(time.Hour)
	leave(tab) // it has two
	leave(p)   // it has one
	p = r.login(r.of(42, 3*time.Hour))
	p.wantPassed(1, 2, "/topic/open")

	leave(p)
	late := r.connect("1.2") // who logs in later is not better off
	late.wantPassed(1, 1, "/topic/open")
	late.ask(sendAs("/topic/open", r.of(42, 3*time.Hour), "x"))
	late.wantPassed(0, 1, "/topic/open")

	r.pause(24 * time.Hour)
	leave(late)
	if p = r.login(r.of(42, 48*time.Hour)); p.held() > 0 {
		t.Error("what is full again was kept")
	}
	p.wantPassed(3, 4, "/topic/open")
}

// TestLimitClosedComesBack: a session that was closed for sending too fast does not begin anew by a reconnect.
func TestLimitClosedComesBack(t *testing.T) {
	r := newLimitRig(t, limitRules())
	for range 3 {
		p := r.login(r.of(42, time.Hour))
		p.feed(strings.Repeat(sendAs("/topic/close/a", "", "x"), 4))
		p.wantOne("ERROR", "error-code:23")
		p.do(func() { p.s.Closed(nil) })
	}
	if n := len(r.bus.Bodies()); n != 3 {
		t.Errorf("%d messages in three sessions, want those of one", n)
	}
}

// TestLeftIsBounded: whoever leaves takes another's place at most, and brings no more than some buckets.
func TestLeftIsBounded(t *testing.T) {
	r := newLimitRig(t, limitRules(func(r *policy.Rules) {
		for i := range 2 * leftMost {
			r.Channels = append(r.Channels, policy.Channel{Match: fmt.Sprintf("/topic/%d", i), Send: "true",
				Limits: policy.Limits{Rate: policy.Rate{Times: 1, Per: time.Hour}}})
		}
	}))
	p := r.login(r.of(42, time.Hour))
	for i := range 2 * leftMost {
		p.wantPassed(1, 2, fmt.Sprintf("/topic/%d", i))
	}
	who := p.s.login.who
	p.feed("DISCONNECT\n\n^@")
	if bs := r.host.Ledger.comeBack(who); len(bs) != leftMost {
		t.Errorf("%d buckets were kept, want %d", len(bs), leftMost)
	}
	if bs := r.host.Ledger.comeBack(who); bs != nil {
		t.Error("they were taken twice")
	}
}

// TestBucketsGo: a session that has not sent for a while holds no buckets.
func TestBucketsGo(t *testing.T) {
	r := newLimitRig(t, limitRules(perSession(everyHour(3))))
	p := r.connect("1.2")
	p.wantPassed(1, 1, "/topic/refuse/a")
	p.wantPassed(1, 1, "/topic/drop/a")
	for _, want := range []int{3, 1, 0} {
		if got := p.held(); got != want {
			t.Errorf("%d buckets, want %d", got, want)
		}
		r.pause(map[int]time.Duration{3: time.Second, 1: 2 * time.Hour}[want])
		p.do(func() { p.s.Timeout() })
	}
	if p.s.work.buckets != nil {
		t.Error("their memory is kept")
	}
}

// held is how many buckets the session holds.
func (p *peer) held() int {
	if p.s.work == nil {
		return 0
	}
	return len(p.s.work.buckets)
}

// TestLedgerOfLoops: loops that have other rules for a while, as in a reload, count in one bucket.
func TestLedgerOfLoops(t *testing.T) {
	now := time.Now()
	var quotas []*policy.Quota
	for range 2 {
		quotas = append(quotas, compile(t, limitRules(perNode(everyHour(20)))).PerNode())
	}
	for range 100 {
		l := NewLedger()
		var wg sync.WaitGroup
		passed := make([]int, 4)
		for i := range passed {
			wg.Go(func() {
				for range 20 {
					if b := l.intake(quotas[i%2], now); b.take(now) == 0 {
						passed[i]++
					}
				}
			})
		}
		if wg.Wait(); passed[0]+passed[1]+passed[2]+passed[3] != 20 {
			t.Fatalf("%d passed, want 20 in all", passed)
		}
	}
}
