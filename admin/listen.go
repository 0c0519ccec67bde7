package admin

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	pingEvery   = 3 * time.Second        // on a subscription that is quiet
	listenAgain = 100 * time.Millisecond // after a subscription was lost
)

// listener is told what comes of a subscription, on the goroutine that listens. None of its functions
// may block for long.
type listener struct {
	ready   func() // Redis has confirmed: what is published from now on comes
	message func(payload string)
	away    func(err error) // the subscription is lost, or can't be made; ready follows when it is back
	ping    time.Duration   // pingEvery, less for tests
}

// errMute ends a subscription whose server, or the way to it, is gone without a word.
var errMute = errors.New("redis does not answer on a subscription")

// listen subscribes to channels and keeps the subscription alive until ctx ends. The client finds the
// server for each new one, which matters on Redis Cluster and after a fail-over.
func listen(ctx context.Context, client redis.UniversalClient, l listener, channels ...string) {
	for ctx.Err() == nil {
		if err := l.subscribe(ctx, client, channels); ctx.Err() == nil {
			l.away(err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(listenAgain):
		}
	}
}

// subscribe listens until the subscription is lost, or ctx ends.
func (l listener) subscribe(ctx context.Context, client redis.UniversalClient, channels []string) (err error) {
	var mute error // read when the watch has ended
	defer func() {
		if mute != nil {
			err = mute
		}
	}()
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ps := client.Subscribe(ctx) // to nothing yet: that waits for nobody
	var heard atomic.Bool
	wg.Go(func() { mute = l.watch(ctx, ps, &heard) })
	if err := ps.Subscribe(ctx, channels...); err != nil {
		return err
	}
	for confirmed := 0; ; {
		m, err := ps.Receive(ctx)
		if err != nil {
			return err
		}
		heard.Store(true)
		switch m := m.(type) {
		case *redis.Subscription:
			if confirmed++; confirmed == len(channels) {
				l.ready()
			}
		case *redis.Message:
			l.message(m.Payload)
		}
	}
}

// watch pings while nothing is heard, and closes ps at the end of ctx, or when a ping is not answered
// until the next one is due. Closing is what ends a Receive.
func (l listener) watch(ctx context.Context, ps *redis.PubSub, heard *atomic.Bool) error {
	defer ps.Close() // nothing is lost with it
	tick := time.NewTicker(l.ping)
	defer tick.Stop()
	for asked := false; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		switch {
		case heard.Swap(false):
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
