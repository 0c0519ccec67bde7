package admin

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/stompgw/stompgw/gateway/registry/redisregistry"
)

const (
	lookEvery   = 3 * time.Second        // after a subscription
	lookRarely  = time.Minute            // when to connect anew has not helped
	listenAgain = 100 * time.Millisecond // after a subscription was lost
)

var (
	// errMute ends a subscription whose server, or the way to it, is gone without a word.
	errMute = errors.New("redis does not answer on a subscription")

	// errElsewhere ends one that is not where others publish.
	errElsewhere = errors.New("what is published at the address of redis does not arrive: it is another redis now, or the connections hang; connecting anew")
)

// listen subscribes to the channel of the node and keeps the subscription alive until ctx ends. It sees to it that it
// hears what anybody publishes who dials Redis now. The client finds the server for each new subscription, which
// matters on Redis Cluster and after a fail-over.
func (c *Control) listen(ctx context.Context) {
	look := c.look
	for ctx.Err() == nil {
		s := &subscription{Control: c, client: c.m.Client, channel: nodeChannel(c.m, c.node.String())}
		err := s.run(ctx, look)
		if s.proved {
			look = c.look
		}
		if errors.Is(err, errElsewhere) {
			s.client.Renew()
			look = min(2*look, max(lookRarely, c.look))
		}
		renewed := errors.Is(err, net.ErrClosed) // by the node itself, which is no loss
		if ctx.Err() == nil && !renewed {
			c.reached(err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(listenAgain):
		}
	}
}

// subscription is one life of what listen keeps alive.
type subscription struct {
	*Control
	client  *redisregistry.Client
	channel string

	confirmed atomic.Bool
	heard     atomic.Bool            // something, since the last look
	proof     atomic.Pointer[string] // the last message to itself; nil for none
	due       atomic.Int32           // how often that has still to come

	// Owned by watch, and read when that has ended.
	proved bool // a look has found that all such messages had come
}

// run listens until the subscription is lost, or ctx ends.
func (s *subscription) run(ctx context.Context, look time.Duration) (err error) {
	var fault error // read when the watch has ended
	defer func() {
		if fault != nil {
			err = fault
		}
	}()
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ps := s.client.Redis().Subscribe(ctx) // to nothing yet: that waits for nobody
	wg.Go(func() { fault = s.watch(ctx, ps, look) })
	if err := ps.Subscribe(ctx, s.channel); err != nil {
		return err
	}
	for {
		m, err := ps.Receive(ctx)
		if err != nil {
			return err
		}
		s.heard.Store(true)
		switch m := m.(type) {
		case *redis.Subscription:
			s.confirmed.Store(true)
			s.reached(nil)
		case *redis.Message:
			if proof := s.proof.Load(); proof != nil && m.Payload == *proof {
				s.due.Add(-1)
			} else if !isToken(m.Payload) { // which only a message to itself is
				s.take(m.Payload)
			}
		}
	}
}

// watch looks after ps, and closes it at the end of ctx, or when it is no good any more. Closing is what
// ends a Receive.
func (s *subscription) watch(ctx context.Context, ps *redis.PubSub, look time.Duration) error {
	defer ps.Close() // nothing is lost with it
	for asked, proving := false, false; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(look): // from when the last look has ended
		}
		if s.due.Load() > 0 {
			return errElsewhere
		}
		heard := s.heard.Swap(false)
		s.proved = s.proved || proving
		proving = s.confirmed.Load() && s.prove(ctx)
		switch {
		case heard, proving:
			asked = false
			continue
		case asked:
			return errMute
		}
		if err := ps.Ping(ctx); err != nil {
			return err
		}
		asked = true
	}
}

// prove publishes a message to the subscription itself: over a connection that is dialled anew, as those of
// operators are, and over those that the node has. What the first can do the others have to be able to as
// well. It reports whether the first can: else Redis is away for everybody, and nothing is known.
func (s *subscription) prove(ctx context.Context) bool {
	proof := newToken()
	s.proof.Store(&proof)
	s.due.Store(2)
	fresh := s.client.Fresh()
	defer fresh.Close() // nothing is lost with it
	if err := fresh.Publish(ctx, s.channel, proof).Err(); err != nil {
		s.due.Store(0)
		return false
	}
	s.client.Redis().Publish(ctx, s.channel, proof) // where it fails, the message does not come
	return true
}
