package natsbus

import (
	"hash/crc32"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
)

// place is a number in the stream, and what tells the message that has it from another one: a log that lost its end
// gives its numbers again.
type place struct {
	seq  uint64 // 0: none
	term uint32 // 0: unknown
}

// own reports whether the place is that of a message of the destination itself, and not of the stream's end at a time
// when the destination had none.
func (p place) own() bool { return p.term&1 == 1 }

// term is that of a message: a checksum of its body and of its headers, but for those that a server adds. It is odd.
// Their order counts for nothing, and no time does, for servers before 2.10 don't publish it again.
func term(h nats.Header, body []byte) uint32 {
	sum := crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli))
	for name, values := range h {
		if hasPrefixFold(name, "Nats-") {
			continue
		}
		for i, value := range values {
			sum += hashed(hashed(hashed(2166136261+uint32(i), name), ":"), value)
		}
	}
	return sum | 1
}

// hashed goes on with FNV-1a, which takes text as it is.
func hashed(sum uint32, text string) uint32 {
	for i := range len(text) {
		sum = (sum ^ uint32(text[i])) * 16777619
	}
	return sum
}

// beside is the term of a message's place for other destinations: even, and not 0. It has the time at which the message was
// stored in it, since nobody learns it but from the stream itself.
func beside(term uint32, at time.Time) uint32 {
	return max(hashed(term, strconv.FormatInt(at.UnixNano(), 10))&^1, 2)
}

// record is a message that the stream has.
type record struct {
	place
	at time.Time
}
