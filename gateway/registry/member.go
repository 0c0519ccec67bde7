package registry

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// ErrMember reports a text that can't be a member's id.
var ErrMember = errors.New("no member has such an id")

// maxMember is how long a member's id may be, as JSON: 256 bytes of text, each perhaps escaped.
const maxMember = 6*256 + 2

// CanonicalMember returns a member's id, 42 or "bob" as JSON, as the gateway writes it, so that equal ids
// are equal texts, also those from nodes of the replaced system. The error is ErrMember, also for null.
func CanonicalMember(id string) (string, error) {
	if isInteger(id) {
		return id, nil
	}
	if len(id) > maxMember {
		return "", fmt.Errorf("%w: it has %d bytes, which is over %d", ErrMember, len(id), maxMember)
	}
	var text string
	if !utf8.ValidString(id) || json.Unmarshal([]byte(id), &text) != nil || text == "" { // json would make other bytes of some
		return "", fmt.Errorf("%w: %q is neither an integer nor a string, as JSON", ErrMember, id)
	}
	quoted, err := json.Marshal(text)
	if err != nil || string(quoted) == id {
		return id, err // which shares its memory with the caller's
	}
	return string(quoted), nil
}

// ParseMember returns the id that a person typed, as CanonicalMember does: 42 is the number, alice the text,
// and "42" in JSON quotes the text that looks like a number. The error is ErrMember.
func ParseMember(text string) (string, error) {
	switch {
	case text == "":
		return "", fmt.Errorf("%w: it is empty or no text", ErrMember)
	case isInteger(text):
		return text, nil
	case !utf8.ValidString(text):
		return "", fmt.Errorf("%w: it is not UTF-8", ErrMember)
	case !strings.HasPrefix(text, `"`):
		quoted, err := json.Marshal(text)
		return string(quoted), err
	}
	id, err := CanonicalMember(text)
	if err != nil {
		return "", fmt.Errorf("%w: %s is not the JSON of a string", ErrMember, text)
	}
	return id, nil
}

// isInteger reports whether text is an integer of 64 bits as JSON writes it.
func isInteger(text string) bool {
	n, err := strconv.ParseInt(text, 10, 64)
	return err == nil && strconv.FormatInt(n, 10) == text
}
