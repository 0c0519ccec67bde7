package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ErrMember reports what can't be a member's id.
var ErrMember = errors.New("no member has such an id")

// ParseMember returns the id that people mean, as JSON: 42 is the number, alice the text, and "42" in
// the quotes of JSON a text that looks like a number. The error is ErrMember.
func ParseMember(text string) (string, error) {
	switch {
	case isInteger(text):
		return text, nil
	case strings.HasPrefix(text, `"`):
		if m := memberID(json.RawMessage(text)); m != "" {
			return m, nil
		}
		return "", fmt.Errorf("%w: %s is not the JSON of a string", ErrMember, text)
	}
	quoted, err := json.Marshal(text)
	if err != nil || text == "" {
		return "", fmt.Errorf("%w: it is empty or no text", ErrMember)
	}
	return string(quoted), nil
}

// memberID returns a member's id of Redis as the gateway writes it, or "" for none: equal ids are
// equal texts then, also those of nodes of the replaced system.
func memberID(raw json.RawMessage) string {
	if isInteger(string(raw)) {
		return string(raw)
	}
	var text string
	if json.Unmarshal(raw, &text) != nil || text == "" {
		return ""
	}
	quoted, err := json.Marshal(text)
	if err != nil {
		return ""
	}
	return string(quoted)
}

// isInteger reports whether text is an integer of 64 bits as JSON writes it.
func isInteger(text string) bool {
	n, err := strconv.ParseInt(text, 10, 64)
	return err == nil && strconv.FormatInt(n, 10) == text
}
