package api_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/stompgw/stompgw/admin"
	"github.com/stompgw/stompgw/admin/api"
	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/gateway"
	"github.com/stompgw/stompgw/gateway/auth"
	"github.com/stompgw/stompgw/gateway/destination"
	"github.com/stompgw/stompgw/gateway/policy"
	"github.com/stompgw/stompgw/gateway/registry"
	"github.com/stompgw/stompgw/gateway/registry/redisregistry"
	"github.com/stompgw/stompgw/gateway/schema"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// impatience is how long a node may take to answer that never does.
const impatience = 50 * time.Millisecond

// limit is how many bytes the body of a message may have.
const limit = 1000

// Keys of the tests, one for each scope, and one for all.
const (
	publishKey = "publish-0123456789abcdef0123456789abcdef"
	readKey    = "read-0123456789abcdef0123456789abcdef"
	historyKey = "history-0123456789abcdef0123456789abcdef"
	operateKey = "operate-0123456789abcdef0123456789abcdef"
	allKey     = "all-0123456789abcdef0123456789abcdef"
)

// rig is an API over a real Redis, with a node that answers nobody, and a bus that does as it is told.
type rig struct {
	*httptest.Server
	api *api.API
	log *bustest.Log
	bus *fakeBus

	gateway fakeGateway
}

// newRigOn starts an API.
func newRigOn(t *testing.T, m redisregistry.Map) *rig {
	t.Helper()
	return newRigOf(t, m, limit)
}

// newRigOf starts one where the body of a message may have so many bytes.
func newRigOf(t *testing.T, m redisregistry.Map, limit int) *rig {
	t.Helper()
	return newRigWaiting(t, m, limit, impatience)
}

// newRigWaiting starts one where a node has so much time to answer.
func newRigWaiting(t *testing.T, m redisregistry.Map, limit int, patience time.Duration) *rig {
	t.Helper()
	r := &rig{log: new(bustest.Log), bus: new(fakeBus)}
	log := slog.New(slog.NewTextHandler(r.log, nil))
	rules := rules(t)
	node := api.Node{
		Rules: func() *policy.Catalogue { return rules },
		Assume: func(claims []byte) (*auth.Identity, error) {
			return auth.Config{Member: "mu", Roles: "rl"}.Assume(claims)
		},
		Inbox: func(issuer, member string) (string, error) {
			if issuer == "nobody" {
				return "", errors.New("there is no issuer nobody")
			}
			return "/member/" + destination.NewInbox(issuer, member).String(), nil
		},
		History:  r.gateway.history,
		AsyncAPI: func() json.Marshaler { return json.RawMessage(`{"asyncapi": "3.0.0", "a": "<&>"}`) },
		Limit:    limit,
	}
	r.api = api.New(admin.NewCluster(m, patience), r.bus, node, log)
	r.api.SetKeys([]api.Key{
		{Name: "publisher", Secret: publishKey, Scopes: []api.Scope{api.ScopePublish}},
		{Name: "reader", Secret: readKey, Scopes: []api.Scope{api.ScopeRead}},
		{Name: "historian", Secret: historyKey, Scopes: []api.Scope{api.ScopeHistory}},
		{Name: "operator", Secret: operateKey, Scopes: []api.Scope{api.ScopeOperate}},
		{Name: "shop-backend", Secret: allKey, Scopes: []api.Scope{api.ScopePublish, api.ScopeRead, api.ScopeHistory, api.ScopeOperate}},
	})
	t.Cleanup(r.api.Close)
	r.Server = httptest.NewServer(r.api)
	t.Cleanup(r.Server.Close)
	return r
}

const (
	nodeName = "1719999999998/7c0e9d1a-0000-4000-8000-00000000000a"
	nodeUUID = "7c0e9d1a-0000-4000-8000-00000000000a"
	short    = "7c0e9d1a-5" // of its session
)

// addNode puts a node into Redis that answers nobody, with one session. To add others is the caller's.
func addNode(t *testing.T, m redisregistry.Map) *redisregistry.Registry {
	t.Helper()
	node, err := registry.ParseNode(nodeName)
	if err != nil {
		t.Fatal(err)
	}
	reg := redisregistry.New(m, node, redisregistry.Config{Host: "web-1", Version: gateway.Version, Bus: "fake", Started: time.Now()}, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { reg.Run(ctx) }) // it returns nil
	t.Cleanup(func() { cancel(); wg.Wait() })
	reg.Add(registry.Session{ID: 5, ConnectedAt: time.Unix(1720000000, 0), Member: "42", Transport: "tcp", Version: "1.2"})
	reader := redisregistry.NewReader(m)
	bustest.Eventually(t, "the session is in Redis", func() bool {
		for range reader.Sessions(t.Context(), redisregistry.Query{}) {
			return true
		}
		return false
	})
	return reg
}

func rules(t *testing.T) *policy.Catalogue {
	t.Helper()
	chat, err := schema.Compile(schema.Source{Text: []byte(`{"required": ["chat"]}`), Name: "chat"})
	if err != nil {
		t.Fatal(err)
	}
	c, err := policy.New(policy.Rules{
		Prefixes:         policy.DefaultPrefixes(),
		ErrorDestination: "/session/queue/errors",
		Channels: []policy.Channel{
			{Match: "/topic/chat", Subscribe: "true", Schema: chat},
			{Match: "/topic/{room}", Subscribe: `"ROLE_A" in claims.rl`, Send: "false", Presence: policy.PresenceMembers,
				Limits: policy.Limits{Rate: policy.Rate{Times: 5, Per: time.Second}}}, // of clients
			{Match: "/member/{member}/queue/{name}", Subscribe: "string(claims.mu) == vars.member", Send: "false"},
			{Match: "/session/queue/{name}", Subscribe: "true", Send: "false"},
		},
		Routes: []policy.Route{
			{Match: "/app/topic/{room}", Allow: "true", Publish: "/topic/{room}"},
			{Match: "/app/orders", Allow: "true", Publish: "/topic/chat", To: policy.To{Topic: "orders-in"}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// fakeBus answers as it is told.
type fakeBus struct {
	mu     sync.Mutex
	sent   []bus.Envelope
	refuse error // what Publish returns
	answer error // what done hears
	hang   bool  // done hears nothing
}

func (b *fakeBus) Publish(e bus.Envelope, done func(error)) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.refuse != nil {
		return b.refuse
	}
	b.sent = append(b.sent, e)
	if !b.hang {
		go done(b.answer)
	}
	return nil
}

func (b *fakeBus) Receive(ctx context.Context, _ func(), _ func(bus.Envelope)) error {
	<-ctx.Done()
	return nil
}
func (b *fakeBus) Healthy() error              { return nil }
func (b *fakeBus) Close(context.Context) error { return nil }

// fakeGateway keeps what a test says.
type fakeGateway struct {
	asked []string // the questions
	page  gateway.HistoryPage
	err   error
	hold  chan struct{}    // nil, or what an answer waits for
	of    *gateway.Gateway // that answers in its place, nil for none
}

func (g *fakeGateway) history(ctx context.Context, destination, after string, limit int) (gateway.HistoryPage, error) {
	switch {
	case g.of != nil:
		return g.of.History(ctx, destination, after, limit)
	case g.hold != nil:
		<-g.hold
		return g.page, g.err
	}
	g.asked = append(g.asked, fmt.Sprint(destination, " ", after, " ", limit))
	return g.page, cmp.Or(g.err, ctx.Err())
}

// envelopes are those published since the last call.
func (b *fakeBus) envelopes() []bus.Envelope {
	b.mu.Lock()
	defer b.mu.Unlock()
	sent := b.sent
	b.sent = nil
	return sent
}

// ask makes a request with a key, "" for none, and a body of JSON, "" for none.
func (r *rig) ask(t *testing.T, key, method, path, body string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, r.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	return r.do(t, req)
}

// do makes a request, and holds the answer against the OpenAPI document.
func (r *rig) do(t *testing.T, req *http.Request) *http.Response {
	t.Helper()
	resp, err := r.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	text := read(t, resp)
	resp.Body = io.NopCloser(strings.NewReader(text))
	conforms(t, req, resp, text)
	resp.Body = io.NopCloser(strings.NewReader(text))
	return resp
}

func read(t *testing.T, resp *http.Response) string {
	t.Helper()
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// wantJSON reads an answer into v.
func wantJSON(t *testing.T, resp *http.Response, status int, v any) {
	t.Helper()
	text := read(t, resp)
	if resp.StatusCode != status {
		t.Fatalf("%d %s, want %d", resp.StatusCode, text, status)
	}
	if err := json.Unmarshal([]byte(text), v); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
}

// wantProblem reads a Problem, which has to have the status, and words in its detail.
func wantProblem(t *testing.T, resp *http.Response, status int, words string) (p api.Problem) {
	t.Helper()
	if ct := resp.Header.Get("Content-Type"); ct != "application/problem+json" {
		t.Errorf("content-type %s", ct)
	}
	wantJSON(t, resp, status, &p)
	if p.Type != "about:blank" || p.Title != http.StatusText(status) || p.Status != status || !strings.Contains(p.Detail, words) {
		t.Errorf("got %+v, want status %d and %q", p, status, words)
	}
	if again := resp.Header.Get("Retry-After"); (status == http.StatusServiceUnavailable) != (again != "") {
		t.Errorf("%d with Retry-After %q", status, again)
	}
	return p
}
