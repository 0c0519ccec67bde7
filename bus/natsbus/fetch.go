package natsbus

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

// A fetcher brings what is stored, over a connection of its own, so that what is published now doesn't wait
// behind it. It pulls, a part at a time, and the lane has delivered one before the next is asked for. There are two: what is
// missing in a trail has live messages wait, so it doesn't wait for anybody's past. For each trail the server looks through
// its stream; where there are many in a short piece of it, reading that once is cheaper.

const (
	fetchers    = 4    // that are at work at once
	sweepFrom   = 50   // more trails than that are fetched for together,
	sweepWidth  = 4000 // if they lie in no more messages than so many for each
	onePart     = 500  // messages of one pull for one trail
	sweepPart   = 5000 // of one for many
	partBytes   = 4 << 20
	pullTimeout = 2 * time.Second
	idlePull    = 200 * time.Millisecond // within a part
	shortWait   = 20 * time.Millisecond  // for a replica that lags
	consumerFor = 10 * time.Second       // that one is there after its last pull
)

// want is what a trail wants to have fetched: the messages of its subject behind a place that it or its client knows, which
// shows that nothing behind it is gone.
type want struct {
	// Never changed.
	trail *trail
	log   uint64 // that it is to be fetched of
	past  bool   // it is for memory
	all   bool   // from the beginning
	proof bool   // all behind it was delivered: it is only asked whether the place is what it was
	to    uint64 // the trail has heard of this one,
	end   uint64 // and that the stream had so many then

	void atomic.Bool // nobody wants it any more

	// The fetcher's, and after a part has come the lane's.
	from    uint64 // at the earliest; a message after a gap, once that was found
	term    uint32 // of that place
	at      uint64 // nothing is missing up to there, from from on
	err     error
	found   int
	own     bool // the first that was found is that at from
	gap     bool // something may have gone before it
	cut     bool // another one is in its place
	whole   bool // nothing is gone behind it
	reached uint64

	// The lane's.
	done    bool
	told    bool // of the gap
	brought []place
}

// fetcher has what is to be fetched.
type fetcher struct {
	wake chan struct{} // has room for one signal

	mu    sync.Mutex
	wants []*want
}

// spare is a connection beside the bus's own, once it is needed.
type spare struct {
	bus    *Bus
	server address

	mu   sync.Mutex
	conn *conn
}

// looker asks how far back the stream goes.
type looker func() (*streamInfo, error)

// errAnotherLog reports a stream that was made anew. The keeper finds that out too, and tells the trails.
var errAnotherLog = errors.New("the stream is another one now")

// pull is an ephemeral consumer of the stream.
type pull struct {
	history *history
	conn    *conn
	name    string
	inbox   string
	sub     *nats.Subscription
	arrived chan *nats.Msg
	batch   int
	bytes   int
	turn    int
	pending uint64 // messages that the server had when it was last heard
	reached uint64 // in the stream
	number  uint64 // of the consumer's last message
}
