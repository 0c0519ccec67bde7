package admin_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stompgw/stompgw/admin"
	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/bus/membus"
	"github.com/stompgw/stompgw/gateway/policy"
	"github.com/stompgw/stompgw/gateway/registry"
	"github.com/stompgw/stompgw/gateway/registry/redisregistry"
)

// rules let anybody subscribe below /topic, and to a session's /queue/notice.
func rules(t *testing.T) *policy.Catalogue {
	t.Helper()
	c, err := policy.New(policy.Rules{
		Prefixes: policy.DefaultPrefixes(), ErrorDestination: "/session/queue/request-error",
		Channels: []policy.Channel{
			{Match: "/topic/secret", Subscribe: "false"}, {Match: "/topic/{room}", Subscribe: "true"}, {Match: "/session/queue/notice", Subscribe: "true"},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

const bodyLimit = 100

// publisher publishes over b; no test of it looks up sessions.
func publisher(t *testing.T, b bus.Bus) *admin.Publisher {
	t.Helper()
	c := rules(t)
	return admin.NewPublisher(b, admin.NewCluster(redisregistry.Map{}, 0), func() *policy.Catalogue { return c }, bodyLimit)
}

// to is a message of a body.
func to(destination, body string) admin.Message {
	return admin.Message{Destination: destination, Body: []byte(body)}
}

func TestPublish(t *testing.T) {
	b := membus.NewCluster().Bus(nodeA)
	got := make(chan bus.Envelope, 1)
	ready := make(chan struct{})
	start(t, func(ctx context.Context) error {
		return b.Receive(ctx, func() { close(ready) }, func(e bus.Envelope) { got <- e })
	})
	<-ready
	m := to("/topic/a", "x")
	m.Headers = []bus.Header{{Name: "colour", Value: "blue"}}
	p := publisher(t, b)
	if told := p.Publish(t.Context(), m); told != (admin.Published{Envelopes: 1, Confirmed: 1}) {
		t.Fatalf("%+v", told)
	}
	if e := <-got; e.Destination != "/topic/a" || string(e.Body) != "x" || !slices.Equal(e.Headers, m.Headers) {
		t.Errorf("the bus brought %+v", e)
	}
	if told := p.Publish(t.Context(), to("/topic/a", strings.Repeat("x", bodyLimit+1))); !errors.Is(told.Err, admin.ErrBody) {
		t.Errorf("a long body: %+v", told)
	}
	if told := p.Publish(t.Context(), to("/topic/a", strings.Repeat("x", bodyLimit))); told.Err != nil {
		t.Errorf("a body as long as may be: %+v", told)
	}
	<-got
	if err := b.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if told := p.Publish(t.Context(), m); !errors.Is(told.Err, bus.ErrClosed) || told.Confirmed != 0 {
		t.Errorf("a closed bus: %+v, want ErrClosed", told)
	}
}

// TestMessageCheck: what would reach nobody, or show what it must not, is told before anything is published.
func TestMessageCheck(t *testing.T) {
	one, member := admin.To{Session: "d0b6fbca-5"}, admin.To{Member: "42"}
	for _, tt := range []struct {
		name string
		to   admin.To
		want admin.DestinationFault
		as   string // what clients would subscribe to, where it is not name
	}{
		{"/topic/a", admin.To{}, "", ""},
		{"/topic/secret", admin.To{}, "", ""}, // somebody may, by other rules
		{"/session/queue/request-error", one, "", ""},
		{"/queue/notice", one, "", ""},
		{"/session/queue/notice", member, "", ""},
		{"", admin.To{}, admin.NoSlash, ""},
		{"topic/a", admin.To{}, admin.NoSlash, ""},
		{"/topic/" + strings.Repeat("a", 8<<10), admin.To{}, admin.TooLong, ""},
		{"/topic/\xff", admin.To{}, admin.NoText, ""},
		{"/topic/a\nb", admin.To{}, admin.NoText, ""},
		{"/topic/*", admin.To{}, admin.IsPattern, ""},
		{"/topic/{a}", one, admin.IsPattern, ""},
		{"/app", admin.To{}, admin.ForRoutes, ""},
		{"/app/chat", member, admin.ForRoutes, ""},
		{"/session/queue/notice", admin.To{}, admin.OneSession, ""},
		{"/presence/topic/a", admin.To{}, admin.OfPresence, ""},
		{"/presence", admin.To{}, admin.OfPresence, ""},
		{"$presence/topic/a", admin.To{}, admin.NoSlash, ""},
		{"/presence/topic/a", one, admin.NoChannel, "/session/presence/topic/a"},
		{"/topic/a/b", admin.To{}, admin.NoChannel, ""},
		{"/queue/notice", admin.To{}, admin.NoChannel, ""},
		{"/queue/other", member, admin.NoChannel, "/session/queue/other"},
	} {
		m := admin.Message{Destination: tt.name, To: tt.to}
		err := m.Check(rules(t))
		fault, ok := errors.AsType[*admin.DestinationError](err)
		switch {
		case tt.want == "" && err != nil, tt.want != "" && (!ok || fault.Fault != tt.want):
			t.Errorf("%.80q to %+v: %v, want %q", tt.name, tt.to, err, tt.want)
		case ok && tt.as != "" && fault.Destination != tt.as:
			t.Errorf("%q: nobody hears %q, want %q", tt.name, fault.Destination, tt.as)
		case ok && len(err.Error()) > 400:
			t.Errorf("%.80q: the error has %d bytes", tt.name, len(err.Error()))
		}
		if m.Unheard = true; tt.want == admin.NoChannel && m.Check(rules(t)) != nil {
			t.Errorf("%q can't be published though it is meant", tt.name)
		}
	}
	for _, headers := range [][]bus.Header{
		{{Name: ""}}, {{Name: "Destination", Value: "x"}}, {{Name: "X-Position", Value: "x"}}, {{Name: "stomp-member", Value: "7"}}, {{Name: "STOMP-X", Value: "7"}}, {{Name: "authorization", Value: "x"}}, {{Name: "PassCode", Value: "x"}},
		{{Name: "x", Value: "Bearer abc"}}, slices.Repeat([]bus.Header{{Name: "a", Value: "b"}}, 65), {{Name: "a", Value: strings.Repeat("b", 32<<10)}},
	} {
		m := admin.Message{Destination: "/topic/a", Headers: headers}
		if err := m.Check(rules(t)); !errors.Is(err, admin.ErrHeader) || strings.Contains(err.Error(), "abc") {
			t.Errorf("headers %.80q: %v, want ErrHeader", headers, err)
		}
	}
}

func TestContentType(t *testing.T) {
	if admin.ContentType([]byte("é")) != admin.TextType || admin.ContentType([]byte{0xff}) != admin.BytesType {
		t.Error("mistaken")
	}
}

// TestPublishOutcome: what the bus says is told, and what it does not say by the end of the time.
func TestPublishOutcome(t *testing.T) {
	for _, tt := range []struct {
		refuse, answer, want error
		others               bool // what the others are not
	}{
		{refuse: bus.ErrFull, want: bus.ErrFull},
		{refuse: bus.ErrDown, want: bus.ErrDown},
		{answer: bus.ErrTooLarge, want: bus.ErrTooLarge},
		{answer: bus.ErrContent, want: bus.ErrContent},
		{answer: bus.ErrUnknown, want: bus.ErrUnknown},
		{want: bus.ErrUnknown}, // no answer
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			b := bustest.NewFake()
			b.RefuseWith(tt.refuse)
			if tt.answer != nil {
				go func() {
					time.Sleep(time.Millisecond)
					b.Settle(0, tt.answer)
				}()
			}
			told := publisher(t, b).Publish(ctx, to("/topic/a", "x"))
			if !errors.Is(told.Err, tt.want) || told.Envelopes != 1 || told.Confirmed != 0 {
				t.Errorf("%v, %v: %+v, want %v", tt.refuse, tt.answer, told, tt.want)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	b := bustest.NewFake()
	if told := publisher(t, b).Publish(ctx, to("/topic/a", "x")); !errors.Is(told.Err, admin.ErrUnsent) || errors.Is(told.Err, bus.ErrUnknown) || len(b.Taken()) > 0 {
		t.Errorf("without time: %+v", told)
	}
}

// slow is a bus that answers an envelope after a while, in no order, and has room for some.
type slow struct {
	bus.Bus
	room int
	took time.Duration // for a body that begins with a, twice that for others
	fail func(bus.Envelope) error

	answers  sync.WaitGroup
	mu       sync.Mutex
	on, most int
	order    []string
}

func (s *slow) Publish(e bus.Envelope, done func(error)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.on >= s.room {
		return bus.ErrFull
	}
	s.on++
	s.most = max(s.most, s.on)
	s.order = append(s.order, string(e.Body[:min(len(e.Body), 8)]))
	wait := s.took
	if e.Body[0] != 'a' {
		wait *= 2
	}
	s.answers.Go(func() {
		time.Sleep(wait)
		s.mu.Lock()
		s.on--
		s.mu.Unlock()
		if s.fail != nil {
			done(s.fail(e))
			return
		}
		done(nil)
	})
	return nil
}

// TestPublishAll: messages leave in order, many at one time, and each outcome is told in its place. What can't be
// published holds up nothing.
func TestPublishAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 10_000
		b := &slow{room: 1 << 20, took: time.Millisecond, fail: func(e bus.Envelope) error {
			if strings.HasSuffix(string(e.Body), "7") {
				return bus.ErrUnknown
			}
			return nil
		}}
		var messages []admin.Message
		var want []string
		for i := range n {
			m := to("/topic/a", fmt.Sprintf("%c%d", "ab"[i%2], i))
			if i%100 == 5 {
				m.Destination = "/nowhere"
			} else {
				want = append(want, string(m.Body))
			}
			messages = append(messages, m)
		}
		i := 0
		for told := range publisher(t, b).PublishAll(t.Context(), slices.Values(messages)) {
			_, refused := errors.AsType[*admin.DestinationError](told.Err)
			switch unknown := errors.Is(told.Err, bus.ErrUnknown); {
			case refused != (i%100 == 5), !refused && unknown != (i%10 == 7), !refused && !unknown && told != admin.Published{Envelopes: 1, Confirmed: 1}:
				t.Errorf("message %d: %+v", i, told)
			}
			i++
		}
		if i != n || !slices.Equal(b.order, want) {
			t.Errorf("%d of %d told; in order: %v", i, n, slices.Equal(b.order, want))
		}
		if b.most != admin.MaxWindow {
			t.Errorf("%d were on their way at a time, want %d", b.most, admin.MaxWindow)
		}
	})
}

// TestPublishAllFull: a bus that is full, of others' envelopes too, is waited for.
func TestPublishAllFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &slow{room: 3, took: time.Second}
		for range b.room { // of somebody else
			if err := b.Publish(bus.Envelope{Body: []byte("other")}, func(error) {}); err != nil {
				t.Fatal(err)
			}
		}
		p := publisher(t, b)
		if told := p.Publish(t.Context(), to("/topic/a", "x")); !errors.Is(told.Err, bus.ErrFull) {
			t.Errorf("one message: %+v, want ErrFull", told)
		}
		var want []string
		var messages []admin.Message
		for i := range 50 {
			want = append(want, fmt.Sprintf("a%d", i))
			messages = append(messages, to("/topic/a", want[i]))
		}
		for told := range p.PublishAll(t.Context(), slices.Values(messages)) {
			if told.Err != nil {
				t.Errorf("%+v", told)
			}
		}
		if got := b.order[3:]; !slices.Equal(got, want) {
			t.Errorf("got %v", got)
		}
	})
}

// TestPublishAllInTime: what the end of the time leaves behind is told as what it is, unknown or unsent.
func TestPublishAllInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &slow{room: 2, took: time.Second}
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		var got []string
		for told := range publisher(t, b).PublishAll(ctx, slices.Values(slices.Repeat([]admin.Message{to("/topic/a", "a")}, 6))) {
			switch {
			case told.Err == nil:
				got = append(got, "done")
			case errors.Is(told.Err, bus.ErrUnknown):
				got = append(got, "unknown")
			case errors.Is(told.Err, admin.ErrUnsent):
				got = append(got, "unsent")
			}
		}
		if want := "[done done unknown unknown unsent unsent]"; fmt.Sprint(got) != want {
			t.Errorf("got %v, want %s", got, want)
		}
		b.answers.Wait() // for those that nobody waits for any more
	})
}

// TestPublishAllLarge: bodies that are large are fewer at a time, and those that are larger than all that may be on its way go alone.
func TestPublishAllLarge(t *testing.T) {
	for size, most := range map[int]int{6 << 20: 2, 17 << 20: 1} {
		synctest.Test(t, func(t *testing.T) {
			b, c := &slow{room: 1 << 20, took: time.Second}, rules(t)
			p := admin.NewPublisher(b, admin.NewCluster(redisregistry.Map{}, 0), func() *policy.Catalogue { return c }, size)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			m := admin.Message{Destination: "/topic/a", Body: slices.Repeat([]byte("a"), size)}
			for told := range p.PublishAll(ctx, slices.Values(slices.Repeat([]admin.Message{m}, 10))) {
				if told.Err != nil {
					t.Errorf("%d bytes: %+v", size, told)
				}
			}
			if b.most != most {
				t.Errorf("%d of %d bytes were on their way at a time, want %d", b.most, size, most)
			}
		})
	}
}

// TestPublishTo: a message goes to one session, or to each of a member's on all nodes.
func TestPublishTo(t *testing.T) {
	onAll(t, func(t *testing.T, m redisregistry.Map) {
		a, b := two(t, m)
		b.has(9, `42`, "tcp")
		inRedis(t, m, 5)
		fake, c := &slow{room: 1 << 20}, rules(t)
		taken := &taker{Bus: fake}
		p := admin.NewPublisher(taken, admin.NewCluster(m, impatience), func() *policy.Catalogue { return c }, bodyLimit)
		principal := func(n *node, id registry.SessionID) string {
			return mustNode(t, n.name).Principal(id, connectedAt(id))
		}
		for _, tt := range []struct {
			to   admin.To
			want []string
			err  error
		}{
			{admin.To{}, []string{""}, nil},
			{admin.To{Session: a.name + "_" + registry.SessionID(1).String()}, []string{principal(a, 1)}, nil},
			{admin.To{Session: principal(b, 3)}, []string{principal(b, 3)}, nil},
			{admin.To{Member: "42"}, []string{principal(a, 1), principal(b, 9)}, nil},
			{admin.To{Member: `"42"`}, []string{principal(a, 2)}, nil},
			{admin.To{Session: "nobody"}, nil, admin.ErrNoSession},
			{admin.To{Member: "nobody"}, nil, admin.ErrNotConnected},
			{admin.To{Member: `"half`}, nil, registry.ErrMember},
			{admin.To{Member: "42", Session: "a-1"}, nil, admin.ErrOneTarget},
		} {
			taken.principals = nil
			destination := "/queue/notice"
			if !tt.to.Individual() {
				destination = "/topic/a"
			}
			told := p.Publish(t.Context(), admin.Message{Destination: destination, To: tt.to, Body: []byte("a")})
			if slices.Sort(taken.principals); !errors.Is(told.Err, tt.err) || !slices.Equal(taken.principals, tt.want) || told.Confirmed != len(tt.want) {
				t.Errorf("to %+v: %q and %+v, want %q and %v", tt.to, taken.principals, told, tt.want, tt.err)
			}
		}
	})
}

// taker notes by which principals envelopes are addressed.
type taker struct {
	bus.Bus
	principals []string
}

func (k *taker) Publish(e bus.Envelope, done func(error)) error {
	k.principals = append(k.principals, e.Principal)
	return k.Bus.Publish(e, done)
}
