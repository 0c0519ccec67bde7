package loop

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"
)

// What a turn queues for a connection leaves in one write, whoever queued it.
func TestOneWriteATurn(t *testing.T) {
	eachRig(t, func(t *testing.T, r *rig) {
		ours, next := r.kind.tapped(t)
		p := r.adopt(ours, nil, nil)
		for range 3 {
			r.do(func() {
				for _, frame := range []string{"one ", "two ", "three"} {
					r.loop.Post(func() { p.Queue([]byte(frame)) }) // all three run in the next turn
				}
			})
			if got := string(next()); got != "one two three" {
				t.Errorf("a write of %q, want all that was queued", got)
			}
			r.settle()
			r.do(func() {
				if r.loop.root.next != nil || r.loop.flat.run != nil {
					t.Error("the turn's frames are remembered after it")
				}
			})
		}
	})
}

// numbered returns the frame number n, of size bytes.
func numbered(n, size int) []byte {
	frame := bytes.Repeat([]byte{byte('a' + n%26)}, size)
	copy(frame, fmt.Sprintf("<%d", n))
	frame[size-1] = '>'
	return frame
}

func TestSlowReaderGetsAllInOrder(t *testing.T) {
	onAll(t, func(t *testing.T, k kind) {
		for _, size := range []int{100, readBudget - 1, readBudget, readBudget + 1, oneWrite + 1} {
			r := k.start(t, plenty)
			p, c := r.open(nil)
			var want []byte
			for n := 0; len(want) < 2<<20; {
				r.do(func() {
					for range max(2, 40_000/size) {
						frame := numbered(n, size)
						want = append(want, frame...)
						p.Queue(frame)
						n++
					}
				})
			}
			r.until("something waits for a reader that does not read", func() bool { return p.Queued() > 0 && p.blocked })
			wantRead(t, c, want)
			r.until("nothing is queued", func() bool { return p.Queued() == 0 && p.kept == nil && !p.blocked })
			r.stop()
		}
	})
}

// TestOutputByChance gives many connections frames that they share or not, while their clients
// read as they like.
func TestOutputByChance(t *testing.T) {
	onAll(t, func(t *testing.T, k kind) {
		for seed := range uint64(2) {
			outputByChance(t, k, dice(seed))
		}
	})
}

func outputByChance(t *testing.T, k kind, d *rand.Rand) {
	const conns = 10
	r := k.start(t, plenty)
	var probes [conns]*probe
	var want, got [conns][]byte
	var clients sync.WaitGroup
	for i := range conns {
		p, c := r.open(nil)
		probes[i] = p
		reads := dice(d.Uint64())
		clients.Go(func() {
			for buf := make([]byte, 50_000); ; {
				n, err := c.Read(buf[:1+reads.IntN(len(buf))])
				if got[i] = append(got[i], buf[:n]...); err != nil {
					if err != io.EOF {
						t.Error(err)
					}
					return
				}
				if turn := make(chan struct{}); reads.IntN(10) == 0 && r.loop.Post(func() { close(turn) }) {
					<-turn // a pause
				}
			}
		})
	}
	frames := make([][]byte, 40)
	for i := range frames {
		frames[i] = numbered(i, 10+d.IntN(1<<(5+d.IntN(11))))
	}
	for range 40 {
		r.do(func() {
			for range d.IntN(8) {
				frame, all := frames[d.IntN(len(frames))], d.IntN(2) == 0
				for i, p := range probes {
					if all || d.IntN(3) == 0 {
						p.Queue(frame)
						want[i] = append(want[i], frame...)
					}
				}
			}
		})
	}
	r.do(func() {
		for _, p := range probes {
			p.finish(time.Hour)
		}
	})
	clients.Wait()
	for i := range conns {
		wantSame(t, got[i], want[i])
	}
	r.stop()
}

// overflowing queues frames for a client that does not read until Overflow is called, and returns
// their number.
func (r *rig) overflowing(p *probe, size int) (frames int) {
	r.until("the connection overflows", func() bool {
		if p.overflows == 0 {
			p.Queue(numbered(frames, size))
			frames++
		}
		return p.overflows > 0
	})
	r.settle()
	return frames
}

func TestOverflow(t *testing.T) {
	onAll(t, func(t *testing.T, k kind) {
		for _, size := range []int{1000, 100_000} { // the latter are cut by the socket's buffer
			for _, lastWord := range []string{"last word", ""} {
				r := k.start(t, 64<<10)
				p, c := r.open(func(p *probe) {
					p.onOverflow = func() {
						if lastWord != "" {
							p.Queue([]byte(lastWord))
						}
						p.finish(time.Hour)
					}
				})
				queued := r.overflowing(p, size)
				got, found := bytes.CutSuffix(readAll(t, c), []byte(lastWord))
				if !found {
					t.Error("the last word has not come")
				}
				if len(got)%size != 0 {
					t.Errorf("%d bytes have come, which are no whole frames of %d", len(got), size)
				}
				for n := range len(got) / size {
					wantSame(t, got[n*size:(n+1)*size], numbered(n, size))
				}
				if sent := len(got) / size; sent == 0 || sent >= queued {
					t.Errorf("%d of %d frames have come: none were dropped, or all", sent, queued)
				}
				c.Close()
				r.wantGone()
				if p.overflows != 1 {
					t.Errorf("Overflow was called %d times", p.overflows)
				}
				r.stop()
			}
		}
	})
}

// A Handler may take its time to end the connection.
func TestOverflowOnce(t *testing.T) {
	onAll(t, func(t *testing.T, k kind) {
		r := k.start(t, 64<<10)
		p, _ := r.open(nil)
		r.overflowing(p, 1000)
		for range 5 {
			r.do(func() { p.Queue(numbered(0, 100_000)) })
		}
		r.settle()
		r.do(p.abort)
		if p.overflows != 1 {
			t.Errorf("Overflow was called %d times", p.overflows)
		}
	})
}

// The limit is for what is left after an attempt to write: more than that may pass through.
func TestNoOverflowOfReader(t *testing.T) {
	onAll(t, func(t *testing.T, k kind) {
		r := k.start(t, 8<<10)
		p, c := r.open(nil)
		for n := range 100 {
			frame := numbered(n, 8<<10)
			r.do(func() { p.Queue(frame) })
			wantRead(t, c, frame)
		}
		r.do(func() {
			if p.overflows != 0 {
				t.Error("Overflow was called for a client that reads")
			}
		})
	})
}

// wantReset reads what there is, which must end with an error that is no peaceful end.
func wantReset(t *testing.T, nc net.Conn) {
	t.Helper()
	_, err := io.Copy(io.Discard, nc)
	var timeout net.Error
	if err == nil || errors.As(err, &timeout) && timeout.Timeout() {
		t.Errorf("reading ended with %v, want a reset", err)
	}
}

func TestStoppedReaderDelaysNobody(t *testing.T) {
	eachRig(t, func(t *testing.T, r *rig) {
		stopped, _ := r.open(nil)
		var others [1000]*probe
		var clients [len(others)]client
		for i := range others {
			others[i], clients[i] = r.open(nil)
		}
		frame := noise(3000)
		for range 200 {
			r.do(func() { stopped.Queue(frame) })
		}
		for range 3 {
			r.do(func() {
				stopped.Queue(frame)
				for _, p := range others {
					p.Queue(frame)
				}
			})
			for _, c := range clients {
				wantRead(t, c, frame)
			}
		}
		r.do(func() {
			if stopped.Queued() == 0 {
				t.Error("nothing waits for the reader that has stopped")
			}
		})
		r.stop()
	})
}

func TestHeardAndWrote(t *testing.T) {
	eachRig(t, func(t *testing.T, r *rig) {
		p, c := r.open(func(p *probe) {
			p.onFeed = func(b []byte) int {
				if p.Heard() != 0 { // it is counted in turns
					t.Errorf("heard %v ago what is just being fed", p.Heard())
				}
				return len(b)
			}
		})
		r.skip(time.Hour)
		r.do(func() {
			if heard, wrote := p.Heard(), p.Wrote(); heard < time.Hour || wrote < time.Hour {
				t.Errorf("heard %v ago, wrote %v ago; want an hour", heard, wrote)
			}
			p.Queue([]byte("x"))
		})
		wantRead(t, c, []byte("x"))
		r.do(func() {
			if heard, wrote := p.Heard(), p.Wrote(); heard < time.Hour || wrote >= time.Hour {
				t.Errorf("heard %v ago, wrote %v ago; want an hour and nearly 0", heard, wrote)
			}
		})
		write(t, c, []byte("y"))
		r.wantGot(p, []byte("y"))
		r.do(p.Pause)
		r.skip(time.Hour)
		r.do(func() {
			if p.Resume(); p.Heard() != 0 { // nobody listened
				t.Errorf("heard %v ago, when nobody listened; want 0", p.Heard())
			}
		})
	})
}
