package gateway_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/membus"
	"github.com/stompgw/stompgw/gateway"
)

// eachSock runs a test over some transports of SockJS, which need not wait for one another.
func eachSock(t *testing.T, list []transport, test func(t *testing.T, dial func(*node) *client)) {
	for _, tr := range list {
		t.Run(tr.name, func(t *testing.T) {
			t.Parallel()
			test(t, func(n *node) *client { return n.dialSock(t, tr) })
		})
	}
}

// A session over SockJS is one like any other, from CONNECT to DISCONNECT.
func TestSockJSConversation(t *testing.T) {
	eachSocket(t, func(t *testing.T, start startFunc) {
		n := start(t, sockJS())
		for _, w := range []way{first, later, kept} {
			for _, tr := range allTransports() {
				t.Run(string(w)+" "+tr.name, func(t *testing.T) {
					c := newClient(t, n.browser(t, w).session(tr, "/stomp"))
					if n := len(n.sessions.Sessions()); n != 0 {
						t.Fatalf("%d sessions before CONNECT", n)
					}
					c.connect().subscribe("0", "/topic/chat")
					list := n.sessions.Sessions()
					if len(list) != 1 || list[0].Transport != tr.name || list[0].Version != "1.2" || !list[0].Remote.Addr().IsLoopback() {
						t.Fatalf("the registry has %+v", list)
					}
					c.send("SEND\ndestination:/app/topic/chat\nfoo:bar\n\nhellö 😀^@")
					c.expect("MESSAGE", "destination:/topic/chat", "subscription:0", "foo:bar", "hellö 😀")
					c.send("UNSUBSCRIBE\nid:0\nreceipt:u\n\n^@")
					c.expect("RECEIPT", "receipt-id:u")
					c.send("DISCONNECT\nreceipt:bye\n\n^@")
					c.expect("RECEIPT", "receipt-id:bye")
					c.wantCloseFrame(`c[1000,""]`)
					if list := n.sessions.Sessions(); len(list) != 0 || n.Sessions() != 0 {
						t.Errorf("after DISCONNECT: %d, %+v", n.Sessions(), list)
					}
				})
			}
		}
	})
}

// STOMP frames and SockJS messages need not begin or end together.
func TestSockJSMessagesAndFrames(t *testing.T) {
	n := start(t, sockJS())
	frames := sendFrame("a") + "\n\r\n" + sendFrame("é") + sendFrame("c")
	for _, tr := range allTransports() {
		for name, posts := range map[string][]string{
			"in one message":               {encode(frames)},
			"a message each":               {encode(sendFrame("a"), sendFrame("é"), sendFrame("c"))},
			"a post each":                  {encode(sendFrame("a")), encode(sendFrame("é")), encode(sendFrame("c"))},
			"cut over messages":            {encode(cut(frames, 10)...)},
			"cut over posts":               {encode(frames[:5]), encode(frames[5:50]), encode(frames[50:])},
			"a character to a message":     {encode(strings.Split(frames, "")...)},
			"a character to a post":        each(sendFrame("a"), func(c string, _, _ bool) string { return encode(c) }),
			"empty messages between":       {encode("", frames[:9], "", ""), "[]", encode(""), encode(frames[9:], "")},
			"the end of one, and the next": {encode(frames[:9]), encode(frames[9:]+frames[:9], frames[9:])},
		} {
			t.Run(tr.name+" "+name, func(t *testing.T) {
				s := n.browser(t, kept).session(tr, "/stomp")
				c := newClient(t, s).connect()
				for _, post := range posts {
					s.say(post)
				}
				want := strings.Count(strings.Join(posts, ""), `\u0000`)
				for range want {
					c.expect("RECEIPT")
				}
				c.wantAlive()
			})
		}
	}
}

// cut takes a string apart.
func cut(s string, size int) (parts []string) {
	for part := range slices.Chunk([]rune(s), size) {
		parts = append(parts, string(part))
	}
	return parts
}

// Each STOMP frame is a SockJS message.
func TestSockJSFramePerMessage(t *testing.T) {
	n := start(t, sockJS())
	for _, tr := range allTransports() {
		t.Run(tr.name, func(t *testing.T) {
			s := n.browser(t, kept).session(tr, "/stomp")
			s.say(encode(connectFrame + sendFrame("1") + sendFrame("2") + sendFrame("3")))
			for got := 0; got < 4; {
				frame, err := s.frame()
				if err != nil {
					t.Fatal(err)
				}
				list, err := decode(frame)
				if err != nil {
					t.Fatal(err)
				}
				for _, m := range list {
					if got++; got > 1 && m != receiptFrame(fmt.Sprint(got-1)) {
						t.Errorf("got %q", m)
					}
				}
			}
		})
	}
}

// Faults are told by an ERROR, and then the session is closed. What was sent with it is lost.
func TestSockJSFault(t *testing.T) {
	eachSock(t, allTransports(), func(t *testing.T, dial func(*node) *client) {
		n := start(t, sockJS())
		c := dial(n).connect()
		c.send("WHAT\nreceipt:r\n\n^@" + sendFrame("late"))
		c.expect("ERROR", "receipt-id:r")
		c.wantCloseFrame(`c[1002,""]`)
		c = dial(n)
		c.send("SEND\ndestination:/topic/a\n\n^@")
		c.expect("ERROR", "message:the first frame must be CONNECT or STOMP")
		c.wantCloseFrame(`c[1002,""]`)
		if list := n.sessions.Sessions(); len(list) != 0 {
			t.Errorf("the registry has %+v", list)
		}
	})
}

// Refusals come by the error channel.
func TestSockJSRefusal(t *testing.T) {
	eachSock(t, allTransports(), func(t *testing.T, dial func(*node) *client) {
		n := start(t, sockJS())
		c := dial(n).connect()
		c.subscribe("e", "/session/queue/request-error")
		c.send("SEND\ndestination:/topic/secret/a\nclient-request-code:SEND\nreceipt:no\n\nx^@")
		frame := c.expect("MESSAGE", "subscription:e")
		if !strings.Contains(frame, `{"clientRequestCode":"SEND","errorCode":2,"errorMessage":"Not allowed",`) {
			t.Errorf("got %q", frame)
		}
		c.wantAlive()
	})
}

// A session that says nothing is told so, as others are.
func TestSockJSNoConnect(t *testing.T) {
	eachSock(t, oneOfEach(), func(t *testing.T, dial func(*node) *client) {
		c := dial(start(t, sockJS(), connectWithin(300*time.Millisecond)))
		c.expect("ERROR", "message:no CONNECT came within 300ms")
		c.wantCloseFrame(`c[1008,"no CONNECT"]`)
	})
}

// "Heart-beating", in both directions: the client's are messages that it posts, the server's end a poll.
func TestSockJSHeartBeats(t *testing.T) {
	eachSock(t, oneOfEach(), func(t *testing.T, dial func(*node) *client) {
		n := start(t, sockJS(), gateway.WithHeartBeat(300*time.Millisecond, 300*time.Millisecond))
		c := dial(n)
		c.send("CONNECT\naccept-version:1.2\nheart-beat:300,300\n\n^@")
		c.expect("CONNECTED", "heart-beat:300,300")
		ended, stop := make(chan struct{}), make(chan struct{})
		go func() { // until then the client is not silent
			defer close(ended)
			for {
				select {
				case <-stop:
					return
				case <-time.After(50 * time.Millisecond):
					c.send("\n")
				}
			}
		}()
		beats := 0
		for buf := make([]byte, 100); beats < 8; { // takes more than 900 ms
			k, err := c.conn.Read(buf)
			if err != nil || strings.Trim(string(buf[:k]), "\n") != "" {
				t.Errorf("got %q, %v", buf[:k], err)
				break
			}
			beats += k
		}
		close(stop)
		<-ended
	})
}

func TestSockJSSilentClient(t *testing.T) {
	eachSock(t, oneOfEach(), func(t *testing.T, dial func(*node) *client) {
		n := start(t, sockJS(), gateway.WithHeartBeat(0, 300*time.Millisecond))
		c := dial(n).connectAs("1.2", "heart-beat:300,0")
		c.expect("ERROR", "message:no heart-beat came within 900ms, which is 3 times the agreed period")
		c.wantCloseFrame(`c[1008,"no heart-beat"]`)
		if n := len(n.sessions.Sessions()); n != 0 {
			t.Errorf("the registry has %d sessions", n)
		}
	})
}

// Individual messages find sessions over SockJS on every node.
func TestSockJSIndividual(t *testing.T) {
	cluster := membus.NewCluster()
	nodes := []*node{startOn(t, cluster, sockJS()), startOn(t, cluster, sockJS())}
	backend := cluster.Bus("backend")
	defer backend.Close(context.Background())
	publish := func(principal, destination, body string) {
		t.Helper()
		done := make(chan error, 1)
		e := bus.Envelope{Destination: destination, Principal: principal, Body: []byte(body)}
		if err := backend.Publish(e, func(err error) { done <- err }); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	var clients []*client
	var principals []string
	for i, tr := range allTransports() {
		c := nodes[i%2].dialSock(t, tr)
		c.send("CONNECT\naccept-version:1.2\n\n^@")
		principals = append(principals, header(t, c.expect("CONNECTED"), "user-name"))
		c.subscribe("0", "/session/queue/x")
		c.subscribe("all", "/topic/all")
		clients = append(clients, c)
	}
	for i, p := range principals {
		publish(p, "/queue/x", fmt.Sprint("for ", i))
		publish(p+"0", "/queue/x", "for a session of another time")
	}
	publish("", "/topic/all", "end")
	for i, c := range clients {
		c.expect("MESSAGE", "subscription:0", "destination:/session/queue/x", fmt.Sprint("for ", i))
		c.expect("MESSAGE", "subscription:all", "end")
		c.wantAlive()
	}
}

// What is no text can't be in JSON: it is left out for clients over SockJS, and counted. Others get it.
func TestSockJSUnpackable(t *testing.T) {
	cluster := membus.NewCluster()
	n := startOn(t, cluster, sockJS())
	backend := cluster.Bus("backend")
	defer backend.Close(context.Background())
	ws := n.dialTCP(t).connect()
	ws.subscribe("0", "/topic/a")
	var clients []*client
	for _, tr := range allTransports() {
		c := n.dialSock(t, tr).connect()
		c.subscribe("0", "/topic/a")
		clients = append(clients, c)
	}
	before := n.Figures()
	for _, body := range []string{"before", "\xff\xfe", "caf\xe9", "after"} {
		if err := backend.Publish(bus.Envelope{Destination: "/topic/a", Body: []byte(body)}, func(error) {}); err != nil {
			t.Fatal(err)
		}
		ws.expect("MESSAGE", body)
	}
	for _, c := range clients {
		c.expect("MESSAGE", "before")
		c.expect("MESSAGE", "after")
		c.wantAlive()
	}
	if got, want := n.Figures().Unpackable-before.Unpackable, 2*uint64(len(clients)); got != want {
		t.Errorf("%d messages were left out, want %d", got, want)
	}
}

// A header that is not UTF-8 is left out, and the message arrives without it: as text.
func TestHeaderThatIsNoText(t *testing.T) {
	cluster := membus.NewCluster()
	n := startOn(t, cluster, sockJS())
	backend := cluster.Bus("backend")
	defer backend.Close(context.Background())
	web := n.session(t)
	web.write(frame(text, "SUBSCRIBE\nid:0\ndestination:/topic/a\nreceipt:r\n\n\x00"))
	web.wantMessage("RECEIPT\n")
	clients := []*client{n.dialTCP(t).connect()}
	for _, tr := range allTransports() {
		clients = append(clients, n.dialSock(t, tr).connect())
	}
	for _, c := range clients {
		c.subscribe("0", "/topic/a")
	}
	e := bus.Envelope{Destination: "/topic/a", Body: []byte("caf\u00e9"), Headers: []bus.Header{
		{Name: "content-type", Value: "caf\xe9"}, {Name: "x\xe9", Value: "1"}, {Name: "message-id", Value: "\xff"}, {Name: "kept", Value: "yes"},
	}}
	if err := backend.Publish(e, func(error) {}); err != nil {
		t.Fatal(err)
	}
	if got := web.wantMessage("MESSAGE\n"); !strings.HasSuffix(got, "\nkept:yes\ncontent-length:5\n\ncaf\u00e9\x00") {
		t.Errorf("got %q", got)
	}
	for _, c := range clients {
		if got := c.expect("MESSAGE", "kept:yes", "caf\u00e9"); strings.Contains(got, "content-type") || !utf8.ValidString(got) {
			t.Errorf("got %q", got)
		}
	}
	if left := n.Figures().Unpackable; left != 0 {
		t.Errorf("%d messages were left out", left)
	}
}

// TestSockJSBackpressure: a full bus makes senders wait, with their posts; nothing is lost or overtaken.
func TestSockJSBackpressure(t *testing.T) {
	const messages = 200
	for _, tr := range oneOfEach() {
		t.Run(tr.name, func(t *testing.T) {
			t.Parallel()
			n, b := startTap(t, sockJS())
			reader := n.dialTCP(t).connect()
			reader.subscribe("0", "/topic/a")
			s := n.browser(t, kept).session(tr, "/stomp")
			writer := newClient(t, s).connect()
			b.set(true, false)
			var frames strings.Builder
			for i := range messages {
				fmt.Fprintf(&frames, "SEND\ndestination:/topic/a\nreceipt:%d\n\n%d\x00", i, i)
			}
			said := make(chan error, 2)
			go func() { said <- s.trySay(encode(frames.String())) }()
			<-b.asked
			go func() { said <- s.trySay(encode(sendFrame("last"))) }()
			if tr.method != "" {
				select {
				case err := <-said:
					t.Fatalf("the session waits, and takes what is posted (%v)", err)
				case <-time.After(100 * time.Millisecond):
				}
			}
			reader.wantAlive() // nobody else waits; nor is anything delivered
			if n := len(b.taken()); n != 0 {
				t.Fatalf("a full bus has taken %d envelopes", n)
			}
			b.open()
			for i := range messages {
				reader.expect("MESSAGE", fmt.Sprint(i))
				writer.expect("RECEIPT", fmt.Sprint("receipt-id:", i))
			}
			writer.expect("RECEIPT", "receipt-id:last")
			for range 2 {
				if err := <-said; err != nil {
					t.Error(err)
				}
			}
		})
	}
}
