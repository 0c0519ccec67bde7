package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/stompgw/stompgw/gateway/registry/redisregistry"
)

const (
	// repeats is how often a request is published in the time that a node has for an answer: the first
	// may be lost with a connection to Redis, and a node acts on one alone.
	repeats = 4

	// listenTimeout is how long Redis may take to confirm that it will bring the answers.
	listenTimeout = 6 * time.Second
)

// errDeaf ends questions whose answers would not be heard.
var errDeaf = fmt.Errorf("listen for answers of nodes: %w", net.ErrClosed)

// question is a request to one node and what comes of it.
type question struct {
	node     string
	request  request
	fleeting bool // asked, but not waited for

	// Of ask, until it yields the question.
	heard time.Duration // how long after the first time that it was asked the node last said something
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

// add puts one part to the others.
func (q *question) add(a answer) error {
	_, again := q.parts[a.Part]
	if q.done || again || a.Node != q.node || len(q.parts) > 0 && a.Parts != q.whole.Parts {
		return errors.New("this part does not belong to the others")
	}
	q.parts[a.Part] = struct{}{}
	before := q.whole
	q.whole = a
	q.whole.Sessions, q.whole.Live = append(before.Sessions, a.Sessions...), append(before.Live, a.Live...)
	q.whole.Names, q.whole.Present = append(before.Names, a.Names...), append(before.Present, a.Present...)
	q.done = len(q.parts) == a.Parts
	return nil
}

// questions ask nodes the same. Those of the replaced system can't be asked, and who was silent just now is not waited
// for with blocks.
func (c *Cluster) questions(nodes []redisregistry.About, r request) (all []*question) {
	for _, n := range nodes {
		if !n.Foreign() {
			all = append(all, &question{node: n.Node, request: r, fleeting: r.Op == opRefresh && c.spares(n.Node, r.Op)})
		}
	}
	return all
}

// unspared are questions to those nodes alone that were not silent just now.
func (c *Cluster) unspared(nodes []redisregistry.About, r request) []*question {
	return slices.DeleteFunc(c.questions(nodes, r), func(q *question) bool { return c.spares(q.node, r.Op) })
}

// askAll asks, and tells what came of each question.
func (c *Cluster) askAll(ctx context.Context, questions []*question, told func(*question)) error {
	for q, err := range c.ask(ctx, questions) {
		if err != nil {
			return err
		}
		told(q)
	}
	return nil
}

// ask puts questions to their nodes, and yields each when it has its answer or the node counts as silent. An error,
// of Redis or that ctx has ended, ends it. It has a channel, and a connection, of its own for the answers. It waits for its
// turn before, see maxAsks: who goes through the questions must not ask others in between.
func (c *Cluster) ask(ctx context.Context, questions []*question) iter.Seq2[*question, error] {
	return func(yield func(*question, error) bool) {
		if len(questions) == 0 {
			return
		}
		select {
		case c.asks <- struct{}{}:
			defer func() { <-c.asks }()
		case <-ctx.Done():
			yield(nil, context.Cause(ctx))
			return
		}
		token := newToken()
		answers := c.m.Client.Redis().Subscribe(ctx) // to nothing yet: that waits for nobody
		defer answers.Close()                        // nothing is lost with it
		messages, err := hearken(ctx, answers, replyChannel(c.m, token))
		open := address(token, questions)
		if err == nil {
			err = c.publish(ctx, open)
		}
		again := time.NewTicker(max(c.patience/repeats, time.Millisecond))
		defer again.Stop()
		begun, telling := time.Now(), time.Duration(0)
		clock := func() time.Duration { return time.Since(begun) - telling } // stands still while somebody is told
		for err == nil {
			for id, q := range open {
				if !q.done && !q.fleeting && clock()-q.heard < c.patience {
					continue
				}
				delete(open, id)
				if !q.fleeting {
					c.note(q.node, q.request.Op, !q.done)
				}
				before := clock()
				if !yield(q, nil) {
					return
				}
				telling += clock() - before
			}
			if len(open) == 0 {
				return
			}
			select {
			case m := <-messages:
				if m == nil { // the client was made anew
					err = errDeaf
				} else {
					hear(open, m.Payload, clock())
				}
			case <-again.C:
				err = c.publish(ctx, open)
			case <-ctx.Done():
				err = context.Cause(ctx)
			}
		}
		yield(nil, err)
	}
}

// hearken returns what comes on a channel from now on.
func hearken(ctx context.Context, answers *redis.PubSub, channel string) (<-chan *redis.Message, error) {
	stop := context.AfterFunc(ctx, func() { answers.Close() }) // which ends a Receive
	err := answers.Subscribe(ctx, channel)
	if err == nil {
		_, err = answers.ReceiveTimeout(ctx, listenTimeout)
	}
	switch {
	case !stop():
		return nil, context.Cause(ctx)
	case err != nil:
		return nil, fmt.Errorf("listen for answers of nodes: %w", err)
	}
	return answers.Channel(), nil
}

// address makes requests of questions, and returns these by the ids of those.
func address(token string, questions []*question) map[string]*question {
	open := make(map[string]*question, len(questions))
	for i, q := range questions {
		q.request.ID, q.request.Reply = token+"-"+strconv.Itoa(i+1), token
		q.parts = map[int]struct{}{}
		open[q.request.ID] = q
	}
	return open
}

// publish sends the requests. How many have got them is not known: what PUBLISH returns counts one
// server of a Redis Cluster alone.
func (c *Cluster) publish(ctx context.Context, open map[string]*question) error {
	pipe := c.m.Client.Redis().Pipeline()
	for _, q := range open {
		text, err := json.Marshal(q.request)
		if err != nil {
			return err
		}
		pipe.Publish(ctx, nodeChannel(c.m, q.node), text)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return fmt.Errorf("ask the nodes: %w", err)
	}
	return nil
}

// hear takes a message of the channel for answers. One that nobody waits for, or that makes no sense,
// is as good as none.
func hear(open map[string]*question, payload string, now time.Duration) {
	a, err := parseAnswer(payload)
	if q := open[a.ID]; err == nil && q != nil && q.add(a) == nil {
		q.heard = now
	}
}
