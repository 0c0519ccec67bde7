package destination

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Inbox names a member, in the one segment of a destination that follows the prefix of members: "7" in
// /member/7/queue/x. No two members have the same segment, and none is a pattern or a path:
//
//	the integer 7      7      in decimal digits, 64 bits with a sign
//	the text bob       bob    of letters, digits, _ and -
//	the text a/b       a%2Fb  every other byte in upper-case hexadecimal digits
//	the text 42        %342   also the first byte of a text that looks like an integer
//	7 of the issuer x  x:7    if the issuer has a label
type Inbox struct {
	Label  string // of the member's issuer, see CheckLabel; empty if the member's id has none before it
	ID     string // the digits of an integer, or the text
	IsText bool
}

// NewInbox returns the Inbox of a member whose id is JSON, as in the registry: 42 or "bob".
func NewInbox(label, member string) Inbox {
	i := Inbox{Label: label, ID: member}
	i.IsText = json.Unmarshal([]byte(member), &i.ID) == nil
	return i
}

// String is the segment.
func (i Inbox) String() string {
	id := i.ID
	if i.IsText {
		id = escape(id, isInteger(id))
	}
	if i.Label == "" {
		return id
	}
	return i.Label + ":" + id
}

// maxMember is how many bytes a token may name a member by.
const maxMember = 256

// ParseInbox reads what String writes, and nothing else: a message to any other segment would reach
// nobody. The error says how the segment is written right, if it is clear what is meant.
func ParseInbox(segment string) (i Inbox, err error) {
	id := segment
	if label, rest, labelled := strings.Cut(segment, ":"); labelled {
		if err := CheckLabel(label); err != nil {
			return Inbox{}, fmt.Errorf("%q names no member: before its colon %w", segment, err)
		}
		i.Label, id = label, rest
	}
	i.IsText = !isInteger(id)
	if i.ID = id; i.IsText {
		i.ID = unescape(id)
	}
	switch right := i.String(); {
	case i.ID == "" || len(i.ID) > maxMember || strings.ContainsRune(i.ID, utf8.RuneError):
		return Inbox{}, fmt.Errorf("%q names no member: want an id of 1 to %d bytes of text, such as 42, bob or a%%2Fb", segment, maxMember)
	case right != segment:
		return Inbox{}, fmt.Errorf("%q names no member: write %s", segment, right)
	}
	return i, nil
}

// maxLabel is how many bytes a label may have.
const maxLabel = 64

// CheckLabel returns what is wrong with a label, which tells an issuer's members from those of others.
func CheckLabel(label string) error {
	if len(label) == 0 || len(label) > maxLabel || strings.ContainsFunc(label, func(r rune) bool { return r > 'z' || !isPlain(byte(r)) }) {
		return errors.New("want 1 to 64 letters, digits, _ and -")
	}
	return nil
}

// isInteger reports whether text is what an integer of 64 bits is written like, as the registry has it.
func isInteger(text string) bool {
	n, err := strconv.ParseInt(text, 10, 64)
	return err == nil && strconv.FormatInt(n, 10) == text
}

// escape writes the bytes as %HH that a segment does not have, and the first one if that is asked for.
func escape(text string, first bool) string {
	var out strings.Builder
	for n := range len(text) {
		if c := text[n]; isPlain(c) && !(first && n == 0) {
			out.WriteByte(c)
		} else {
			fmt.Fprintf(&out, "%%%02X", c)
		}
	}
	return out.String()
}

func isPlain(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_'
}

// unescape undoes escape. What is no escape stands for itself.
func unescape(text string) string {
	var out []byte
	for n := 0; n < len(text); n++ {
		if text[n] == '%' && n+2 < len(text) {
			if c, err := strconv.ParseUint(text[n+1:n+3], 16, 8); err == nil {
				out, n = append(out, byte(c)), n+2
				continue
			}
		}
		out = append(out, text[n])
	}
	return string(out)
}
