package policy

import (
	"strings"
	"testing"

	"github.com/stompgw/stompgw/gateway/destination"
)

// ofMembers has rules for members beside those of before, which are for everything.
func ofMembers(t testing.TB, prefix string) *Catalogue {
	p := DefaultPrefixes()
	p.Member = prefix
	own := "string(claims.mu) == vars.member"
	return mustNew(t, Rules{
		Prefixes: p,
		Channels: []Channel{
			{Match: "/{a}/7/**", Subscribe: "true", Send: "true", Patterns: true},
			{Match: prefix + "/{member}/queue/{name}", Subscribe: own, Send: own},
			{Match: prefix + "/{member}/closed"},
			{Match: prefix + "/x:*/to/{name}", Subscribe: "true", Send: `destination == "` + prefix + `/x:%37/to/a"`},
			{Match: prefix + "/**", Subscribe: `vars == {}`},
			{Match: "/**", Subscribe: "true", Send: "true", Patterns: true},
		},
		Routes: []Route{
			{Match: "/app/any/{a}/{b}/{c}", Allow: "true", Publish: "/{a}/{b}/{c}"},
			{Match: "/app/to/{member}", Allow: "true", Publish: prefix + "/{member}/queue/x"},
		},
	})
}

// TestSubscribeMember: whatever a client says below the prefix is its own.
func TestSubscribeMember(t *testing.T) {
	c := ofMembers(t, "/member")
	for _, test := range []struct {
		inbox, claim, destination string
		want                      Code
		bus                       string
	}{
		{"7", "7", "/member/queue/x", 0, "/member/7/queue/x"},
		{"%37", "7", "/member/queue/x", 0, "/member/%37/queue/x"},
		{"x:7", "7", "/member/queue/x", 0, "/member/x:7/queue/x"},
		{"a%2Fb", "a/b", "/member/queue/x", 0, "/member/a%2Fb/queue/x"},
		{"%2A", "*", "/member/queue/x", 0, "/member/%2A/queue/x"},
		{"7", "8", "/member/queue/x", CodeNotAllowed, ""},
		{"7", "7", "/member/closed", CodeNotAllowed, ""},
		{"x:7", "7", "/member/to/a", 0, "/member/x:7/to/a"},
		{"7", "7", "/member/to/a", 0, "/member/7/to/a"},
		{"7", "7", "/member/8/queue/x", 0, "/member/7/8/queue/x"},
		{"7", "7", "/member/7/queue/x", 0, "/member/7/7/queue/x"},
		{"7", "7", "/member/../8/queue/x", 0, "/member/7/../8/queue/x"},
		{"7", "7", "/member/%2e%2e/8", 0, "/member/7/%2e%2e/8"},
		{"7", "7", "/member", 0, "/member/7"},
		{"7", "7", "/member/", CodeNoRule, ""},
		{"7", "7", "/member//8/queue/x", CodeNoRule, ""},
		{"7", "7", "/member/queue/", CodeNoRule, ""},
		{"7", "7", "/memberx/8/queue/x", 0, "/memberx/8/queue/x"},
		{"7", "7", "/Member/8/queue/x", 0, "/Member/8/queue/x"},
		{"7", "7", "//member/8/queue/x", CodeNoRule, ""},
		{"7", "7", "member/8/queue/x", CodeNoRule, ""},
		{"7", "7", "/x/member/8", 0, "/x/member/8"},

		{"7", "7", "/member/*", CodePattern, ""},
		{"7", "7", "/member/queue/?", CodePattern, ""},
		{"7", "7", "/member/{a}", CodePattern, ""},
		{"7", "7", "/member/**", CodePattern, ""},
		{"", "", "/member/**", CodePattern, ""},
		{"7", "7", "/**", 0, "/**"},
		{"7", "7", "/*/7/queue/x", 0, "/*/7/queue/x"},
		{"7", "7", "/membe?/7/queue/x", 0, "/membe?/7/queue/x"},
		{"7", "7", "/member*/**", 0, "/member*/**"},

		{"", "", "/member/queue/x", CodeLogin, ""},
		{"", "7", "/member/queue/x", CodeNotAllowed, ""},
		{"", "7", "/member/7/queue/x", CodeNotAllowed, ""},
		{"", "7", "/topic/7", 0, "/topic/7"},
	} {
		r := Request{Destination: test.destination, Inbox: test.inbox, Member: test.claim}
		if test.claim != "" {
			r.Claims = map[string]any{"mu": test.claim}
		}
		given, refusal := c.JudgeSubscribe(&r)
		if codeOf(refusal) != test.want || given.Destination != test.bus {
			t.Errorf("%s of %s: %+v, %+v; want code %d, %s", test.destination, test.inbox, given, refusal, test.want, test.bus)
		}
		if ofOne := c.IsMember(test.destination); refusal == nil && given.Login != ofOne {
			t.Errorf("%s depends on a login: %t", test.destination, given.Login)
		} else if refusal == nil && ofOne && c.ClientDestination(given.Destination) != test.destination {
			t.Errorf("%s is told as %s", test.destination, c.ClientDestination(given.Destination))
		}
	}
}

// TestSendMember: who sends names the member, and only rules that say the prefix let him.
func TestSendMember(t *testing.T) {
	c := ofMembers(t, "/member")
	for _, test := range []struct {
		destination, claim string
		want               Code
		reason             string
	}{
		{"/member/7/queue/x", "7", 0, ""},
		{"/member/x:7/queue/x", "7", 0, ""}, // of another issuer: the rule has to look
		{"/member/%37/queue/x", "7", 0, ""},
		{"/member/a%2Fb/queue/x", "a/b", 0, ""},
		{"/member/8/queue/x", "7", CodeNotAllowed, ""},
		{"/member/x:%37/to/a", "", 0, ""},
		{"/member/x:7/to/a", "7", CodeNotAllowed, ""},
		{"/member/queue/x", "7", CodeNotAllowed, ""}, // of the member queue
		{"/member/7/other", "7", CodeNotAllowed, ""},
		{"/member/7", "7", CodeNotAllowed, ""},
		{"/member/7/", "7", CodeNoRule, ""},
		{"/member/7//x", "7", CodeNoRule, ""},
		{"/member", "7", CodeDestination, "write it like /member/42/queue/x"},
		{"/member/", "7", CodeDestination, "write it like /member/42/queue/x"},
		{"/member//queue/x", "7", CodeDestination, "write it like /member/42/queue/x"},
		{"/member/a%2fb/queue/x", "a/b", CodeDestination, "write a%2Fb"},
		{"/member/%34%32/queue/x", "42", CodeDestination, "write %342"},
		{"/member/*/queue/x", "7", CodeDestination, "write %2A"},
		{"/member/**", "7", CodeDestination, "write %2A%2A"},
		{"/member/:7/queue/x", "7", CodeDestination, "before its colon"},
		{"/memberx/8/queue/x", "7", 0, ""},

		{"/app/to/7", "", 0, ""},
		{"/app/to/x:%37", "", 0, ""},
		{"/app/to/a b", "", CodeDestination, "write a%20b"},
		{"/app/to/%2f", "", CodeDestination, "write %2F"},
		{"/app/any/topic/7/x", "", 0, ""},
		{"/app/any/member/7/x", "", CodeDestination, "its publish does not begin with the prefix"},
	} {
		r := Request{Destination: test.destination, Claims: map[string]any{"mu": test.claim}}
		target, refusal := c.JudgeSend(&r)
		if codeOf(refusal) != test.want {
			t.Errorf("SEND to %s of %q: %+v, %+v; want code %d", test.destination, test.claim, target, refusal, test.want)
		} else if test.reason != "" && (refusal.Reason == nil || !strings.Contains(refusal.Reason.Error(), test.reason)) {
			t.Errorf("SEND to %s: the reason is %v, want %q in it", test.destination, refusal.Reason, test.reason)
		}
	}
}

// TestMemberPrefix: it may have several segments, and there may be none.
func TestMemberPrefix(t *testing.T) {
	c := ofMembers(t, "/x/inbox")
	given, refusal := c.JudgeSubscribe(&Request{Destination: "/x/inbox/queue/a", Inbox: "%342", Member: `"42"`, Claims: map[string]any{"mu": "42"}})
	if refusal != nil || given.Destination != "/x/inbox/%342/queue/a" || c.ClientDestination(given.Destination) != "/x/inbox/queue/a" {
		t.Errorf("%+v, %+v", given, refusal)
	}
	if r := subscribe(c, "/x/inbox/queue/a"); codeOf(r) != CodeLogin {
		t.Errorf("nobody: %+v", r)
	}
	p := DefaultPrefixes()
	p.Member = ""
	c = mustNew(t, Rules{Prefixes: p, Channels: []Channel{{Match: "/member/*/x", Subscribe: "true", Patterns: true}, {Match: "/**", Subscribe: "true"}}})
	for _, name := range []string{"/member/7/x", "/member/*/x", "/member", "", "/"} {
		if c.IsMember(name) || c.ClientDestination(name) != name {
			t.Errorf("%q is a member's", name)
		}
		if _, err := c.Inbox(name); err == nil {
			t.Errorf("%q has an inbox", name)
		}
	}
	if r := subscribe(c, "/member/7/x"); r != nil {
		t.Errorf("without the prefix: %+v", r)
	}
	if with := mustNew(t, Rules{Prefixes: DefaultPrefixes()}); with.Agrees(c) {
		t.Error("rules agree of which one has no prefix for members")
	}
}

// FuzzMember holds that of all that a client can name, a destination or a pattern, it subscribes to
// nothing below the prefix that is not its own, and that rules for everything let nobody send there.
func FuzzMember(f *testing.F) {
	for _, seed := range []string{"/member/8/queue/x", "/member", "/member/", "/member//8", "/member/*", "/**", "/*/8/queue/x", "/member/%38/queue/x", "/memberx", "/app/any/member/8/x", "/app/to/8", "x"} {
		f.Add(seed, "7")
	}
	c := mustNew(f, Rules{
		Prefixes: DefaultPrefixes(),
		Channels: []Channel{{Match: "/{a}/**", Subscribe: "true", Send: "true", Patterns: true}, {Match: "/**", Subscribe: "true", Send: "true"}, {Match: "/member/{member}/**", Subscribe: "true"}},
		Routes:   []Route{{Match: "/app/any/{a}/{b}/{c}", Allow: "true", Publish: "/{a}/{b}/{c}"}},
	})
	f.Fuzz(func(t *testing.T, name, text string) {
		inbox := destination.Inbox{ID: text, IsText: true}.String()
		if _, err := destination.ParseInbox(inbox); err != nil {
			return
		}
		own := "/member/" + inbox
		given, refusal := c.JudgeSubscribe(&Request{Destination: name, Inbox: inbox, Member: "0"})
		if refusal == nil && c.IsMember(given.Destination) && !destination.IsUnder(given.Destination, own) {
			t.Errorf("SUBSCRIBE of %s to %q is one to %q", inbox, name, given.Destination)
		}
		if refusal == nil && c.IsMember(given.Destination) && c.ClientDestination(given.Destination) != name {
			t.Errorf("%q is told as %q", name, c.ClientDestination(given.Destination))
		}
		if target, refusal := c.JudgeSend(&Request{Destination: name}); refusal == nil && c.IsMember(target.Destination) {
			t.Errorf("SEND to %q goes to %q", name, target.Destination)
		}
	})
}
