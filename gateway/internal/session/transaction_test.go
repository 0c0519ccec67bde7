package session

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stompgw/stompgw/bus"
)

func begin(name string) string { return "BEGIN\ntransaction:" + name + "\n\n^@" }

func sendIn(tx, body string) string {
	return "SEND\ndestination:/topic/a\ntransaction:" + tx + "\n\n" + body + "^@"
}

// TestTransaction: SENDs are published at COMMIT, in their order, and its RECEIPT and theirs wait
// for the bus.
func TestTransaction(t *testing.T) {
	p := newRig(t).connect("1.2")
	p.feed("BEGIN\ntransaction:t1\nreceipt:begin\n\n^@")
	p.want(receipt("begin"))
	p.feed(sendIn("t1", "1") + "SEND\ndestination:/topic/a\ntransaction:t1\nreceipt:2\n\n2^@" + begin("t2") + sendIn("t2", "other") +
		"SEND\ndestination:/topic/a\n\noutside^@" + sendIn("t1", "3"))
	p.want()
	if got := p.bus.Bodies(); !slices.Equal(got, []string{"outside"}) {
		t.Fatalf("before COMMIT the bus has %q", got)
	}
	p.feed("COMMIT\ntransaction:t1\nreceipt:commit\n\n^@")
	if got := p.bus.Bodies(); !slices.Equal(got, []string{"outside", "1", "2", "3"}) {
		t.Fatalf("after COMMIT the bus has %q", got)
	}
	p.want()
	p.settle(1, nil)
	p.settle(3, nil)
	p.want()
	p.settle(2, nil)
	p.want(receipt("2"), receipt("commit"))
	p.feed(begin("t1") + "COMMIT\ntransaction:t1\nreceipt:empty\n\n^@") // the name is free again
	p.want(receipt("empty"))
}

func TestAbort(t *testing.T) {
	p := newRig(t).connect("1.2")
	p.feed(begin("t") + "SEND\ndestination:/topic/a\ntransaction:t\nreceipt:no\n\n1^@ABORT\ntransaction:t\nreceipt:abort\n\n^@")
	p.want(receipt("abort"))
	if got := p.bus.Bodies(); got != nil {
		t.Errorf("the bus has %q", got)
	}
}

// TestAckInTransaction: an acknowledgement makes room at COMMIT, and never after ABORT.
func TestAckInTransaction(t *testing.T) {
	p := newRig(t).connect("1.2")
	p.feed("SUBSCRIBE\nid:s\ndestination:/topic/a\nack:client\n\n^@")
	p.publish("/topic/a", 0, 1003)
	id := header(t, p.read()[0], "ack")
	p.feed(begin("t") + "ACK\nid:" + id + "\ntransaction:t\nreceipt:ack\n\n^@")
	p.want(receipt("ack"))
	p.feed("ABORT\ntransaction:t\n\n^@")
	p.want()
	p.feed(begin("t") + "NACK\nid:" + id + "\ntransaction:t\n\n^@")
	p.want()
	if n := p.host.Stats.Nacks.Load(); n != 0 {
		t.Errorf("%d NACKs before COMMIT", n)
	}
	p.feed("COMMIT\ntransaction:t\n\n^@")
	p.wantOne("MESSAGE", "1000")
	if n := p.host.Stats.Nacks.Load(); n != 1 {
		t.Errorf("%d NACKs after COMMIT", n)
	}
}

// TestTransactionRefusals: a SEND that is refused is told at once; the COMMIT then says that not
// all was published, and has no RECEIPT.
func TestTransactionRefusals(t *testing.T) {
	incomplete := `{"clientRequestCode":"c","errorCode":10,"errorMessage":"Some messages of the transaction were refused, the others published","error":"transaction_incomplete","retryable":false,"receiptId":"commit"}`
	commit := "COMMIT\ntransaction:t\nreceipt:commit\nclient-request-code:c\n\n^@"
	t.Run("by a rule", func(t *testing.T) {
		p := newRig(t).connect("1.2").errors()
		p.feed(begin("t") + sendIn("t", "1") + "SEND\ndestination:/topic/closed\ntransaction:t\nreceipt:no\n\n2^@" + sendIn("t", "3"))
		if body := p.wantRefusal("not_allowed"); !strings.Contains(body, `"receiptId":"no"`) {
			t.Errorf("got %s", body)
		}
		p.feed(commit)
		if got := p.bus.Bodies(); !slices.Equal(got, []string{"1", "3"}) {
			t.Fatalf("the bus has %q", got)
		}
		p.settle(0, nil)
		p.want()
		p.settle(1, nil)
		if got := p.wantRefusal(""); got != incomplete {
			t.Errorf("got  %s\nwant %s", got, incomplete)
		}
	})
	t.Run("by the bus at once", func(t *testing.T) {
		p := newRig(t).connect("1.2").errors()
		p.feed(begin("t") + sendIn("t", "1") + sendIn("t", "2"))
		p.bus.RefuseWith(bus.ErrDown)
		p.feed(commit)
		got := p.read()
		if len(got) != 3 || !strings.Contains(got[0], `"unavailable"`) || !strings.Contains(got[1], `"unavailable"`) || !strings.HasSuffix(got[2], incomplete) {
			t.Errorf("got %q", got)
		}
	})
	t.Run("by the bus later", func(t *testing.T) {
		p := newRig(t).connect("1.2").errors()
		p.feed(begin("t") + sendIn("t", "1") + sendIn("t", "2") + commit)
		p.settle(0, bus.ErrUnknown)
		p.wantRefusal("outcome_unknown")
		p.settle(1, nil)
		p.wantRefusal("transaction_incomplete")
	})
	t.Run("with an ERROR as fallback", func(t *testing.T) {
		p := newRig(t, func(h *Host) { h.Fallback = "error" }).connect("1.2")
		p.feed(begin("t") + sendIn("t", "1") + sendIn("t", "2"))
		p.bus.RefuseWith(errors.New("no"))
		p.feed(commit + "SEND\ndestination:/topic/a\n\nafter^@")
		p.wantOne("ERROR")
		p.wantClosed(ClosePolicy)
	})
}

// A full bus stops a COMMIT in the middle; it goes on from there.
func TestCommitOnAFullBus(t *testing.T) {
	p := newRig(t).connect("1.2")
	p.feed(begin("t") + sendIn("t", "1") + sendIn("t", "2"))
	p.bus.RefuseWith(bus.ErrFull)
	p.feed("COMMIT\ntransaction:t\nreceipt:commit\n\n^@SEND\ndestination:/topic/a\n\n3^@")
	if !p.conn.paused {
		t.Fatal("not paused")
	}
	p.bus.RefuseWith(nil)
	p.do(p.s.Unblock)
	if got := p.bus.Bodies(); !slices.Equal(got, []string{"1", "2", "3"}) {
		t.Fatalf("the bus has %q", got)
	}
	p.settle(0, nil)
	p.want()
	p.settle(1, nil)
	p.want(receipt("commit"))
}

func TestTransactionBounds(t *testing.T) {
	t.Run("transactions", func(t *testing.T) {
		p := newRig(t).connect("1.2").errors()
		for i := range maxTransactions {
			p.feed(begin(fmt.Sprint(i)))
		}
		p.want()
		p.feed("BEGIN\ntransaction:more\nreceipt:r\n\n^@")
		p.wantRefusal("too_many")
		p.feed("ABORT\ntransaction:0\n\n^@BEGIN\ntransaction:more\nreceipt:r\n\n^@")
		p.want(receipt("r"))
	})
	t.Run("frames", func(t *testing.T) {
		p := newRig(t).connect("1.2").errors()
		p.feed("SUBSCRIBE\nid:s\ndestination:/topic/a\nack:client\n\n^@")
		p.publish("/topic/a", 0, 1)
		id := header(t, p.wantOne("MESSAGE"), "ack")
		p.feed(begin("t") + strings.Repeat(sendIn("t", ""), maxEnlisted/2) + strings.Repeat("ACK\nid:"+id+"\ntransaction:t\n\n^@", maxEnlisted/2))
		p.want()
		p.feed("ACK\nid:" + id + "\ntransaction:t\nreceipt:r\n\n^@")
		p.wantRefusal("too_large")
		p.feed(sendIn("t", "one more"))
		p.wantRefusal("too_large")
		p.feed("COMMIT\ntransaction:t\nreceipt:commit\n\n^@")
		if n := len(p.bus.Taken()); n != maxEnlisted/2 {
			t.Errorf("%d published", n)
		}
		for i := range maxEnlisted / 2 {
			p.bus.Settle(i, nil)
		}
		p.do(func() {})
		p.wantRefusal("transaction_incomplete")
	})
	t.Run("bytes", func(t *testing.T) {
		p := newRig(t, func(h *Host) { h.Outbound = 10_000 }).connect("1.2").errors()
		big := strings.Repeat("x", 4000)
		p.feed(begin("t") + begin("u") + sendIn("t", big) + "SEND\ndestination:/topic/a\ntransaction:u\nfoo:" + big + "\n\n^@")
		p.want()
		p.feed(sendIn("t", big)) // all transactions together, headers counted
		p.wantRefusal("too_large")
		p.feed("ABORT\ntransaction:u\n\n^@" + sendIn("t", big))
		p.want()
	})
}
