package sockjs

import (
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/stompgw/stompgw/gateway/internal/loop"
	"github.com/stompgw/stompgw/gateway/internal/ws"
)

const (
	linger    = time.Second     // for the client to close after an answer
	stuckTime = 5 * time.Second // in which a client has to take something of an answer
	headHint  = 512             // bytes of an answer's head, about
	maxShared = 128 << 10       // bytes of a piece that a loop keeps for the next receiver
	maxAhead  = 16 << 10        // bytes that a client may send behind a request that waits
)

// Receiver is a request that a client receives by. It is the loop.Handler of its socket, which is on
// the loop of the session.
//
//	Begin ──► waits, or streams ── finish ──► over ── all has left ──► left ─┬─► the next Handler of the socket
//	                                                                        └─► the socket's end
//
// An answer that streams begins at once (begun) and is over at its limit; another one is its only frame.
type Receiver struct {
	session   string
	transport *transport
	callback  string
	origin    string // of the page that asks; empty for none
	cookie    string // that is to be set; empty for none
	chunked   bool   // the answer says where it ends itself
	// next is what handles the socket after the answer; nil closes it.
	next func(*loop.Conn) loop.Handler

	// Owned by the loop.
	conn   *Conn // what Place found
	sock   *loop.Conn
	sent   int  // bytes of frames
	begun  bool // the head has been sent
	held   bool // the socket is not read, because of bytes behind the request
	over   bool // the answer is whole
	left   bool // and the socket has taken all of it
	unsent int  // bytes of it that were on their way when the session looked last; see takes, too
	stuck  int  // and when Timeout did

	hurried bool // the node stops
}

// NewReceiver reads a request to a resource of kind Receive. next makes what handles the socket when
// it has been answered; nil is for a socket that has to be closed then.
func (s *Service) NewReceiver(r *http.Request, at Resource, next func(*loop.Conn) loop.Handler) (*Receiver, *ws.Refusal) {
	if r.Method != at.transport.method {
		return nil, &ws.Refusal{Status: http.StatusMethodNotAllowed, Allow: at.methods}
	}
	rc := &Receiver{session: at.session, transport: at.transport, next: next, unsent: math.MaxInt}
	if at.transport.callback {
		var fault string
		if rc.callback, fault = callbackOf(r); fault != "" {
			return nil, &ws.Refusal{Status: http.StatusInternalServerError, Reason: fault}
		}
	}
	old := !r.ProtoAtLeast(1, 1)
	if r.Close || old {
		rc.next = nil
	}
	rc.chunked = at.transport.streams && !old
	if at.transport.cors {
		rc.origin = strings.Clone(r.Header.Get("Origin")) // not the whole head with it
	}
	rc.cookie = s.cookie(r)
	return rc, nil
}

// appendHead begins the answer: all but what it says of its length.
func (r *Receiver) appendHead(dst []byte) []byte {
	t := r.transport
	dst = append(dst, "HTTP/1.1 200 OK\r\nDate: "...)
	dst = time.Now().UTC().AppendFormat(dst, http.TimeFormat)
	dst = append(append(dst, "\r\nContent-Type: "...), t.contentType...)
	dst = append(dst, "\r\nCache-Control: "+uncached+"\r\n"...)
	switch {
	case !t.cors:
	case r.origin == "":
		dst = append(dst, "Vary: Origin\r\nAccess-Control-Allow-Origin: *\r\n"...)
	default:
		dst = append(append(dst, "Vary: Origin\r\nAccess-Control-Allow-Origin: "...), r.origin...)
		dst = append(dst, "\r\nAccess-Control-Allow-Credentials: true\r\n"...)
	}
	if r.cookie != "" {
		dst = append(append(append(dst, "Set-Cookie: "...), r.cookie...), "\r\n"...)
	}
	if t.streams {
		dst = append(dst, "X-Accel-Buffering: no\r\n"...) // nginx would hold frames back until it has many
	}
	if r.next == nil {
		dst = append(dst, "Connection: close\r\n"...)
	}
	return dst
}

// Begin makes r the Handler of sock on the loop that Place has named.
func (r *Receiver) Begin(sock *loop.Conn) loop.Handler {
	r.sock = sock
	sock.SetTimer(0)
	r.conn.attach(r)
	return r
}

// begin sends what comes before the first frame.
func (r *Receiver) begin() {
	if !r.transport.streams {
		return
	}
	head := r.appendHead(make([]byte, 0, headHint))
	if r.chunked {
		head = append(head, "Transfer-Encoding: chunked\r\n"...)
	}
	r.queue(append(head, "\r\n"...))
	r.queue(r.pack([]byte(r.transport.prelude(r.callback))))
	r.begun = true
}

// queue sends some of the answer. How much waits is for the session to judge, which sends no more
// until Drained.
func (r *Receiver) queue(b []byte) {
	r.sock.Queue(b)
	r.sock.AwaitDrainUnjudged()
}

// ready reports whether the socket has taken all that it was given.
func (r *Receiver) ready() bool { return !r.over && r.sock.Idle() }

// pack makes a piece of the answer that streams.
func (r *Receiver) pack(b []byte) []byte {
	if !r.chunked {
		return b
	}
	out := strconv.AppendInt(make([]byte, 0, len(b)+12), int64(len(b)), 16)
	out = append(append(out, "\r\n"...), b...)
	return append(out, "\r\n"...)
}

// messages sends elements of Framing. Receivers of one kind share what they send.
func (r *Receiver) messages(elements []byte) {
	if !r.transport.streams || len(elements) > maxShared {
		r.frame(messagesFrame(elements))
		return
	}
	k := r.conn.shared
	if !k.holds(r, elements) {
		k.hold(r, elements, r.transport.append(nil, messagesFrame(elements), r.callback))
	}
	r.stream(k.packed, k.size)
}

// frame sends one frame.
func (r *Receiver) frame(frame []byte) {
	b := r.transport.append(nil, frame, r.callback)
	if r.transport.streams {
		r.stream(r.pack(b), len(b))
		return
	}
	answer := r.appendHead(make([]byte, 0, headHint+len(b)))
	answer = strconv.AppendInt(append(answer, "Content-Length: "...), int64(len(b)), 10)
	r.queue(append(append(answer, "\r\n\r\n"...), b...))
	r.finish()
}

// stream sends a piece of size bytes, and ends the answer when it is long enough.
func (r *Receiver) stream(packed []byte, size int) {
	r.queue(packed)
	if r.sent += size; r.sent >= r.conn.service.StreamLimit {
		r.finish()
	}
}

// end sends the frame that is the last of the session, or of the request.
func (r *Receiver) end(frame string) {
	if !r.begun {
		r.begin()
	}
	if r.frame([]byte(frame)); !r.over {
		r.finish()
	}
}

// finish ends the answer.
func (r *Receiver) finish() {
	r.over, r.unsent, r.stuck = true, math.MaxInt, math.MaxInt
	if r.chunked {
		r.queue([]byte("0\r\n\r\n"))
	}
	r.watch()
}

// watch has Timeout look whether the client takes the answer.
func (r *Receiver) watch() {
	if r.hurried {
		r.sock.SetTimer(linger)
	} else {
		r.sock.SetTimer(stuckTime)
	}
}

// Drained implements loop.Drainer: the session may send more, or the socket goes on with the next
// request, if it may.
func (r *Receiver) Drained() {
	switch {
	case !r.over:
		if r.held {
			r.held, r.next = false, nil // it is read on, and nobody could take the connection over
			r.sock.Resume()
		}
		r.conn.pump(r)
		return
	case r.next != nil:
		r.sock.Handle(r.next(r.sock))
		r.sock.Resume()
	case r.sock.Outstanding() > 0:
		r.sock.CloseWrite() // Timeout goes on looking
	default:
		r.sock.Finish(linger)
	}
	r.left = true
}

// arriving reports whether the client is still taking the answer: less of it is on its way than
// before, which is what was when it was asked last.
func (r *Receiver) arriving(before *int) bool {
	n := r.sock.Outstanding()
	progress := n > 0 && n < *before
	*before = n
	return progress
}

// takes reports whether the client has taken some of an answer that goes on, since it was asked last. More
// may have been sent meanwhile, so what was sent before is set off.
func (r *Receiver) takes() bool {
	n := r.sock.Outstanding() - r.sent
	progress := n < r.unsent
	r.unsent = n
	return progress
}

// Timeout implements loop.Handler, for an answer that is over; before, the session has the timer.
func (r *Receiver) Timeout() {
	switch {
	case r.arriving(&r.stuck):
		r.watch()
	case r.left:
		r.sock.Finish(linger)
	default:
		r.sock.Abort()
		r.Closed(errStuck)
	}
}

// Feed implements loop.Handler: what comes is the next request, which waits for the answer to this one.
func (r *Receiver) Feed(b []byte) int {
	switch {
	case len(b) > maxAhead:
		r.sock.Abort()
		r.Closed(errAhead)
	case r.over:
		r.sock.Pause() // for a moment, and no longer than the answer may take
	case r.sock.ReadsAhead() && r.next != nil:
		r.held = true
		r.sock.Pause()
		r.sock.AwaitDrainUnjudged() // the answer may come in this turn
	}
	return 0
}

// Overflow implements loop.Handler. It does not come: AwaitDrainUnjudged.
func (r *Receiver) Overflow() {}

// Closed implements loop.Handler.
func (r *Receiver) Closed(err error) {
	// A client that closes at once may come before word of the write that it has read.
	if read := r.sock.ReadsAhead() && r.over && err == io.EOF && r.sock.Queued() == 0; !read {
		r.conn.interrupted(r, err)
	}
}

// Drain leaves it to the session, but for an answer that is over, which has to leave soon.
func (r *Receiver) Drain() bool {
	if !r.over || r.hurried {
		return false
	}
	r.hurried = true
	r.watch()
	return true
}

// shared is the piece of a stream that was packed last on a loop. In a fan-out all receivers of a
// kind are sent the same, and the loop writes what is the same only once.
type shared struct {
	transport *transport
	callback  string
	chunked   bool
	elements  []byte
	packed    []byte
	size      int // before it was made a chunk
}

func (k *shared) holds(r *Receiver, elements []byte) bool {
	return k.transport == r.transport && k.chunked == r.chunked && k.callback == r.callback && string(k.elements) == string(elements)
}

func (k *shared) hold(r *Receiver, elements, b []byte) {
	k.transport, k.callback, k.chunked = r.transport, r.callback, r.chunked
	k.elements = append(k.elements[:0], elements...)
	k.packed, k.size = r.pack(b), len(b)
}
