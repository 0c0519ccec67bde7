package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	gobwas "github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// library is a WebSocket client that others wrote.
type library interface {
	protocol() string
	write(message string) error
	read() (message string, err error)
	// ping sends a ping. Its pong is noticed while messages are read.
	ping() (pong <-chan error)
	// end closes with 1000 and waits for the server's Close frame.
	end() error
	// code is what the server closed with, as err of read tells.
	code(err error) int
}

// TestLibraries speaks to the node with the clients of two independent libraries.
func TestLibraries(t *testing.T) {
	n := start(t)
	for name, dial := range map[string]func(t *testing.T, url string) library{
		"coder/websocket": dialCoder,
		"gobwas/ws":       dialGobwas,
	} {
		t.Run(name, func(t *testing.T) {
			url := "ws://" + n.web + "/stomp/websocket"
			must := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			exchange := func(c library, frame, want string) {
				t.Helper()
				must(c.write(frame))
				got, err := c.read()
				must(err)
				if !strings.HasPrefix(got, want) {
					t.Fatalf("got %.200q, want %q", got, want)
				}
			}
			c := dial(t, url)
			if got := c.protocol(); got != "v12.stomp" {
				t.Errorf("subprotocol %q", got)
			}
			exchange(c, connectFrame, "CONNECTED\n")
			exchange(c, "SUBSCRIBE\nid:0\ndestination:/topic/lib\nreceipt:s\n\n\x00", receiptFrame("s"))
			for _, size := range []int{0, 10, 1000, 60_000} {
				body := strings.Repeat("ü", size/2)
				pong := c.ping()
				exchange(c, "SEND\ndestination:/topic/lib\n\n"+body+"\x00", "MESSAGE\n")
				for answered := false; !answered; {
					exchange(c, sendFrame("r"), receiptFrame("r"))
					select {
					case err := <-pong:
						must(err)
						answered = true
					default:
					}
				}
			}
			must(c.end())

			c = dial(t, url)
			exchange(c, connectFrame, "CONNECTED\n")
			exchange(c, "DISCONNECT\nreceipt:bye\n\n\x00", receiptFrame("bye"))
			if _, err := c.read(); c.code(err) != 1000 {
				t.Errorf("after DISCONNECT: %v", err)
			}

			c = dial(t, url)
			exchange(c, "NONSENSE\n\n\x00", "ERROR\n")
			if _, err := c.read(); c.code(err) != 1002 {
				t.Errorf("after a fault: %v", err)
			}
		})
	}
}

type coder struct {
	ctx context.Context
	c   *websocket.Conn
}

func dialCoder(t *testing.T, url string) library {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	c, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{
		Subprotocols:    []string{"v10.stomp", "v11.stomp", "v12.stomp"},
		CompressionMode: websocket.CompressionContextTakeover, // an offer that the server may leave
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CloseNow() })
	c.SetReadLimit(1 << 20)
	return coder{ctx, c}
}

func (c coder) protocol() string { return c.c.Subprotocol() }
func (c coder) write(message string) error {
	return c.c.Write(c.ctx, websocket.MessageText, []byte(message))
}
func (c coder) end() error         { return c.c.Close(websocket.StatusNormalClosure, "bye") }
func (c coder) code(err error) int { return int(websocket.CloseStatus(err)) }

func (c coder) read() (string, error) {
	_, b, err := c.c.Read(c.ctx)
	return string(b), err
}

func (c coder) ping() <-chan error {
	pong := make(chan error, 1)
	go func() { pong <- c.c.Ping(c.ctx) }()
	return pong
}

type gobwasClient struct {
	conn net.Conn
	hs   gobwas.Handshake
	pong chan error
}

func dialGobwas(t *testing.T, url string) library {
	d := gobwas.Dialer{Protocols: []string{"v10.stomp", "v12.stomp"}, Timeout: patience}
	conn, rest, hs, err := d.Dial(context.Background(), url)
	if err != nil {
		t.Fatal(err)
	}
	if rest != nil {
		t.Fatal("the server spoke first")
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	return &gobwasClient{conn, hs, make(chan error, 1)}
}

func (c *gobwasClient) protocol() string { return c.hs.Protocol }

func (c *gobwasClient) write(message string) error {
	return wsutil.WriteClientText(c.conn, []byte(message))
}

func (c *gobwasClient) read() (string, error) {
	for {
		messages, err := wsutil.ReadServerMessage(c.conn, nil)
		if err != nil {
			return "", err
		}
		for _, m := range messages {
			switch m.OpCode {
			case gobwas.OpPong:
				c.pong <- nil
			case gobwas.OpClose:
				code, reason := gobwas.ParseCloseFrameData(m.Payload)
				return "", wsutil.ClosedError{Code: code, Reason: reason}
			default:
				return string(m.Payload), nil
			}
		}
	}
}

func (c *gobwasClient) ping() <-chan error {
	if err := wsutil.WriteClientMessage(c.conn, gobwas.OpPing, []byte("hello")); err != nil {
		c.pong <- err
	}
	return c.pong
}

func (c *gobwasClient) end() error {
	if err := wsutil.WriteClientMessage(c.conn, gobwas.OpClose, gobwas.NewCloseFrameBody(1000, "bye")); err != nil {
		return err
	}
	if _, err := c.read(); c.code(err) != 1000 {
		return fmt.Errorf("after Close: %w", err)
	}
	return nil
}

func (c *gobwasClient) code(err error) int {
	var closed wsutil.ClosedError
	errors.As(err, &closed)
	return int(closed.Code)
}
