package policy

import (
	"testing"
	"time"
)

func TestRate(t *testing.T) {
	const form = " is no rate: write a whole number and a time, such as 5/s, 300/m or 1000/h"
	const unit = ": a rate is for a second, a minute or an hour, as in 5/s, 300/m or 1000/h"
	const most = ": is not possible: want 1 to 1000000 times"
	for _, test := range []struct {
		text    string
		want    Rate
		wantErr string
	}{
		{"5/s", Rate{5, time.Second}, ""},
		{"300/m", Rate{300, time.Minute}, ""},
		{"1000/h", Rate{1000, time.Hour}, ""},
		{"1/s", Rate{1, time.Second}, ""},
		{"1000000/h", Rate{1_000_000, time.Hour}, ""},
		{"", Rate{}, ""},
		{"0/s", Rate{}, `"0/s": lets nothing pass: want 1 to 1000000, or leave it out for no limit`},
		{"1000001/s", Rate{}, `"1000001/s"` + most},
		{"99999999999999999999999999/s", Rate{}, `"99999999999999999999999999/s"` + most},
		{"5", Rate{}, `"5"` + form},
		{"5/", Rate{}, `"5/"` + form},
		{"/s", Rate{}, `"/s"` + form},
		{"-5/s", Rate{}, `"-5/s"` + form},
		{"+5/s", Rate{}, `"+5/s"` + form},
		{"05/s", Rate{}, `"05/s"` + form},
		{"1e3/s", Rate{}, `"1e3/s"` + form},
		{"0x5/s", Rate{}, `"0x5/s"` + form},
		{"1.5/s", Rate{}, `"1.5/s"` + form},
		{"NaN/s", Rate{}, `"NaN/s"` + form},
		{"Inf/s", Rate{}, `"Inf/s"` + form},
		{"٥/s", Rate{}, `"٥/s"` + form},
		{"5 /s", Rate{}, `"5 /s"` + form},
		{"5/s/s", Rate{}, `"5/s/s"` + unit},
		{"5/d", Rate{}, `"5/d"` + unit},
		{"5/S", Rate{}, `"5/S"` + unit},
		{"5/sec", Rate{}, `"5/sec"` + unit},
		{"\x00/s", Rate{}, `"\x00/s"` + form},
	} {
		r := Rate{7, time.Hour}
		switch err := r.UnmarshalText([]byte(test.text)); {
		case test.wantErr != "":
			if err == nil || err.Error() != test.wantErr {
				t.Errorf("%q: %v, want %s", test.text, err, test.wantErr)
			}
			if r != (Rate{7, time.Hour}) {
				t.Errorf("%q: %+v", test.text, r)
			}
		case err != nil || r != test.want || r.String() != test.text:
			t.Errorf("%q: %+v, %q, %v", test.text, r, r, err)
		}
	}
}

func TestOver(t *testing.T) {
	for _, word := range []string{"refuse", "drop", "close"} {
		var o Over
		if err := o.UnmarshalText([]byte(word)); err != nil || o.String() != word {
			t.Errorf("%s: %s, %v", word, o, err)
		}
	}
	var o Over
	if err := o.UnmarshalText([]byte("wait")); err == nil || err.Error() != `"wait" is none of refuse, drop, close` {
		t.Error(err)
	}
}

// TestLimitErrors: what can't be counted by is told with its place, also where no file has checked it.
func TestLimitErrors(t *testing.T) {
	perSecond := Rate{5, time.Second}
	channel := func(l Limits) func(*Rules) {
		return func(r *Rules) { r.Channels = append(r.Channels, Channel{Match: "/topic/a/b", Limits: l}) }
	}
	for _, test := range []struct {
		name string
		add  func(*Rules)
		want string
	}{
		{"a burst alone", channel(Limits{Burst: 3}), "channels[1].limits.burst: is for a rate, and there is none: write rate: 5/s beside it, or leave it out"},
		{"over alone", channel(Limits{Over: OverDrop, Message: 5}), "channels[1].limits.over: is for a rate, and there is none: write rate: 5/s beside it, or leave it out"},
		{"a burst below 0", channel(Limits{Rate: perSecond, Burst: -1}), "channels[1].limits.burst: -1 is not possible: want 1 to 1000000, or 0 for what the rate gives in a second"},
		{"a burst of too many", channel(Limits{Rate: perSecond, Burst: 1_000_001}), "channels[1].limits.burst: 1000001 is not possible: want 1 to 1000000, or 0 for what the rate gives in a second"},
		{"a rate of none", channel(Limits{Rate: Rate{0, time.Second}}), "channels[1].limits.rate: lets nothing pass: want 1 to 1000000, or leave it out for no limit"},
		{"a rate below 0", channel(Limits{Rate: Rate{-1, time.Second}}), "channels[1].limits.rate: is not possible: want 1 to 1000000 times"},
		{"a rate of too many", channel(Limits{Rate: Rate{1_000_001, time.Second}}), "channels[1].limits.rate: is not possible: want 1 to 1000000 times"},
		{"a rate for no time", channel(Limits{Rate: Rate{1, 0}}), "channels[1].limits.rate: 0s is not possible: a rate is for a second, a minute or an hour"},
		{"a rate for a day", channel(Limits{Rate: Rate{1, 24 * time.Hour}}), "channels[1].limits.rate: 24h0m0s is not possible: a rate is for a second, a minute or an hour"},
		{"a size below 0", channel(Limits{Message: -1}), "channels[1].limits.message: -1 is not possible: want a size such as 4KiB, or leave it out"},
		{"of who is present", func(r *Rules) {
			r.Channels = append(r.Channels, Channel{Match: "/presence/topic/a", Subscribe: "true", Limits: Limits{Rate: perSecond}})
		}, `channels[1].limits: "/presence/topic/a" is under the presence prefix /presence, where the gateway alone tells who is there: leave it out`},
		{"of a session", func(r *Rules) { r.PerSession = Limit{Burst: 1} }, "limits.burst: is for a rate, and there is none: write rate: 5/s beside it, or leave it out"},
		{"of a node", func(r *Rules) { r.PerNode = Limit{Rate: perSecond, Burst: -3} }, "limits.node.burst: -3 is not possible: want 1 to 1000000, or 0 for what the rate gives in a second"},
		{"of a node that closes", func(r *Rules) { r.PerNode = Limit{Rate: perSecond, Over: OverClose} },
			"limits.node.over: leave it out: a node refuses, as whoever sends to it then need not be the one who sends too much"},
	} {
		r := base()
		test.add(&r)
		if c, err := New(r); err == nil || err.Error() != test.want || c != nil {
			t.Errorf("%s: %v\nwant %s", test.name, err, test.want)
		}
	}
}

// TestBurst: one second's worth is the default, and one message at least.
func TestBurst(t *testing.T) {
	for text, want := range map[string]int{"5/s": 5, "1/s": 1, "300/m": 5, "90/m": 2, "60/m": 1, "1/m": 1, "1000/h": 1, "1/h": 1, "3601/h": 2, "1000000/s": 1_000_000, "1000000/h": 278} {
		r := base()
		if err := r.PerSession.Rate.UnmarshalText([]byte(text)); err != nil {
			t.Fatal(err)
		}
		q := mustNew(t, r).PerSession()
		if q.Burst != want || q.Scope != OfSession || q.Name != "" {
			t.Errorf("%s: %+v, want a burst of %d", text, q, want)
		}
		r.PerSession.Burst = 7
		if q := mustNew(t, r).PerSession(); q.Burst != 7 {
			t.Errorf("%s: a burst of %d, want 7", text, q.Burst)
		}
	}
	if c := mustNew(t, base()); c.PerSession() != nil || c.PerNode() != nil {
		t.Error("there are limits that nobody has set")
	}
}

// TestQuotaOfTarget: a SEND counts for the channel that its message goes to, by whatever way: the first that matches there.
func TestQuotaOfTarget(t *testing.T) {
	limits := func(n int) Limits { return Limits{Rate: Rate{n, time.Second}} }
	r := base()
	r.Channels = []Channel{
		{Match: "/topic/free", Send: "true"},
		{Match: "/topic/{room}", Send: "true", Limits: limits(1)},
		{Match: "/topic/other", Send: "true", Limits: limits(2)}, // never decides
		{Match: "/topic/a/**", Limits: limits(3)},
		{Match: "/session/queue/{x}", Send: "true", Limits: limits(4)},
		{Match: "/member/{m}/queue/x", Send: "true", Limits: limits(5)},
		{Match: "/**", Limits: limits(6)},
	}
	r.Routes = []Route{
		{Match: "/app/member/{m}", Allow: "true", Publish: "/member/{m}/queue/x"},
		{Match: "/app/to/{m}", Allow: "true", Publish: "/member/{m}/queue/nobody"},
		{Match: "/app/me", Allow: "true", Publish: "/session/queue/me"},
		{Match: "/app/out", Allow: "true", Publish: "/elsewhere"},
		{Match: "/app/{a}/{b}", Allow: "true", Publish: "/topic/{a}/{b}"},
		{Match: "/app/{a}", Allow: "true", Publish: "/topic/{a}", Body: "text"},
	}
	c := mustNew(t, r)
	for name, want := range map[string]int{
		"/topic/free":       0,
		"/topic/x":          1,
		"/topic/other":      1,
		"/session/queue/x":  4,
		"/member/7/queue/x": 5,
		"/app/free":         0,
		"/app/x":            1,
		"/app/other":        1,
		"/app/a/b":          3,
		"/app/me":           4,
		"/app/member/7":     5,
		"/app/to/7":         0, // channels for everything are not for members
		"/app/out":          6,
	} {
		target, refusal := c.JudgeSend(&Request{Destination: name})
		if refusal != nil {
			t.Errorf("%s is refused: %+v", name, refusal)
			continue
		}
		got := 0
		if target.Quota != nil {
			got = target.Quota.Rate.Times
		}
		if got != want {
			t.Errorf("%s counts for that of %d/s, want %d/s", name, got, want)
		}
	}
}

// TestQuota: what clients are told, and the log, and people.
func TestQuota(t *testing.T) {
	r := base()
	r.Channels[0].Send = "true"
	r.Channels[0].Limits = Limits{Rate: Rate{5, time.Second}, Burst: 10, Over: OverDrop, Message: 4 << 10}
	target, _ := mustNew(t, r).JudgeSend(&Request{Destination: "/topic/a"})
	q := target.Quota
	if got := q.String(); got != "5/s, burst 10, drop, message 4KiB" {
		t.Error(got)
	}
	if q.Fits(4<<10) != nil || (*Quota)(nil).Fits(1<<30) != nil || (&Quota{}).Fits(1<<30) != nil {
		t.Error("what fits is refused")
	}
	large := q.Fits(4<<10 + 1)
	if large == nil || large.Code != CodeTooLarge || large.Rule != "channels[0]" || large.Reason.Error() != "channels[0].limits.message is 4KiB" {
		t.Errorf("too large: %+v", large)
	}
	if over := q.Exceeded(time.Second); over.Code != CodeRate || !over.Retryable || over.RetryAfter != time.Second || over.Rule != "channels[0]" ||
		over.Reason.Error() != "channels[0].limits.rate is 5/s, burst 10" {
		t.Errorf("over: %+v", over)
	}
	r = base()
	r.PerNode.Rate = Rate{300, time.Minute}
	if over := mustNew(t, r).PerNode().Exceeded(time.Second); over.Rule != "" || over.Reason.Error() != "limits.node.rate is 300/m, burst 5" {
		t.Errorf("over the node's: %+v", over)
	}
	r.Channels[0].Send = "true"
	r.Channels[0].Limits = Limits{Message: 1}
	target, _ = mustNew(t, r).JudgeSend(&Request{Destination: "/topic/a"})
	if got := target.Quota.String(); got != "message 1B" {
		t.Error(got)
	}
}
