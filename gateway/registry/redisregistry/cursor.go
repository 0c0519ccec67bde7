package redisregistry

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ErrCursor reports a Query.After that does not come from a walk with the same Query.
var ErrCursor = errors.New("no cursor of a list with the same filter; begin again without one")

// cursor is where a walk is: behind the session with a key. In the layout Keys it is also at a step of the
// SCAN of a server; what a step finds is sorted, so that keys that come or go in between don't matter. A
// cursor without a key is the beginning.
type cursor struct {
	key    string
	scan   bool   // it is of the layout Keys
	step   uint64 // what Redis calls a cursor
	server string // the address; empty when there is only one
}

// String is what parseCursor takes.
func (c cursor) String() string {
	if !c.scan {
		return c.key
	}
	return strconv.FormatUint(c.step, 10) + "|" + c.server + "|" + c.key
}

// behind is where the walk is when it has come to a session.
func (c cursor) behind(key string) cursor {
	c.key = key
	return c
}

// parseCursor takes a Query.After of a layout.
func parseCursor(text string, layout Layout) (cursor, error) {
	c := cursor{key: text, scan: layout == Keys}
	var err error
	switch {
	case text == "":
	case c.scan:
		step, rest, _ := strings.Cut(text, "|")
		server, key, ok := strings.Cut(rest, "|")
		c.server, c.key = server, key
		if c.step, err = strconv.ParseUint(step, 10, 64); !ok {
			err = ErrCursor
		}
	default:
		_, _, err = parseOurKey(text)
	}
	if err != nil {
		err = fmt.Errorf("%q is %w", text, ErrCursor)
	}
	return c, err
}
