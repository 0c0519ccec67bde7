package sockjs

import (
	"context"
	"errors"
	"io"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stompgw/stompgw/gateway/internal/loop"
)

// All posts together hold what they may, and give it back; short ones always pass.
func TestMetered(t *testing.T) {
	var held atomic.Int64
	post := func(bytes int) (*metered, error) {
		m := &metered{from: strings.NewReader(strings.Repeat("x", bytes)), held: &held, limit: 1 << 20}
		_, err := io.ReadAll(m)
		return m, err
	}
	long, err := post(freeBytes + 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := post(freeBytes); err != nil {
		t.Errorf("a short post: %v", err)
	}
	over, err := post(freeBytes + 1)
	if !errors.Is(err, errPostsHeld) {
		t.Errorf("one byte over all that may be held: %v", err)
	}
	over.giveBack()
	long.giveBack()
	long.giveBack()
	if held.Load() != 0 {
		t.Errorf("%d bytes are still counted", held.Load())
	}
	if again, err := post(freeBytes + 1<<20); err != nil {
		t.Errorf("afterwards: %v", err)
	} else {
		again.giveBack()
	}
}

// TestPostsGiveBack: nothing of a post counts once it is answered, whether the session has it, it is none, or the session has gone.
func TestPostsGiveBack(t *testing.T) {
	l, err := loop.New(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	defer func() { stop(); <-ended }()
	s := New(Options{Path: "/echo", Application: Echo, Heartbeat: time.Hour, SessionTimeout: time.Hour, MaxPost: 1 << 20})
	c := &Conn{service: s, id: "s", loop: l, shared: &shared{}}
	s.conns[c.id] = c
	l.Post(c.start)
	begins := "[" + strings.Repeat(" ", 2*freeBytes)
	post := func(body string, status int) {
		t.Helper()
		w := httptest.NewRecorder()
		s.send(w, httptest.NewRequest("POST", "/", strings.NewReader(body)), Resource{session: c.id, page: "xhr_send"})
		if held := s.held.Load(); w.Code != status || held != 0 {
			t.Errorf("status %d, want %d; %d bytes still count", w.Code, status, held)
		}
	}
	post(begins+"]", 204)
	post(begins, 500)
	l.Post(func() { c.peer = nil })
	post(begins+"]", 404)
}
