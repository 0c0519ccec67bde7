package history

import (
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"slices"
	"time"

	"github.com/stompgw/stompgw/bus"
)

// maxLogs is how many logs a place names. A destination comes from more of them only if somebody else spreads it so, and then
// nobody is told where he stands.
const maxLogs = 16

// Place is where a subscriber stands in a destination: behind the last that it has seen of each log.
type Place struct {
	After []bus.Position
	Told  time.Time // when, with the accuracy of a second: it does not speak for logs that came later
}

// String is the place as clients carry it, opaque to them, of some 30 characters: a checksum, the time, and for each log its
// number, a term and an offset. The checksum is for what was cut, or mistyped: who forges a place sees no more than he may.
// It is empty for a place that can't be told, with no log or too many.
func (p Place) String() string {
	if len(p.After) == 0 || len(p.After) > maxLogs {
		return ""
	}
	b := make([]byte, 4, 64)
	b = binary.AppendUvarint(b, uint64(p.Told.Unix()))
	for _, at := range p.After {
		b = binary.LittleEndian.AppendUint64(b, at.Log)
		b = binary.AppendUvarint(b, uint64(at.Term))
		b = binary.AppendUvarint(b, at.Offset)
	}
	binary.LittleEndian.PutUint32(b, checksum(b[4:]))
	return base64.RawURLEncoding.EncodeToString(b)
}

// maxPosition is over the length of every position in bytes of text.
const maxPosition = 600

// ParsePlace reads what String has written. ok is false for anything else.
func ParsePlace(text string) (p Place, ok bool) {
	if len(text) > maxPosition {
		return Place{}, false
	}
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(b) < 4 || binary.LittleEndian.Uint32(b) != checksum(b[4:]) {
		return Place{}, false
	}
	told, rest, ok := uvarint(b[4:])
	for ok && len(rest) > 0 && len(p.After) <= maxLogs {
		var at bus.Position
		at, rest, ok = parsePosition(rest)
		p.After = append(p.After, at)
	}
	p.Told = time.Unix(int64(told), 0)
	return p, ok && p.String() == text
}

func parsePosition(b []byte) (at bus.Position, rest []byte, ok bool) {
	if len(b) < 8 {
		return at, nil, false
	}
	at.Log = binary.LittleEndian.Uint64(b)
	term, b, ok := uvarint(b[8:])
	if !ok || term > 1<<32-1 {
		return at, nil, false
	}
	at.Term = uint32(term)
	at.Offset, b, ok = uvarint(b)
	return at, b, ok
}

func uvarint(b []byte) (v uint64, rest []byte, ok bool) {
	v, n := binary.Uvarint(b)
	if n <= 0 {
		return 0, nil, false
	}
	return v, b[n:], true
}

func checksum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

// of returns which of the positions is of a log, -1 for none.
func of(list []bus.Position, log uint64) int {
	return slices.IndexFunc(list, func(p bus.Position) bool { return p.Log == log })
}

// advance has list stand at p in p's log, unless it stands further on already.
func advance(list []bus.Position, p bus.Position) []bus.Position {
	switch i := of(list, p.Log); {
	case i < 0:
		return append(list, p)
	case list[i].Offset < p.Offset:
		list[i] = p
	}
	return list
}

// covers reports whether one who stands at list has seen p.
func covers(list []bus.Position, p bus.Position) bool {
	i := of(list, p.Log)
	return i >= 0 && list[i].Offset >= p.Offset
}
