package gateway_test

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestSockJSStress has many clients do anything to few sessions at the same time: each answer is one
// that the protocol knows, and nothing is left.
func TestSockJSStress(t *testing.T) {
	eachSocket(t, func(t *testing.T, start startFunc) {
		n := start(t, shortly(20*time.Millisecond))
		var ids []string
		for range 6 {
			ids = append(ids, newPath("/stomp"), newPath("/echo"), newPath("/close"))
		}
		var wg sync.WaitGroup
		for worker := range 12 {
			wg.Go(func() {
				b := n.browser(t, []way{first, later, kept}[worker%3])
				for range 60 {
					if err := b.mischief(ids[rand.N(len(ids))]); err != nil {
						t.Error(err)
						return
					}
				}
				b.close()
			})
		}
		wg.Wait()
		n.wantNothingLeft(t)
	})
}

// mischief does something to a session.
func (b *browser) mischief(path string) error {
	all := overHTTP()
	tr := all[rand.N(len(all))]
	switch rand.N(4) {
	case 0: // messages
		a, err := b.try("POST", path+"/xhr_send", encode("\n", connectFrame)[:rand.N(20)]+`"]`)
		if err != nil {
			return err
		}
		if _, err := a.rest(); err != nil || a.StatusCode != 204 && a.StatusCode != 404 && a.StatusCode != 500 {
			return fmt.Errorf("a post: %s, %v", a.Status, err)
		}
		return nil
	case 1: // a receiver that goes at once, or soon
		p := b.begin(tr.method, path+tr.receive, "")
		if p.conn == nil {
			return p.err
		}
		time.Sleep(rand.N(2 * time.Millisecond))
		return p.conn.conn.Close()
	}
	p := b.begin(tr.method, path+tr.receive, "")
	if p.conn == nil {
		return p.err
	}
	p.conn.conn.SetReadDeadline(time.Now().Add(rand.N(30 * time.Millisecond)))
	<-p.done
	defer p.conn.conn.Close()
	if p.err != nil {
		return timedOut(p.err)
	}
	s := &sock{browser: &browser{t: b.t}, transport: tr, in: p.answer}
	if err := s.begun(); err != nil {
		return timedOut(err)
	}
	frame, err := tr.next(s.in.lines)
	if err == nil && frame != "o" && frame != "h" && !strings.HasPrefix(frame, "a[") && !strings.HasPrefix(frame, "c[") {
		return fmt.Errorf("got %q", frame)
	}
	return timedOut(err)
}

// timedOut lets time-outs pass.
func timedOut(err error) error {
	if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
		return nil
	}
	return err
}
