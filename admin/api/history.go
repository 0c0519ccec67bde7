package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/stompgw/stompgw/gateway"
)

// maxHistories are how many pages of history are read and written at a time: each may have many MiB.
const maxHistories = 4

func (a *API) addHistory() {
	add(a, route{method: http.MethodGet, path: "/v1/history", scope: ScopeHistory, name: "read-history",
		summary: "What is kept of a destination with history: the last messages, or the first ones behind a position",
		few:     atMost(maxHistories, "pages of history")}, a.readHistory)
}

type historyQuery struct {
	Destination string `query:"destination" required:"true" minLength:"1" maxLength:"8192" doc:"by its name on the bus, such as /topic/chat or /member/42/queue/inbox"`
	After       string `query:"after" maxLength:"600" doc:"only what came behind this position: that of a page, a message or an x-position header"`
	Limit       int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"fewer come where they take more than 8 MiB"`
}

// historyPage is a part of what is kept, the oldest message first.
type historyPage struct {
	Messages []gateway.KeptJSON `json:"messages" nullable:"false"`
	Position string             `json:"position,omitempty" doc:"of who has these: after which the next page begins, also when that has yet to be published; there is none where that can't be told"`
	More     bool               `json:"more" doc:"there are others behind them"`
}

func (a *API) readHistory(ctx context.Context, q *historyQuery) (p historyPage, err error) {
	page, err := a.node.History(ctx, q.Destination, q.After, q.Limit)
	if err != nil {
		return p, adviseHistory(err)
	}
	p = historyPage{Messages: make([]gateway.KeptJSON, len(page.Messages)), Position: page.Position, More: page.More}
	for i, m := range page.Messages {
		p.Messages[i] = m.JSON()
	}
	return p, nil
}

// adviseHistory adds to an error what to do.
func adviseHistory(err error) error {
	switch {
	case errors.Is(err, gateway.ErrNoHistory):
		return fmt.Errorf("%w: the channel that is about it has no history in the configuration", err)
	case errors.Is(err, gateway.ErrNotRecovered):
		return fmt.Errorf("%w; leave after out for the last messages that are", err)
	}
	return err
}
