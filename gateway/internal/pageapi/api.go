package pageapi

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/netip"
	"path"
	"strconv"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/stompgw/stompgw/bus/seldom"
	"github.com/stompgw/stompgw/gateway/auth"
	"github.com/stompgw/stompgw/gateway/policy"
	"github.com/stompgw/stompgw/gateway/problem"
	"github.com/stompgw/stompgw/gateway/registry"
)

// Bounds of what requests cost, together and each.
const (
	maxRequests = 64               // that are answered at a time; others are told to come again
	timeout     = 10 * time.Second // for an answer to be made
	maxName     = 8 << 10          // bytes of a destination, or of behind what a list goes on
	maxWriting  = 64 << 20         // bytes of answers that clients are slow to take
	freeBytes   = 64 << 10         // of each answer, which the sockets hold
)

// Source is what is known over all nodes. Its methods may be called from any goroutine.
type Source interface {
	// Destinations returns the first destinations behind after that match stands for, limit at most, in the order of their names; next is behind
	// which there may be more, empty for no more.
	Destinations(ctx context.Context, match, after string, limit int) (page []registry.Destination, next string, err error)
	// Present returns who is in a room, or with counts how many are.
	Present(ctx context.Context, room string, counts bool) (registry.Present, error)
}

// Options are what an API is told. Its functions may be called from any goroutine. An error of a Source, or of History, that is a *problem.Problem is told as such.
type Options struct {
	Rules      func() *policy.Catalogue // that count at the time
	Auth       *auth.Authenticator      // nil where nobody's tokens are taken
	LoginOnly  bool                     // who has no token that is good is told nothing
	Blocked    func(member string, now time.Time) time.Duration
	Presence   bool // the node keeps who is in rooms
	Source     Source
	CheckMatch func(match string) error // why Source takes no such match
	History    func(ctx context.Context, destination, after string, limit int) (HistoryPage, error)
	Log        *slog.Logger
	Failed     *seldom.Line // of Log; its owner closes it
	Now        func() time.Time
}

// API answers what pages ask. Any goroutine may use it.
type API struct {
	Options
	pace     *pace
	kept     *cache
	cursors  cursors
	requests chan struct{}       // holds one for each that is being answered
	writing  *semaphore.Weighted // for each byte of answers on their way, but for what is free
}

// New returns an API. It starts nothing, and needs no end.
func New(o Options) *API {
	return &API{
		Options: o, pace: newPace(o.Now), kept: newCache(o.Now), cursors: newCursors(),
		requests: make(chan struct{}, maxRequests), writing: semaphore.NewWeighted(maxWriting),
	}
}

// asker is who asks, and for what.
type asker struct {
	rules *policy.Catalogue
	who   *auth.Identity // nil for nobody
	query query
}

// ServeHTTP answers a GET. The last part of the path is what it asks for.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Access-Control-Expose-Headers", "Retry-After")
	text, err := a.answer(r)
	if err != nil {
		a.problem(err).Write(w)
		return
	}
	size := max(0, int64(len(text)-freeBytes))
	if !a.writing.TryAcquire(size) {
		problem.Busy("too many clients are slow to take their answers").Write(w)
		return
	}
	defer a.writing.Release(size)
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(text)))
	w.Write(text) // a client that has left is no concern
}

// answer makes the answer to a request.
func (a *API) answer(r *http.Request) ([]byte, error) {
	remote, _ := netip.ParseAddrPort(r.RemoteAddr) // the zero value when it has none
	if wait := a.pace.take(remote.Addr()); wait > 0 {
		return nil, problem.New(http.StatusTooManyRequests, "an address may ask %d times a second", perSecond).After(wait)
	}
	var serve func(context.Context, *asker) ([]byte, error)
	var takes []string
	switch path.Base(r.URL.Path) {
	case "destinations":
		serve, takes = a.destinations, []string{"match", "after"}
	case "presence":
		serve, takes = a.presence, []string{"destination"}
	case "history":
		serve, takes = a.history, []string{"destination", "after", "limit"}
	default:
		return nil, problem.New(http.StatusNotFound, "there is no such path: destinations, presence and history there are")
	}
	q, err := readQuery(r.URL.RawQuery, takes)
	if err != nil {
		return nil, err
	}
	select {
	case a.requests <- struct{}{}:
		defer func() { <-a.requests }()
	default:
		return nil, problem.Busy("too many requests at a time")
	}
	ctx, cancel := context.WithTimeout(r.Context(), timeout)
	defer cancel()
	who, err := a.identify(ctx, r.Header.Get("Authorization"))
	if err != nil {
		return nil, err
	}
	return serve(ctx, &asker{rules: a.Rules(), who: who, query: q})
}

// judge asks the rules whether a SUBSCRIBE to a destination would pass.
func (k *asker) judge(destination string) (policy.Grant, *policy.Refusal) {
	r := policy.Request{Destination: destination, Outside: true}
	if k.who != nil {
		r.Member, r.Claims, r.Inbox = k.who.Member, k.who.Claims, k.who.Inbox()
	}
	return k.rules.JudgeSubscribe(&r)
}

// read returns the text of what make has made, now or within the last second.
func (a *API) read(ctx context.Context, of question, make func() (any, error)) ([]byte, error) {
	text, err := a.kept.get(ctx, of, func() (any, int, error) {
		value, err := make()
		if err != nil {
			return nil, 0, err
		}
		text, err := json.Marshal(value)
		return text, len(text), err
	})
	if err != nil {
		return nil, err
	}
	return text.([]byte), nil
}
