package natsbus

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/stompgw/stompgw/bus"
)

// One stream keeps what is published to destinations with history, for all nodes. It lies in files, has as many
// messages of each subject as a rule asks for at most, and drops the oldest where there are too many or too many
// bytes. They have no age: only then can a node say of a quiet destination that nothing came. The server
// publishes what it has stored once more, to <prefix>.h.<tokens>, with the number that it has in the stream.
//
// These few requests of JetStream's API are JSON over core NATS; nats.go's package for them would add more code
// than they are.

// requestTimeout is how long a server may take to answer one. While a cluster elects, requests are lost: they are made
// again.
const requestTimeout = 2 * time.Second

var errNoJetStream = errors.New("the NATS server has no JetStream, which history needs: switch it on, with jetstream {} in its configuration or with -js; an embedded one has it if it can write to its folder for temporary files, TMPDIR")

// errNoAnswer is a request that may be answered the next time.
var errNoAnswer = fmt.Errorf("%w: JetStream", bus.ErrDown)

// apiError is what a server says of a request that it does not carry out.
type apiError struct {
	Code        int    `json:"code"`
	ErrCode     int    `json:"err_code"`
	Description string `json:"description"`
}

func (e *apiError) Error() string { return fmt.Sprintf("%s (%d)", e.Description, e.ErrCode) }

// Those that mean something to a node, by ErrCode.
const (
	messageTooLarge = 10054
	noMessage       = 10037
	notForAccount   = 10039
	noSuchStream    = 10059
	nameInUse       = 10058
	taken           = 10065 // another stream has one of the subjects
	noStorage       = 10047
)

// is reports whether err is a server's error of the given kind.
func is(err error, errCode int) bool {
	var api *apiError
	return errors.As(err, &api) && api.ErrCode == errCode
}

// streamInfo is what a server says of a stream.
type streamInfo struct {
	Config  streamConfig `json:"config"`
	Created time.Time    `json:"created"`
	State   struct {
		First uint64 `json:"first_seq"`
		Last  uint64 `json:"last_seq"`
	} `json:"state"`
	Cluster struct {
		Leader string    `json:"leader"`
		Since  time.Time `json:"leader_since"` // of new servers
	} `json:"cluster"`
}

// streamConfig is what a stream was made to do.
type streamConfig struct {
	Subjects    []string
	Description string
	PerSubject  int           `json:"max_msgs_per_subject"` // messages of one that it keeps; below 1 is any number
	MaxAge      time.Duration `json:"max_age"`
	Storage     string
	Replicas    int `json:"num_replicas"`
	Retention   string
	Discard     string
	NoAck       bool `json:"no_ack"`
	Republish   struct {
		Src, Dest   string
		HeadersOnly bool `json:"headers_only"`
	}

	all map[string]json.RawMessage // with what a newer server knows
}

// UnmarshalJSON implements json.Unmarshaler.
func (cfg *streamConfig) UnmarshalJSON(text []byte) error {
	type known streamConfig // without this method
	return cmp.Or(json.Unmarshal(text, (*known)(cfg)), json.Unmarshal(text, &cfg.all))
}

// leader is the server that leads the stream, and since when if that is told; empty where there is one server alone.
func (i *streamInfo) leader() string {
	if i.Cluster.Since.IsZero() {
		return i.Cluster.Leader
	}
	return i.Cluster.Leader + i.Cluster.Since.String()
}

// log is which one it is of those that had its name.
func (i *streamInfo) log() uint64 { return uint64(i.Created.UnixNano()) }

// request sends one request to JetStream, and decodes the answer.
func request(ctx context.Context, c *conn, what string, question, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	body, err := json.Marshal(question)
	if err != nil {
		return err
	}
	subject := "$JS.API." + what
	msg, err := c.nc.RequestWithContext(ctx, subject, body)
	switch {
	case errors.Is(err, nats.ErrNoResponders):
		return errNoJetStream
	case err != nil && c.refusals.any() && c.refusals.take(subject):
		return fmt.Errorf("%w: grant publish on %s", ErrPermission, subject)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%w: nothing to %s in %s: it has no leader, or the node's user may not publish there", errNoAnswer, subject, requestTimeout)
	case err != nil:
		return err
	}
	var failed struct{ Error *apiError }
	if err := json.Unmarshal(msg.Data, &failed); err != nil {
		return fmt.Errorf("answer to %s: %w", subject, err)
	}
	switch {
	case failed.Error == nil:
		return json.Unmarshal(msg.Data, answer)
	case failed.Error.Code == http.StatusServiceUnavailable: // as a cluster elects
		return fmt.Errorf("%w: %w", errNoAnswer, failed.Error)
	case failed.Error.ErrCode == notForAccount:
		return fmt.Errorf("%w: this account of the server has none", errNoJetStream)
	}
	return failed.Error
}

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

// inspect asks what there is of the stream. What it returns is never nil.
func (h *history) inspect(ctx context.Context, c *conn) (*streamInfo, error) {
	info := new(streamInfo)
	return info, request(ctx, c, "STREAM.INFO."+h.stream, struct{}{}, info)
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
		faults = append(faults, "takes nothing more once it is full: its discard has to be old")
	}
	if info.Config.Retention != "limits" {
		faults = append(faults, "removes what others have read: its retention has to be limits")
	}
	if info.Config.NoAck {
		faults = append(faults, "does not say what it has stored: its no_ack has to be false")
	}
	if faults == nil {
		return nil
	}
	fault := fmt.Errorf("stream %s: it %s: delete it, and a node makes it anew; or change it", h.stream, strings.Join(faults, ", and "))
	if left := h.left.Load(); left != nil {
		fault = fmt.Errorf("%w; and %w", fault, left.why)
	}
	return fault
}

func (h *history) noStream() error {
	return fmt.Errorf("there is no stream %s, and bus.nats.history.create is false: make it", h.stream)
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
		return nil, fmt.Errorf("stream %s can't be made: %w", h.stream, err)
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
		err = h.mayRequest(ctx, c, []string{"STREAM.UPDATE." + h.stream}) // else there would be no answer
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

// encoded is JSON of what can't fail.
func encoded(v any) json.RawMessage {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return text
}
