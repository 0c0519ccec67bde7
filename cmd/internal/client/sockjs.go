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
)

// sock is SockJS over WebSocket: each message of the server is a frame, "o", "h", "a[…]" or "c[…]",
// and each of the client an array of texts.
type sock struct {
	*socket
	opened bool
	most   int64 // bytes of a frame
}

// newSock bounds a frame of the server by what STOMP may have in it, which JSON makes six times as long at most.
func newSock(s *socket, o Options) *sock {
	l := o.limits()
	return &sock{socket: s, most: 6*int64(l.Head+l.Body) + 64<<10}
}

// sockjsSession is the path of a new session, with three digits by which load balancers may go.
func sockjsSession() string {
	return fmt.Sprintf("/%03d/%s/websocket", mathrand.IntN(1000), strings.ToLower(rand.Text()))
}

var (
	errTooLong = errors.New("the server sent more at once than is accepted here")
	errNoTexts = errors.New("the server does not speak SockJS as it should: want an array of texts")
)

func (s *sock) read() ([]byte, error) {
	for {
		if err := s.next(); err != nil {
			return nil, err
		}
		frame, err := io.ReadAll(io.LimitReader(&s.in, s.most+1))
		switch {
		case err != nil:
			return nil, err
		case int64(len(frame)) > s.most:
			return nil, errTooLong
		case len(frame) == 0:
			return nil, errNoTexts
		}
		if text, err := s.take(frame[0], frame[1:]); err != nil || text != "" {
			return []byte(text), err
		}
	}
}

// take returns the texts of a frame.
func (s *sock) take(kind byte, rest []byte) (string, error) {
	if !s.opened && kind != 'o' && kind != 'c' {
		return "", errors.New("the server does not speak SockJS: its first frame opens nothing")
	}
	switch kind {
	case 'o', 'h':
		s.opened = true
		return "", nil
	case 'a':
		var texts []string
		if json.Unmarshal(rest, &texts) != nil {
			return "", errNoTexts
		}
		return strings.Join(texts, ""), nil
	case 'c':
		return "", closed(rest)
	}
	return "", fmt.Errorf("the server does not speak SockJS as it should: it sent a frame %q", kind)
}

// closed says what the server has ended the session with.
func closed(why []byte) error {
	var code uint16
	var reason *string
	if json.Unmarshal(why, &[]any{&code, &reason}) != nil || reason == nil {
		return errors.New("the server does not speak SockJS as it should: its closing frame says nothing")
	}
	return &ClosedError{int(code), *reason}
}

func (s *sock) write(ctx context.Context, frame []byte) error {
	b, err := json.Marshal([]string{string(frame)})
	if err != nil {
		return err
	}
	return s.socket.write(ctx, b)
}
