package message

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	stompclient "github.com/stompgw/stompgw/cmd/internal/client"
	"github.com/stompgw/stompgw/cmd/internal/output"
)

// printer writes each message at once, with one write.
type printer struct {
	out      io.Writer
	json     bool
	headers  bool // in text
	terminal bool // what others wrote must not move its cursor
}

func (p *printer) print(m stompclient.Message) error {
	var line []byte
	var err error
	if p.json {
		line, err = p.object(m)
	} else {
		line = p.text(m)
	}
	if err == nil {
		_, err = p.out.Write(line)
	}
	return err
}

// text is the body on a line, with headers as STOMP has them: before it and an empty line, and one
// behind it.
func (p *printer) text(m stompclient.Message) []byte {
	var b bytes.Buffer
	if p.headers {
		for _, e := range m.Header {
			fmt.Fprintf(&b, "%s: %s\n", output.Printable(e.Name), output.Printable(string(e.Value)))
		}
		b.WriteByte('\n')
	}
	if p.terminal {
		b.WriteString(harmless(string(m.Body)))
	} else {
		b.Write(m.Body)
	}
	b.WriteByte('\n')
	if p.headers {
		b.WriteByte('\n')
	}
	return b.Bytes()
}

// harmless is output.Printable for texts of several lines.
func harmless(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, strings.ReplaceAll(text, "\r\n", "\n"))
}

// message is a line of -o jsonl.
type message struct {
	Destination  string            `json:"destination"`
	Subscription string            `json:"subscription"`
	Headers      map[string]string `json:"headers"` // less these two; of repeated ones the first, which counts
	Body         *string           `json:"body,omitempty"`
	Base64       []byte            `json:"body_base64,omitempty"`
	ReceivedAt   time.Time         `json:"received_at"`
}

func (p *printer) object(m stompclient.Message) ([]byte, error) {
	o := message{Destination: m.Destination, Subscription: m.Subscription, Headers: map[string]string{}, ReceivedAt: m.Received.UTC()}
	for _, e := range m.Header {
		_, repeated := o.Headers[e.Name]
		if !repeated && e.Name != "destination" && e.Name != "subscription" {
			o.Headers[e.Name] = string(e.Value)
		}
	}
	if utf8.Valid(m.Body) {
		o.Body = new(string(m.Body))
	} else {
		o.Base64 = m.Body
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(o); err != nil {
		return nil, err
	}
	if p.terminal {
		return output.EscapeJSON(b.Bytes()), nil
	}
	return b.Bytes(), nil
}
