package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"sync"
	"time"
)

// repeats is how often a request is published in the time that a node has for an answer: the first
// may be lost with a connection to Redis, and a node acts on one alone.
const repeats = 4

// talk asks nodes, for one call of a method of Cluster, which has a channel for the answers then. One
// goroutine uses it; another one, its own, hears the answers.
type talk struct {
	cluster *Cluster
	token   string
	asked   int // questions so far
	stop    context.CancelFunc
	wg      sync.WaitGroup
	news    chan struct{} // holds one token while there may be an answer

	mu      sync.Mutex
	pending map[string]*question // by the ids of their requests
}

// question is a request to one node and what comes of it.
type question struct {
	node     string
	request  request
	fleeting bool // asked, but not waited for

	// Guarded by talk.mu until ask yields it.
	heard time.Time // when the node last said something, or was asked
	parts map[int]struct{}
	whole answer // of the parts so far
	done  bool
}

// err says why a question has no answer: ErrSilent, or what the node said.
func (q *question) err() error {
	switch {
	case !q.done:
		return fmt.Errorf("node %s: %w", q.node, ErrSilent)
	case q.whole.Error != "":
		return fmt.Errorf("node %s: %s", q.node, q.whole.Error)
	}
	return nil
}

// talk opens a talk, which the caller closes. The error is of Redis, or that ctx has ended.
func (c *Cluster) talk(ctx context.Context) (*talk, error) {
	t := &talk{cluster: c, token: newToken(), news: make(chan struct{}, 1), pending: map[string]*question{}}
	listening, stop := context.WithCancel(ctx)
	t.stop = stop
	first := make(chan error, 1) // whether Redis has taken the subscription
	say := func(err error) {
		select {
		case first <- err:
		default: // a later loss: requests are repeated, and Redis is missed when they are published
		}
	}
	ear := listener{ready: func() { say(nil) }, message: t.hear, away: say, look: lookEvery}
	t.wg.Go(func() { listen(listening, c.m.Client, ear, replyChannel(c.m, t.token)) })
	select {
	case err := <-first:
		if err != nil {
			t.close()
			return nil, fmt.Errorf("listen for answers of nodes: %w", err)
		}
		return t, nil
	case <-ctx.Done():
		t.close()
		return nil, context.Cause(ctx)
	}
}

func (t *talk) close() {
	t.stop()
	t.wg.Wait()
}

// ask puts questions to their nodes, and yields each when it has its answer or the node counts as
// silent. An error, of Redis or that ctx has ended, ends it.
func (t *talk) ask(ctx context.Context, questions []*question) iter.Seq2[*question, error] {
	return func(yield func(*question, error) bool) {
		defer t.expect(nil)
		t.expect(questions)
		again := time.NewTicker(max(t.cluster.patience/repeats, time.Millisecond))
		defer again.Stop()
		for err := t.publish(ctx, questions); ; {
			if err != nil {
				yield(nil, err)
				return
			}
			settled, waiting := t.settle(time.Now())
			for _, q := range settled {
				if !q.fleeting {
					t.cluster.silence.note(q.node, !q.done)
				}
				if !yield(q, nil) {
					return
				}
			}
			if len(waiting) == 0 {
				return
			}
			select {
			case <-t.news:
			case <-again.C:
				err = t.publish(ctx, waiting)
			case <-ctx.Done():
				err = context.Cause(ctx)
			}
		}
	}
}

// expect has the answers to questions heard, and no others.
func (t *talk) expect(questions []*question) {
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	clear(t.pending)
	for _, q := range questions {
		t.asked++
		q.request.ID, q.request.Reply = t.token+"-"+strconv.Itoa(t.asked), t.token
		q.heard, q.parts = now, map[int]struct{}{}
		t.pending[q.request.ID] = q
	}
}

// settle takes out the questions that need not be waited for any more, and returns the others too.
func (t *talk) settle(now time.Time) (settled, waiting []*question) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for id, q := range t.pending {
		if q.done || q.fleeting || now.Sub(q.heard) >= t.cluster.patience {
			settled = append(settled, q)
			delete(t.pending, id)
		} else {
			waiting = append(waiting, q)
		}
	}
	return settled, waiting
}

// publish sends the requests. How many have got them is not known: what PUBLISH returns counts one
// server of a Redis Cluster alone.
func (t *talk) publish(ctx context.Context, questions []*question) error {
	pipe := t.cluster.m.Client.Redis().Pipeline()
	for _, q := range questions {
		text, err := json.Marshal(q.request)
		if err != nil {
			return err
		}
		pipe.Publish(ctx, nodeChannel(t.cluster.m, q.node), text)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return fmt.Errorf("ask the nodes: %w", err)
	}
	return nil
}

// hear takes a message of the channel for answers. One that nobody waits for, or that makes no sense,
// is as good as none.
func (t *talk) hear(payload string) {
	a, err := parseAnswer(payload)
	if err != nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	q := t.pending[a.ID]
	if q == nil || q.add(a) != nil {
		return
	}
	q.heard = time.Now()
	select {
	case t.news <- struct{}{}:
	default: // ask has not taken the last token yet, and will see this too
	}
}

// add puts one part to the others.
func (q *question) add(a answer) error {
	_, again := q.parts[a.Part]
	if q.done || again || a.Node != q.node || len(q.parts) > 0 && a.Parts != q.whole.Parts {
		return errors.New("this part does not belong to the others")
	}
	q.parts[a.Part] = struct{}{}
	sessions, live := append(q.whole.Sessions, a.Sessions...), append(q.whole.Live, a.Live...)
	q.whole = a
	q.whole.Sessions, q.whole.Live = sessions, live
	q.done = len(q.parts) == a.Parts
	return nil
}
