package pageapi

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/stompgw/stompgw/bus/seldom"
	"github.com/stompgw/stompgw/gateway/auth"
	"github.com/stompgw/stompgw/gateway/policy"
	"github.com/stompgw/stompgw/gateway/problem"
	"github.com/stompgw/stompgw/gateway/registry"
)

const secret = "a secret of thirty-two bytes or so"

// rig is an API over a source that a test sets.
type rig struct {
	*API
	t       testing.TB
	log     strings.Builder
	blocked time.Duration
	asked   int // how many requests there were, each from an address of its own

	mu     sync.Mutex
	clock  time.Time
	reads  []string // what the source was asked
	page   []registry.Destination
	next   string
	people []registry.Person
	fails  error
	holds  chan struct{} // what readings wait for; nil for nothing
}

func newRig(t testing.TB, change func(*Options)) *rig {
	t.Helper()
	r := &rig{t: t, clock: time.Now()}
	rules, err := policy.New(policy.Rules{
		Prefixes:         policy.DefaultPrefixes(),
		ErrorDestination: "/session/queue/errors",
		Channels: []policy.Channel{
			{Match: "/topic/open/{room}", Subscribe: "true", Presence: policy.PresenceMembers, History: policy.History{Size: 10, TTL: time.Hour}},
			{Match: "/topic/counted/{room}", Subscribe: "true", Presence: policy.PresenceCount},
			{Match: "/topic/plain/{room}", Subscribe: "true", Patterns: true},
			{Match: "/topic/of/{member}", Subscribe: "string(claims.mu) == vars.member", Presence: policy.PresenceMembers},
			{Match: "/topic/session/{x}", Subscribe: "session.transport != 'tcp'", Presence: policy.PresenceMembers},
			{Match: "/topic/headers/{x}", Subscribe: "!('x' in headers)", Presence: policy.PresenceMembers},
			{Match: "/topic/private/{x}", Subscribe: "false", Presence: policy.PresenceMembers},
			{Match: "/member/{member}/queue/{name}", Subscribe: "true"},
			{Match: "/presence/topic/open/staff", Subscribe: "has(claims.mu) && claims.mu == 1"},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := auth.New(auth.Config{Issuers: []auth.Issuer{{Algorithms: []string{"HS256"}, Keys: []any{[]byte(secret)}}}})
	if err != nil {
		t.Fatal(err)
	}
	o := Options{
		Rules: func() *policy.Catalogue { return rules }, Auth: tokens, Blocked: func(string, time.Time) time.Duration { return r.blocked },
		Presence: true, Source: r, CheckMatch: func(match string) error {
			if strings.Contains(match, "{") {
				return fmt.Errorf("no braces")
			}
			return nil
		},
		History: r.history, Log: slog.New(slog.NewTextHandler(&r.log, nil)), Failed: &seldom.Line{Always: true}, Now: r.now,
	}
	if change != nil {
		change(&o)
	}
	r.API = New(o)
	return r
}

func (r *rig) now() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.clock
}

func (r *rig) pass(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.clock = r.clock.Add(d)
}

// read notes a question, and waits while the test holds readings.
func (r *rig) read(ctx context.Context, format string, args ...any) error {
	r.mu.Lock()
	r.reads = append(r.reads, fmt.Sprintf(format, args...))
	holds, err := r.holds, r.fails
	r.mu.Unlock()
	if holds != nil {
		select {
		case <-holds:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return err
}

// Destinations implements Source.
func (r *rig) Destinations(ctx context.Context, match, after string, limit int) ([]registry.Destination, string, error) {
	err := r.read(ctx, "destinations %s behind %s, %d", match, after, limit)
	return r.page, r.next, err
}

// Present implements Source.
func (r *rig) Present(ctx context.Context, room string, counts bool) (registry.Present, error) {
	err := r.read(ctx, "present %s %v", room, counts)
	p := registry.Present{Destination: room, Count: len(r.people), Anonymous: 2, Many: counts}
	if !counts {
		p.Members = r.people
	}
	return p, err
}

func (r *rig) history(ctx context.Context, destination, after string, limit int) (HistoryPage, error) {
	err := r.read(ctx, "history %s behind %s, %d", destination, after, limit)
	return HistoryPage{Messages: []Kept{NewKept("p1", nil, []byte("hello"))}, Position: "p1"}, err
}

func (r *rig) wantReads(want ...string) {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if fmt.Sprint(r.reads) != fmt.Sprint(want) {
		r.t.Errorf("read %q, want %q", r.reads, want)
	}
}

// token makes one of a member, as an Authorization header has it.
func (r *rig) token(member any, expires time.Duration) string {
	r.t.Helper()
	claims := jwt.MapClaims{"mu": member, "rl": []string{}, "exp": time.Now().Add(expires).Unix()}
	text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(secret))
	if err != nil {
		r.t.Fatal(err)
	}
	return "Bearer " + text
}

// get asks from an address that has not asked before.
func (r *rig) get(target, authorization string) *httptest.ResponseRecorder {
	r.t.Helper()
	r.mu.Lock()
	r.asked++
	remote := fmt.Sprintf("10.0.%d.%d:1", r.asked/250, r.asked%250)
	r.mu.Unlock()
	return r.from(remote, target, authorization)
}

func (r *rig) from(remote, target, authorization string) *httptest.ResponseRecorder {
	r.t.Helper()
	req := httptest.NewRequest(http.MethodGet, "/stomp/api/"+target, nil)
	req = req.WithContext(r.t.Context())
	req.RemoteAddr = remote
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	w := httptest.NewRecorder()
	r.ServeHTTP(w, req)
	return w
}

// want asks, and compares the answer.
func (r *rig) want(target, authorization, body string) {
	r.t.Helper()
	w := r.get(target, authorization)
	if w.Code != http.StatusOK || w.Body.String() != body {
		r.t.Errorf("%s: %d %s, want %s", target, w.Code, w.Body, body)
	}
}

// wantProblem asks, and compares what is wrong with that.
func (r *rig) wantProblem(target, authorization string, status int, code policy.Code) *httptest.ResponseRecorder {
	r.t.Helper()
	w := r.get(target, authorization)
	var p problem.Problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Code != status || p.Status != status || p.Code != code || p.Detail == "" ||
		w.Header().Get("Content-Type") != "application/problem+json" {
		r.t.Errorf("%s: %d %s, want status %d and code %d", target, w.Code, w.Body, status, code)
	}
	return w
}
