package client

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"strings"
	"unicode/utf8"
)

// sock is SockJS over WebSocket: each message of the server is a frame, "o", "h", "a[…]" or "c[…]",
// and each of the client an array of texts.
type sock struct {
	*socket
	opened bool
	array  *json.Decoder // of the "a" that is being read; nil for none
	budget budget
}

// newSock bounds a text of the server, which JSON makes six times as long at most.
func newSock(s *socket, o Options) *sock {
	l := o.limits()
	return &sock{socket: s, budget: budget{from: s, max: 6*int64(l.Head+l.Body) + 64<<10}}
}

// sockjsSession is the path of a new session, with three digits by which load balancers may go.
func sockjsSession() string {
	return fmt.Sprintf("/%03d/%s/websocket", mathrand.IntN(1000), strings.ToLower(rand.Text()))
}

// budget is a reader of which no more than max bytes are read before the budget is renewed.
type budget struct {
	from      io.Reader
	max, left int64
}

var errTooLong = errors.New("the server sent more at once than is taken here")

func (b *budget) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTooLong
	}
	n, err := b.from.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

func (b *budget) renew() { b.left = b.max }

func (s *sock) read() ([]byte, error) {
	for {
		if s.array == nil {
			if err := s.begin(); err != nil {
				return nil, err
			}
			continue
		}
		s.budget.renew()
		if !s.array.More() {
			if err := s.finish(); err != nil {
				return nil, err
			}
			continue
		}
		var text string
		if err := s.array.Decode(&text); err != nil {
			return nil, sockjsFault(err)
		}
		if text != "" {
			return []byte(text), nil
		}
	}
}

// begin reads frames up to one with texts.
func (s *sock) begin() error {
	for {
		if err := s.rest(); err != nil {
			return err
		}
		if err := s.frame(); err != nil {
			return err
		}
		var kind [1]byte
		if _, err := io.ReadFull(s.socket, kind[:]); err != nil {
			return sockjsFault(err)
		}
		if !s.opened && kind[0] != 'o' && kind[0] != 'c' {
			return errors.New("the server does not speak SockJS: its first frame opens nothing")
		}
		switch kind[0] {
		case 'o', 'h':
			s.opened = true
		case 'a':
			return s.texts()
		case 'c':
			return s.closed()
		default:
			return fmt.Errorf("the server does not speak SockJS as it should: it sent a frame %q", kind[0])
		}
	}
}

// texts begins the array of an "a".
func (s *sock) texts() error {
	s.budget.renew()
	s.array = json.NewDecoder(&s.budget)
	bracket, err := s.array.Token()
	if err != nil {
		return sockjsFault(err)
	}
	if bracket != json.Delim('[') {
		return errNoTexts
	}
	return nil
}

var errNoTexts = errors.New("the server does not speak SockJS as it should: want an array of texts")

// finish ends the array.
func (s *sock) finish() error {
	_, err := s.array.Token()
	s.array = nil
	if err != nil {
		return sockjsFault(err)
	}
	return nil
}

// closed reads the rest of a "c", which is the end.
func (s *sock) closed() error {
	s.budget.renew()
	var why []any
	if err := json.NewDecoder(&s.budget).Decode(&why); err != nil {
		return sockjsFault(err)
	}
	if len(why) == 2 {
		code, isCode := why[0].(float64)
		reason, isText := why[1].(string)
		if isCode && isText && code >= 0 && code < 1e6 {
			return &ClosedError{int(code), reason}
		}
	}
	return errors.New("the server does not speak SockJS as it should: its closing frame says nothing")
}

// rest drops what is left of the message.
func (s *sock) rest() error {
	_, err := io.Copy(io.Discard, s.socket)
	if errors.Is(err, errMessageEnd) {
		return nil
	}
	return err
}

func sockjsFault(err error) error {
	switch {
	case errors.Is(err, errMessageEnd), errors.As(err, new(*json.SyntaxError)), errors.As(err, new(*json.UnmarshalTypeError)):
		return errNoTexts
	}
	return err
}

// takes implements carrier: texts are all that SockJS has.
func (s *sock) takes(frame []byte) error {
	if !utf8.Valid(frame) {
		return ErrText
	}
	return nil
}

func (s *sock) write(ctx context.Context, frame []byte) error {
	b, err := json.Marshal([]string{string(frame)})
	if err != nil {
		return err
	}
	return s.socket.write(ctx, b)
}
