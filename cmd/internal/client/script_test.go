package client

import (
	"bufio"
	"context"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience ends a test that hangs. No test passes or fails by how long something takes.
const patience = 2 * time.Minute

// script is a server that does what a test says.
type script struct {
	t    testing.TB
	conn net.Conn
	in   *bufio.Reader
}

// play serves one connection with what a test says, and returns options that dial it. When the test
// ends, so does the connection.
func play(t testing.TB, say func(*script)) Options {
	t.Helper()
	near, far := net.Pipe()
	return Options{URL: "tcp://server:61613", Timeout: patience, HeartBeat: -1, dial: on(t, near, far, say)}
}

func on(t testing.TB, near, far net.Conn, say func(*script)) func(context.Context, string, string) (net.Conn, error) {
	var wg sync.WaitGroup
	wg.Go(func() {
		defer far.Close()
		say(&script{t, far, bufio.NewReader(far)})
	})
	t.Cleanup(func() {
		near.Close() // where nobody dialled; a script ends with it
		wg.Wait()
	})
	return func(context.Context, string, string) (net.Conn, error) { return near, nil }
}

// frame returns the next frame, less its NUL and the heart-beats before it.
func (s *script) frame() string {
	s.t.Helper()
	frame, err := s.in.ReadString(0)
	if err != nil {
		s.t.Errorf("the server waits for a frame: %v", err)
		runtime.Goexit()
	}
	return strings.TrimSuffix(strings.TrimLeft(frame, "\n"), "\x00")
}

// want reads a frame that has these parts.
func (s *script) want(parts ...string) string {
	s.t.Helper()
	frame := s.frame()
	for _, part := range parts {
		if !strings.Contains(frame, part) {
			s.t.Errorf("the server got %q, which lacks %q", frame, part)
			runtime.Goexit()
		}
	}
	return frame
}

// say sends text, with ^@ for NUL. It may come to nobody.
func (s *script) say(text string) { io.WriteString(s.conn, strings.ReplaceAll(text, "^@", "\x00")) }

// greet answers CONNECT.
func (s *script) greet() {
	s.t.Helper()
	s.want("CONNECT\n")
	s.say("CONNECTED\nversion:1.2\n\n^@")
}

// receipt answers a frame.
func (s *script) receipt(frame string) {
	s.say("RECEIPT\nreceipt-id:" + header(frame, "receipt") + "\n\n^@")
}

// header is what a frame has under a name.
func header(frame, name string) string {
	head, _, _ := strings.Cut(frame, "\n\n")
	for line := range strings.SplitSeq(head, "\n") {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			return value
		}
	}
	return ""
}

// rest reads until the client has gone.
func (s *script) rest() { io.Copy(io.Discard, s.in) }

func dial(t testing.TB, o Options) *Client {
	t.Helper()
	c, err := Dial(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		gone, cancel := context.WithCancel(context.Background())
		cancel()
		c.Close(gone) // that nobody confirms the end is no matter here
	})
	return c
}

func wantError(t testing.TB, err error, want string) {
	t.Helper()
	if err == nil || err.Error() != want {
		t.Errorf("\n got %v\nwant %s", err, want)
	}
}

// send publishes a message, and returns the answer.
func send(c *Client, ctx context.Context, destination string, header Header, body []byte) error {
	answer := make(chan error, 1)
	if err := c.Start(ctx, destination, header, body, func(err error) { answer <- err }); err != nil {
		return err
	}
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
