package natsbus

import (
	"context"
	"fmt"
	"strings"
)

// A trial is to find out whether a node could keep history, and to make and change nothing. What a request may be, a
// server decides before it looks at what it asks for: so each is made with something that can't be carried out.

// tried is the name of a consumer that there is not.
const tried = "=try"

// tryOut returns why a node could not keep history.
func (h *history) tryOut(ctx context.Context, c *conn) error {
	info, err := h.inspect(ctx, c)
	switch missing := is(err, noSuchStream); {
	case missing && !h.create:
		return h.noStream()
	case err != nil && !missing:
		return err
	case !missing:
		if keep := h.keep.Load(); !h.create && keep != nil {
			h.leaveMissing(info, keep)
		}
		if err := h.fitness(info); err != nil {
			return err
		}
	}
	requests := []string{"STREAM.MSG.GET." + h.stream, "CONSUMER.CREATE." + h.stream + "." + tried, "CONSUMER.MSG.NEXT." + h.stream + "." + tried, "CONSUMER.DELETE." + h.stream + "." + tried}
	if h.create {
		requests = append(requests, "STREAM.CREATE."+h.stream, "STREAM.UPDATE."+h.stream)
	}
	return h.mayRequest(ctx, c, requests)
}

// mayRequest returns nil if the server permits requests of these kinds. It answers a PING after it has refused what came before.
func (h *history) mayRequest(ctx context.Context, c *conn, requests []string) error {
	for _, what := range requests {
		if err := c.nc.Publish("$JS.API."+what, []byte(`{"name":"-","stream_name":"-"}`)); err != nil {
			return err
		}
	}
	if err := c.flush(ctx, requestTimeout); err != nil {
		return err
	}
	c.refusals.catchUp(ctx, c.nc)
	var denied []string
	for _, what := range requests {
		if c.refusals.take("$JS.API." + what) {
			denied = append(denied, "$JS.API."+strings.Replace(what, tried, ">", 1))
		}
	}
	if len(denied) > 0 {
		return fmt.Errorf("%w: grant publish on %s", ErrPermission, strings.Join(denied, ", "))
	}
	return nil
}
