package natsbus

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
)

// A stream keeps as many messages of each subject as any rule has asked for. When that grows, what the smaller number
// has removed stays away, and nothing shows it. So the stream's description says from which message on its
// number holds: when a node raises it, first that nobody knows, and then the last that was there when it was raised.

const (
	describes    = "history of stompgw"
	raisedSince  = "; keeps as many since " // and a number
	unknownSince = raisedSince + "?"
)

// kept is how many messages of a subject the stream keeps, below 1 for any number, and behind which one that holds.
func (i *streamInfo) kept() (limit int, since uint64) {
	if _, number, ok := strings.Cut(i.Config.Description, raisedSince); ok {
		var err error
		if since, err = strconv.ParseUint(number, 10, 64); err != nil {
			since = math.MaxUint64
		}
	}
	return i.Config.PerSubject, since
}

// raise has the configuration that a stream is to get keep n messages of a subject.
func raise(config map[string]json.RawMessage, n int) {
	config["max_msgs_per_subject"], config["description"] = encoded(n), encoded(describes+unknownSince)
}

// noteRaised has the stream say since when it keeps as many, if somebody has raised that and nobody has said it.
func (h *history) noteRaised(ctx context.Context, c *conn, info *streamInfo) error {
	if !h.create || !strings.HasSuffix(info.Config.Description, unknownSince) {
		return nil
	}
	if err := h.mayRequest(ctx, c, []string{"STREAM.UPDATE." + h.stream}); errors.Is(err, ErrPermission) {
		return nil // another node says it
	}
	fresh, err := h.inspect(ctx, c)
	if err != nil {
		return err
	}
	if fresh.Config.PerSubject != info.Config.PerSubject {
		return nil // another node is at it
	}
	fresh.Config.all["description"] = encoded(describes + raisedSince + strconv.FormatUint(fresh.State.Last, 10))
	return request(ctx, c, "STREAM.UPDATE."+h.stream, fresh.Config.all, info)
}
