package gateway

import (
	"context"
	"errors"
	"net/http"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/gateway/internal/pageapi"
	"github.com/stompgw/stompgw/gateway/policy"
	"github.com/stompgw/stompgw/gateway/problem"
	"github.com/stompgw/stompgw/gateway/registry"
)

// PageSource is what is known across all nodes, for pages. Its methods may be called from any goroutine.
type PageSource = pageapi.Source

// WithPageAPI has the node answer pages over plain HTTP, at "<endpoint>/api/destinations", "presence" and "history":
// which destinations there are, who is present and what was published, as far as the page's token and the rules for
// SUBSCRIBE allow. Interceptors are not called. source may be nil if the node is alone. Default off.
func WithPageAPI(source PageSource) Option {
	return func(s *settings) { s.pageAPI = &pageSource{source} }
}

// pageSource is what WithPageAPI was told.
type pageSource struct{ PageSource }

// newPageAPI makes what answers pages, nil for nothing.
func (g *Gateway) newPageAPI() http.Handler {
	if g.set.pageAPI == nil {
		return nil
	}
	source := g.set.pageAPI.PageSource
	if source == nil {
		source = alone{g}
	}
	host := &g.set.host
	return pageapi.New(pageapi.Options{
		Rules: func() *policy.Catalogue { return g.rules.Load() },
		Auth:  host.Auth, LoginOnly: host.LoginOnly, Blocked: host.Blocks.Left,
		Presence: g.set.presence != nil, Source: source, CheckMatch: CheckMatch, History: g.pageHistory,
		Log: host.Log, Failed: &g.set.unread, Now: host.Now,
	})
}

// pageHistory is History for pages.
func (g *Gateway) pageHistory(ctx context.Context, destination, after string, limit int) (pageapi.HistoryPage, error) {
	page, err := g.History(ctx, destination, after, limit)
	switch {
	case errors.Is(err, ErrNoHistory):
		err = problem.New(http.StatusNotFound, "nothing is kept of the destination")
	case errors.Is(err, ErrPosition):
		err = problem.Invalid("after: want what an x-position header says, whole")
	case errors.Is(err, ErrNotRecovered):
		err = problem.New(http.StatusConflict, "not all that came after the position is there any more: leave after out for the last messages that are")
	case errors.Is(err, bus.ErrDestination):
		err = problem.Invalid("the broker can't bring the destination")
	}
	return page.JSON(), err
}

// alone is a node as the source of its own pages.
type alone struct{ *Gateway }

// Present implements PageSource.
func (a alone) Present(ctx context.Context, room string, counts bool) (registry.Present, error) {
	all, err := a.Gateway.Present(ctx, []string{room}, counts)
	p := registry.Present{Destination: room}
	if len(all) > 0 {
		p = all[0]
	}
	p.Many = p.Many || counts
	return p, err
}
