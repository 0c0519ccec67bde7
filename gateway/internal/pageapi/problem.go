package pageapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/stompgw/stompgw/gateway/policy"
)

// Problem is an error as RFC 9457 writes it, and as the API for backends does. Code and Word are those that clients are told for the same; 0 and ""
// where there is none.
type Problem struct {
	Type   string      `json:"type"` // always about:blank
	Title  string      `json:"title"`
	Status int         `json:"status"`
	Detail string      `json:"detail"`
	Code   policy.Code `json:"code,omitempty"`
	Word   string      `json:"error,omitempty"`

	retryAfter time.Duration // 0 for nothing to wait for
}

// NewProblem makes one. Its detail is read by strangers.
func NewProblem(status int, format string, args ...any) *Problem {
	return &Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: fmt.Sprintf(format, args...)}
}

// Error implements error.
func (p *Problem) Error() string { return p.Detail }

// after says when the same may pass.
func (p *Problem) after(d time.Duration) *Problem {
	p.retryAfter = d
	return p
}

// again is when what is too much now may pass.
const again = time.Second

func busy(detail string) *Problem {
	return NewProblem(http.StatusServiceUnavailable, "%s", detail).after(again)
}

func invalid(format string, args ...any) *Problem {
	return NewProblem(http.StatusUnprocessableEntity, format, args...)
}

// refused is what a refusal of the rules is over HTTP.
func refused(r *policy.Refusal) *Problem {
	status := http.StatusForbidden
	switch r.Code {
	case policy.CodeLogin:
		status = http.StatusUnauthorized
	case policy.CodeNoRule:
		status = http.StatusNotFound
	case policy.CodePattern, policy.CodeDestination:
		status = http.StatusUnprocessableEntity
	}
	p := NewProblem(status, "%s", r.Message).after(r.RetryAfter)
	p.Code, p.Word = r.Code, r.Word
	return p
}

// problem says what an error means for who asked. What has gone wrong behind the node is for its log alone.
func (a *API) problem(err error) *Problem {
	if p, ok := errors.AsType[*Problem](err); ok {
		return p
	}
	if !errors.Is(err, context.Canceled) { // who asked has left
		a.Failed.Log(a.Log, slog.LevelWarn, "what a page asks for can't be read", "err", err)
	}
	return busy("that can't be told now, try again")
}

func (p *Problem) write(w http.ResponseWriter) {
	h := w.Header()
	if p.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(p.retryAfter.Seconds()))))
	}
	if p.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", "Bearer")
	}
	h.Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	json.NewEncoder(w).Encode(p) // of our own types; a client that has left is no concern
}
