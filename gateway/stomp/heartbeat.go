package stomp

import (
	"bytes"
	"strconv"
	"time"
)

// minHeartBeat is the shortest period that a client gets by asking for it.
const minHeartBeat = time.Second

// maxPeriod is what greater numbers count as: no connection lives to see the end of it, and three of
// them are a time.Duration still.
const maxPeriod = 10 * 365 * 24 * time.Hour

// HeartBeat is a heart-beat header as its sender sees it ("Heart-beating"): the shortest period in
// which it can send something, and the period in which it would like to receive something, in whole
// milliseconds. 0 means none. A missing header is the zero HeartBeat.
type HeartBeat struct {
	Send, Receive time.Duration
}

// ParseHeartBeat reads the value of a heart-beat header: two whole numbers of milliseconds with a comma
// between them; spaces around the numbers are ignored. The specification has no maximum: numbers beyond
// ten years count as ten years. The error is a *ProtocolError.
func ParseHeartBeat(value []byte) (HeartBeat, error) {
	first, second, _ := bytes.Cut(value, []byte{','})
	send, ok := parsePeriod(first)
	receive, ok2 := parsePeriod(second)
	if !ok || !ok2 {
		return HeartBeat{}, &ProtocolError{
			Section: "Heart-beating",
			Summary: `heart-beat must be two whole numbers of milliseconds, such as "10000,10000"`,
			Offset:  -1,
		}
	}
	return HeartBeat{Send: send, Receive: receive}, nil
}

// parsePeriod reads one number of a heart-beat header.
func parsePeriod(b []byte) (d time.Duration, ok bool) {
	b = bytes.Trim(b, " ")
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		d = min(d*10+time.Duration(c-'0')*time.Millisecond, maxPeriod)
	}
	return d, len(b) > 0
}

// String returns the header's value, such as "10000,10000". A fraction of a millisecond is rounded up,
// so that a period never turns into none.
func (h HeartBeat) String() string {
	b := strconv.AppendInt(make([]byte, 0, 20), milliseconds(h.Send), 10)
	b = append(b, ',')
	b = strconv.AppendInt(b, milliseconds(h.Receive), 10)
	return string(b)
}

func milliseconds(d time.Duration) int64 {
	return int64((d + time.Millisecond - 1) / time.Millisecond)
}

// Answer returns what CONNECTED says to a client whose CONNECT said client, where h is what the
// server offers. The client may ask for shorter periods than offered, down to one second: each
// number becomes the one it will meet at the client, raised to a second and lowered to the offer.
// Where either side has 0 the offer stands.
func (h HeartBeat) Answer(client HeartBeat) HeartBeat {
	return HeartBeat{
		Send:    answerPeriod(h.Send, client.Receive),
		Receive: answerPeriod(h.Receive, client.Send),
	}
}

func answerPeriod(offer, asked time.Duration) time.Duration {
	if asked == 0 {
		return offer
	}
	return min(max(asked, minHeartBeat), offer)
}

// Agree returns the periods that result from h, what this side said, and what peer said: Send is the
// longest time this side may stay silent, Receive that of the peer. Each is the greater of the two
// numbers that meet, or 0 (no heart-beats) if one of them is 0.
func (h HeartBeat) Agree(peer HeartBeat) HeartBeat {
	return HeartBeat{
		Send:    agreePeriod(h.Send, peer.Receive),
		Receive: agreePeriod(h.Receive, peer.Send),
	}
}

func agreePeriod(can, wants time.Duration) time.Duration {
	if can == 0 || wants == 0 {
		return 0
	}
	return max(can, wants)
}
