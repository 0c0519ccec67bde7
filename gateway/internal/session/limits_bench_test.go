package session

import (
	"strings"
	"testing"
	"time"

	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/gateway/policy"
)

// BenchmarkLimits is a SEND from the bytes of the frame to the bus, without limits and held against some that it never reaches:
// to a channel itself, and by a route to it.
func BenchmarkLimits(b *testing.B) {
	ample := policy.Limit{Rate: policy.Rate{Times: 1_000_000, Per: time.Second}, Burst: 1_000_000}
	channel := policy.Limits{Rate: ample.Rate, Burst: ample.Burst, Message: 4 << 10}
	for _, mode := range []struct {
		name   string
		change func(*policy.Rules)
	}{
		{"none", func(*policy.Rules) {}},
		{"another channel's", func(r *policy.Rules) { r.Channels[2].Limits = channel }},
		{"channel", func(r *policy.Rules) { r.Channels[1].Limits = channel }},
		{"session", func(r *policy.Rules) { r.PerSession = ample }},
		{"node", func(r *policy.Rules) { r.PerNode = ample }},
		{"all", func(r *policy.Rules) {
			r.Channels[1].Limits = channel
			r.PerSession, r.PerNode = ample, ample
		}},
	} {
		for _, destination := range []string{"/topic/a", "/app/topic/a"} {
			b.Run(strings.ReplaceAll(mode.name, " ", "_")+destination, func(b *testing.B) { benchmarkLimits(b, mode.change, destination) })
		}
	}
}

func benchmarkLimits(b *testing.B, change func(*policy.Rules), destination string) {
	rules := policy.Rules{
		Channels: []policy.Channel{
			{Match: "/topic/closed"},
			{Match: "/topic/{room}", Subscribe: "true", Send: "true"},
			{Match: "/session/queue/{name}", Subscribe: "true"},
		},
		Routes: []policy.Route{{Match: "/app/topic/{channel}", Allow: "true", Publish: "/topic/{channel}"}},
	}
	change(&rules)
	fake := bustest.NewFake()
	r := newRigWith(b, fake, nullBus{fake}, rules)
	frame := []byte("SEND\ndestination:" + destination + "\ncontent-type:text/plain\n\n" + strings.Repeat("x", 200) + "\x00")
	work := make([]byte, len(frame))
	var s *Session
	r.do(func() {
		s = New(r.host, &fakeConn{})
		s.Feed([]byte("CONNECT\naccept-version:1.2\n\n\x00"))
	})
	b.ReportAllocs()
	ran := make(chan struct{})
	r.loop.Post(func() {
		defer close(ran)
		for b.Loop() {
			copy(work, frame)
			s.Feed(work)
		}
	})
	<-ran
	if n := r.host.Stats.Refused[policy.CodeRate].Load(); n > 0 {
		b.Fatalf("%d frames were refused", n)
	}
}
