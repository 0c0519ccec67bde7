package natsbus

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/seldom"
)

// What has history goes through a stream (stream.go), and what a node has delivered of one destination is its
// trail (trail.go), which the goroutine of its lane owns. Some goroutines of each connection work for the trails:
// the keeper looks after the stream and asks it what it has last of a subject, and the fetchers (fetch.go) bring
// what is missing. What they learn, they hand to the lane.
//
// A stream is known by the moment at which it was made. One that was made anew, and one that has lost its end as a
// server lost its power, is another log. The keeper finds out on each connection, and when a trail meets a
// number that it can't explain.

// History says how a node keeps history, and is part of Config. None of it costs anything before Remember.
type History struct {
	Stream   string // its name; default STOMPGW, and with another Prefix than stomp that behind it
	Existing bool   // never make or change it
	Trial    bool   // nor that: only find out whether one could, as Healthy tells
	Replicas int    // of a stream that is made; default 1
	Bytes    int64  // that it may take, default 1 GiB
}

// beat is how often the keeper looks whether something was dropped, or waits in vain.
const beat = time.Second

// glance is how often the keeper looks at the stream though nothing tells it to, at most; up to three times as long goes
// by, by chance, as all nodes do. A stream that was deleted says nothing, if somebody hears what is published to it.
const glance = 10 * time.Second

// again is after how long, about, it looks again after it has changed the stream.
const again = time.Second / 2

// lateAck is for how long the stream may owe an answer to what was published to it, before that is a silence.
const lateAck = 2 * time.Second

// askers is how many questions about subjects are under way at once.
const askers = 16

// history is what a bus knows of the past.
type history struct {
	// Never changed.
	prefix, stream string
	create, trial  bool
	replicas       int
	bytes          int64
	patience       time.Duration // with the stream, before it can't be used
	glance, again  time.Duration

	keep      atomic.Pointer[bus.Keep] // nil: nothing has history
	wake      chan struct{}            // the keeper; has room for one signal
	repairs   *fetcher                 // what is missing between what came and what comes
	pasts     *fetcher                 // what came before
	fault     atomic.Pointer[error]    // why what is missing can't be fetched; nil: it can
	cause     atomic.Pointer[error]    // why the stream can't be used; nil: it can
	left      atomic.Pointer[leftOut]  // nil: nothing
	later     atomic.Bool              // what has history is another than at the start: what of it can't be had makes no node unready
	silence   silence                  // of the stream
	trailed   atomic.Bool              // something with history was watched
	elections atomic.Uint64            // of servers that lead the stream, as far as this node knows (election.go)

	mu      sync.Mutex
	changed bool             // the stream may have
	elected bool             // another server leads it, and trails have yet to ask that one
	leader  string           // empty before it was heard of, and where there is one server alone
	asking  map[*trail]bool  // who has a question
	missed  map[*trail]bool  // who may lack something, and asks at the next beat
	slow    map[*trail]*slow // whose subscription has dropped something
	recalls map[*recall]bool // that have no answer yet
	now     *era             // nil before the stream was found
	ackFrom uint64           // the acks behind this number are of the present log

	failLog seldom.Line

	// The keeper's.
	nextLook time.Time
	alters   bool   // it has just changed the stream
	unsure   uint64 // the number of an ack: up to it they may have been owed by a stream that was not there
}

// era is a log, as far as it is known to go on.
type era struct {
	number uint64 // grows with each log, and each loss of an end
	log    uint64
	last   uint64 // the stream's, when it was asked
	end    record // that message, or an earlier one if it was gone
	asked  time.Time
	seen   *atomic.Uint64 // the highest number that anybody has seen in it
}

// slow is what a trail's subscription has dropped.
type slow struct {
	sub     *nats.Subscription
	dropped uint64 // as of the last beat
}
