package session

import (
	"slices"

	"github.com/stompgw/stompgw/gateway/internal/router"
	"github.com/stompgw/stompgw/gateway/policy"
	"github.com/stompgw/stompgw/gateway/stomp"
)

// prefetch is how many messages of a subscription may be unacknowledged; those that follow wait,
// up to limits.outbound bytes in all subscriptions of a session together.
const prefetch = 1000

// ackMode is the ack header of SUBSCRIBE.
type ackMode uint8

const (
	ackAuto       ackMode = iota
	ackClient             // an ACK is for its message and all before it
	ackIndividual         // an ACK is for its message alone; not in 1.0
)

func parseAckMode(value []byte, v stomp.Version) (ackMode, bool) {
	switch string(value) {
	case "auto":
		return ackAuto, true
	case "client":
		return ackClient, true
	case "client-individual":
		return ackIndividual, v > stomp.V10
	}
	return 0, false
}

// window is the messages of one subscription that wait for an acknowledgement, and behind them
// those that wait for room among these.
type window struct {
	mode    ackMode
	unacked []uint64 // in the order of delivery, at most prefetch
	held    []heldMessage
}

type heldMessage struct {
	seq    uint64
	packed []byte
}

// admit reports whether a message may leave now; if not, it is held.
func (w *window) admit(seq uint64, packed []byte) bool {
	if len(w.unacked) < prefetch {
		w.unacked = append(w.unacked, seq)
		return true
	}
	w.held = append(w.held, heldMessage{seq, packed})
	return false
}

// isFull reports whether a message would be held.
func (w *window) isFull() bool { return w != nil && len(w.unacked) >= prefetch }

// heldBytes is how much is held.
func (w *window) heldBytes() (n int) {
	for _, m := range w.held {
		n += len(m.packed)
	}
	return n
}

// acknowledge takes message seq out, and all before it if the mode says so. A message that is not
// there has been acknowledged before, which does no harm.
func (w *window) acknowledge(seq uint64) {
	at := slices.Index(w.unacked, seq)
	switch {
	case at < 0:
	case w.mode == ackClient:
		w.unacked = slices.Delete(w.unacked, 0, at+1)
	default:
		w.unacked = slices.Delete(w.unacked, at, at+1)
	}
}

// next returns a held message that has room now, nil if there is none.
func (w *window) next() []byte {
	if len(w.held) == 0 || len(w.unacked) >= prefetch {
		return nil
	}
	first := w.held[0]
	w.held[0] = heldMessage{}
	if w.held = w.held[1:]; len(w.held) == 0 {
		w.held = nil
	}
	w.unacked = append(w.unacked, first.seq)
	return first.packed
}

// acknowledgement is what an ACK or NACK names.
type acknowledgement struct {
	subscription string
	anywhere     bool // 1.0 names no subscription
	seq          uint64
	nack         bool
}

// ack carries out ACK and NACK. Neither redelivers anything: both make room in the window.
func (s *Session) ack(f *stomp.Frame, nack bool) error {
	a, err := s.parseAck(f)
	if err != nil {
		return err
	}
	a.nack = nack
	tx, err := s.transactionOf(f)
	if err != nil {
		return err
	}
	switch {
	case tx == nil:
		s.acknowledge(a)
	case s.room(tx, 1, len(a.subscription)):
		tx.acks = append(tx.acks, a)
	default:
		s.refuse(originOf(f), policy.Refuse(policy.CodeTooLarge))
		return nil
	}
	s.receiptFor(f)
	return nil
}

// parseAck reads the headers by which each version names a message ("ACK").
func (s *Session) parseAck(f *stomp.Frame) (a acknowledgement, err error) {
	name, source := "message-id", "message-id"
	if s.version >= stomp.V12 {
		name, source = "id", "ack"
	}
	value, err := required(f, name)
	if err != nil {
		return a, err
	}
	messageID := string(value)
	switch s.version {
	case stomp.V10:
		a.anywhere = true
	case stomp.V11:
		subscription, ok := f.Header.Get("subscription")
		if !ok {
			return a, faultf(f.Command, "%s needs a subscription header", f.Command)
		}
		a.subscription = string(subscription)
	default:
		var ours bool
		if messageID, a.subscription, ours = router.Ack(messageID); !ours {
			messageID = "" // a message-id is not enough
		}
	}
	var known bool
	if a.seq, known = s.host.Local.Seq(messageID); !known {
		return a, faultf(f.Command, "%s names a message that this session has not received: copy the %s header of its MESSAGE into the %s header",
			f.Command, source, name)
	}
	return a, nil
}

// acknowledge makes room in the windows that a names. A subscription that is not there has been
// ended while the ACK was on its way.
func (s *Session) acknowledge(a acknowledgement) {
	if a.nack {
		s.host.Stats.Nacks.Add(1)
	}
	for _, sub := range s.subs {
		if sub.window == nil || !a.anywhere && sub.ID != a.subscription {
			continue
		}
		sub.window.acknowledge(a.seq)
		for packed := sub.window.next(); packed != nil; packed = sub.window.next() {
			s.work.held -= len(packed)
			s.conn.Queue(packed)
		}
		if f, ok := sub.Outlet.(*feed); ok && f.next != nil {
			s.read()
		}
	}
}
