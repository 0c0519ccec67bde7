package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/gateway/auth"
	"github.com/stompgw/stompgw/gateway/internal/session"
	"github.com/stompgw/stompgw/gateway/policy"
	"github.com/stompgw/stompgw/gateway/registry"
	"github.com/stompgw/stompgw/gateway/stomp"
)

// Frame is one inbound frame of a client. It belongs to the function that gets it until that returns.
type Frame struct {
	Session policy.Session // for a CONNECT, without a key and a principal
	Who     *auth.Identity // whom the frame acts for; nil for nobody
	Command string
	Header  Header // all of it, including credentials
	Body    []byte
}

// Header is the header entries of a frame in the order of the wire, without escapes. Names are case
// sensitive.
type Header []bus.Header

// Get returns the value of the first entry of that name, which is the one that counts; "" for none.
func (h Header) Get(name string) string {
	if i := slices.IndexFunc(h, func(e bus.Header) bool { return e.Name == name }); i >= 0 {
		return h[i].Value
	}
	return ""
}

// Set replaces all entries of that name by one.
func (h *Header) Set(name, value string) {
	h.Del(name)
	*h = append(*h, bus.Header{Name: name, Value: value})
}

// Del removes all entries of that name.
func (h *Header) Del(name string) {
	*h = slices.DeleteFunc(slices.Clone(*h), func(e bus.Header) bool { return e.Name == name })
}

// Interceptor sees each CONNECT (and STOMP), SUBSCRIBE, SEND, UNSUBSCRIBE and DISCONNECT before it
// takes effect: after the sender's token is checked, and before the rules are. It does not see a SEND
// over the limits of its session or of the node (see policy.Rules). It may change f's Header and Body; a
// new token there has no effect. What it returns decides:
//
//   - nil lets the frame pass as it is then;
//   - Refuse answers on the error channel, or a CONNECT with an ERROR that ends the connection;
//   - ErrDrop drops the frame, and answers nothing, not even with a RECEIPT;
//   - Close ends the connection with an ERROR;
//   - any other error is logged, and the client is told code 14, as after a panic.
//
// It may block, as it runs on its own goroutine: only its session waits. ctx ends after the time of
// WithPatience, or with the session; that a client has gone is noticed only when its session reads
// again. At most 1024 frames of a node are in such functions at a time; others wait.
type Interceptor func(ctx context.Context, f *Frame) error

// WithInterceptor adds an Interceptor. Several run in the order of the options, each after the one
// before has let the frame pass. Default none, and then frames of a session cost no goroutine.
func WithInterceptor(i Interceptor) Option {
	return func(s *settings) { s.intercepts = append(s.intercepts, i) }
}

// WithPatience sets how long an interceptor or a function of HandleFunc may take before its ctx ends;
// default 30 s. The frame is carried out, or not, when it returns.
func WithPatience(d time.Duration) Option { return func(s *settings) { s.patience = d } }

// ErrDrop has the frame dropped.
var ErrDrop error = &session.Outcome{Drop: true}

// Refuse returns the error that has a frame refused: the client is told code and message. The codes
// below 1000 are those of policy.Codes.
func Refuse(code policy.Code, message string) error {
	r := &policy.Refusal{Explanation: policy.Explanation{Code: code, Word: "refused", Message: message}}
	if e, ok := policy.Explain(code); ok {
		r.Word, r.Retryable = e.Word, e.Retryable
	}
	return &session.Outcome{Refusal: r}
}

// Close returns the error that ends the connection, with an ERROR that has reason as its message.
func Close(reason string) error {
	return &session.Outcome{Close: cmp.Or(reason, "closed")}
}

// intercept runs the interceptors one after the other; nil if there are none.
func (s *settings) intercept() func(context.Context, *session.Inspection) session.Outcome {
	if len(s.intercepts) == 0 {
		return nil
	}
	return func(ctx context.Context, in *session.Inspection) session.Outcome {
		ctx, cancel := context.WithTimeout(ctx, s.patience)
		defer cancel()
		f := newFrame(in)
		for _, i := range s.intercepts {
			if err := protect(func() error { return i(ctx, f) }); err != nil {
				return s.outcome(err, "interceptor", in)
			}
		}
		f.giveBack(in)
		return session.Outcome{}
	}
}

func newFrame(in *session.Inspection) *Frame {
	f := &Frame{Session: in.Session, Who: in.Who, Command: in.Frame.Command, Body: in.Frame.Body}
	for _, e := range in.Frame.Header {
		f.Header = append(f.Header, bus.Header{Name: e.Name, Value: string(e.Value)})
	}
	return f
}

// giveBack lets the changes count.
func (f *Frame) giveBack(in *session.Inspection) {
	in.Frame.Header = nil
	for _, e := range f.Header {
		in.Frame.Header = append(in.Frame.Header, stomp.Entry{Name: e.Name, Value: []byte(e.Value)})
	}
	in.Frame.Body = f.Body
}

// outcome is what an error of somebody else's code means.
func (s *settings) outcome(err error, what string, in *session.Inspection) session.Outcome {
	if o, ok := errors.AsType[*session.Outcome](err); ok {
		return *o
	}
	s.failed.Log(s.host.Log, slog.LevelError, what+" failed", "session", registry.ShortKey(in.Session.Key), "command", in.Frame.Command, "err", err)
	return session.Outcome{Refusal: policy.Refuse(policy.CodeInternal)}
}

// protect runs somebody else's code, and makes an error of its panic. What panicked may hold what
// the client has sent, so of values that are not the runtime's only the type is told.
func protect(fn func() error) (err error) {
	defer func() {
		v := recover()
		if v == nil {
			return
		}
		told := fmt.Sprintf("%T", v)
		if fault, ok := v.(runtime.Error); ok {
			told = fault.Error()
		}
		err = fmt.Errorf("panic: %s, at %s", told, panicPlace())
	}()
	return fn()
}

// panicPlace is the file and line of the code that panics, from within its deferred function.
func panicPlace() string {
	var callers [32]uintptr
	frames := runtime.CallersFrames(callers[:runtime.Callers(3, callers[:])])
	for {
		f, more := frames.Next()
		if !strings.HasPrefix(f.Function, "runtime.") || !more {
			return fmt.Sprintf("%s:%d", f.File, f.Line)
		}
	}
}
