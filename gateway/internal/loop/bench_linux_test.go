package loop

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// BenchmarkFanOut gives frames of 300 bytes to many connections in one turn. What the clients' reading
// costs is not counted in deliveries/s, but the kernel's half of TCP that runs within a write is.
func BenchmarkFanOut(b *testing.B) {
	const subs, size = 1000, 300
	for _, frames := range []int{1, 8} {
		b.Run(fmt.Sprintf("subs=%d/frames=%d", subs, frames), func(b *testing.B) {
			l := still(b, plenty)
			var conns [subs]*Conn
			var clients [subs]int
			for i := range subs {
				ours, theirs := tcpPair(b)
				p := &probe{t: b}
				l.Adopt(descriptorOf(ours), nil, p.begin(nil, nil))
				l.steer(b)
				conns[i], clients[i] = p.Conn, descriptorOf(theirs)
			}
			b.Cleanup(func() {
				for _, fd := range clients {
					unix.Close(fd)
				}
			})
			shared := make([][]byte, frames)
			for i := range shared {
				shared[i] = numbered(i, size)
			}
			drained := make([]byte, frames*size+1)
			var spent time.Duration
			b.ReportAllocs()
			for b.Loop() {
				begin := time.Now()
				for _, frame := range shared {
					for _, c := range conns {
						c.Queue(frame)
					}
				}
				l.turn()
				spent += time.Since(begin)
				for _, fd := range clients {
					if n, err := unix.Read(fd, drained); n != frames*size {
						b.Fatalf("read %d bytes, %v; want %d", n, err, frames*size)
					}
				}
			}
			b.ReportMetric(float64(b.N*subs*frames)/spent.Seconds(), "deliveries/s")
		})
	}
}

// BenchmarkPost wakes a sleeping loop.
func BenchmarkPost(b *testing.B) {
	r := start(b, plenty)
	ran := make(chan struct{})
	for b.Loop() {
		r.loop.PostWait(context.Background(), func() { ran <- struct{}{} })
		<-ran
	}
}

// BenchmarkEcho has one client ask and wait for the answer.
func BenchmarkEcho(b *testing.B) {
	for _, k := range descriptorKinds() {
		b.Run(k.name, func(b *testing.B) { benchmarkEcho(b, k) })
	}
	b.Run("stream", func(b *testing.B) { benchmarkEcho(b, kind{adopt: (*Loop).adoptStream}) })
}

func benchmarkEcho(b *testing.B, k kind) {
	r := k.start(b, plenty)
	_, c := r.openTCP(func(p *probe) {
		p.onFeed = func(b []byte) int {
			p.Queue(bytes.Clone(b))
			p.got = p.got[:0]
			return len(b)
		}
	})
	c.SetDeadline(time.Time{})
	ask, answer := make([]byte, 100), make([]byte, 100)
	for b.Loop() {
		c.Write(ask)
		if _, err := c.Read(answer); err != nil {
			b.Fatal(err)
		}
	}
}
