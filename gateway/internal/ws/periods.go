package ws

import "time"

// Periods are how patient the server is. All connections of a node share them.
type Periods struct {
	Ping   time.Duration // between two pings
	Dead   time.Duration // without any byte of the client, pongs included, until it is given up at the next ping
	Close  time.Duration // for the client's Close frame after ours
	Linger time.Duration // for the client to take a last word and to close the socket
}

// DefaultPeriods are 25 s, since proxies cut connections that are silent for 30 s or more; so much
// that three pings have had no answer; 5 s; and 1 s.
func DefaultPeriods() Periods {
	return Periods{Close: 5 * time.Second, Linger: time.Second}.WithPing(25 * time.Second)
}

// WithPing returns the periods with another time between pings, three of which need an answer.
func (p Periods) WithPing(ping time.Duration) Periods {
	p.Ping, p.Dead = ping, 3*ping+5*time.Second
	return p
}
