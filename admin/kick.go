package admin

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/stompgw/stompgw/gateway"
	"github.com/stompgw/stompgw/gateway/policy"
	"github.com/stompgw/stompgw/gateway/registry"
	"github.com/stompgw/stompgw/gateway/registry/redisregistry"
)

// Kick says how sessions are ended.
type Kick struct {
	gateway.Kick               // what the clients are told
	Rate         float64       // sessions a second at most, 0 for no limit
	Block        time.Duration // how long the members of the sessions can't connect, 0 for no block
	Whom         string        // says whose sessions those are, for the logs of the nodes
}

// OwnCodes is the first of the codes that are the applications' own.
const OwnCodes policy.Code = 1000

// ParseCode returns the code that text means: one of policy.Codes, by its number or word, or a number of one's own.
func ParseCode(text string) (policy.Code, error) {
	n, err := strconv.ParseInt(text, 10, 32)
	if err == nil && policy.Code(n) >= OwnCodes {
		return policy.Code(n), nil
	}
	for _, e := range policy.Codes() {
		if text == e.Word || err == nil && policy.Code(n) == e.Code {
			return e.Code, nil
		}
	}
	return 0, errors.New("want a code or word of `stompgw explain`, or a number of your own from 1000 on")
}

const minRate = 0.001 // a session in a quarter of an hour

func (k Kick) check() error {
	switch {
	case !(k.Rate == 0 || k.Rate >= minRate && k.Rate <= 1e9):
		return fmt.Errorf("a rate of %g sessions a second: want %g or more, or 0 for no limit", k.Rate, minRate)
	case k.Block < 0:
		return fmt.Errorf("members can't be blocked for %s", k.Block)
	}
	return k.Kick.Check()
}

// batch is how many sessions are kicked at once. What the rate allows in a tenth of a second keeps
// it even.
func (k Kick) batch() int {
	if k.Rate == 0 {
		return maxIDs
	}
	return int(min(max(k.Rate/10, 1), maxIDs))
}

// Outcome is what became of a session.
type Outcome string

const (
	Kicked Outcome = "kicked"
	Gone   Outcome = "already gone"
	Silent Outcome = "node silent" // it may have been done or not
)

// Result is what became of one session of a walk.
type Result struct {
	Session Session
	Outcome Outcome
	Blocked bool // its member can't connect for a while
}

// Kick ends the sessions of a walk, and yields one result for each as they come. It waits only once for a
// node that does not answer; sessions of a node of the replaced system, which can't be asked, count as
// those of a silent one. Members are blocked, and all nodes told so, before their sessions end; a session
// without a member has nobody to block. An error of the walk or of Redis ends it, and so does
// redisregistry.ErrTooManyBlocks.
func (c *Cluster) Kick(ctx context.Context, sessions iter.Seq2[Session, error], k Kick) iter.Seq2[Result, error] {
	return func(yield func(Result, error) bool) {
		w := c.newKicker(k, request{Op: opKick, Kick: k.Kick})
		w.did, w.missed = Kicked, Gone
		w.run(ctx, sessions, yield)
	}
}

// kicker is one call of Kick, or of EndSubscriptions, which ends subscriptions of sessions in the same way.
type kicker struct {
	cluster     *Cluster
	kick        Kick
	request     request // of each node, less its sessions
	did, missed Outcome // of a session that the node names in its answer, and of another one
	pace        pace
	nodes       []redisregistry.About // to be told of blocks; nil until there is one
	blocked     map[string]bool       // members
	asked       map[string]bool       // nodes
}

func (c *Cluster) newKicker(k Kick, r request) *kicker {
	if c.Operator != "" {
		r.By, r.Whom, r.Call = c.Operator, k.Whom, newToken()
		if k.Block > 0 {
			r.For = k.Block.String()
		}
	}
	return &kicker{cluster: c, kick: k, request: r, pace: pace{rate: k.Rate}, blocked: map[string]bool{}, asked: map[string]bool{}}
}

// run does it to the sessions of a walk.
func (w *kicker) run(ctx context.Context, sessions iter.Seq2[Session, error], yield func(Result, error) bool) {
	defer w.close(ctx)
	if err := w.kick.check(); err != nil {
		yield(Result{}, err)
		return
	}
	for batch, err := range Batches(sessions, w.kick.batch()) {
		if err != nil {
			yield(Result{}, err)
			return
		}
		for r, err := range w.end(ctx, batch) {
			if !yield(r, err) || err != nil {
				return
			}
		}
	}
}

// close lets the nodes know that this was all. One that does not hear it finds out by itself.
func (w *kicker) close(ctx context.Context) {
	if w.cluster.Operator == "" {
		return
	}
	var questions []*question
	for node := range w.asked {
		questions = append(questions, &question{node: node, request: request{Op: opDone, Call: w.request.Call}})
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second) // also after Ctrl-C
	defer cancel()
	w.cluster.publish(ctx, address(newToken(), questions)) // where it fails they find out, too
}

// end does it to some sessions.
func (w *kicker) end(ctx context.Context, sessions []Session) iter.Seq2[Result, error] {
	return func(yield func(Result, error) bool) {
		if err := w.prepare(ctx, sessions); err != nil {
			yield(Result{}, err)
			return
		}
		for _, s := range sessions {
			if _, own := s.own(); !own && !yield(w.result(s, Silent), nil) {
				return
			}
		}
		nodes := byNode(sessions)
		var questions []*question // one for each node, since there are no more sessions than one can hold
		for node, at := range nodes {
			questions = append(questions, w.question(node, slices.Sorted(maps.Keys(at))))
		}
		for q, err := range w.cluster.ask(ctx, questions) {
			if err != nil {
				yield(Result{}, err)
				return
			}
			for _, id := range q.request.Sessions {
				if !yield(w.result(sessions[nodes[q.node][id]], w.outcome(q, id)), nil) {
					return
				}
			}
		}
	}
}

// prepare waits until sessions may be ended, and keeps their members out.
func (w *kicker) prepare(ctx context.Context, sessions []Session) error {
	if err := w.pace.wait(ctx, len(sessions)); err != nil || w.kick.Block == 0 {
		return err
	}
	return w.block(ctx, sessions)
}

func (w *kicker) result(s Session, o Outcome) Result {
	return Result{Session: s, Outcome: o, Blocked: w.blocked[s.member()]}
}

// question has a node do it. One that was silent just now is told to, and not waited for.
func (w *kicker) question(node string, ids []registry.SessionID) *question {
	w.asked[node] = true
	r := w.request
	r.Sessions = ids
	return &question{node: node, fleeting: w.cluster.spares(node, w.request.Op), request: r}
}

// outcome is what a node's answer means for one of its sessions.
func (w *kicker) outcome(q *question, id registry.SessionID) Outcome {
	switch {
	case slices.Contains(q.whole.Sessions, id):
		return w.did
	case q.err() != nil:
		return Silent
	}
	return w.missed
}

// pace spreads what is done over time. Its zero value does not.
type pace struct {
	rate float64   // a second
	next time.Time // when there may be more
}

// wait returns when n more may be done, or ctx has ended. Time in which nothing was asked for is not
// made up for.
func (p *pace) wait(ctx context.Context, n int) error {
	if p.rate == 0 {
		return ctx.Err()
	}
	now := time.Now()
	if p.next.Before(now) {
		p.next = now
	}
	begin := time.After(p.next.Sub(now))
	p.next = p.next.Add(time.Duration(float64(n) / p.rate * float64(time.Second)))
	select {
	case <-begin:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
