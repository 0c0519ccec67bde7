package pageapi

import (
	"context"
	"log/slog"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/stompgw/stompgw/bus/seldom"
	"github.com/stompgw/stompgw/gateway/auth"
	"github.com/stompgw/stompgw/gateway/policy"
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

// History is a part of what is kept of a destination, the oldest message first.
type History struct {
	Messages []Kept `json:"messages"`
	Position string `json:"position,omitempty"` // of who has these: after which the next page begins; there is none where that can't be told
	More     bool   `json:"more"`               // there are others behind them
}

// Options are what an API is told. Its functions may be called from any goroutine. An error of a Source, or of History, that is a *Problem is told as such.
type Options struct {
	Rules      func() *policy.Catalogue // that count at the time
	Auth       *auth.Authenticator      // nil where nobody's tokens are taken
	LoginOnly  bool                     // who has no token that is good is told nothing
	Blocked    func(member string, now time.Time) time.Duration
	Presence   bool // the node keeps who is in rooms
	Source     Source
	CheckMatch func(match string) error // why Source takes no such match
	History    func(ctx context.Context, destination, after string, limit int) (History, error)
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

// asker is who asks, and for what.
type asker struct {
	rules *policy.Catalogue
	who   *auth.Identity // nil for nobody
	query query
}
