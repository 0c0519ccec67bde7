package session

import (
	"testing"
	"time"

	"github.com/stompgw/stompgw/gateway/registry"
)

// countingBook is a registry that knows how often it was told of a session.
type countingBook struct {
	*registry.Memory
	adds int
}

func (b *countingBook) Add(s registry.Session) {
	b.adds++
	b.Memory.Add(s)
}

// newBookRig is a rig on which members log in, and whose registry counts.
func newBookRig(t *testing.T) (*loginRig, *countingBook) {
	book := &countingBook{Memory: registry.NewMemory()}
	return newLoginRig(t, func(h *Host) { h.Registry = book }), book
}

// wantBook checks what the registry has of the one session, and how often it was told.
func (r *loginRig) wantBook(b *countingBook, member string, expires time.Duration, adds int) {
	r.t.Helper()
	want := time.Time{}
	if member != "" {
		want = time.Unix(r.began.Add(expires).Unix(), 0)
	}
	r.do(func() {})
	if got := b.Sessions(); len(got) != 1 || got[0].Member != member || !got[0].Expires.Equal(want) || b.adds != adds {
		r.t.Errorf("the book has %+v, told %d times; want member %q until %s, told %d times", got, b.adds, member, want, adds)
	}
}

// TestExpiryInBook: the registry knows until when a login counts: from CONNECT on, from the login by a
// later frame on, and a second after a renewal.
func TestExpiryInBook(t *testing.T) {
	r, book := newBookRig(t)
	p := r.connect("1.2", "heart-beat:0,0")
	r.wantBook(book, "", 0, 1)
	send := func(token string) {
		t.Helper()
		p.ask(sendAs("/topic/open/a", token, "x"))
		p.want()
	}
	send("")
	send(r.of("bob", time.Hour))
	r.wantBook(book, `"bob"`, time.Hour, 2)
	send("")
	send(r.of("bob", time.Hour))
	send(r.of(43, 5*time.Hour)) // of another member
	r.wantBook(book, `"bob"`, time.Hour, 2)

	send(r.of("bob", 2*time.Hour))
	r.wantBook(book, `"bob"`, time.Hour, 2)
	if p.conn.timer > publishAfter {
		t.Errorf("the timer is set for %s", p.conn.timer)
	}
	r.later(p, publishAfter-time.Millisecond)
	r.wantBook(book, `"bob"`, time.Hour, 2)
	next := r.later(p, time.Millisecond)
	r.wantBook(book, `"bob"`, 2*time.Hour, 3)
	if next <= publishAfter {
		t.Errorf("it wants to be called again in %s", next)
	}
	r.later(p, publishAfter)
	send(r.of("bob", 30*time.Minute)) // sooner than the one before
	r.later(p, publishAfter)
	r.wantBook(book, `"bob"`, 30*time.Minute, 4)

	r.later(p, time.Hour) // the login has lapsed, and stays in the book with its time
	r.wantBook(book, `"bob"`, 30*time.Minute, 4)
	send(r.of("bob", 3*time.Hour))
	r.later(p, publishAfter)
	r.wantBook(book, `"bob"`, 3*time.Hour, 5)
}

// TestExpiryOfConnect: a login by CONNECT is in the book at once, and that it is revoked changes
// nothing there.
func TestExpiryOfConnect(t *testing.T) {
	r, book := newBookRig(t)
	token := r.of(42, time.Hour)
	p := r.member(token)
	r.wantBook(book, "42", time.Hour, 1)
	r.revoke(token)
	r.later(p, 11*time.Second)
	p.ask(sendAs("/topic/members/a", "", "x"))
	p.read()
	r.later(p, publishAfter)
	r.wantBook(book, "42", time.Hour, 1)
}

// TestTokensByTurns: a client that brings two tokens by turns has the book written once a second.
func TestTokensByTurns(t *testing.T) {
	r, book := newBookRig(t)
	tokens := []string{r.of(42, time.Hour), r.of(42, 2*time.Hour)}
	p := r.member(tokens[0])
	for second := range 3 {
		for i := range 100 {
			p.ask(sendAs("/topic/open/a", tokens[(second+i)%2], "x"))
		}
		r.later(p, publishAfter)
		if want := 2 + second; book.adds > want {
			t.Errorf("after %d seconds the book was told %d times, want %d", second+1, book.adds, want)
		}
	}
	r.wantBook(book, "42", 2*time.Hour, 4) // the last was tokens[1]
}

// TestManyRenewals: renewals that come faster than the book is written do not put it off.
func TestManyRenewals(t *testing.T) {
	r, book := newBookRig(t)
	p := r.member(r.of(42, time.Hour))
	for i := range 5 {
		p.ask(sendAs("/topic/open/a", r.of(42, time.Hour+time.Duration(i+1)*time.Minute), "x"))
		r.later(p, publishAfter*3/5)
	}
	r.wantBook(book, "42", time.Hour+4*time.Minute, 3)
}

// TestPublishAfterTheEnd: a session that has ended is not put back into the book.
func TestPublishAfterTheEnd(t *testing.T) {
	r, book := newBookRig(t)
	p := r.member(r.of(42, time.Hour))
	p.ask(sendAs("/topic/open/a", r.of(42, 2*time.Hour), "x"))
	r.kick(kicked("x"), p.s.id)
	r.later(p, publishAfter)
	p.do(func() { p.s.Timeout() })
	if got := book.Sessions(); len(got) != 0 {
		t.Errorf("the book has %v", got)
	}
}
