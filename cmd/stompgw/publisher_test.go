package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"
)

// errorChannel is where refusals go.
const errorChannel = "/session/queue/request-error"

// publisher is a client that sends numbered messages to several destinations by turns, each with a
// receipt, and never again what was refused.
type publisher struct {
	*client
	run     string
	streams []*stream
	free    chan struct{}      // a token for each SEND that may go
	pause   chan time.Duration // what a refusal asked for, at most one
	ended   chan error         // why it stopped reading

	mu      sync.Mutex
	refused map[int]int // SENDs by code
	hinted  int         // refusals with a time to wait
}

// newPublisher returns a publisher of which at most window SENDs wait for their answers.
func newPublisher(t *testing.T, addr, run string, streams []*stream, window int) *publisher {
	t.Helper()
	p := &publisher{
		client:  connect(t, addr),
		run:     run,
		streams: streams,
		free:    make(chan struct{}, window),
		pause:   make(chan time.Duration, 1),
		ended:   make(chan error, 1),
		refused: make(map[int]int),
	}
	for range window {
		p.free <- struct{}{}
	}
	p.subscribe(t, errorChannel)
	go func() { p.ended <- p.answers() }()
	t.Cleanup(func() { // before connect's
		p.conn.Close()
		<-p.ended
	})
	return p
}

// publish sends count messages, or those until ctx ends if that is earlier, with a pause between
// two of them, and returns when all are answered.
func (p *publisher) publish(ctx context.Context, count int, pace time.Duration) error {
	wait := time.NewTimer(0)
	defer wait.Stop()
	for i := 0; i < count && ctx.Err() == nil; i++ {
		select {
		case <-p.free:
		case err := <-p.ended:
			p.ended <- err
			return fmt.Errorf("a publisher lost its connection: %w", err)
		}
		s := p.streams[i%len(p.streams)]
		n := s.next()
		if err := p.write("SEND", s.body(p.run, n), "destination", s.destination, "receipt", fmt.Sprintf("%d %d", i%len(p.streams), n)); err != nil {
			return err
		}
		if pace == 0 {
			continue
		}
		wait.Reset(max(pace, p.asked()))
		select {
		case <-wait.C:
		case <-ctx.Done():
		}
	}
	return p.drain()
}

// asked returns how long a refusal wants the publisher to wait.
func (p *publisher) asked() time.Duration {
	select {
	case d := <-p.pause:
		return d
	default:
		return 0
	}
}

// drain returns when every SEND is answered.
func (p *publisher) drain() error {
	for range cap(p.free) {
		select {
		case <-p.free:
		case err := <-p.ended:
			p.ended <- err
			return fmt.Errorf("a publisher lost its connection: %w", err)
		}
	}
	for range cap(p.free) {
		p.free <- struct{}{}
	}
	return nil
}

// answers reads RECEIPTs and refusals until the connection ends.
func (p *publisher) answers() error {
	for {
		f, err := p.read()
		if err != nil {
			return err
		}
		switch f.command {
		case "RECEIPT":
			err = p.receipt(f.headers["receipt-id"])
		case "MESSAGE":
			err = p.refusal(f.body)
		default:
			err = fmt.Errorf("%s %v %s", f.command, f.headers, f.body)
		}
		if err != nil {
			return err
		}
		select {
		case p.free <- struct{}{}:
		default:
			return fmt.Errorf("one answer too many: %v", f)
		}
	}
}

func (p *publisher) receipt(id string) error {
	var i, n int
	if _, err := fmt.Sscanf(id, "%d %d", &i, &n); err != nil {
		return err
	}
	p.streams[i].ack(n)
	return nil
}

func (p *publisher) refusal(body string) error {
	var r struct {
		ErrorCode    int
		RetryAfterMs int
	}
	if err := json.Unmarshal([]byte(body), &r); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refused[r.ErrorCode]++
	if r.RetryAfterMs > 0 {
		p.hinted++
		select {
		case p.pause <- time.Duration(r.RetryAfterMs) * time.Millisecond:
		default:
		}
	}
	return nil
}

// refusals returns how many of its SENDs were refused, by code, and how many of the refusals said
// when to try again.
func (p *publisher) refusals() (byCode map[int]int, hinted int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.refused), p.hinted
}
