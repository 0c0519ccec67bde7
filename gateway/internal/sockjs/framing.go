package sockjs

import (
	"strconv"

	"github.com/stompgw/stompgw/gateway/internal/ws"
)

// Framing makes an element of a SockJS message array of one STOMP frame: a JSON string and a comma.
// So the elements of several frames, one after another, are the inside of an array. A frame that is
// not UTF-8 can't be one: nothing is appended for it.
type Framing struct{}

// Append implements session.Framing.
func (Framing) Append(dst []byte, text bool, head, rest []byte) []byte {
	if !text {
		return dst
	}
	dst = append(dst, '"')
	dst = appendEscaped(dst, head, false)
	dst = appendEscaped(dst, rest, false)
	return append(dst, '"', ',')
}

// Overhead implements session.Framing, for the line ends of an ordinary head.
func (Framing) Overhead() int { return 32 }

// webSocketFraming makes a WebSocket message of an array with one element.
type webSocketFraming struct{}

// Append implements session.Framing.
func (f webSocketFraming) Append(dst []byte, text bool, head, rest []byte) []byte {
	if !text {
		return dst
	}
	message := make([]byte, 0, len(head)+len(rest)+f.Overhead())
	message = append(message, "a["...)
	message = Framing{}.Append(message, text, head, rest)
	message[len(message)-1] = ']' // instead of the comma
	return ws.Framing{}.Append(dst, text, message, nil)
}

// Overhead implements session.Framing.
func (webSocketFraming) Overhead() int {
	return Framing{}.Overhead() + len("a[]") + ws.Framing{}.Overhead()
}

// Frames that hold no messages ("Framing accepted by the client").
const (
	openFrame  = "o"
	heartbeat  = "h"
	codeBusy   = 2010 // "Handling close": a session has one receiver at a time
	codeBroken = 1002
	codeGone   = 3000
)

// closeFrame tells the client that, and why, the session is over.
func closeFrame(code int, reason string) string {
	b := append(strconv.AppendInt([]byte("c["), int64(code), 10), ',', '"')
	return string(append(appendEscaped(b, []byte(reason), false), '"', ']'))
}

// messagesFrame is the frame that holds the messages of elements, as Framing makes them.
func messagesFrame(elements []byte) []byte {
	b := append(make([]byte, 0, len(elements)+2), "a["...)
	return append(append(b, elements[:len(elements)-1]...), ']')
}
