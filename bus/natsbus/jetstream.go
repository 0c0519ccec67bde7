package natsbus

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/stompgw/stompgw/bus"
)

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
	Retention   string
	Discard     string
	Replicas    int  `json:"num_replicas"`
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

// mayRequest returns nil if the server permits requests of these kinds, which it decides before it looks at what they ask for: so
// each is made with something that can't be carried out. It answers a PING after it has refused what came before.
func mayRequest(ctx context.Context, c *conn, requests ...string) error {
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

// inspect asks what there is of the stream. What it returns is never nil.
func (h *history) inspect(ctx context.Context, c *conn) (*streamInfo, error) {
	info := new(streamInfo)
	return info, request(ctx, c, "STREAM.INFO."+h.stream, struct{}{}, info)
}

// encoded is JSON of what can't fail.
func encoded(v any) json.RawMessage {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return text
}
