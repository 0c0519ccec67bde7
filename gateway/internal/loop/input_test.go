package loop

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
)

func TestFeedGivesTheRestAgain(t *testing.T) {
	eachRig(t, func(t *testing.T, r *rig) {
		var fed []string
		p, c := r.open(func(p *probe) {
			p.onFeed = func(b []byte) int { // takes whole words of three
				fed = append(fed, string(b))
				return len(b) / 3 * 3
			}
		})
		write(t, c, []byte("ab"))
		r.until("the first bytes have been fed", func() bool { return len(fed) == 1 })
		write(t, c, []byte("cdefgh"))
		r.until("more was fed", func() bool { return len(fed) == 2 })
		write(t, c, []byte("i"))
		r.wantGot(p, []byte("abcdefghi"))
		r.do(func() {
			if want := []string{"ab", "abcdefgh", "ghi"}; !slices.Equal(fed, want) {
				t.Errorf("Feed was given %q, want %q", fed, want)
			}
			if p.in != nil {
				t.Errorf("%d bytes are kept of what was taken", len(p.in))
			}
		})
	})
}

// A successor gets what is left, even if its predecessor takes nothing.
func TestHandleWithinFeed(t *testing.T) {
	onAll(t, func(t *testing.T, k kind) {
		for _, taken := range []string{"head", ""} {
			r := k.start(t, plenty)
			second := &probe{t: t}
			p, c := r.open(func(p *probe) {
				p.onFeed = func([]byte) int {
					second.Conn = p.Conn
					p.Handle(second)
					return len(taken)
				}
			})
			write(t, c, []byte(taken+"body"))
			r.wantGot(second, []byte("body"))
			write(t, c, []byte(" and more"))
			r.wantGot(second, []byte("body and more"))
			r.wantGot(p, []byte(taken))
			r.stop()
		}
	})
}

func TestPauseKeepsBytes(t *testing.T) {
	eachRig(t, func(t *testing.T, r *rig) {
		p, c := r.open(func(p *probe) {
			p.onFeed = func([]byte) int {
				p.Pause()
				return 2
			}
		})
		write(t, c, []byte("abcdef"))
		r.wantGot(p, []byte("ab"))
		for _, want := range []string{"abcd", "abcdef"} {
			r.do(p.Resume)
			r.wantGot(p, []byte(want))
		}
	})
}

func TestResumeReadsTheEndThatCameWhilePaused(t *testing.T) {
	eachRig(t, func(t *testing.T, r *rig) {
		p, c := r.open(func(p *probe) {
			p.onFeed = func(b []byte) int {
				p.Pause()
				return 1
			}
		})
		write(t, c, []byte("ab"))
		c.Close()
		r.wantGot(p, []byte("a"))
		r.settle()
		r.wantEnds(p)
		r.do(p.Resume)
		r.wantGot(p, []byte("ab"))
		r.do(p.Resume)
		r.wantGone()
		wantOneError(t, p)
	})
}

func TestPauseWithinResumedFeed(t *testing.T) {
	eachRig(t, func(t *testing.T, r *rig) {
		p, c := r.open(func(p *probe) {
			p.onFeed = func([]byte) int { p.Pause(); return 1 }
		})
		write(t, c, []byte("ab"))
		r.wantGot(p, []byte("a"))
		write(t, c, []byte("c"))
		r.do(p.Resume)
		r.wantGot(p, []byte("ab"))
		r.settle()
		r.wantGot(p, []byte("ab")) // "c" has to wait, in the socket or as the next piece
		r.do(p.Resume)
		r.wantGot(p, []byte("abc"))
	})
}

// TestInputByChance cuts, pauses, resumes, leaves and swaps as the dice say.
func TestInputByChance(t *testing.T) {
	onAll(t, func(t *testing.T, k kind) {
		for seed := range uint64(8) {
			inputByChance(t, k, dice(seed))
		}
	})
}

func inputByChance(t *testing.T, k kind, d *rand.Rand) {
	r := k.start(t, plenty)
	p, c := r.open(nil)
	want := noise(400_000)
	cuts := dice(d.Uint64())
	var resumers sync.WaitGroup
	var all []byte
	var feed func(h *probe) func(b []byte) int
	feed = func(h *probe) func(b []byte) int {
		return func(b []byte) int {
			n := d.IntN(len(b) + 1)
			all = append(all, b[:n]...)
			last := len(all)+len(b)-n == len(want)
			switch {
			case d.IntN(4) == 0 || n < len(b) && last:
				h.Pause()
				resumers.Go(func() { r.loop.Post(h.Resume) })
			case d.IntN(4) == 0:
				h.Pause()
				h.Resume()
			case d.IntN(4) == 0:
				next := &probe{Conn: h.Conn, t: t}
				next.onFeed = feed(next)
				h.Handle(next)
			}
			return n
		}
	}
	r.do(func() { p.onFeed = feed(p) })
	for rest := want; len(rest) > 0; {
		n := min(1+cuts.IntN(20_000), len(rest))
		write(t, c, rest[:n])
		rest = rest[n:]
	}
	r.until("all bytes have been taken", func() bool { return len(all) == len(want) })
	resumers.Wait()
	wantSame(t, all, want)
	r.stop()
}

// A client that never stops sending does not keep others from being heard.
func TestFastSenderStarvesNobody(t *testing.T) {
	eachRig(t, func(t *testing.T, r *rig) {
		var senders sync.WaitGroup
		defer senders.Wait()
		for range 4 {
			_, c := r.open(func(p *probe) {
				p.onFeed = func(b []byte) int { p.got = nil; return len(b) }
			})
			senders.Go(func() {
				for block := make([]byte, 1<<20); ; {
					if _, err := c.Write(block); err != nil {
						return // the loop has stopped
					}
				}
			})
		}
		_, c := r.open(func(p *probe) {
			p.onFeed = func(b []byte) int { p.Queue(bytes.Clone(b)); return len(b) }
		})
		for range 50 {
			write(t, c, []byte("ping"))
			wantRead(t, c, []byte("ping"))
		}
		r.stop()
	})
}
