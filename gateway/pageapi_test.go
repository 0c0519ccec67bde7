package gateway_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/gateway"
	"github.com/stompgw/stompgw/gateway/policy"
	"github.com/stompgw/stompgw/gateway/registry"
)

// fixed is a source of which a test knows what it tells.
type fixed struct{}

// Destinations implements gateway.PageSource.
func (fixed) Destinations(context.Context, string, string, int) ([]registry.Destination, string, error) {
	return []registry.Destination{{Name: "/topic/a"}, {Name: "/topic/secret/a"}}, "", nil
}

// Present implements gateway.PageSource.
func (fixed) Present(context.Context, string, bool) (registry.Present, error) {
	return registry.Present{}, errors.New("nobody knows")
}

const fixedList = `{"destinations":[{"destination":"/topic/a"}]}`

// patiently asks again while an address has asked too often: all of a test are one.
func patiently(b *browser, method, path string, header ...string) *answer {
	b.t.Helper()
	for {
		a := b.ask(method, path, "", header...)
		if a.StatusCode != http.StatusTooManyRequests {
			return a
		}
		a.wantHeader("Retry-After", "1").text()
		time.Sleep(50 * time.Millisecond)
	}
}

// TestPageAPIOrigin: pages may ask as those of SockJS do, and read the answer, what is wrong with their request too; others can't.
func TestPageAPIOrigin(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, open func(testing.TB) *browser) {
		const path, page, other = "/stomp/api/destinations", "https://app.example.com", "https://evil.com"
		b := open(t)
		patiently(b, "GET", path).want(200, fixedList).wantHeader("Access-Control-Allow-Origin", "*", "Cache-Control", "no-store").wantVary("Origin")
		patiently(b, "GET", path, "Origin: "+page).wantCORS(page).wantVary("Origin").wantHeader("Access-Control-Expose-Headers", "Retry-After").want(200, fixedList)
		patiently(b, "GET", "/stomp/api/presence", "Origin: "+page).wantCORS(page).wantStatus(422).text()
		a := b.ask("OPTIONS", path, "", "Origin: "+page, "Access-Control-Request-Method: GET", "Access-Control-Request-Headers: authorization")
		a.wantCORS(page).wantHeader("Access-Control-Allow-Methods", "OPTIONS, GET", "Access-Control-Allow-Headers", "authorization").wantStatus(204).text()
		for _, method := range []string{"GET", "OPTIONS"} {
			b.ask(method, path, "", "Origin: "+other).wantForbidden()
		}
		b.post(path, "x").wantHeader("Allow", "OPTIONS, GET").wantStatus(405).text()
	}, gateway.WithPageAPI(fixed{}), gateway.WithOrigins([]string{"https://app.example.com"}))
}

// TestPageAPIPaths: it is below the endpoint alone, also where there is no SockJS, and where it is off there is nothing.
func TestPageAPIPaths(t *testing.T) {
	on, endpoint := gateway.WithPageAPI(fixed{}), gateway.WithEndpoint("/a%20b/ws")
	for name, c := range map[string]struct {
		opts []gateway.Option
		want map[string]int
	}{
		"off":            {nil, map[string]int{"/stomp/api/destinations": 404, "/stomp/api/": 404}},
		"off, no SockJS": {[]gateway.Option{gateway.WithSockJS(nil)}, map[string]int{"/stomp/api/destinations": 404}},
		"on":             {[]gateway.Option{on, sockJS()}, map[string]int{"/stomp/api/destinations": 200, "/stomp/api/x": 404, "/stomp/api": 404, "/api/destinations": 404, "/echo/api/destinations": 404}},
		"no SockJS":      {[]gateway.Option{on, gateway.WithSockJS(nil)}, map[string]int{"/stomp/api/destinations": 200, "/stomp/info": 404}},
		"endpoint":       {[]gateway.Option{on, endpoint}, map[string]int{"/a%20b/ws/api/destinations": 200, "/stomp/api/destinations": 404}},
	} {
		t.Run(name, func(t *testing.T) {
			b := start(t, c.opts...).browser(t, first)
			for path, status := range c.want {
				if a := patiently(b, "GET", path); a.StatusCode != status {
					t.Errorf("%s: %s, want %d", path, a.Status, status)
				}
			}
		})
	}
}

// TestPageAPIOfAnIdleGateway: a gateway that does not run has nothing to tell, and says so.
func TestPageAPIOfAnIdleGateway(t *testing.T) {
	g := newGateway(t, nil, gateway.WithPageAPI(nil))
	for _, path := range []string{"destinations", "history?destination=/topic/kept"} {
		w := httptest.NewRecorder()
		g.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/stomp/api/"+path, nil))
		if w.Code != http.StatusServiceUnavailable {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}

// TestPageAPIOfANode: a node that is alone tells of its own rooms, whose rules count for members as they do for their sessions.
func TestPageAPIOfANode(t *testing.T) {
	catalogue := compile(t, policy.Rules{
		Channels: []policy.Channel{
			{Match: "/topic/of/{member}", Subscribe: "string(claims.mu) == vars.member", Presence: policy.PresenceMembers, PresenceInfo: `{"roles": claims.rl}`},
			{Match: "/topic/count/{room}", Subscribe: "true", Presence: policy.PresenceCount},
			{Match: "/topic/{room}", Subscribe: "true", Send: "true", History: policy.History{Size: 100, TTL: time.Hour}},
			{Match: "/member/{member}/queue/{name}", Subscribe: "true"},
		},
	})
	n := start(t, withAuth(t), gateway.WithPageAPI(nil), gateway.WithPresence(gateway.DefaultPresence()))
	n.mustSetRules(t, catalogue)
	bearer := "Bearer " + tokenOf(t, 7, time.Hour)
	token := "Authorization: " + bearer
	c := n.dialTCP(t)
	c.send("CONNECT\naccept-version:1.2\nAuthorization:" + bearer + "\n\n^@")
	c.expect("CONNECTED")
	for i, destination := range []string{"/topic/of/7", "/topic/count/a", "/topic/kept", "/member/queue/x"} {
		c.subscribe(string(rune('1'+i)), destination)
	}
	n.dialTCP(t).connect().say("/topic/kept", "first", "second")

	bustest.Eventually(t, "the node has told who is there", func() bool {
		list, err := n.Present(t.Context(), []string{"/topic/of/7", "/topic/count/a"}, true)
		return err == nil && len(list) == 2
	})
	wants := func(target, header string, status int, body string) {
		t.Helper()
		a := patiently(n.browser(t, first), "GET", "/stomp/api/"+target, header)
		if got := a.text(); a.StatusCode != status || body != "" && got != body {
			t.Errorf("%s: %s %s, want %d %s", target, a.Status, got, status, body)
		}
	}
	const nobody = "X-Nobody: x"
	of7 := "presence?destination=" + url.QueryEscape("/topic/of/7")
	wants(of7, token, 200, `{"destination":"/topic/of/7","count":1,"anonymous":0,"many":false,"members":[{"member":7,"info":{"roles":["ROLE_USER"]}}]}`)
	wants(of7, nobody, 401, "")
	wants("presence?destination=/topic/count/a", nobody, 200, `{"destination":"/topic/count/a","count":1,"anonymous":0,"many":true,"members":[]}`)
	wants("presence?destination=/topic/count/b", nobody, 200, `{"destination":"/topic/count/b","count":0,"anonymous":0,"many":true,"members":[]}`)
	wants("destinations", nobody, 200, `{"destinations":[{"destination":"/topic/count/a","members":1,"anonymous":0},{"destination":"/topic/kept"}]}`)
	wants("destinations?match="+url.QueryEscape("/topic/of/*"), token, 200, `{"destinations":[{"destination":"/topic/of/7","members":1,"anonymous":0}]}`)
	wants("history?destination=/topic/none/at/all", nobody, 404, "")
	wants("history?destination=/topic/of/7", token, 404, "")
	wants("history?destination=/topic/kept&after=x", nobody, 422, "")
	page, err := n.History(t.Context(), "/topic/kept", "", 2)
	if err != nil || len(page.Messages) != 2 {
		t.Fatalf("%+v, %v", page, err)
	}
	second := `{"position":"` + page.Position + `","headers":{},"body":"second"}`
	wants("history?destination=/topic/kept&limit=1", nobody, 200, `{"messages":[`+second+`],"position":"`+page.Position+`","more":false}`)
	wants("history?destination=/topic/kept&after="+url.QueryEscape(page.Position), nobody, 200, `{"messages":[],"position":"`+page.Position+`","more":false}`)

	n.Block(map[string]time.Time{"7": time.Now().Add(time.Hour)})
	wants(of7, token, 403, "")
	n.Block(nil)
	n.mustSetRules(t, rules(t))
	wants(of7, token, 404, "")
}
