package natsbus

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stompgw/stompgw/bus"
)

// One stream keeps what is published to destinations with history, for all nodes. It lies in files, has as many
// messages of each subject as a rule asks for at most, and drops the oldest where there are too many or too many
// bytes. They have no age: only then can a node say of a quiet destination that nothing came. The server
// publishes what it has stored once more, to <prefix>.h.<tokens>, with the number that it has in the stream.

// tend returns what there is of the stream, after it has made it if it is missing, and had it capture what is to
// have history.
func (h *history) tend(ctx context.Context, c *conn) (*streamInfo, error) {
	keep := h.keep.Load()
	info, err := h.inspect(ctx, c)
	if is(err, noSuchStream) && keep != nil {
		info, err = h.make(ctx, c, keep.Patterns, keep.Size)
	}
	if err == nil && keep != nil { // though it was made: another node may have been faster
		err = h.fit(ctx, c, info, keep)
	}
	if err == nil {
		err = h.noteRaised(ctx, c, info)
	}
	if err == nil {
		err = h.fitness(info)
	}
	return info, err
}

// isTurnedOver reports whether half of what the stream has came after the trails had asked last. They ask again then: one whose
// subscription or leader is another one can say that nothing was missed of a quiet destination as long as the stream still has what came
// after the question before.
func (h *history) isTurnedOver(info *streamInfo) bool {
	return (info.State.First+info.State.Last)/2 > h.known
}

// fitness returns why the stream, which somebody else may have made, can't be used at all, with what else is wrong with it.
func (h *history) fitness(info *streamInfo) error {
	var faults []string
	if to := info.Config.Republish; to.Src != h.prefix+".d.>" || to.Dest != h.prefix+".h.>" || to.HeadersOnly {
		faults = append(faults, fmt.Sprintf("does not republish %s.d.> to %s.h.>, with bodies", h.prefix, h.prefix))
	}
	if info.Config.Discard == "new" {
		faults = append(faults, "takes nothing more once it is full: its discard must be old")
	}
	if info.Config.Retention != "limits" {
		faults = append(faults, "removes what others have read: its retention must be limits")
	}
	if info.Config.NoAck {
		faults = append(faults, "does not say what it has stored: its no_ack must be false")
	}
	if faults == nil {
		return nil
	}
	fault := fmt.Errorf("stream %s: it %s: delete it, and a node creates it anew; or change it", h.stream, strings.Join(faults, ", and "))
	if left := h.left.Load(); left != nil {
		fault = fmt.Errorf("%w; and %w", fault, left.why)
	}
	return fault
}

func (h *history) noStream() error {
	return fmt.Errorf("there is no stream %s, and bus.nats.history.create is false: create it", h.stream)
}

// make makes the stream, to capture patterns. If another stream has something of that, it captures next to nothing at
// first, and fit adds what it can.
func (h *history) make(ctx context.Context, c *conn, patterns []string, size int) (*streamInfo, error) {
	if !h.create {
		return nil, h.noStream()
	}
	info := new(streamInfo)
	nothing := []string{"/" + h.stream} // a destination that nobody has
	err := request(ctx, c, "STREAM.CREATE."+h.stream, map[string]any{
		"name":                 h.stream,
		"description":          describes,
		"subjects":             capture(h.prefix, patterns, nil),
		"storage":              "file",
		"retention":            "limits",
		"discard":              "old",
		"max_msgs_per_subject": max(size, 1),
		"max_bytes":            h.bytes,
		"num_replicas":         h.replicas,
		"max_consumers":        -1,
		"max_msgs":             -1,
		"max_msg_size":         -1,
		"duplicate_window":     int64(time.Second), // nobody asks for it, and it takes memory
		"first_seq":            firstNumber(time.Now()),
		"republish":            map[string]string{"src": h.prefix + ".d.>", "dest": h.prefix + ".h.>"},
	}, info)
	switch {
	case is(err, nameInUse): // another node was faster
		return h.inspect(ctx, c)
	case is(err, taken) && !slices.Equal(patterns, nothing):
		return h.make(ctx, c, nothing, size)
	case is(err, noStorage):
		return nil, fmt.Errorf("stream %s: %w: give JetStream more storage, or lower bus.nats.history.bytes", h.stream, err)
	case err != nil:
		return nil, fmt.Errorf("stream %s can't be created: %w", h.stream, err)
	}
	h.altered()
	return info, nil
}

// altered notes that the stream has been made or changed. Whoever changes it writes all that it has to be, and another node may do
// so at the same moment, by other rules: so there is another look soon, at a moment that is no other node's.
func (h *history) altered() {
	h.alters = true
	time.AfterFunc(h.again/2+rand.N(h.again), h.refresh)
}

// firstNumber is where a stream begins that is made now: above all numbers of one that had its name. Servers
// before 2.10 begin at 1.
func firstNumber(now time.Time) uint64 { return uint64(now.UnixMilli()) * 1000 }

// fit has the stream capture what it does not yet, as far as it can, and keep as many.
func (h *history) fit(ctx context.Context, c *conn, info *streamInfo, keep *bus.Keep) (err error) {
	if !h.create {
		h.leaveMissing(info, keep) // that it keeps fewer is its maker's choice
		return nil
	}
	missing := h.missing(info.Config.Subjects, keep.Patterns)
	few := info.Config.PerSubject > 0 && info.Config.PerSubject < keep.Size
	if few || len(missing) > 0 {
		err = mayRequest(ctx, c, "STREAM.UPDATE."+h.stream) // else there would be no answer
		if err == nil {
			err = h.add(ctx, c, info, missing, keep.Size)
		}
	}
	if err != nil && !lasting(err) {
		return err
	}
	h.leaveOut(info, h.missing(info.Config.Subjects, keep.Patterns), err)
	return nil
}

// add has the stream capture as many of patterns as it can, and keep size messages of each subject. The error is why it can't
// do all of that.
func (h *history) add(ctx context.Context, c *conn, info *streamInfo, patterns []string, size int) error {
	err := h.update(ctx, c, info, capture(h.prefix, patterns, info.Config.Subjects), size)
	if !is(err, taken) || len(patterns) < 2 {
		return err
	}
	half := len(patterns) / 2
	first := h.add(ctx, c, info, patterns[:half], size)
	if first != nil && !lasting(first) {
		return first
	}
	return cmp.Or(h.add(ctx, c, info, patterns[half:], size), first)
}

// update has the stream capture subjects, and keep size messages of each at least.
func (h *history) update(ctx context.Context, c *conn, info *streamInfo, subjects []string, size int) error {
	config := maps.Clone(info.Config.all)
	config["subjects"] = encoded(subjects)
	if n := info.Config.PerSubject; n > 0 && n < size {
		raise(config, size)
	}
	changed := new(streamInfo)
	if err := request(ctx, c, "STREAM.UPDATE."+h.stream, config, changed); err != nil {
		return fmt.Errorf("it can't be changed: %w", err)
	}
	*info = *changed
	h.altered()
	return nil
}

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
	if err := mayRequest(ctx, c, "STREAM.UPDATE."+h.stream); errors.Is(err, ErrPermission) {
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

// tried is the name of a consumer that there is not.
const tried = "=try"

// tryOut returns why a node could not keep history, for a trial: it makes and changes nothing.
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
	return mayRequest(ctx, c, requests...)
}
