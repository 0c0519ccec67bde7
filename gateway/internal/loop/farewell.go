package loop

import "time"

// longestFarewell is how long a client that reads slowly has for the last that is sent to it.
const longestFarewell = 30 * time.Second

// farewell is the Handler of a connection that Finish ends. It throws away what still comes, and looks
// whether the other side takes what is on its way.
type farewell struct {
	conn   *Conn
	linger time.Duration // between two looks
	unsent int           // bytes that were on their way when it looked last
	until  time.Duration // loop time at which it is over in any case
}

func (f *farewell) Timeout() {
	n := f.conn.Outstanding()
	if n == 0 || n >= f.unsent || f.conn.loop.now >= f.until {
		f.conn.Abort()
		return
	}
	f.unsent = n
	f.conn.setTimer(f.linger)
}

func (f *farewell) Feed(b []byte) int { return len(b) }
func (f *farewell) Overflow()         {}
func (f *farewell) Closed(error)      {}
