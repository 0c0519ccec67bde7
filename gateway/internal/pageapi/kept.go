package pageapi

import (
	"unicode/utf8"

	"github.com/stompgw/stompgw/bus"
)

// HistoryPage is a part of what is kept of a destination, the oldest message first, as programs read it.
type HistoryPage struct {
	Messages []Kept `json:"messages" nullable:"false"`
	Position string `json:"position,omitempty" doc:"of who has these: after which the next page begins, also when that has yet to be published; there is none where that can't be told"`
	More     bool   `json:"more" doc:"there are others behind them"`
}

// Kept is a message that is kept, as programs read it.
type Kept struct {
	Position    string            `json:"position,omitempty" doc:"of who has it, and what came before; there is none where that can't be told"`
	ContentType string            `json:"content_type,omitempty"`
	Headers     map[string]string `json:"headers" doc:"the others that its sender has set; of repeated ones the first, which counts"`
	Body        *string           `json:"body,omitempty" doc:"absent where it is no text"`
	Base64      []byte            `json:"body_base64,omitempty" doc:"in place of body, where that is no text"`
}

// NewKept returns a message as programs read it. It shares the memory of the body.
func NewKept(position string, headers []bus.Header, body []byte) Kept {
	k := Kept{Position: position, Headers: map[string]string{}}
	for _, h := range headers {
		_, repeated := k.Headers[h.Name]
		switch {
		case h.Name == "content-type" && k.ContentType == "":
			k.ContentType = h.Value
		case h.Name != "content-type" && !repeated:
			k.Headers[h.Name] = h.Value
		}
	}
	if utf8.Valid(body) {
		k.Body = new(string(body))
	} else {
		k.Base64 = body
	}
	return k
}
