package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/stompgw/stompgw/admin"
	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/gateway"
	"github.com/stompgw/stompgw/gateway/policy"
	"github.com/stompgw/stompgw/gateway/registry"
	"github.com/stompgw/stompgw/gateway/registry/redisregistry"
	"github.com/stompgw/stompgw/gateway/schema"
)

// Problem is an error as RFC 9457 writes it. Code and Word are those that clients of the gateway are told for the same;
// 0 and "" where there is none.
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

const problemType = "application/problem+json"

// again is for how many seconds a client waits before it asks again.
const again = "1"

func problem(status int, format string, args ...any) *Problem {
	return &Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: fmt.Sprintf(format, args...)}
}

// coded is a problem that STOMP clients are told of by a code.
func coded(status int, code policy.Code, err error) *Problem {
	p := problem(status, "%v", err)
	why, _ := policy.Explain(code)
	p.Code, p.Word = code, why.Word
	return p
}

// retried is one that may pass later.
func (p *Problem) retried() *Problem {
	p.header = http.Header{"Retry-After": {again}}
	return p
}

func busy(detail string) *Problem {
	return problem(http.StatusServiceUnavailable, "%s", detail).retried()
}

func invalid(format string, args ...any) *Problem {
	return problem(http.StatusUnprocessableEntity, format, args...)
}

// problem says what an error of package admin means for who asked. To read is to change nothing, whatever became of it. What it does
// not know is a fault of ours, and for the log.
func (a *API) problem(err error, reads bool) *Problem {
	is := func(kinds ...error) bool {
		return slices.ContainsFunc(kinds, func(kind error) bool { return errors.Is(err, kind) })
	}
	switch {
	case errors.As(err, new(*Problem)):
		p, _ := errors.AsType[*Problem](err)
		return p
	case is(bus.ErrUnknown):
		return coded(http.StatusGatewayTimeout, policy.CodeUnknown, err)
	case is(bus.ErrFull, bus.ErrDown, bus.ErrClosed, bus.ErrCrowded, admin.ErrUnsent):
		return coded(http.StatusServiceUnavailable, policy.CodeUnavailable, err).retried()
	case is(bus.ErrTooLarge, admin.ErrBody):
		return coded(http.StatusRequestEntityTooLarge, policy.CodeTooLarge, err)
	case is(bus.ErrDestination):
		return coded(http.StatusUnprocessableEntity, policy.CodeDestination, err)
	case is(bus.ErrContent):
		return coded(http.StatusUnprocessableEntity, policy.CodeContent, err)
	case errors.As(err, new(*admin.DestinationError)):
		return coded(http.StatusUnprocessableEntity, policy.CodeDestination, err)
	case errors.As(err, new(*admin.SchemaError)):
		fault, _ := errors.AsType[*admin.SchemaError](err)
		p := coded(http.StatusUnprocessableEntity, policy.CodeSchema, err)
		p.Schema = fault.Fault
		return p
	case is(admin.ErrHeader, admin.ErrOneTarget, admin.ErrTooManyRecipients, admin.ErrCursor, admin.ErrPage, admin.ErrRoom, admin.ErrDestination, registry.ErrMember, gateway.ErrPosition):
		return invalid("%v", err)
	case is(admin.ErrNoSession, admin.ErrNoNode, admin.ErrNotConnected, gateway.ErrNoHistory):
		return problem(http.StatusNotFound, "%v", err)
	case errors.As(err, new(*admin.AmbiguousError)), is(redisregistry.ErrTooManyBlocks, gateway.ErrNotRecovered):
		return problem(http.StatusConflict, "%v", err)
	case is(gateway.ErrNotRunning):
		return busy(err.Error())
	case is(admin.ErrSilent, context.DeadlineExceeded, context.Canceled): // who asked has left, or the node ends
		if reads {
			return busy("no answer in time: " + err.Error())
		}
		return coded(http.StatusGatewayTimeout, policy.CodeUnknown, err)
	case admin.IsAway(err):
		return busy("redis can't be asked: " + err.Error())
	}
	a.failed.Log(a.log, slog.LevelError, "the API failed on a request", "err", err)
	return coded(http.StatusInternalServerError, policy.CodeInternal, errFailed)
}

// Error implements error.
func (p *Problem) Error() string { return p.Detail }

// GetStatus, GetHeaders and ContentType are how huma learns what to answer.
func (p *Problem) GetStatus() int { return p.Status }

// GetHeaders implements huma.HeadersError.
func (p *Problem) GetHeaders() http.Header { return p.header }

// ContentType implements huma.ContentTypeFilter.
func (p *Problem) ContentType(string) string { return problemType }

// refuse answers a request of which nothing was read but its head: nobody waits for the body.
func (p *Problem) refuse(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength != 0 {
		w.Header().Set("Connection", "close")
	}
	p.write(w)
}

// write answers with p, where huma does not.
func (p *Problem) write(w http.ResponseWriter) {
	for name, values := range p.header {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Type", problemType)
	w.WriteHeader(p.Status)
	writeJSON(w, p) // of our own types: it can't fail
}

// problemResponse is an answer of the document.
func (a *API) problemResponse(status int) *huma.Response {
	schema := a.huma.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[Problem](), true, "")
	return &huma.Response{
		Description: http.StatusText(status),
		Content:     map[string]*huma.MediaType{problemType: {Schema: schema}},
	}
}

func statusText(status int) string { return strconv.Itoa(status) }

// ownProblem makes a Problem of what huma finds wrong with a request.
func ownProblem(ctx huma.Context, _ string, v any) (any, error) {
	m, is := v.(*huma.ErrorModel)
	if !is {
		return v, nil
	}
	p := problem(m.Status, "%s", m.Detail)
	switch {
	case m.Status == http.StatusRequestEntityTooLarge:
		p = coded(m.Status, policy.CodeTooLarge, fmt.Errorf("the request is too large: %d bytes fit here", ctx.Operation().MaxBodyBytes-1))
	case m.Status == http.StatusInternalServerError && m.Detail == "cannot read request body": // not of ours
		p = problem(http.StatusBadRequest, "the body did not arrive whole")
		ctx.SetStatus(p.Status)
	case m.Status == http.StatusUnsupportedMediaType:
		p.Detail = "want Content-Type: application/json, as curl --json sends"
	case len(m.Errors) > 0:
		p.Detail = details(m.Errors)
	}
	return p, nil
}

const (
	maxDetails = 5   // of one Problem
	maxName    = 100 // bytes of a name that are quoted
)

// details says what is wrong with a request, as huma found it: it quotes names of what was sent, and no values.
func details[E error](errs []E) string {
	var all []string
	for _, err := range errs[:min(len(errs), maxDetails)] {
		e := error(err).(huma.ErrorDetailer).ErrorDetail() // as huma makes them
		text := e.Message
		if _, name, _ := strings.Cut(e.Location, "."); name != "" { // behind body, path or query
			text = name[:min(len(name), maxName)] + ": " + text
		}
		all = append(all, text)
	}
	slices.Sort(all)
	return strings.Join(all, "; ")
}

// unrouted is the Problem of a request that no route answers.
func unrouted(mux *http.ServeMux, r *http.Request) *Problem {
	rec := &recorder{ResponseWriter: discard{http.Header{}}}
	mux.ServeHTTP(rec, r)
	if rec.status == http.StatusMethodNotAllowed {
		p := problem(rec.status, "this path takes %s", rec.Header().Get("Allow"))
		p.header = http.Header{"Allow": rec.Header()["Allow"]}
		return p
	}
	return problem(http.StatusNotFound, "there is no such path; %s has those there are", specPath)
}

// discard is an answer of which the headers alone count.
type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(int)             {}
