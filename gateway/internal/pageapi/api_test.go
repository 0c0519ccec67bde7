package pageapi

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/gateway/policy"
	"github.com/stompgw/stompgw/gateway/problem"
	"github.com/stompgw/stompgw/gateway/registry"
)

// TestRules: who asks is told what a SUBSCRIBE would, and refused what that would be. A rule that looks at a session, or at headers, is a no.
func TestRules(t *testing.T) {
	r := newRig(t, nil)
	seven := r.token(7, time.Hour)
	for _, c := range []struct {
		destination, token string
		present, history   int // statuses
		code               policy.Code
	}{
		{"/topic/open/a", "", 200, 200, 0},
		{"/topic/open/staff", r.token(1, time.Hour), 200, 200, 0},
		{"/topic/of/7", seven, 200, 200, 0},
		{"/topic/of/8", seven, 403, 403, policy.CodeNotAllowed},
		{"/topic/of/7", "", 401, 401, policy.CodeLogin},
		{"/topic/session/a", seven, 403, 403, policy.CodeNotAllowed},
		{"/topic/headers/a", seven, 403, 403, policy.CodeNotAllowed},
		{"/topic/private/a", seven, 403, 403, policy.CodeNotAllowed},
		{"/topic/none", seven, 404, 404, policy.CodeNoRule},
		{"/topic/*", seven, 422, 422, policy.CodePattern},
		{"/topic/plain/*", seven, 422, 200, policy.CodePattern}, // which has no history
	} {
		for what, status := range map[string]int{"presence": c.present, "history": c.history} {
			target := what + "?destination=" + url.QueryEscape(c.destination)
			if status != http.StatusOK {
				r.wantProblem(target, c.token, status, c.code)
			} else if w := r.get(target, c.token); w.Code != status {
				t.Errorf("%s: %d %s", target, w.Code, w.Body)
			}
		}
	}
	r.wantProblem("presence?destination=/topic/open/staff", seven, 403, policy.CodeNotAllowed) // who may subscribe may not look
	r.wantProblem("presence?destination=/topic/plain/a", "", 404, policy.CodeNoRule)
	for _, never := range []string{"/member/queue/x", "/session/queue/errors", "/presence/topic/open/a", "/presence"} {
		r.wantProblem("presence?destination="+never, seven, 404, policy.CodeNoRule)
	}
}

// TestMember: a member's destination is its own, whatever it says.
func TestMember(t *testing.T) {
	r := newRig(t, nil)
	r.wantProblem("history?destination=/member/queue/inbox", "", 401, policy.CodeLogin)
	r.wantReads()
	for _, member := range []int{7, 8} {
		r.want("history?destination=/member/queue/inbox&limit=5", r.token(member, time.Hour), `{"messages":[{"position":"p1","headers":{},"body":"hello"}],"position":"p1","more":false}`)
	}
	r.wantProblem("history?destination=/member/8/queue/inbox", r.token(7, time.Hour), 404, policy.CodeNoRule) // /member/7/8/queue/inbox
	r.wantReads("history /member/7/queue/inbox behind , 5", "history /member/8/queue/inbox behind , 5")
}

// TestPresence: of a member nothing is shown but what the rule names, and where the rule counts, nobody.
func TestPresence(t *testing.T) {
	r := newRig(t, nil)
	r.people = []registry.Person{{Member: []byte("7"), Sessions: 3, Since: 1764000000000, Info: []byte(`{"name":"Ann"}`)}, {Member: []byte(`"bob"`), Sessions: 1}}
	r.want("presence?destination=/topic/open/a", "",
		`{"destination":"/topic/open/a","count":2,"anonymous":2,"many":false,"members":[{"member":7,"info":{"name":"Ann"}},{"member":"bob"}]}`)
	r.want("presence?destination=/topic/counted/a", "", `{"destination":"/topic/counted/a","count":2,"anonymous":2,"many":true,"members":[]}`)
	r.wantReads("present /topic/open/a false", "present /topic/counted/a true")

	off := newRig(t, func(o *Options) { o.Presence = false })
	off.wantProblem("presence?destination=/topic/open/a", "", 404, policy.CodeNoRule)
	off.wantReads()
}

// TestDestinations: a list has what who asks may subscribe to, and the numbers of rooms that they may look at; and no word of anything else.
func TestDestinations(t *testing.T) {
	r := newRig(t, nil)
	for _, name := range []string{
		"/member/7/queue/inbox", "/presence/topic/open/a", "/topic/counted/a", "/topic/headers/a", "/topic/of/7", "/topic/open/a", "/topic/open/staff", "/topic/plain/a", "/topic/private/a", "/topic/session/a",
	} {
		r.page = append(r.page, registry.Destination{Name: name, Subscribers: 9, Members: new(1), Anonymous: new(2)})
	}
	r.page = append(r.page, registry.Destination{Name: "/topic/plain/*", Pattern: true, Subscribers: 1})
	everybodys := `{"destination":"/topic/open/a","members":1,"anonymous":2},{"destination":"/topic/open/staff"},{"destination":"/topic/plain/a"}`
	r.want("destinations", "", `{"destinations":[{"destination":"/topic/counted/a","members":1,"anonymous":2},`+everybodys+`]}`)
	r.want("destinations", r.token(7, time.Hour),
		`{"destinations":[{"destination":"/topic/counted/a","members":1,"anonymous":2},{"destination":"/topic/of/7","members":1,"anonymous":2},`+everybodys+`]}`)
	r.page = nil
	r.want("destinations?match="+url.QueryEscape("/topic/**")+"&after=/topic/a", "", `{"destinations":[]}`)
	r.wantReads("destinations  behind , 1000", "destinations /topic/** behind /topic/a, 1000")
	r.wantProblem("destinations?match={", "", 422, 0)
}

// TestNext: a list goes on behind what it has looked at, also where that is not for who asks, who is not told its name.
func TestNext(t *testing.T) {
	r := newRig(t, nil)
	next := func(target string) string {
		t.Helper()
		text := r.get(target, "").Body.String()
		_, rest, _ := strings.Cut(text, `"next":"`)
		found, _, _ := strings.Cut(rest, `"`)
		return found
	}
	r.page, r.next = []registry.Destination{{Name: "/topic/open/a"}}, "/topic/open/a"
	if got := next("destinations"); got != "/topic/open/a" {
		t.Errorf("next is %q", got)
	}
	r.page, r.next = []registry.Destination{{Name: "/topic/private/a"}}, "/topic/private/a"
	sealed := next("destinations?after=/topic/open/a")
	if !strings.HasPrefix(sealed, "sealed:") || strings.Contains(sealed, "private") {
		t.Errorf("next is %q", sealed)
	}
	r.page, r.next = nil, ""
	if got := next("destinations?after=" + url.QueryEscape(sealed)); got != "" {
		t.Errorf("next is %q", got)
	}
	r.wantReads("destinations  behind , 1000", "destinations  behind /topic/open/a, 1000", "destinations  behind /topic/private/a, 1000")
	for _, other := range []string{"sealed:", "sealed:%", sealed[:len(sealed)-2], newCursors().write("/topic/private/a", false)} {
		r.wantProblem("destinations?after="+url.QueryEscape(other), "", 409, 0)
	}
}

// TestTokens: a token is checked as that of a CONNECT; who brings none is nobody, where nobody may connect.
func TestTokens(t *testing.T) {
	const target = "history?destination=/topic/open/a"
	r := newRig(t, nil)
	for _, header := range []string{"", "Basic YTpi", "Bearer"} {
		if w := r.get(target, header); w.Code != 200 {
			t.Errorf("%q: %d %s", header, w.Code, w.Body)
		}
	}
	for _, bad := range []string{"Bearer x", r.token(7, -time.Hour), r.token(7, time.Hour) + "x"} {
		w := r.wantProblem(target, bad, 401, policy.CodeLogin)
		if got := w.Header().Get("WWW-Authenticate"); got != "Bearer" {
			t.Errorf("WWW-Authenticate: %q", got)
		}
	}
	if w := r.wantProblem(target, r.token(7, -time.Hour), 401, policy.CodeLogin); !strings.Contains(w.Body.String(), "expired") {
		t.Errorf("an expired token is answered with %s", w.Body)
	}
	r.blocked = 90 * time.Second
	if w := r.wantProblem(target, r.token(7, time.Hour), 403, policy.CodeBlocked); w.Header().Get("Retry-After") != "90" {
		t.Errorf("Retry-After: %q", w.Header().Get("Retry-After"))
	}
	login := newRig(t, func(o *Options) { o.LoginOnly = true })
	login.wantProblem(target, "", 401, policy.CodeLogin)
	if w := login.get(target, login.token(7, time.Hour)); w.Code != 200 {
		t.Errorf("a member: %d %s", w.Code, w.Body)
	}
	nobodys := newRig(t, func(o *Options) { o.Auth = nil })
	nobodys.wantProblem(target, nobodys.token(7, time.Hour), 401, policy.CodeLogin)
	if r.log.Len() > 0 {
		t.Errorf("the log says %s", &r.log)
	}
}

// TestQuery: what is asked has to be said in full, once, and within bounds.
func TestQuery(t *testing.T) {
	r := newRig(t, nil)
	for _, target := range []string{
		"presence", "presence?destination=", "presence?destination=/a&destination=/b", "presence?destination=/topic/open/a&count=true", "presence?destination=%zz",
		"presence?destination=/" + strings.Repeat("a", maxName), "history?destination=/topic/open/a&limit=0", "history?destination=/topic/open/a&limit=101",
		"history?destination=/topic/open/a&limit=x", "history?destination=/topic/open/a&after=" + strings.Repeat("a", 601), "history", "destinations?limit=5",
		"destinations?after=/" + strings.Repeat("a", maxName), "destinations?after=/" + strings.Repeat("a", 2*maxName),
	} {
		r.wantProblem(target, "", 422, 0)
	}
	for _, target := range []string{"", "nodes", "presence/x"} {
		r.wantProblem(target, "", 404, 0)
	}
	r.wantReads()
	w := r.get("history?destination=/topic/open/a&after=p0&limit=100", "")
	for name, want := range map[string]string{"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Content-Type": "application/json", "Access-Control-Expose-Headers": "Retry-After"} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	r.wantReads("history /topic/open/a behind p0, 100")
}

// TestFailures: what has failed behind the node is for its log. What there is to tell is told.
func TestFailures(t *testing.T) {
	r := newRig(t, nil)
	r.fails = fmt.Errorf("redis 10.1.2.3: %w", bus.ErrDown)
	for _, target := range []string{"destinations", "presence?destination=/topic/open/a", "history?destination=/topic/open/a"} {
		w := r.wantProblem(target, "", 503, 0)
		if w.Header().Get("Retry-After") != "1" || strings.Contains(w.Body.String(), "10.1.2.3") {
			t.Errorf("%s: %v %s", target, w.Header(), w.Body)
		}
	}
	if got := r.log.String(); strings.Count(got, "10.1.2.3") != 3 {
		t.Errorf("the log says %s", got)
	}
	r.fails = problem.New(http.StatusNotFound, "nothing is kept")
	r.wantProblem("history?destination=/topic/open/a", "", 404, 0)
	r.fails = errors.New("but now")
	r.pass(time.Second)
	r.wantProblem("history?destination=/topic/open/a", "", 503, 0)
	r.fails = nil
	if w := r.get("history?destination=/topic/open/a", ""); w.Code != 200 { // a failure is not kept
		t.Errorf("after a failure: %d %s", w.Code, w.Body)
	}
}

// TestTooMany: what can't be answered now is not waited for.
func TestTooMany(t *testing.T) {
	r := newRig(t, nil)
	for range maxRequests {
		r.requests <- struct{}{}
	}
	if w := r.wantProblem("destinations", "", 503, 0); w.Header().Get("Retry-After") != "1" {
		t.Errorf("Retry-After: %q", w.Header().Get("Retry-After"))
	}
	<-r.requests
	r.people = make([]registry.Person, 2000)
	for i := range r.people {
		r.people[i] = registry.Person{Member: fmt.Appendf(nil, "%d", i), Info: []byte(`{"name":"` + strings.Repeat("a", 100) + `"}`)}
	}
	if !r.writing.TryAcquire(maxWriting) {
		t.Fatal("something is being written")
	}
	r.wantProblem("presence?destination=/topic/open/a", "", 503, 0)
	if w := r.get("destinations", ""); w.Code != 200 { // a short answer waits for nobody
		t.Errorf("a short answer: %d %s", w.Code, w.Body)
	}
}
