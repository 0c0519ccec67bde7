package policy

import "testing"

// catalogue has a rule of every kind.
func catalogue(t testing.TB) *Catalogue {
	return mustNew(t, Rules{
		Prefixes:         DefaultPrefixes(),
		ErrorDestination: "/session/queue/request-error",
		Channels: []Channel{
			{Match: "/topic/news", Subscribe: "true", Send: "false"},
			{Match: "/topic/{room}", Subscribe: "true", Send: "true"},
			{Match: "/topic/secret", Subscribe: "false"}, // the rule before it decides
			{Match: "/topic/secret/{room}"},
			{Match: "/session/queue/{name}", Subscribe: "true", Send: "true"},
			{Match: "/queue/open", Subscribe: "true", Send: "true"},
		},
		Routes: []Route{
			{Match: "/app/topic/{channel}", Allow: "true", Publish: "/topic/{channel}"},
			{Match: "/app/echo/{name}", Allow: "true", Publish: "/session/queue/{name}"},
			{Match: "/app/closed", Allow: "false", Publish: "/topic/closed"},
			{Match: "/app/shut", Publish: "/topic/shut"},
		},
	})
}

func TestJudgeSubscribe(t *testing.T) {
	c := catalogue(t)
	for _, test := range []struct {
		destination string
		want        Code // 0 is allowed
	}{
		{"/topic/news", 0},
		{"/topic/chat", 0},
		{"/topic/secret", 0},
		{"/topic/secret/a", CodeNotAllowed},
		{"/topic/a/b", CodeNoRule},
		{"/topic/", CodeNoRule},
		{"/topic", CodeNoRule},
		{"", CodeNoRule},
		{"chat", CodeNoRule},
		{"/topic/*", CodePattern},
		{"/topic/**", CodePattern},
		{"/topic/ab?", CodePattern},
		{"/topic/{room}", CodePattern},
		{"/*/secret/a", CodePattern},
		{"/session/queue/request-error", 0},
		{"/session/queue/answers", 0},
		{"/session/queue/*", CodePattern},
		{"/session/other", CodeNoRule},
		{"/queue/open", 0},
		{"/queue/x", CodeNoRule},
		{"/queue/request-error", CodeNoRule},
		{"/app/topic/chat", CodeNoRule},
	} {
		if got := codeOf(subscribe(c, test.destination)); got != test.want {
			t.Errorf("SUBSCRIBE %q: got code %d, want %d", test.destination, got, test.want)
		}
	}
}

func TestJudgeSend(t *testing.T) {
	c := catalogue(t)
	for _, test := range []struct {
		destination string
		target      Target
		want        Code
	}{
		{"/topic/chat", Target{Rule: "channels[1]", Destination: "/topic/chat"}, 0},
		{"/topic/news", Target{}, CodeNotAllowed},
		{"/topic/secret/a", Target{}, CodeNotAllowed},
		{"/topic/*", Target{}, CodeNoRule},
		{"/topic/", Target{}, CodeNoRule},
		{"/elsewhere", Target{}, CodeNoRule},
		{"/queue/open", Target{Rule: "channels[5]", Destination: "/queue/open"}, 0},
		{"/queue/x", Target{}, CodeNoRule},
		{"/session/queue/x", Target{Rule: "channels[4]", Destination: "/session/queue/x", Session: true}, 0},
		{"/session/other", Target{}, CodeNoRule},
		{"/sessions/queue/x", Target{}, CodeNoRule},
		{"/app/topic/chat", Target{Rule: "routes[0]", Destination: "/topic/chat"}, 0},
		{"/app/topic/news", Target{Rule: "routes[0]", Destination: "/topic/news"}, 0}, // the route says who may, not the channel
		{"/app/echo/x", Target{Rule: "routes[1]", Destination: "/session/queue/x", Session: true}, 0},
		{"/app/topic/*", Target{}, CodeNoRule},
		{"/app/topic/", Target{}, CodeNoRule},
		{"/app/topic/a/b", Target{}, CodeNoRule},
		{"/app/closed", Target{}, CodeNotAllowed},
		{"/app/shut", Target{}, CodeNotAllowed},
		{"/app/unknown", Target{}, CodeNoRule},
		{"/app", Target{}, CodeNoRule},
		{"", Target{}, CodeNoRule},
	} {
		target, r := c.JudgeSend(&Request{Destination: test.destination})
		if got := codeOf(r); got != test.want || target != test.target {
			t.Errorf("SEND %q: got %+v, code %d; want %+v, code %d", test.destination, target, got, test.target, test.want)
		}
	}
}

// subscribe is what becomes of an anonymous SUBSCRIBE.
func subscribe(c *Catalogue, destination string) *Refusal {
	_, r := c.JudgeSubscribe(&Request{Destination: destination})
	return r
}

func codeOf(r *Refusal) Code {
	if r == nil {
		return 0
	}
	return r.Code
}

func TestPrefixes(t *testing.T) {
	c := mustNew(t, Rules{
		Prefixes:         Prefixes{App: "/in/app", Broker: []string{"/out"}, User: "/user"},
		ErrorDestination: "/user/queue/errors",
		Channels: []Channel{
			{Match: "/app/{a}", Subscribe: "true", Send: "true"}, // an ordinary destination here
			{Match: "/user/queue/{a}", Subscribe: "true", Send: "true"},
		},
		Routes: []Route{{Match: "/in/app/{a}", Allow: "true", Publish: "/out/{a}"}},
	})
	if target, r := c.JudgeSend(&Request{Destination: "/in/app/x"}); r != nil || target.Destination != "/out/x" {
		t.Errorf("route: %+v, %v", target, r)
	}
	if target, r := c.JudgeSend(&Request{Destination: "/app/x"}); r != nil || target.Destination != "/app/x" {
		t.Errorf("what the default calls the application: %+v, %v", target, r)
	}
	if target, r := c.JudgeSend(&Request{Destination: "/user/queue/x"}); r != nil || !target.Session {
		t.Errorf("own session: %+v, %v", target, r)
	}
	if r := subscribe(c, "/user/queue/errors"); r != nil {
		t.Errorf("error destination: %v", r)
	}
	if r := subscribe(c, "/session/queue/request-error"); codeOf(r) != CodeNoRule {
		t.Errorf("the default's error destination: %v", r)
	}
	if c.IsSession("/session/queue/x") || !c.IsSession("/user/queue/x") || c.IsSession("/users/queue/x") {
		t.Error("IsSession does not go by the prefix")
	}
	if c.ErrorDestination() != "/user/queue/errors" {
		t.Error(c.ErrorDestination())
	}
}

func TestSessionDestination(t *testing.T) {
	c := catalogue(t)
	for in, want := range map[string]string{
		"/queue/x":         "/session/queue/x",
		"/session/queue/x": "/session/queue/x",
		"/sessions/x":      "/session/sessions/x",
	} {
		if got := c.SessionDestination(in); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}

// The error destination stays open even where a rule says no, or a session could not be told why.
func TestErrorDestinationIsAlwaysOpen(t *testing.T) {
	r := base()
	r.Channels = []Channel{{Match: "/session/queue/{name}", Subscribe: "false"}}
	c := mustNew(t, r)
	if got := subscribe(c, "/session/queue/request-error"); got != nil {
		t.Errorf("refused with code %d", got.Code)
	}
	if got := codeOf(subscribe(c, "/session/queue/other")); got != CodeNotAllowed {
		t.Errorf("its neighbour: code %d, want %d", got, CodeNotAllowed)
	}
}

// TestHasChannel: what a channel is about has one, also where nobody may subscribe to it.
func TestHasChannel(t *testing.T) {
	c := mustNew(t, Rules{
		Prefixes:         DefaultPrefixes(),
		ErrorDestination: "/session/queue/errors",
		Channels: []Channel{
			{Match: "/topic/{room}", Subscribe: `claims.none == "x"`},
			{Match: "/topic/closed/{room}"},
			{Match: "/member/{member}/queue/{name}", Subscribe: "true"},
			{Match: "/**/z", Subscribe: "true"},
		},
	})
	for name, want := range map[string]bool{
		"/topic/a": true, "/topic/closed/a": true, "/queue/a": false, "/queue/z": true, "": false,
		"/session/queue/errors": true, "/session/queue/a": false,
		"/member/7/queue/a": true, "/member/%37/queue/a": true, "/member/7/a": false, "/member/7/a/z": false, "/member/*/queue/a": false, "/member": false,
	} {
		if got := c.HasChannel(name); got != want {
			t.Errorf("%s: %t, want %t", name, got, want)
		}
	}
}
