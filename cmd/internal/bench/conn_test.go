package bench

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stompgw/stompgw/cmd/internal/client"
	"github.com/stompgw/stompgw/gateway/stomp"
)

// visitor subscribes, and leaves when it has got its receipt.
type visitor struct{ t *target }

var errSeen = errors.New("all was seen")

func (v visitor) frame(c *conn, f *stomp.Frame) error {
	switch f.Command {
	case stomp.CommandConnected:
		return c.write(append(c.pack(v.t.subscribeFrame(0, "/topic/a")), c.pack(v.t.goodbyeFrame())...))
	case stomp.CommandReceipt:
		return errSeen
	}
	return nil
}

func (visitor) pause() {}

func TestConn(t *testing.T) {
	for _, scheme := range []string{"ws", "tcp"} {
		s := &server{t: t}
		u, err := client.ParseURL(s.url(scheme))
		if err != nil {
			t.Fatal(err)
		}
		to := &target{urls: []*client.URL{u}, timeout: time.Minute, limits: frameLimits(0)}
		c, err := to.login(context.Background(), 0, visitor{to})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.read(); !errors.Is(err, errSeen) {
			t.Errorf("%s: %v", scheme, err)
		}
		<-c.up
	}
}
