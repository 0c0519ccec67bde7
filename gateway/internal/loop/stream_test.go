package loop

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"
)

// tlsPair returns the two ends of a TLS connection, and the socket under the client's.
func tlsPair(t *testing.T) (ours, theirs *tls.Conn, socket *net.TCPConn) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	a, socket := tcpPair(t)
	ours = tls.Server(a, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{cert}, PrivateKey: key}}})
	theirs = tls.Client(socket, &tls.Config{InsecureSkipVerify: true}) // whose it is does not matter here
	var handshake sync.WaitGroup
	handshake.Go(func() {
		if err := ours.Handshake(); err != nil {
			t.Error(err)
		}
	})
	if err := theirs.Handshake(); err != nil {
		t.Fatal(err)
	}
	handshake.Wait()
	return ours, theirs, socket
}

func TestTLS(t *testing.T) {
	r := start(t, plenty)
	ours, c, _ := tlsPair(t)
	p := &probe{t: t}
	r.loop.AdoptConn(ours, nil, p.begin(func(p *probe) {
		p.onFeed = func(b []byte) int {
			p.Queue(bytes.Clone(b))
			return len(b)
		}
	}, nil))
	want := noise(300_000)
	for rest := want; len(rest) > 0; rest = rest[10_000:] {
		write(t, c, rest[:10_000])
	}
	wantRead(t, c, want)
	r.do(func() {
		if got, want := p.Remote().String(), c.LocalAddr().String(); got != want {
			t.Errorf("the other side is %s, want %s", got, want)
		}
		p.Queue(want)
		p.finish(time.Hour)
	})
	wantSame(t, readAll(t, c), want) // readAll wants a peaceful end, which in TLS is an alert
	c.Close()
	r.wantGone()
}

// A client that does not read blocks what TLS writes, an alert too.
func TestTLSWithStoppedReader(t *testing.T) {
	for name, end := range map[string]func(p *probe){
		"finish": func(p *probe) { p.finish(time.Hour) },
		"abort":  func(p *probe) { p.abort() },
		"stop":   func(*probe) {},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, plenty)
			ours, _, socket := tlsPair(t)
			p := &probe{t: t}
			r.loop.AdoptConn(ours, nil, p.begin(nil, nil))
			r.do(func() { p.Queue(make([]byte, 16<<20)) })
			r.settle()
			r.do(func() { end(p) })
			r.settle()
			r.stop()
			io.Copy(io.Discard, socket) // it ends, in peace or not
		})
	}
}

// stuck is a net.Conn of which the calls that might wait do, until the socket is closed, as those of
// TLS do when its peer does not read.
type stuck struct {
	net.Conn
	closed chan struct{}
}

func (c *stuck) wait() error               { <-c.closed; return errors.New("closed") }
func (c *stuck) Write([]byte) (int, error) { return 0, c.wait() }
func (c *stuck) CloseWrite() error         { return c.wait() }
func (c *stuck) Close() error              { return c.wait() }
func (c *stuck) NetConn() net.Conn         { return &stuckSocket{c.Conn, c} }

type stuckSocket struct {
	net.Conn
	above *stuck
}

func (c *stuckSocket) Close() error {
	close(c.above.closed)
	return c.Conn.Close()
}

// Nothing that a net.Conn waits in may stop the loop.
func TestStuckStreamStopsNobody(t *testing.T) {
	for name, end := range map[string]func(p *probe){
		"write":       func(p *probe) { p.Queue([]byte("x")) },
		"close write": func(p *probe) { p.finish(time.Hour) },
		"close":       func(p *probe) { p.abort() },
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, plenty)
			ours, _ := socketPair(t)
			nc := &stuck{ours, make(chan struct{})}
			p := &probe{t: t}
			r.loop.adoptStream(nc, nil, p.begin(nil, nil))
			r.do(func() { end(p) })
			r.settle()
			r.stop()
		})
	}
}

// A net.Conn without halves is closed when all has been written.
func TestFinishWithoutHalves(t *testing.T) {
	r := start(t, plenty)
	ours, theirs := net.Pipe()
	guard(t, theirs)
	p := &probe{t: t}
	r.loop.adoptStream(ours, nil, p.begin(nil, nil))
	write(t, theirs, nil) // net.Pipe tells the reader of it: 0 bytes and no error
	write(t, theirs, []byte("ask"))
	r.wantGot(p, []byte("ask"))
	want := bytes.Repeat([]byte("answer"), 1000)
	r.do(func() {
		p.Queue(want)
		p.finish(time.Hour)
	})
	wantSame(t, readAll(t, theirs), want)
	r.wantGone()
}

// A write error ends the reading too, even of a net.Conn that can't close half of itself.
func TestWriteErrorWithoutHalves(t *testing.T) {
	r := start(t, plenty)
	ours, theirs := net.Pipe()
	guard(t, theirs)
	p := &probe{t: t}
	r.loop.adoptStream(&deafPipe{ours}, nil, p.begin(nil, nil))
	r.do(func() { p.Queue([]byte("x")) })
	r.wantGone()
	wantOneError(t, p)
}

type deafPipe struct{ net.Conn }

func (*deafPipe) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

// A Read may bring the last bytes and the end at once.
func TestEndWithLastBytes(t *testing.T) {
	r := start(t, plenty)
	ours, theirs := net.Pipe()
	guard(t, theirs)
	p := &probe{t: t}
	r.loop.adoptStream(&lastWords{ours}, nil, p.begin(nil, nil))
	write(t, theirs, []byte("last"))
	r.wantGone()
	r.wantGot(p, []byte("last"))
	r.wantEnds(p, io.EOF)
}

type lastWords struct{ net.Conn }

func (c *lastWords) Read(b []byte) (int, error) {
	n, _ := c.Conn.Read(b)
	return n, io.EOF
}
