package sockjs

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"unicode/utf8"
)

// What can be wrong with what a client sends, in the protocol's words.
var (
	errNoPayload  = errors.New("Payload expected.")
	errBrokenJSON = errors.New("Broken JSON encoding.")
)

// parseMessages takes the messages out of what a client sends: a JSON array of strings.
func parseMessages(payload []byte) (messages []string, err error) {
	if len(payload) == 0 {
		return nil, errNoPayload
	}
	if !utf8.Valid(payload) {
		return nil, errBrokenJSON
	}
	var list []*string // nil for null, which is no string
	if err := json.Unmarshal(payload, &list); err != nil {
		return nil, reword(err)
	}
	if list == nil || slices.Contains(list, nil) {
		return nil, errNoPayload
	}
	for _, m := range list {
		messages = append(messages, *m)
	}
	return messages, nil
}

// parseMessage is parseMessages for a WebSocket, where it may be one string too, or nothing ("Empty
// frames must be ignored").
func parseMessage(payload []byte) ([]string, error) {
	payload = bytes.TrimSpace(payload)
	switch {
	case len(payload) == 0:
		return nil, nil
	case payload[0] != '"':
		return parseMessages(payload)
	}
	var message string
	err := json.Unmarshal(payload, &message)
	return []string{message}, reword(err)
}

// reword tells JSON that holds something else from what is no JSON.
func reword(err error) error {
	var other *json.UnmarshalTypeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &other):
		return errNoPayload
	}
	return errBrokenJSON
}
