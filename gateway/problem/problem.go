// Package problem is an error as RFC 9457 writes it over HTTP: for backends, and for pages.
package problem

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/stompgw/stompgw/gateway/policy"
	"github.com/stompgw/stompgw/gateway/schema"
)

// Problem is an error as RFC 9457 writes it. Code and Word are what clients of the gateway are told for the same; 0 and
// "" if there is none.
type Problem struct {
	Type   string      `json:"type" doc:"always about:blank: the status, and error, tell problems apart"`
	Title  string      `json:"title" doc:"the status in words"`
	Status int         `json:"status"`
	Detail string      `json:"detail" doc:"what is wrong, for people"`
	Code   policy.Code `json:"code,omitempty" doc:"the number that STOMP clients are told for the same, as stompgw explain lists them"`
	Word   string      `json:"error,omitempty" doc:"its word, stable, for programs"`

	Schema *schema.Fault `json:"schema,omitempty" doc:"where the body does not fit its channel's schema"`

	header http.Header // of the answer, besides its type
}

// ContentType is the content type of a response that is a Problem.
const ContentType = "application/problem+json"

// New makes a Problem. Its detail is read by the sender of the request.
func New(status int, format string, args ...any) *Problem {
	return &Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: fmt.Sprintf(format, args...), header: http.Header{}}
}

// Busy is the Problem of a request that is too much now, and may pass in a second.
func Busy(detail string) *Problem {
	return New(http.StatusServiceUnavailable, "%s", detail).After(time.Second)
}

// Invalid is the Problem of a request that is understood, but asks for what can't be.
func Invalid(format string, args ...any) *Problem {
	return New(http.StatusUnprocessableEntity, format, args...)
}

// Coded says which code STOMP clients are told for the same.
func (p *Problem) Coded(code policy.Code) *Problem {
	why, _ := policy.Explain(code)
	p.Code, p.Word = code, why.Word
	return p
}

// After says after how long the same request may pass; 0 or less says nothing.
func (p *Problem) After(d time.Duration) *Problem {
	if d > 0 {
		p.With("Retry-After", strconv.Itoa(int(math.Ceil(d.Seconds()))))
	}
	return p
}

// With sets a header of the response.
func (p *Problem) With(name, value string) *Problem {
	p.header.Set(name, value)
	return p
}

// Error implements error.
func (p *Problem) Error() string { return p.Detail }

// GetStatus, GetHeaders and ContentType tell huma what to answer.
func (p *Problem) GetStatus() int { return p.Status }

// GetHeaders implements huma.HeadersError.
func (p *Problem) GetHeaders() http.Header { return p.header }

// ContentType implements huma.ContentTypeFilter.
func (p *Problem) ContentType(string) string { return ContentType }

// Write answers with p. It does not matter if the client has left.
func (p *Problem) Write(w http.ResponseWriter) {
	maps.Copy(w.Header(), p.header)
	w.Header().Set("Content-Type", ContentType)
	w.WriteHeader(p.Status)
	json.NewEncoder(w).Encode(p) // of our own types: it can't fail
}
