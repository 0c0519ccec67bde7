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
	Destination string `query:"destination" required:"true" minLength:"1" maxLength:"8192" doc:"its name on the bus, such as /topic/chat or /member/42/queue/inbox"`
	After       string `query:"after" maxLength:"600" doc:"only messages after this position, which comes from a page, a message or an x-position header"`
	Limit       int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"most messages of the page, which ends earlier at 8 MiB"`
}

func (a *API) readHistory(ctx context.Context, q *historyQuery) (gateway.HistoryJSON, error) {
	page, err := a.node.History(ctx, q.Destination, q.After, q.Limit)
	return page.JSON(), adviseHistory(err)
}

// adviseHistory adds to an error what to do.
func adviseHistory(err error) error {
	switch {
	case errors.Is(err, gateway.ErrNoHistory):
		return fmt.Errorf("%w: it is a pattern, or no channel that is about it has one in the configuration", err)
	case errors.Is(err, gateway.ErrNotRecovered):
		return fmt.Errorf("%w; leave after out for the last messages that are", err)
	}
	return err
}
