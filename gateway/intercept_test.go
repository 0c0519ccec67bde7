package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/gateway"
	"github.com/stompgw/stompgw/gateway/policy"
	"github.com/stompgw/stompgw/gateway/registry"
)

const hearRefusals = "SUBSCRIBE\nid:err\ndestination:/session/queue/request-error\nreceipt:err\n\n^@"

// listening connects a client that hears of refusals.
func (n *node) listening(t testing.TB) *client {
	t.Helper()
	c := n.dialTCP(t)
	c.send("CONNECT\naccept-version:1.2\n\n^@" + hearRefusals)
	c.expect("CONNECTED")
	c.expect("RECEIPT", "receipt-id:err")
	return c
}

// wantRefusal reads one, which must hold the words.
func (c *client) wantRefusal(words ...string) {
	c.t.Helper()
	frame := c.expect("MESSAGE", "subscription:err")
	for _, word := range words {
		if !strings.Contains(frame, word) {
			c.t.Fatalf("got %q, want %s in it", frame, word)
		}
	}
}

// TestInterceptorSees: each of the five commands, before it takes effect, and nothing else.
func TestInterceptorSees(t *testing.T) {
	var mu sync.Mutex
	var seen []string
	n := start(t, gateway.WithInterceptor(func(_ context.Context, f *gateway.Frame) error {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, f.Command+" "+f.Header.Get("destination"))
		if (f.Session.Key == "") != (f.Command == "CONNECT") || f.Session.Transport != "tcp" || f.Who != nil {
			t.Errorf("%s of the session %+v, %v", f.Command, f.Session, f.Who)
		}
		return nil
	}))
	c := n.dialTCP(t)
	c.send("CONNECT\naccept-version:1.2\n\n^@SUBSCRIBE\nid:1\ndestination:/topic/a\nreceipt:1\n\n^@BEGIN\ntransaction:t\n\n^@" +
		"SEND\ndestination:/topic/a\ntransaction:t\n\nx^@COMMIT\ntransaction:t\nreceipt:2\n\n^@UNSUBSCRIBE\nid:1\nreceipt:3\n\n^@DISCONNECT\nreceipt:4\n\n^@")
	for {
		frame, err := c.read()
		if err != nil || strings.Contains(frame, "receipt-id:4\n") {
			break
		}
	}
	mu.Lock()
	defer mu.Unlock()
	want := "CONNECT , SUBSCRIBE /topic/a, SEND /topic/a, UNSUBSCRIBE , DISCONNECT "
	if got := strings.Join(seen, ", "); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// TestInterceptorDecides: what it returns becomes of the frame.
func TestInterceptorDecides(t *testing.T) {
	logs := &bustest.Log{}
	n := start(t, gateway.WithEveryLine(true), gateway.WithLogger(slog.New(slog.NewTextHandler(logs, nil))), gateway.WithInterceptor(func(_ context.Context, f *gateway.Frame) error {
		switch f.Header.Get("want") {
		case "change":
			f.Header.Set("destination", "/topic/changed")
			f.Header.Set("x-by", "the interceptor")
			f.Header.Del("want")
			f.Body = append([]byte("changed "), f.Body...)
		case "refuse":
			return fmt.Errorf("no: %w", gateway.Refuse(1042, "Not on Mondays"))
		case "refuse as the table":
			return gateway.Refuse(policy.CodeUnavailable, "Later")
		case "drop":
			return gateway.ErrDrop
		case "close":
			return gateway.Close("good-bye")
		case "fail":
			return errors.New("a fault of its own")
		case "panic":
			panic("eyJhbGciOi.secret.token")
		case "crash":
			var none []int
			_ = none[3]
		}
		return nil
	}))
	c := n.listening(t)
	c.send("SUBSCRIBE\nid:1\ndestination:/topic/changed\nreceipt:1\n\n^@")
	c.expect("RECEIPT")
	send := func(want string) {
		c.send("SEND\ndestination:/topic/a\nreceipt:r\nclient-request-code:c\nwant:" + want + "\n\nbody^@")
	}
	send("change")
	for range 2 {
		if frame := c.next(); strings.HasPrefix(frame, "MESSAGE") {
			if !strings.Contains(frame, "\nx-by:the interceptor\n") || strings.Contains(frame, "want") || !strings.HasSuffix(frame, "\n\nchanged body") {
				t.Fatalf("got %q", frame)
			}
		}
	}
	send("refuse")
	c.wantRefusal(`{"clientRequestCode":"c","errorCode":1042,"errorMessage":"Not on Mondays","error":"refused","retryable":false,"receiptId":"r","destination":"/topic/a"}`)
	send("refuse as the table")
	c.wantRefusal(`"errorCode":5,"errorMessage":"Later","error":"unavailable","retryable":true`)
	send("drop")
	for _, fault := range []string{"fail", "panic", "crash"} {
		send(fault)
		c.wantRefusal(`"errorCode":14,`, `"error":"internal"`)
	}
	if text := logs.String(); strings.Count(text, `msg="interceptor failed" session=`+n.name.Short()+"-") != 3 || strings.Contains(text, "eyJ") ||
		!strings.Contains(text, "index out of range") || !strings.Contains(text, "intercept_test.go:") || !strings.Contains(text, "a fault of its own") {
		t.Errorf("the log says\n%s", text)
	}
	if f := n.Figures(); f.RefusedOther != 1 || f.Refused[policy.CodeInternal] != 3 {
		t.Errorf("figures: %d of other codes, %d faults; want 1 and 3", f.RefusedOther, f.Refused[policy.CodeInternal])
	}
	send("close")
	c.expect("ERROR", "message:good-bye", "receipt-id:r")
	c.wantClosed()
}

// TestInterceptorOfConnect: a CONNECT that is refused has no error channel yet.
func TestInterceptorOfConnect(t *testing.T) {
	n := start(t, gateway.WithInterceptor(func(_ context.Context, f *gateway.Frame) error {
		switch f.Header.Get("login") {
		case "":
			return gateway.Refuse(1001, "Say who you are")
		case "panic":
			panic("at once")
		case "none":
			return gateway.ErrDrop
		}
		return nil
	}))
	for login, want := range map[string]string{"": "message:Say who you are", "panic": "message:The gateway failed on this frame"} {
		c := n.dialTCP(t)
		c.send("CONNECT\naccept-version:1.2\nlogin:" + login + "\n\n^@")
		c.expect("ERROR", want)
		c.wantClosed()
	}
	c := n.dialTCP(t)
	c.send("CONNECT\naccept-version:1.2\nlogin:none\n\n^@CONNECT\naccept-version:1.1\nlogin:me\n\n^@")
	c.expect("CONNECTED", "version:1.1")
	if n.Sessions() != 1 {
		t.Errorf("%d sessions, want that one", n.Sessions())
	}
}

// TestPatience: the context of a function ends after a time, and what it then says of its frame counts.
func TestPatience(t *testing.T) {
	why := make(chan error, 2)
	waits := func(ctx context.Context, f *gateway.Frame) error {
		if f.Header.Get("wait") != "" {
			<-ctx.Done()
			why <- ctx.Err()
			f.Header.Del("wait")
		}
		return nil
	}
	n := start(t, gateway.WithPatience(time.Millisecond), gateway.WithInterceptor(waits),
		gateway.HandleFunc("/app/wait", func(ctx context.Context, r *gateway.Request) error {
			r.Header.Set("wait", "1")
			return waits(ctx, &r.Frame)
		}))
	c := n.listening(t)
	for _, frame := range []string{"SEND\ndestination:/topic/a\nwait:1", "SEND\ndestination:/app/wait"} {
		c.send(frame + "\nreceipt:r\n\n^@")
		c.expect("RECEIPT", "receipt-id:r")
		if err := <-why; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: the context ended with %v", frame, err)
		}
	}
}

// TestHandleFunc: a function takes SENDs in the place of a route, answers, and publishes.
func TestHandleFunc(t *testing.T) {
	logs := &bustest.Log{}
	n := start(t, gateway.WithLogger(slog.New(slog.NewTextHandler(logs, nil))),
		gateway.HandleFunc("/app/rpc/{name}", func(_ context.Context, r *gateway.Request) error {
			switch r.Vars["name"] {
			case "refuse":
				return gateway.Refuse(policy.CodeNotAllowed, "No")
			case "panic":
				panic(r.Vars)
			case "nothing":
				return nil
			}
			r.Reply("/session/queue/answers", []byte("to you: "+string(r.Body)), bus.Header{Name: "x-of", Value: r.Vars["name"]})
			r.Publish("/topic/a", []byte("to all: "+string(r.Body)), bus.Header{Name: "Authorization", Value: r.Header.Get("Authorization")})
			r.Publish("/topic/a", []byte("again"))
			return nil
		}))
	c := n.listening(t)
	c.send("SUBSCRIBE\nid:1\ndestination:/topic/a\nreceipt:1\n\n^@SUBSCRIBE\nid:2\ndestination:/session/queue/answers\nreceipt:2\n\n^@")
	c.expect("RECEIPT")
	c.expect("RECEIPT")
	c.send("SEND\ndestination:/app/rpc/echo\nreceipt:3\nAuthorization:Bearer x\n\nhi^@")
	c.expect("MESSAGE", "subscription:2", "x-of:echo", "to you: hi")
	var got []string
	for range 3 {
		frame := c.next()
		if strings.Contains(frame, "Authorization") {
			t.Errorf("a token has left: %q", frame)
		}
		got = append(got, strings.Fields(frame)[0]+" "+frame[strings.LastIndexByte(frame, '\n')+1:])
	}
	if all := strings.Join(got, ", "); strings.Count(all, "MESSAGE to all: hi") != 1 || strings.Count(all, "MESSAGE again") != 1 || strings.Count(all, "RECEIPT") != 1 {
		t.Errorf("got %q", got)
	}

	c.send("BEGIN\ntransaction:t\n\n^@SEND\ndestination:/app/rpc/echo\ntransaction:t\n\ntx^@ABORT\ntransaction:t\nreceipt:4\n\n^@")
	c.expect("MESSAGE", "subscription:2", "to you: tx")
	c.expect("RECEIPT", "receipt-id:4")
	c.send("SEND\ndestination:/app/rpc/nothing\nreceipt:5\n\n^@")
	c.expect("RECEIPT", "receipt-id:5")
	c.send("SEND\ndestination:/app/rpc/refuse\nreceipt:6\n\n^@")
	c.wantRefusal(`"errorCode":2,"errorMessage":"No"`, `"receiptId":"6"`)
	c.send("SEND\ndestination:/app/rpc/panic\nreceipt:7\n\n^@")
	c.wantRefusal(`"errorCode":14`)
	c.send("SEND\ndestination:/app/rpc/a/b\n\n^@")
	c.wantRefusal(`"errorCode":3`)
	if text := logs.String(); strings.Count(text, "handler failed") != 1 || strings.Contains(text, "map[name") {
		t.Errorf("the log says\n%s", text)
	}
}

// TestHandleFuncOfPresence: nor does a function say who is present, to clients or to nodes.
func TestHandleFuncOfPresence(t *testing.T) {
	logs := &bustest.Log{}
	n := start(t, gateway.WithLogger(slog.New(slog.NewTextHandler(logs, nil))), gateway.WithEveryLine(true),
		gateway.HandleFunc("/app/publish/{name}", func(_ context.Context, r *gateway.Request) error {
			r.Publish("/topic/a", []byte("before"))
			r.Publish(string(r.Body), nil)
			return nil
		}),
		gateway.HandleFunc("/app/reply/{name}", func(_ context.Context, r *gateway.Request) error {
			r.Reply(string(r.Body), nil)
			return nil
		}))
	c := n.listening(t)
	c.send("SUBSCRIBE\nid:1\ndestination:/topic/a\nreceipt:1\n\n^@")
	c.expect("RECEIPT")
	for _, frame := range []string{
		"destination:/app/publish/x\n\n$presence/topic/a", "destination:/app/publish/x\n\n$presence", "destination:/app/publish/x\n\n/presence/topic/a",
		"destination:/app/reply/x\n\n/presence/topic/a",
	} {
		c.send("SEND\n" + frame + "^@")
		c.wantRefusal(`"errorCode":14`)
	}
	if text := logs.String(); strings.Count(text, "the gateway alone tells who is present") != 4 {
		t.Errorf("the log says\n%s", text)
	}
}

// TestHandleFuncPatterns: New tells which can't be used.
func TestHandleFuncPatterns(t *testing.T) {
	for _, pattern := range []string{"", "app/a", "/topic/a", "/app/{a", "/app//a", "/app/{a}/{a}"} {
		_, err := gateway.New(registry.NewNode(time.Now()), nil, nil, rules(t), gateway.HandleFunc(pattern, func(context.Context, *gateway.Request) error { return nil }))
		if err == nil || !strings.Contains(err.Error(), "HandleFunc") {
			t.Errorf("%q: %v", pattern, err)
		}
	}
}
