package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"
)

// onlooker looks at a room through one node: who is there, and how many are.
type onlooker struct {
	soak *presenceSoak
	node *node
	room string

	mu        sync.Mutex
	who, many picture
	paused    int // how often he was told that nobody knows
	refused   int // how often there were too many to be listed
	fault     error
}

// run has the onlooker look until the soak is over. When his node is killed he waits for it.
func (o *onlooker) run() {
	for !o.soak.isOver() {
		if err := o.look(); err != nil && !isLost(err) {
			o.mu.Lock()
			o.fault = err
			o.mu.Unlock()
			return
		}
		o.mu.Lock()
		o.who.whole, o.many.whole = false, false
		o.mu.Unlock()
		o.soak.pause(50 * time.Millisecond)
	}
}

// look returns when the connection has ended, or on what makes no sense.
func (o *onlooker) look() error {
	conn, err := net.DialTimeout("tcp", o.node.Addr, time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	who := "SUBSCRIBE\nid:who\ndestination:/presence" + o.room + "\n\n\x00"
	frames := "CONNECT\naccept-version:1.2\nhost:x\nheart-beat:0,0\n\n\x00" +
		"SUBSCRIBE\nid:errors\ndestination:" + errorChannel + "\n\n\x00" + who +
		"SUBSCRIBE\nid:many\ndestination:/presence" + o.room + "\npresence:count\n\n\x00"
	if _, err := conn.Write([]byte(frames)); err != nil {
		return err
	}
	o.mu.Lock()
	o.who, o.many = picture{}, picture{}
	o.mu.Unlock()
	asked := time.Now()
	for c := newClient(conn); !o.soak.isOver(); {
		if time.Since(asked) > presenceGrace/2 {
			asked = time.Now()
			if o.asksAgain() {
				if _, err := io.WriteString(conn, who); err != nil {
					return err
				}
			}
		}
		if err := conn.SetReadDeadline(time.Now().Add(250 * time.Millisecond)); err != nil {
			return err
		}
		f, err := c.read()
		if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
			continue
		}
		if err != nil {
			return err
		}
		if err := o.take(f); err != nil {
			return err
		}
	}
	return nil
}

// asksAgain reports whether he was refused, and forgets it.
func (o *onlooker) asksAgain() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	refused := o.who.refused
	o.who.refused = false
	return refused
}

func (o *onlooker) take(f frame) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case f.command == "CONNECTED":
		return nil
	case f.headers["subscription"] == "errors" && strings.Contains(f.body, `"error":"too_many_present"`):
		o.who = picture{refused: true}
		o.refused++
		return nil
	}
	p, ok := map[string]*picture{"who": &o.who, "many": &o.many}[f.headers["subscription"]]
	if f.command != "MESSAGE" || !ok {
		return fmt.Errorf("got %+v", f)
	}
	if strings.Contains(f.body, `"paused"`) {
		o.paused++
	}
	return p.take(f.body)
}

// differs says what the onlooker has been told that is not so, empty for nothing.
func (o *onlooker) differs() string {
	truth, counted := o.soak.truth.at(o.room), strings.HasPrefix(o.room, countedRooms)
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.fault != nil {
		return o.fault.Error() + "\n" + strings.Join(o.who.last, "\n")
	}
	for _, p := range []*picture{&o.who, &o.many} {
		if what := p.differs(truth, counted, o.soak.limit); what != "" {
			return fmt.Sprintf("%s\ntold last:\n%s\nthe truth: %+v", what, strings.Join(p.last, "\n"), *truth)
		}
	}
	return ""
}

// isBroken reports whether the onlooker was told what makes no sense.
func (o *onlooker) isBroken() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.fault != nil
}
