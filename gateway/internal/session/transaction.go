package session

import (
	"github.com/stompgw/stompgw/gateway/policy"
	"github.com/stompgw/stompgw/gateway/stomp"
)

// Bounds of transactions, so that what a client has begun and not ended can't fill the memory.
const (
	maxTransactions = 16   // open in one session
	maxEnlisted     = 1000 // frames in one of them; those of all together may have limits.outbound bytes
)

// transaction is what waits for COMMIT. SENDs are judged as they come and published in order at
// COMMIT; they are not all or nothing.
type transaction struct {
	sends  []publication
	acks   []acknowledgement
	bytes  int
	failed bool // one of its SENDs has been refused
}

// fail notes that one of the SENDs of tx, which may be nil, has been refused.
func (tx *transaction) fail() {
	if tx != nil {
		tx.failed = true
	}
}

// commit is a COMMIT whose SENDs are on their way, or a SEND that has become several messages.
type commit struct {
	origin origin
	left   int // messages without an outcome
	failed bool
	isSend bool // what has failed was told already, and says it all
}

func (s *Session) begin(f *stomp.Frame) error {
	name, err := required(f, "transaction")
	if err != nil {
		return err
	}
	work := s.busy()
	if work.transactions[string(name)] != nil {
		return faultf("BEGIN", "a transaction of the name %s has begun already in this session", quoted(name))
	}
	if len(work.transactions) >= maxTransactions {
		s.refuse(originOf(f), policy.Refuse(policy.CodeTooMany))
		return nil
	}
	if work.transactions == nil {
		work.transactions = map[string]*transaction{}
	}
	work.transactions[string(name)] = &transaction{}
	s.receiptFor(f)
	return nil
}

// transactionOf returns the transaction that f belongs to, nil for none.
func (s *Session) transactionOf(f *stomp.Frame) (*transaction, error) {
	name, ok := f.Header.Get("transaction")
	if !ok {
		return nil, nil
	}
	if s.work != nil {
		if tx := s.work.transactions[string(name)]; tx != nil {
			return tx, nil
		}
	}
	return nil, faultf(f.Command, "no transaction of that name has begun in this session")
}

// takeTransaction ends the transaction that COMMIT or ABORT names.
func (s *Session) takeTransaction(f *stomp.Frame) (*transaction, error) {
	name, err := required(f, "transaction")
	if err != nil {
		return nil, err
	}
	tx, err := s.transactionOf(f)
	if err == nil {
		delete(s.work.transactions, string(name))
	}
	return tx, err
}

// room reports whether tx takes some frames more, of n bytes in all.
func (s *Session) room(tx *transaction, frames, n int) bool {
	all := n
	for _, other := range s.work.transactions {
		all += other.bytes
	}
	if len(tx.sends)+len(tx.acks)+frames > maxEnlisted || all > s.host.Outbound {
		tx.fail()
		return false
	}
	tx.bytes += n
	return true
}

// enlist has what a SEND has become wait for COMMIT: all of it, or nothing.
func (s *Session) enlist(p *passage, list []publication) {
	size := 0
	for i := range list {
		size += list[i].size()
	}
	if !s.room(p.tx, len(list), size) {
		s.refuse(p.origin, policy.Refuse(policy.CodeTooLarge))
		return
	}
	p.tx.sends = append(p.tx.sends, list...)
}

// commit publishes what the transaction holds. Its RECEIPT follows when the bus has all of it.
func (s *Session) commit(f *stomp.Frame) error {
	tx, err := s.takeTransaction(f)
	if err != nil {
		return err
	}
	for _, a := range tx.acks {
		s.acknowledge(a)
	}
	c := &commit{origin: originOf(f), left: len(tx.sends) + 1, failed: tx.failed}
	for i := range tx.sends {
		tx.sends[i].commit = c
	}
	s.publish(tx.sends)
	if s.state != closed {
		s.settle(c, true) // the one that was counted for the COMMIT itself
	}
	return nil
}

// settle notes the outcome of one SEND of c, and answers the COMMIT after the last.
func (s *Session) settle(c *commit, ok bool) {
	c.failed = c.failed || !ok
	c.left--
	switch {
	case c.left > 0:
	case !c.failed:
		s.receipt(c.origin.receipt)
	case !c.isSend:
		s.refuse(c.origin, policy.Refuse(policy.CodeTransaction))
	}
}

// abort forgets what the transaction holds. Its SENDs get no RECEIPT.
func (s *Session) abort(f *stomp.Frame) error {
	if _, err := s.takeTransaction(f); err != nil {
		return err
	}
	s.receiptFor(f)
	return nil
}
