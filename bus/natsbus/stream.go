package natsbus

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

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

// streamInfo is what a server says of a stream.
type streamInfo struct {
	Config  map[string]json.RawMessage `json:"config"` // with all that a newer server knows
	Created time.Time                  `json:"created"`
	State   struct {
		First uint64 `json:"first_seq"`
		Last  uint64 `json:"last_seq"`
	} `json:"state"`
	Cluster struct {
		Leader string    `json:"leader"`
		Since  time.Time `json:"leader_since"` // of new servers
	} `json:"cluster"`
}
