package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stompgw/stompgw/gateway/stomp"
)

func TestDial(t *testing.T) {
	o := play(t, func(s *script) {
		connect := s.want("CONNECT\n", "\naccept-version:1.2\n", "\nhost:server\n", "\nheart-beat:10000,10000\n", "\nAuthorization:Bearer abc\n")
		if strings.Contains(connect, "receipt") {
			t.Errorf("CONNECT has a receipt: %q", connect)
		}
		s.say("\n\r\n")
		s.say("CONNECTED\nversion:1.2\nserver:a:b\n\n^@")
		subscribe := s.want("SUBSCRIBE\n", "\nid:errors\n", "\ndestination:/errors\n", "\nack:auto\n", "\nAuthorization:Bearer abc\n")
		if header(subscribe, "receipt") == "" || header(subscribe, "client-request-code") != header(subscribe, "receipt") {
			t.Errorf("no way to answer %q", subscribe)
		}
		s.receipt(subscribe)
		s.receipt(s.want("DISCONNECT\n"))
		s.rest()
	})
	o.HeartBeat, o.Token, o.Errors = 0, "abc", "/errors"
	c, err := Dial(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Close(t.Context()); err != nil {
		t.Errorf("Close: %v", err)
	}
	if _, err := c.Next(t.Context()); err == nil {
		t.Error("a message after Close")
	}
	if err := send(c, t.Context(), "/topic/a", nil, nil); err == nil {
		t.Error("a SEND after Close")
	}
}

// TestDialFails: what a server may answer to CONNECT.
func TestDialFails(t *testing.T) {
	long := strings.Repeat("x", 70<<10)
	for _, tt := range []struct{ name, answer, want string }{
		{"ERROR", "ERROR\nmessage:log in\nerror-code:16\ncontent-length:5\n\nabc\x00d^@", "the server ended the session with code 16: log in"},
		{"ERROR without a code", "ERROR\nmessage:go away\nerror-code:x\n\n^@", "the server ended the session: go away"},
		{"end", "", "the server closed the connection"},
		{"half a frame", "CONNECTED\nvers", "the connection ended within a frame"},
		{"another frame", "RECEIPT\nreceipt-id:1\n\n^@", "the server answered CONNECT with RECEIPT"},
		{"another version", "CONNECTED\nversion:1.1\n\n^@", "the server speaks STOMP 1.1, not 1.2"},
		{"no version", "CONNECTED\n\n^@", "the server speaks STOMP , not 1.2"},
		{"heart-beats of letters", "CONNECTED\nversion:1.2\nheart-beat:a,b\n\n^@",
			`the server's CONNECTED: stomp: heart-beat must be two whole numbers of milliseconds, such as "10000,10000" (Heart-beating)`},
		{"HTTP", "HTTP/1.1 400 Bad Request\r\n\r\n",
			"the server does not speak STOMP as it should: stomp: a frame must start with a command such as SEND and a line feed; is the peer speaking TLS, HTTP or another protocol? (STOMP Frames, at octet 8)"},
		{"a huge line", "CONNECTED\nversion:" + long, "the server does not speak STOMP as it should: stomp: a header line is longer than the 65536 octets allowed (Size Limits, at octet 65546)"},
		{"a terminal's commands", "ERROR\nmessage:\x1b[2Jbad\n\n^@", "the server ended the session: �[2Jbad"},
		{"the token", "ERROR\nmessage:don't know s3cret\n\n^@", "the server ended the session: don't know REDACTED"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := play(t, func(s *script) {
				s.frame()
				s.say(tt.answer)
			})
			o.Token = "s3cret"
			_, err := Dial(t.Context(), o)
			wantError(t, err, tt.want)
		})
	}
}

// TestNoAnswer: a server that says nothing, or less than it has to, is given up.
func TestNoAnswer(t *testing.T) {
	for _, tt := range []struct{ name, answer string }{{"silence", ""}, {"half a frame", "CONNECTED\n"}, {"no receipt", "CONNECTED\nversion:1.2\n\n^@"}} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := play(t, func(s *script) {
					s.frame()
					s.say(tt.answer)
					s.rest()
				})
				o.Timeout, o.Errors = 7*time.Second, "/errors"
				began := time.Now()
				_, err := Dial(t.Context(), o)
				if !errors.Is(err, ErrNoAnswer) || time.Since(began) != o.Timeout {
					t.Errorf("%v after %s", err, time.Since(began))
				}
			})
		})
	}
}

func TestDialIsCut(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("enough")
	_, err := Dial(ctx, play(t, func(s *script) {
		s.frame()
		cancel(cause)
		s.rest()
	}))
	if err != cause {
		t.Errorf("got %v, want %v", err, cause)
	}
}

// TestCalls: each call gets the answer that is its own.
func TestCalls(t *testing.T) {
	o := play(t, func(s *script) {
		s.greet()
		s.receipt(s.want("SUBSCRIBE\n", "id:errors\n"))
		s.say("RECEIPT\nreceipt-id:nobody's\n\n^@")
		s.receipt(s.want("SUBSCRIBE\n", "\ndestination:/topic/a\\cb\n", "\nAuthorization:Bearer abc.def\n"))
		s.refuse(s.want("SUBSCRIBE\n", "\ndestination:/topic/no\n"), `"clientRequestCode":"ID"`)
		one, two := s.want("SEND\n", "\nAuthorization:Bearer abc.def\n", "\nx:1\\n2\n", "\n\none"), s.want("SEND\n", "\n\ntwo")
		s.refuse(two, `"clientRequestCode":null,"receiptId":"ID"`)
		s.receipt(one)
		s.receipt(s.want("SEND\n"))
		s.rest()
	})
	o.Errors, o.Token = "/errors", "abc.def"
	c := dial(t, o)
	ctx := t.Context()
	if err := c.Subscribe(ctx, "/topic/a:b"); err != nil {
		t.Error(err)
	}
	err := c.Subscribe(ctx, "/topic/no")
	wantError(t, err, "refused with code 2: Not allowed")
	first, second := make(chan error, 2), make(chan error, 2)
	for i, body := range []string{"one", "two"} {
		answer := []chan error{first, second}[i]
		if err := c.Start(ctx, "/topic/a", stomp.Header{{Name: "x", Value: []byte("1\n2")}}, []byte(body), func(err error) { answer <- err }); err != nil {
			t.Fatal(err)
		}
	}
	wantError(t, <-second, "refused with code 2: Not allowed")
	if err := <-first; err != nil {
		t.Error(err)
	}
	if err := send(c, ctx, "/topic/a", nil, nil); err != nil {
		t.Error(err)
	}
	if len(first)+len(second) != 0 {
		t.Error("a call was answered twice")
	}
}

// refuse answers a frame on the error destination. ID stands for that of the frame.
func (s *script) refuse(frame, by string) {
	body := `{"errorCode":2,"errorMessage":"Not allowed","error":"not_allowed","retryAfterMs":1500,"destination":"` + header(frame, "destination") + `",` +
		strings.ReplaceAll(by, "ID", header(frame, "receipt")) + `}`
	s.say(fmt.Sprintf("MESSAGE\nsubscription:errors\ndestination:/errors\nmessage-id:1\ncontent-length:%d\n\n%s^@", len(body), body))
}

// TestUnwritable: what STOMP has no way to write is told, not left out.
func TestUnwritable(t *testing.T) {
	c := dial(t, play(t, func(s *script) {
		s.greet()
		s.receipt(s.want("SEND\n", "\n\nafter")) // nothing before
		s.rest()
	}))
	for _, h := range []stomp.Entry{{Name: "", Value: nil}, {Name: "a", Value: []byte("\x00")}, {Name: "a\xff", Value: nil}} {
		if err := send(c, t.Context(), "/topic/a", stomp.Header{h}, nil); err == nil || !strings.Contains(err.Error(), "of SEND can't be written") {
			t.Errorf("%q: %v", h, err)
		}
	}
	if err := c.Subscribe(t.Context(), "/topic/\xff"); err == nil {
		t.Error("a destination that is not UTF-8 was let through")
	}
	if err := send(c, t.Context(), "/topic/a", nil, []byte("after")); err != nil {
		t.Error(err)
	}
}

// TestMessages: Next returns all that came before the end, and then the end.
func TestMessages(t *testing.T) {
	o := play(t, func(s *script) {
		s.greet()
		s.receipt(s.want("SUBSCRIBE\n"))
		s.say("MESSAGE\nsubscription:1\ndestination:/topic/a\\cb\nmessage-id:7\nx:1\nx:2\ncontent-length:3\n\n\x00\xff\n^@")
		s.say(`MESSAGE
subscription:errors
destination:/errors
message-id:8

{"clientRequestCode":null,"errorCode":1,"errorMessage":"Need Login"}^@`)
		s.say("MESSAGE\nsubscription:errors\nmessage-id:9\n\nno refusal^@")
		s.say("MESSAGE\nsubscription:1\ndestination:/topic/b\nmessage-id:10\n\n^@")
		s.say("ERROR\nmessage:kicked\nerror-code:15\n\nAuthorization:Bearer t^@")
	})
	o.Errors = "/errors"
	c := dial(t, o)
	m, err := c.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if m.Destination != "/topic/a:b" || m.Subscription != "1" || string(m.Body) != "\x00\xff\n" || len(m.Header) != 6 || m.Received.IsZero() {
		t.Errorf("got %+v", m)
	}
	_, err = c.Next(t.Context())
	wantError(t, err, "refused with code 1: Need Login")
	if m, err := c.Next(t.Context()); err != nil || m.Destination != "/topic/b" || len(m.Body) != 0 {
		t.Errorf("got %+v, %v", m, err)
	}
	for range 2 {
		_, err = c.Next(t.Context())
		wantError(t, err, "the server ended the session with code 15: kicked")
	}
}

// TestErrorDestination: who subscribes to it sees what comes there, and the server sees no second
// subscription.
func TestErrorDestination(t *testing.T) {
	o := play(t, func(s *script) {
		s.greet()
		s.receipt(s.want("SUBSCRIBE\n"))
		s.want("SEND\n")
		s.say("MESSAGE\nsubscription:errors\ndestination:/errors\nmessage-id:8\n\n{\"clientRequestCode\":null,\"errorCode\":1}^@")
		s.rest()
	})
	o.Errors = "/errors"
	c := dial(t, o)
	if err := c.Subscribe(t.Context(), "/errors"); err != nil {
		t.Fatal(err)
	}
	if err := c.Start(t.Context(), "/x", nil, nil, func(error) {}); err != nil {
		t.Fatal(err)
	}
	if m, err := c.Next(t.Context()); err != nil || m.Destination != "/errors" || !strings.Contains(string(m.Body), "errorCode") {
		t.Errorf("got %+v, %v", m, err)
	}
}

// TestEndsMidway: all who wait for an answer hear how the connection ended.
func TestEndsMidway(t *testing.T) {
	for _, tt := range []struct{ name, last, want string }{
		{"ERROR", "ERROR\nmessage:bad\n\n^@", "the server ended the session: bad"},
		{"cut", "", "the server closed the connection"},
		{"within a frame", "MESSAGE\nsubscription:1\ncontent-length:9\n\nabc", "the connection ended within a frame"},
		{"a frame of clients", "SEND\ndestination:x\n\n^@", "the server sent SEND, which no server sends"},
		{"CONNECTED again", "CONNECTED\nversion:1.2\n\n^@", "the server sent CONNECTED twice"},
		{"a huge body", "MESSAGE\nsubscription:1\ncontent-length:101\n\n", "the server does not speak STOMP as it should: stomp: the body is longer than the 100 octets allowed (Size Limits, at octet 67)"},
		{"a RECEIPT with a body", "RECEIPT\nreceipt-id:1\n\nabc^@", "the server does not speak STOMP as it should: stomp: only SEND, MESSAGE and ERROR frames may have a body; in others, whatever content-length says, a NUL must follow the empty line (Body, at octet 46)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := play(t, func(s *script) {
				s.greet()
				s.want("SEND\n")
				s.want("SEND\n")
				s.say(tt.last)
			})
			o.Body = 100
			c := dial(t, o)
			answer := make(chan error, 1)
			if err := c.Start(t.Context(), "/a", nil, nil, func(err error) { answer <- err }); err != nil {
				t.Fatal(err)
			}
			wantError(t, send(c, t.Context(), "/a", nil, nil), tt.want)
			wantError(t, <-answer, tt.want)
			_, err := c.Next(t.Context())
			wantError(t, err, tt.want)
			wantError(t, c.Close(t.Context()), tt.want)
		})
	}
}

// TestHeartBeats: the client is never silent for longer than agreed, and a server that is is lost.
func TestHeartBeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var beats []time.Duration
		o := play(t, func(s *script) {
			s.want("\nheart-beat:10000,10000\n")
			s.say("CONNECTED\nversion:1.2\nheart-beat:4000,6000\n\n^@")
			began := time.Now()
			for range 5 {
				if b, err := s.in.ReadByte(); b != '\n' || err != nil {
					t.Errorf("got %q, %v; want a heart-beat", b, err)
					return
				}
				beats = append(beats, time.Since(began))
			}
			s.say("\n") // the last sign of life
			s.rest()
		})
		o.HeartBeat = 0
		c := dial(t, o)
		_, err := c.Next(t.Context())
		wantError(t, err, "the server was silent for 30s")
		last := time.Duration(0)
		for _, at := range beats {
			if at-last > 10*time.Second || at-last < time.Second {
				t.Errorf("heart-beats at %v, want one in each 10 s", beats)
			}
			last = at
		}
	})
}

// TestStuck: whoever waits for a server that takes nothing may go earlier.
func TestStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := play(t, func(s *script) {
			s.greet()
			time.Sleep(time.Hour)
		})
		o.Timeout = time.Hour
		c := dial(t, o)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		if err := send(c, ctx, "/a", nil, []byte("x")); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > 2*time.Second {
			t.Errorf("%v after %s", err, time.Since(began))
		}
	})
}

// TestStuckAndAlive: a server that takes nothing is given up, also one that still sends.
func TestStuckAndAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := play(t, func(s *script) {
			s.want("CONNECT\n")
			s.say("CONNECTED\nversion:1.2\nheart-beat:100,0\n\n^@")
			for {
				if _, err := s.conn.Write([]byte("\n")); err != nil {
					return
				}
				time.Sleep(100 * time.Millisecond)
			}
		})
		o.Timeout, o.HeartBeat = 5*time.Second, 0
		c := dial(t, o)
		began := time.Now()
		err := send(c, t.Context(), "/a", nil, []byte("x"))
		wantError(t, err, "can't write to the server: it took nothing for 5s")
		if took := time.Since(began); took != o.Timeout+parting {
			t.Errorf("given up after %s", took)
		}
		_, err = c.Next(t.Context())
		wantError(t, err, "can't write to the server: it took nothing for 5s")
	})
}

// TestLastWord: what the server said before it stopped reading counts, not that it stopped.
func TestLastWord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		conn := &deaf{Conn: near}
		stopped := make(chan struct{})
		o := Options{URL: "tcp://server", Timeout: patience, HeartBeat: -1, dial: on(t, conn, far, func(s *script) {
			s.greet()
			<-stopped
			s.say("ERROR\nmessage:too slow\n\n^@")
		})}
		c := dial(t, o)
		conn.stopped.Store(true)
		answer := make(chan error, 1)
		if err := c.Start(t.Context(), "/a", nil, nil, func(err error) { answer <- err }); err != nil {
			t.Fatal(err)
		}
		close(stopped)
		wantError(t, <-answer, "the server ended the session: too slow")
	})
}

// deaf is a connection whose other end may stop reading.
type deaf struct {
	net.Conn
	stopped atomic.Bool
}

func (d *deaf) Write(b []byte) (int, error) {
	if d.stopped.Load() {
		return 0, syscall.EPIPE
	}
	return d.Conn.Write(b)
}

// TestClose waits for the server's word, behind all messages that nobody takes, and not for ever.
func TestClose(t *testing.T) {
	t.Run("messages before", func(t *testing.T) {
		c := dial(t, play(t, func(s *script) {
			s.greet()
			disconnect := make(chan string, 1)
			go func() { disconnect <- s.want("DISCONNECT\n") }()
			for range 3 * messagesAhead {
				s.say("MESSAGE\nsubscription:1\nmessage-id:1\n\n^@")
			}
			s.receipt(<-disconnect)
			s.rest()
		}))
		if err := c.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
	t.Run("no answer", func(t *testing.T) {
		c := dial(t, play(t, func(s *script) {
			s.greet()
			s.rest()
		}))
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if err := c.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

func TestURL(t *testing.T) {
	for _, tt := range []struct{ url, shown, address, resource, want string }{
		{"ws://a/stomp", "ws://a:80/stomp", "a:80", "/stomp", ""},
		{"wss://a:1/stomp?token=x#y", "wss://a:1/stomp", "a:1", "/stomp?token=x", ""},
		{"http://[::1]:2/x%20y", "http://[::1]:2/x%20y", "[::1]:2", "/x%20y", ""},
		{"https://a", "https://a:443/", "a:443", "/", ""},
		{"tcp://a", "tcp://a:61613", "a:61613", "/", ""},
		{"tcps://a:3/", "tcps://a:3/", "a:3", "/", ""},
		{"a:1", "", "", "", "want a URL that begins with ws://, wss:// (WebSocket), http://, https:// (SockJS), tcp:// or tcps:// (STOMP alone)"},
		{"ws://bob:s3cret@a", "", "", "", "a URL with a name or password is not taken: log in with a token"},
		{"ws://h:99999/x", "", "", "", "the URL has no port from 1 to 65535: want one like ws://127.0.0.1:13001"},
		{"tcp://h:0", "", "", "", "the URL has no port from 1 to 65535: want one like tcp://127.0.0.1:13001"},
		{"ws:///x", "", "", "", "the URL names no host: want one like ws://127.0.0.1:13001"},
		{"ws://a:s3cret/x", "", "", "", "this is not a URL: want one like ws://127.0.0.1:13001/stomp"},
		{"tcp://a/stomp", "", "", "", "tcp:// has no path: want tcp://HOST:PORT"},
	} {
		u, err := ParseURL(tt.url)
		if tt.want != "" {
			if wantError(t, err, tt.want); !errors.As(err, new(*URLError)) {
				t.Errorf("%s: %T", tt.url, err)
			}
			continue
		}
		if err != nil || u.String() != tt.shown || u.target.Host != tt.address || u.target.RequestURI() != tt.resource {
			t.Errorf("%s: got %v, %v", tt.url, u, err)
		}
	}
}
