package natsbus

import (
	"time"

	"github.com/stompgw/stompgw/bus"
)

// patience bounds how long a Recall takes; lag is how long a node waits for what is on its way to it, before it asks
// the stream.
const (
	recallPatience = 5 * time.Second
	lag            = 100 * time.Millisecond
)

// recall is a Recall without an answer.
type recall struct {
	history *history
	wish    bus.Wish
	done    func(bus.Recalled)

	// Of the trail's lane.
	timer   *time.Timer // ends its patience; nil before it has to wait
	asked   time.Time   // after which the stream's answer counts, if its position is above the trail; zero: not yet
	lags    bool        // it waits for that
	fetched *want       // what is to bring what lies behind its position
	all     *want       // what is to bring all there is
	vain    bool        // its position doesn't stand; it gets the last ones
}
