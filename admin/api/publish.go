package api

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/stompgw/stompgw/admin"
	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/gateway/problem"
)

// Bounds of what is published at a time.
const (
	maxLines       = 10_000          // of a batch
	maxBatch       = 8 << 20         // bytes of it
	maxBatches     = 4               // that are read and published at a time
	publishTimeout = 5 * time.Second // for the bus to answer for a message
	batchTimeout   = 25 * time.Second
)

func (a *API) addPublish() {
	add(a, route{method: http.MethodPost, path: "/v1/publish", scope: ScopePublish, name: "publish",
		summary: "Publish a message, and answer when the broker has it",
		body:    maxPublish(a.node.Limit)}, a.publish)
	a.addBatch(route{method: http.MethodPost, path: "/v1/publish/batch", scope: ScopePublish, name: "publish-batch",
		summary: "Publish messages in their order, a line of JSON each, as publish takes it; answered by a line each",
		body:    maxBatch + 1, few: atMost(maxBatches, "batches")})
}

// maxPublish is how many bytes a request to publish a message may have whose body has limit: JSON may write each of them as
// six, such as \u000a.
func maxPublish(limit int) int64 { return 6*int64(limit) + maxBody }

// message is what is published.
type message struct {
	Destination string            `json:"destination" minLength:"1" maxLength:"8192" doc:"with member or session, a destination of theirs without the prefix: /queue/inbox"`
	Headers     map[string]string `json:"headers,omitempty" doc:"headers of the MESSAGE, besides its content-type"`
	ContentType string            `json:"content_type,omitempty" maxLength:"1024" doc:"default text/plain;charset=UTF-8; with body_base64, application/octet-stream if the body is not UTF-8"`
	Body        string            `json:"body,omitempty"`
	Base64      base64Body        `json:"body_base64,omitempty" doc:"the body in base64, instead of body"`
	Member      Member            `json:"member,omitempty" doc:"publish to this member's inbox"`
	Issuer      string            `json:"issuer,omitempty" maxLength:"1024" doc:"name of the member's issuer, if there are several"`
	Session     string            `json:"session,omitempty" minLength:"1" maxLength:"200" doc:"publish to this session alone"`
	To          string            `json:"to,omitempty" enum:"sessions" doc:"with member, the word sessions publishes to each session's own destination instead of the inbox"`
}

type publishRequest struct{ Body message }

// base64Body is the body of a message that is no text, perhaps empty.
type base64Body []byte

// UnmarshalJSON implements json.Unmarshaler.
func (b *base64Body) UnmarshalJSON(text []byte) error {
	*b = base64Body{}
	if json.Unmarshal(text, (*[]byte)(b)) != nil || *b == nil {
		return errors.New("body_base64: want base64 with + and /, and = at its end where that is due")
	}
	return nil
}

// Schema implements huma.SchemaProvider. That it is base64 is for UnmarshalJSON to say: huma would refuse an empty one.
func (base64Body) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Extensions: map[string]any{"contentEncoding": "base64"}}
}

// published is what became of a message that was published.
type published struct {
	Envelopes int `json:"envelopes" doc:"messages that the broker has: one, or one per session"`
}

func (a *API) publish(ctx context.Context, in *publishRequest) (p published, err error) {
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	m, err := a.message(&in.Body)
	if err != nil {
		return p, err
	}
	done := a.publisher.Publish(ctx, m)
	return published{done.Confirmed}, partly(done)
}

// partly says of an error how much was published all the same.
func partly(done admin.Published) error {
	if done.Err != nil && done.Confirmed > 0 {
		return fmt.Errorf("%w (the broker has it for %d of %d sessions)", done.Err, done.Confirmed, done.Envelopes)
	}
	return done.Err
}

// message returns m as package admin takes it.
func (a *API) message(m *message) (out admin.Message, err error) {
	if m.Body != "" && m.Base64 != nil {
		return out, problem.Invalid("body and body_base64: a message has one body")
	}
	out = admin.Message{Destination: m.Destination, Body: []byte(m.Body)}
	if m.Base64 != nil {
		out.Body = m.Base64
	}
	if out.To, err = m.recipients(); err != nil {
		return out, err
	}
	if m.Member != "" && m.To == "" {
		if !strings.HasPrefix(m.Destination, "/") { // it would be part of the member's name
			return out, &admin.DestinationError{Destination: m.Destination, Fault: admin.NoSlash}
		}
		inbox, err := a.node.Inbox(m.Issuer, string(m.Member))
		if err != nil {
			return out, problem.Invalid("%v", err)
		}
		out.Destination = inbox + m.Destination
	}
	out.Headers, err = m.headers(out.Body)
	return out, err
}

// recipients are the sessions of a message that is for some alone. The inbox of a member is a destination like any other.
func (m *message) recipients() (to admin.To, err error) {
	switch {
	case m.Member == "" && m.To != "":
		return to, problem.Invalid("to: it stands beside member alone")
	case m.Member == "" && m.Issuer != "":
		return to, problem.Invalid("issuer: it stands beside member alone")
	case m.To != "" && m.Issuer != "":
		return to, problem.Invalid("issuer: sessions are found by the member alone; leave it or to out")
	case m.Member != "" && m.To == "" && m.Session != "":
		return to, admin.ErrOneTarget
	}
	to.Session = m.Session
	if m.To != "" {
		to.Member = string(m.Member)
	}
	return to, nil
}

// headers are those of a message, in the order of their names behind its content-type.
func (m *message) headers(body []byte) (list []bus.Header, err error) {
	list = append(list, bus.Header{Name: "content-type", Value: cmp.Or(m.ContentType, admin.ContentType(body))})
	for _, name := range slices.Sorted(maps.Keys(m.Headers)) {
		if strings.EqualFold(name, "content-type") {
			return nil, problem.Invalid("headers: the type of the body is content_type")
		}
		list = append(list, bus.Header{Name: name, Value: m.Headers[name]})
	}
	return list, nil
}

// line is what became of one message of a batch.
type line struct {
	Line      int      `json:"line" doc:"line of the request, from 1"`
	Status    int      `json:"status" doc:"status that a single publish would have got"`
	Envelopes int      `json:"envelopes,omitempty" doc:"messages that the broker has"`
	Problem   *Problem `json:"problem,omitempty" doc:"why the message was not published, or not to all"`
}

type batchRequest struct {
	RawBody []byte `contentType:"application/x-ndjson" doc:"one message per line"`
}

// addBatch serves r, whose body is no JSON, but many lines of it.
func (a *API) addBatch(r route) {
	op := a.operation(r, http.StatusRequestTimeout, http.StatusRequestEntityTooLarge)
	schemas := a.huma.OpenAPI().Components.Schemas
	each, told := schemas.Schema(reflect.TypeFor[message](), true, ""), schemas.Schema(reflect.TypeFor[line](), true, "")
	op.Responses["200"] = &huma.Response{
		Description: "one line for each line of the request, with this schema",
		Content:     map[string]*huma.MediaType{ndjson: {Schema: told}},
	}
	op.Description = fmt.Sprintf("At most %d lines and %d bytes. It is read whole before the first message is published; a line that can't be published is told, and the others are.", maxLines, maxBatch)
	huma.Register(a.huma, op, func(ctx context.Context, in *batchRequest) (*batchAnswer, error) {
		return a.publishBatch(ctx, in.RawBody, each)
	})
}

const ndjson = "application/x-ndjson"

type batchAnswer struct {
	ContentType string `header:"Content-Type"`
	Body        []byte
}

// publishBatch publishes the lines of a body, each of which the schema is for.
func (a *API) publishBatch(ctx context.Context, body []byte, schema *huma.Schema) (*batchAnswer, error) {
	lines := bytes.Split(bytes.TrimSuffix(body, []byte("\n")), []byte("\n"))
	if len(lines) > maxLines {
		return nil, problem.New(http.StatusRequestEntityTooLarge, "%d lines: want %d at most", len(lines), maxLines)
	}
	ctx, cancel := context.WithTimeout(ctx, batchTimeout)
	defer cancel()
	told := make([]line, len(lines))
	messages, at := a.parse(lines, schema, told)
	n := 0
	for done := range a.publisher.PublishAll(ctx, slices.Values(messages)) {
		a.note(&told[at[n]], done)
		n++
	}
	var out bytes.Buffer
	for _, l := range told {
		writeJSON(&out, l) // of our own types: it can't fail
	}
	return &batchAnswer{ndjson, out.Bytes()}, nil
}

// parse returns the messages of those lines that are some, and the places of these. What is wrong with the others stands in told.
func (a *API) parse(lines [][]byte, schema *huma.Schema, told []line) (messages []admin.Message, at []int) {
	for i, text := range lines {
		told[i].Line = i + 1
		m, err := a.parseLine(text, schema)
		if err != nil {
			a.fail(&told[i], err)
			continue
		}
		messages, at = append(messages, m), append(at, i)
	}
	return messages, at
}

// parseLine takes a message as the body of publish.
func (a *API) parseLine(text []byte, schema *huma.Schema) (out admin.Message, err error) {
	var raw any
	if err := readJSON(text, &raw); err != nil {
		return out, problem.New(http.StatusBadRequest, "%v", err)
	}
	var res huma.ValidateResult
	path := huma.NewPathBuffer(nil, 0)
	path.Push("body")
	huma.Validate(a.huma.OpenAPI().Components.Schemas, schema, path, huma.ModeWriteToServer, raw, &res)
	if len(res.Errors) > 0 {
		return out, problem.Invalid("%s", details(res.Errors))
	}
	var m message
	if err := readJSON(text, &m); err != nil {
		return out, problem.Invalid("%v", err)
	}
	return a.message(&m)
}

// note takes down what became of a message.
func (a *API) note(l *line, done admin.Published) {
	l.Status, l.Envelopes = http.StatusOK, done.Confirmed
	if err := partly(done); err != nil {
		a.fail(l, err)
	}
}

func (a *API) fail(l *line, err error) {
	l.Problem = a.problem(err, false)
	l.Status = l.Problem.Status
}
