package api_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stompgw/stompgw/admin"
	"github.com/stompgw/stompgw/admin/api"
	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/bustest/servers"
	"github.com/stompgw/stompgw/gateway/policy"
	"github.com/stompgw/stompgw/gateway/registry/redisregistry"
)

// spec is the OpenAPI document.
func spec() []byte {
	a := api.New(admin.NewCluster(redisregistry.Map{}, 0), nil, api.Node{}, nil)
	rec := httptest.NewRecorder()
	a.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/v1/openapi.json", nil))
	return rec.Body.Bytes()
}

// redisMap is that of a Redis of the test's own.
func redisMap(t *testing.T) redisregistry.Map {
	t.Helper()
	return mapAt(t, servers.Redis(t).Addr)
}

func mapAt(t *testing.T, addr string) redisregistry.Map {
	t.Helper()
	client := redisregistry.NewClient(redisregistry.Options{Addrs: []string{addr}})
	t.Cleanup(func() { client.Close() })
	return redisregistry.Map{Client: client, Layout: redisregistry.Hashes}
}

// unreachable is that of a Redis that there is not.
func unreachable(t *testing.T) redisregistry.Map {
	t.Helper()
	return mapAt(t, fmt.Sprintf("127.0.0.1:%d", servers.FreePort(t)))
}

// request is one that a route answers, whatever the answer is.
type request struct{ key, method, path, body string }

// requests is one for each route.
func requests() []request {
	return []request{
		{publishKey, "POST", "/v1/publish", `{"destination": "/topic/a"}`},
		{publishKey, "POST", "/v1/publish/batch", `{"destination": "/topic/a"}`},
		{readKey, "GET", "/v1/sessions", ""},
		{readKey, "GET", "/v1/sessions/" + short, ""},
		{operateKey, "DELETE", "/v1/sessions/" + short, ""},
		{operateKey, "POST", "/v1/sessions/kick", `{"all": true}`},
		{operateKey, "POST", "/v1/subscriptions/end", `{"member": 42, "destination": "/topic/a"}`},
		{readKey, "GET", "/v1/members/42", ""},
		{operateKey, "PUT", "/v1/members/42/block", `{"seconds": 1}`},
		{operateKey, "DELETE", "/v1/members/42/block", ""},
		{readKey, "GET", "/v1/blocks", ""},
		{readKey, "GET", "/v1/destinations", ""},
		{readKey, "GET", "/v1/presence?destination=/topic/a", ""},
		{readKey, "GET", "/v1/nodes", ""},
		{historyKey, "GET", "/v1/history?destination=/topic/a", ""},
		{operateKey, "POST", "/v1/nodes/" + nodeUUID + "/drain", ""},
		{readKey, "GET", "/v1/asyncapi.json", ""},
		{readKey, "POST", "/v1/policy/test", `{"command": "SEND", "destination": "/topic/a"}`},
	}
}

// TestScopes: each route wants a key, and takes those with its own scope alone.
func TestScopes(t *testing.T) {
	m := redisMap(t)
	addNode(t, m)
	r := newRigOn(t, m)
	if n := len(routesInCode(t)); n != len(requests()) {
		t.Errorf("%d routes, of which %d are tested", n, len(requests()))
	}
	for _, q := range requests() {
		t.Run(q.method+" "+q.path, func(t *testing.T) {
			resp := r.ask(t, "", q.method, q.path, q.body)
			if got := resp.Header.Get("WWW-Authenticate"); got != `Bearer realm="stompgw"` {
				t.Errorf("WWW-Authenticate: %s", got)
			}
			wantProblem(t, resp, http.StatusUnauthorized, "Authorization: Bearer")
			resp = r.ask(t, strings.ToUpper(q.key), q.method, q.path, q.body)
			if got := resp.Header.Get("WWW-Authenticate"); got != `Bearer realm="stompgw", error="invalid_token"` {
				t.Errorf("WWW-Authenticate: %s", got)
			}
			wantProblem(t, resp, http.StatusUnauthorized, "none of those")
			for _, key := range []string{publishKey, readKey, historyKey, operateKey, allKey} {
				resp := r.ask(t, key, q.method, q.path, q.body)
				switch passes := key == q.key || key == allKey; {
				case !passes:
					wantProblem(t, resp, http.StatusForbidden, "does not have the scope")
				case resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden:
					t.Errorf("%d %s", resp.StatusCode, read(t, resp))
				}
			}
		})
	}
	for _, key := range []string{publishKey, readKey, historyKey, operateKey, allKey} {
		if strings.Contains(r.log.String(), key) || strings.Contains(r.log.String(), strings.ToUpper(key)) {
			t.Error("the log has a key")
		}
	}
	if !strings.Contains(r.log.String(), "refused a request to the API") {
		t.Errorf("the log tells nothing of refusals:\n%s", r.log)
	}
}

// TestExactSessions: a session is named whole, since what means it today may mean another one tomorrow.
func TestExactSessions(t *testing.T) {
	m := redisMap(t)
	addNode(t, m)
	r := newRigOn(t, m)
	for _, q := range []request{
		{readKey, "GET", "/v1/sessions/NAME", ""},
		{operateKey, "DELETE", "/v1/sessions/NAME", ""},
		{operateKey, "POST", "/v1/sessions/kick", `{"session": "NAME"}`},
		{operateKey, "POST", "/v1/subscriptions/end", `{"session": "NAME", "destination": "/topic/a"}`},
		{publishKey, "POST", "/v1/publish", `{"session": "NAME", "destination": "/queue/a"}`},
	} {
		ask := func(name string) *http.Response {
			return r.ask(t, q.key, q.method, strings.ReplaceAll(q.path, "NAME", url.PathEscape(name)), strings.ReplaceAll(q.body, "NAME", name))
		}
		for _, name := range []string{"5", "00000005", "7c0e9d1a", "7c0e9d1a-", nodeName, nodeName + "_", nodeName[:10]} {
			wantProblem(t, ask(name), http.StatusNotFound, name)
		}
		for _, name := range []string{short, nodeName + "_00000005"} {
			if resp := ask(name); resp.StatusCode != http.StatusOK {
				t.Errorf("%s %s %s: %d %s", q.method, q.path, name, resp.StatusCode, read(t, resp))
			}
		}
	}
}

// TestKeys: other keys take effect at once, and several hold at a time.
func TestKeys(t *testing.T) {
	r := newRigOn(t, unreachable(t))
	q := request{"", "POST", "/v1/policy/test", `{"command": "SEND", "destination": "/topic/a"}`}
	status := func(key string) int { return r.ask(t, key, q.method, q.path, q.body).StatusCode }
	next := strings.Repeat("n", 40)
	r.api.SetKeys([]api.Key{{Name: "a", Secret: readKey, Scopes: []api.Scope{api.ScopeRead}}, {Name: "b", Secret: next, Scopes: []api.Scope{api.ScopeRead}}})
	if a, b := status(readKey), status(next); a != http.StatusOK || b != http.StatusOK {
		t.Errorf("old and new key: %d, %d", a, b)
	}
	r.api.SetKeys([]api.Key{{Name: "b", Secret: next, Scopes: []api.Scope{api.ScopeRead}}})
	if a, b := status(readKey), status(next); a != http.StatusUnauthorized || b != http.StatusOK {
		t.Errorf("old and new key after it: %d, %d", a, b)
	}
}

// TestProblems: what is wrong with a request is said with a status, and in words.
func TestProblems(t *testing.T) {
	m := redisMap(t)
	addNode(t, m)
	r := newRigOn(t, m)
	for _, c := range []struct {
		request string // method, path and body
		status  int
		words   string
		code    policy.Code
	}{
		{"GET /v1/nothing", 404, "no such path", 0},
		{"PATCH /v1/sessions", 405, "GET", 0},

		{`POST /v1/publish {"destinaton": "/topic/a"}`, 422, "destinaton: unexpected property", 0},
		{`POST /v1/publish {"destination": "/topic/a"`, 400, "unexpected end of JSON", 0},
		{`POST /v1/publish {}`, 422, "destination", 0},
		{`POST /v1/publish {"destination": 7}`, 422, "destination: expected string", 0},
		{`POST /v1/publish {"destination": "topic"}`, 422, "begin with a slash", policy.CodeDestination},
		{`POST /v1/publish {"destination": "/topic/*"}`, 422, "pattern", policy.CodeDestination},
		{`POST /v1/publish {"destination": "/app/a"}`, 422, "for clients to send to", policy.CodeDestination},
		{`POST /v1/publish {"destination": "/session/queue/a"}`, 422, "say whose", policy.CodeDestination},
		{`POST /v1/publish {"destination": "$presence/topic/a"}`, 422, "begin with a slash", policy.CodeDestination},
		{`POST /v1/publish {"destination": "/presence/topic/a"}`, 422, "the gateway alone says", policy.CodeDestination},
		{`POST /v1/publish {"destination": "/queue/a"}`, 422, "no channel names it", policy.CodeDestination},
		{`POST /v1/publish {"destination": "/topic/chat", "body": "{}"}`, 422, "does not fit the schema of \"/topic/chat\": at \"/chat\", by required", policy.CodeSchema},
		{`POST /v1/publish {"destination": "/topic/chat", "body": "{"}`, 422, "does not fit the schema of \"/topic/chat\": it is not one JSON text", policy.CodeSchema},
		{`POST /v1/publish {"destination": "/topic/a", "body": "a", "body_base64": "YQ=="}`, 422, "one body", 0},
		{`POST /v1/publish {"destination": "/topic/a", "body_base64": "?"}`, 422, "body_base64: want base64", 0},
		{`POST /v1/publish {"destination": "/topic/a", "body_base64": null}`, 400, "body_base64 is null", 0},
		{`POST /v1/publish {"Destination": "/topic/a"}`, 422, "Destination: unexpected property", 0},
		{"POST /v1/publish {\"destination\": \"/topic/a\", \"body\": \"\xff\"}", 400, "not UTF-8", 0},
		{`POST /v1/publish {"destination": "/queue/a", "member": 7.5}`, 422, "member: want a member as JSON: 7 is the number", 0},
		{`POST /v1/publish {"destination": "/topic/a", "session": ""}`, 422, "session", 0},
		{`POST /v1/publish {"destination": "/topic/a", "session": null}`, 400, "session is null", 0},
		{`POST /v1/sessions/kick {"all": true, "node": null}`, 400, "node is null", 0},
		{`POST /v1/sessions/kick {"all": true, "node": ""}`, 422, "node: expected length", 0},
		{`POST /v1/publish {"destination": "/topic/a", "headers": {"a": "\u0000"}}`, 422, "NUL", 0},
		{`PUT /v1/members/7/block {"seconds": 60.5}`, 422, "seconds: expected integer", 0},
		{`PUT /v1/members/7/block {"seconds": 60.0}`, 422, "seconds can't be a number 60.0", 0},
		{"GET /v1/members/%22%FF%22", 422, "want a member", 0},
		{"GET /v1/sessions?member=", 422, "query.member: want one value", 0},
		{"GET /v1/sessions?member=7&member=8", 422, "query.member: want one value", 0},
		{`POST /v1/publish {"destination": "/topic/a", "headers": {"message-id": "1"}}`, 422, "message-id", 0},
		{`POST /v1/publish {"destination": "/topic/a", "headers": {"authorization": "1"}}`, 422, "show a secret", 0},
		{`POST /v1/publish {"destination": "/topic/a", "headers": {"Content-Type": "1"}}`, 422, "content_type", 0},
		{`POST /v1/publish {"destination": "/topic/a", "headers": {"a": 1}}`, 422, "headers.a: expected string", 0},
		{`POST /v1/publish {"destination": "/topic/a", "to": "sessions"}`, 422, "beside member", 0},
		{`POST /v1/publish {"destination": "/topic/a", "TO": "sessions"}`, 422, "TO: unexpected property", 0},
		{`POST /v1/publish {"destination": "/topic/a", "to": "sessions", "member": null}`, 400, "member is null", 0},
		{`POST /v1/publish {"destination": "/topic/a", "to": "all"}`, 422, "to: expected value to be one of", 0},
		{`POST /v1/publish {"destination": "/topic/a", "issuer": "x"}`, 422, "beside member", 0},
		{`POST /v1/publish {"destination": "/queue/a", "member": 7, "issuer": "nobody"}`, 422, "no issuer nobody", 0},
		{`POST /v1/publish {"destination": "7/queue/a", "member": 7}`, 422, "begin with a slash", policy.CodeDestination},
		{`POST /v1/publish {"destination": "/queue/a", "member": 7, "session": "x"}`, 422, "not both", 0},
		{`POST /v1/publish {"destination": "/queue/a", "member": ""}`, 422, "member", 0},
		{`POST /v1/publish {"destination": "/queue/a", "member": 1.5}`, 422, "member", 0},
		{`POST /v1/publish {"destination": "/queue/a", "member": true}`, 422, "member", 0},
		{`POST /v1/publish {"destination": "/queue/a", "member": 8, "to": "sessions"}`, 404, "no live node has a session", 0},
		{`POST /v1/publish {"destination": "/queue/a", "session": "7c0e9d1a-6"}`, 404, "7c0e9d1a-6", 0},
		{`POST /v1/publish {"destination": "/topic/a", "body": "` + strings.Repeat("x", limit+1) + `"}`, 413, "the limit is 1000", policy.CodeTooLarge},
		{`POST /v1/publish {"destination": "/topic/a", "body": "` + strings.Repeat("x", 100_000) + `"}`, 413, "too large", policy.CodeTooLarge},

		{"POST /v1/publish/batch " + strings.Repeat("{}\n", 10_001), 413, "10001 lines", 0},
		{"POST /v1/publish/batch " + strings.Repeat("x", 8<<20+1), 413, "too large", policy.CodeTooLarge},

		{"GET /v1/sessions?mmeber=7", 422, "mmeber: unknown query parameter", 0},
		{"GET /v1/sessions?member=alice", 422, "%227%22", 0},
		{"GET /v1/sessions?limit=1001", 422, "limit", 0},
		{"GET /v1/sessions?older_seconds=-1", 422, "older_seconds", 0},
		{"GET /v1/sessions?node=x", 404, "no live node", 0},
		{"GET /v1/sessions?cursor=x", 422, "cursor", 0},
		{"GET /v1/sessions/7c0e9d1a-6", 404, "7c0e9d1a-6", 0},
		{"DELETE /v1/sessions/7c0e9d1a-6", 404, "7c0e9d1a-6", 0},
		{"DELETE /v1/sessions/" + short + "?code=999", 422, "number of your own from 1000 on", 0},
		{"DELETE /v1/sessions/" + short + "?code=1000", 422, "give a reason", 0},
		{"DELETE /v1/sessions/" + short + "?reason=a%0Ab", 422, "reason", 0},

		{"POST /v1/sessions/kick {}", 422, "whose sessions", 0},
		{`POST /v1/sessions/kick {"all": true, "member": 7}`, 422, "whose sessions", 0},
		{`POST /v1/sessions/kick {"node": "x"}`, 422, "whose sessions", 0},
		{`POST /v1/sessions/kick {"session": "` + short + `", "node": "x"}`, 422, "session says it all", 0},
		{`POST /v1/sessions/kick {"session": "7c0e9d1a-6"}`, 404, "7c0e9d1a-6", 0},
		{`POST /v1/sessions/kick {"all": true, "node": "x"}`, 404, "no live node", 0},
		{`POST /v1/sessions/kick {"all": true, "code": 99}`, 422, "number of your own from 1000 on", 0},
		{`POST /v1/sessions/kick {"all": true, "block_seconds": -1}`, 422, "block_seconds", 0},
		{`POST /v1/sessions/kick {"al": true}`, 422, "al: unexpected property", 0},

		{`POST /v1/subscriptions/end {"destination": "/topic/a"}`, 422, "whose subscriptions", 0},
		{`POST /v1/subscriptions/end {"destination": "/topic/a", "session": "a", "member": 7}`, 422, "whose subscriptions", 0},
		{`POST /v1/subscriptions/end {"destination": "/topic/a", "session": "7c0e9d1a-6"}`, 404, "7c0e9d1a-6", 0},
		{`POST /v1/subscriptions/end {"destination": "/topic/a", "member": 7, "reason": "a\nb"}`, 422, "reason", 0},

		{"GET /v1/members/alice", 422, "%227%22", 0},
		{`PUT /v1/members/alice/block {"seconds": 1}`, 422, "%227%22", 0},
		{`PUT /v1/members/7/block {"seconds": 0}`, 422, "seconds", 0},
		{`PUT /v1/members/7/block {"secs": 1}`, 422, "seconds", 0},
		{"DELETE /v1/members/alice/block", 422, "%227%22", 0},
		{"GET /v1/blocks?x=1", 422, "x", 0},

		{"GET /v1/destinations?limit=1001", 422, "limit", 0},
		{"GET /v1/history", 422, "destination", 0},
		{"GET /v1/history?destination=/topic/a&limit=1001", 422, "limit", 0},
		{"GET /v1/history?destination=/topic/a&limit=0", 422, "limit", 0},
		{"GET /v1/history?destination=/topic/a&after=", 422, "query.after", 0},
		{"GET /v1/history?destination=/topic/a&after=" + strings.Repeat("A", 601), 422, "after", 0},
		{"GET /v1/destinations?match=**/a", 422, "match", 0},
		{"GET /v1/nodes?x=1", 422, "x", 0},
		{"POST /v1/nodes/7c0e/drain", 404, "no UUID of a node", 0},
		{"POST /v1/nodes/x/drain", 404, "no live node", 0},
		{"POST /v1/nodes/" + nodeUUID + "/drain", 504, "did not answer", policy.CodeUnknown},

		{`POST /v1/policy/test {"command": "GET", "destination": "/topic/a"}`, 422, "SUBSCRIBE, SEND", 0},
		{`POST /v1/policy/test {"command": "SEND", "destination": "/topic/a", "claims": []}`, 422, "claims", 0},
		{`POST /v1/policy/test {"command": "SEND", "destination": "/topic/a", "claims": {"mu": 1.5}}`, 422, "claims", 0},
	} {
		name := c.request[:min(len(c.request), 90)]
		t.Run(name, func(t *testing.T) {
			method, rest, _ := strings.Cut(c.request, " ")
			path, body, _ := strings.Cut(rest, " ")
			p := wantProblem(t, r.ask(t, allKey, method, path, body), c.status, c.words)
			if why, _ := policy.Explain(c.code); p.Code != c.code || p.Word != why.Word {
				t.Errorf("code %d %s, want %d", p.Code, p.Word, c.code)
			}
		})
	}
	t.Run("another type", func(t *testing.T) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.URL+"/v1/publish", strings.NewReader("destination=/topic/a"))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+allKey)
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		wantProblem(t, r.do(t, req), http.StatusUnsupportedMediaType, "curl --json")
	})
	if sent := r.bus.envelopes(); len(sent) > 0 {
		t.Errorf("published %v", sent)
	}
}

// TestRedisAway: what needs Redis is 503, and says so.
func TestRedisAway(t *testing.T) {
	r := newRigOn(t, unreachable(t))
	for _, q := range requests() {
		switch path, _, _ := strings.Cut(q.path, "?"); path {
		case "/v1/publish", "/v1/publish/batch", "/v1/policy/test", "/v1/history", "/v1/asyncapi.json":
			continue // these don't
		}
		t.Run(q.method+" "+q.path, func(t *testing.T) {
			wantProblem(t, r.ask(t, allKey, q.method, q.path, q.body), http.StatusServiceUnavailable, "redis")
		})
	}
}

// TestBusProblems: what a broker says, or does not, is told with a status.
func TestBusProblems(t *testing.T) {
	r := newRigOn(t, unreachable(t))
	for _, c := range []struct {
		refuse, answer error
		status         int
		code           policy.Code
	}{
		{bus.ErrDown, nil, 503, policy.CodeUnavailable},
		{bus.ErrFull, nil, 503, policy.CodeUnavailable},
		{nil, bus.ErrDown, 503, policy.CodeUnavailable},
		{nil, bus.ErrUnknown, 504, policy.CodeUnknown},
		{bus.ErrTooLarge, nil, 413, policy.CodeTooLarge},
		{bus.ErrContent, nil, 422, policy.CodeContent},
	} {
		r.bus.refuse, r.bus.answer = c.refuse, c.answer
		p := wantProblem(t, r.ask(t, allKey, "POST", "/v1/publish", `{"destination": "/topic/a"}`), c.status, "")
		if p.Code != c.code {
			t.Errorf("%v: code %d", c.refuse, p.Code)
		}
	}
}

// TestFaults: what nobody has foreseen is a fault of ours, and the log has it.
func TestFaults(t *testing.T) {
	r := newRigOn(t, unreachable(t))
	r.bus.refuse = errors.New("the disk is on fire")
	p := wantProblem(t, r.ask(t, allKey, "POST", "/v1/publish", `{"destination": "/topic/a"}`), http.StatusInternalServerError, "its log says how")
	if p.Code != policy.CodeInternal || !strings.Contains(r.log.String(), "the disk is on fire") {
		t.Errorf("code %d, and the log is %s", p.Code, r.log)
	}
}

// TestNoTime: where the time is over, nobody knows what became of a change, while to read again does no harm.
func TestNoTime(t *testing.T) {
	m := redisMap(t)
	addNode(t, m)
	r := newRigOn(t, m)
	for _, q := range requests() {
		status := http.StatusGatewayTimeout
		switch {
		case q.path == "/v1/asyncapi.json":
			continue // which is made already
		case q.path == "/v1/publish" || q.method == "GET":
			status = http.StatusServiceUnavailable
		case q.path == "/v1/publish/batch" || q.path == "/v1/policy/test":
			continue // a line says it, and it asks nobody
		}
		late, cancel := context.WithTimeout(t.Context(), -1)
		defer cancel()
		left, leave := context.WithCancel(t.Context())
		leave()
		for _, ctx := range []context.Context{late, left} {
			req := httptest.NewRequestWithContext(ctx, q.method, q.path, strings.NewReader(q.body))
			req.Header.Set("Authorization", "Bearer "+allKey)
			req.Header.Set("Content-Type", "application/json")
			rec := httptest.NewRecorder()
			r.api.ServeHTTP(rec, req)
			wantProblem(t, rec.Result(), status, "")
		}
	}
}

// TestPublish: a message reaches the bus as it was meant.
func TestPublish(t *testing.T) {
	m := redisMap(t)
	addNode(t, m)
	r := newRigOn(t, m)
	const text = "text/plain;charset=UTF-8"
	for _, c := range []struct {
		body                          string
		destination, principal, ctype string
		sent                          string
	}{
		{`{"destination": "/topic/a", "body": "hello"}`, "/topic/a", "", text, "hello"},
		{`{"destination": "/topic/a", "content_type": "application/json", "body": "{}"}`, "/topic/a", "", "application/json", "{}"},
		{`{"destination": "/topic/a", "body_base64": "` + base64.StdEncoding.EncodeToString([]byte{0xff, 0}) + `"}`, "/topic/a", "", "application/octet-stream", "\xff\x00"},
		{`{"destination": "/topic/a"}`, "/topic/a", "", text, ""},
		{`{"destination": "/queue/a", "member": 7}`, "/member/7/queue/a", "", text, ""},
		{`{"destination": "/queue/a", "member": 7, "issuer": "x"}`, "/member/x:7/queue/a", "", text, ""},
		{`{"destination": "/queue/a", "member": 42, "to": "sessions"}`, "/queue/a", nodeName, text, ""},
		{`{"destination": "/queue/a", "session": "` + short + `"}`, "/queue/a", nodeName, text, ""},
	} {
		var told struct{ Envelopes int }
		wantJSON(t, r.ask(t, publishKey, "POST", "/v1/publish", c.body), http.StatusOK, &told)
		sent := r.bus.envelopes()
		if told.Envelopes != 1 || len(sent) != 1 {
			t.Fatalf("%s: %d envelopes, %v sent", c.body, told.Envelopes, sent)
		}
		e := sent[0]
		if e.Destination != c.destination || !strings.HasPrefix(e.Principal, c.principal) || (e.Principal == "") != (c.principal == "") || string(e.Body) != c.sent ||
			e.Headers[0] != (bus.Header{Name: "content-type", Value: c.ctype}) {
			t.Errorf("%s: sent %+v", c.body, e)
		}
	}
	r.ask(t, publishKey, "POST", "/v1/publish", `{"destination": "/topic/a", "headers": {"z": "1", "a": "2"}}`)
	if e := r.bus.envelopes()[0]; fmt.Sprint(e.Headers[1:]) != "[{a 2} {z 1}]" {
		t.Errorf("headers %v", e.Headers)
	}
}
