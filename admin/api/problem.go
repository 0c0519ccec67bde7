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
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/validation"

	"github.com/stompgw/stompgw/admin"
	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/gateway"
	"github.com/stompgw/stompgw/gateway/policy"
	"github.com/stompgw/stompgw/gateway/problem"
	"github.com/stompgw/stompgw/gateway/registry"
	"github.com/stompgw/stompgw/gateway/registry/redisregistry"
)

// Problem is the answer to a request that fails.
type Problem = problem.Problem

// coded is a problem that STOMP clients are told of by a code.
func coded(status int, code policy.Code, err error) *Problem {
	return problem.New(status, "%v", err).Coded(code)
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
		return coded(http.StatusServiceUnavailable, policy.CodeUnavailable, err).After(time.Second)
	case is(bus.ErrTooLarge, admin.ErrBody):
		return coded(http.StatusRequestEntityTooLarge, policy.CodeTooLarge, err)
	case is(bus.ErrContent):
		return coded(http.StatusUnprocessableEntity, policy.CodeContent, err)
	case is(bus.ErrDestination), errors.As(err, new(*admin.DestinationError)):
		return coded(http.StatusUnprocessableEntity, policy.CodeDestination, err)
	case errors.As(err, new(*admin.SchemaError)):
		fault, _ := errors.AsType[*admin.SchemaError](err)
		p := coded(http.StatusUnprocessableEntity, policy.CodeSchema, err)
		p.Schema = fault.Fault
		return p
	case is(admin.ErrHeader, admin.ErrOneTarget, admin.ErrTooManyRecipients, admin.ErrCursor, admin.ErrPage, admin.ErrRoom, admin.ErrDestination, registry.ErrMember, gateway.ErrPosition):
		return problem.Invalid("%v", err)
	case is(admin.ErrNoSession, admin.ErrNoNode, admin.ErrNotConnected, gateway.ErrNoHistory):
		return problem.New(http.StatusNotFound, "%v", err)
	case errors.As(err, new(*admin.AmbiguousError)), is(redisregistry.ErrTooManyBlocks, gateway.ErrNotRecovered):
		return problem.New(http.StatusConflict, "%v", err)
	case is(gateway.ErrNotRunning):
		return problem.Busy(err.Error())
	case is(admin.ErrSilent, context.DeadlineExceeded, context.Canceled): // who asked has left, or the node ends
		if reads {
			return problem.Busy("no answer in time: " + err.Error())
		}
		return coded(http.StatusGatewayTimeout, policy.CodeUnknown, err)
	case admin.IsAway(err):
		return problem.Busy("redis can't be asked: " + err.Error())
	}
	a.failed.Log(a.log, slog.LevelError, "the API failed on a request", "err", err)
	return coded(http.StatusInternalServerError, policy.CodeInternal, errFailed)
}

// refuse answers a request of which nothing was read but its head: nobody waits for the body.
func refuse(p *Problem, w http.ResponseWriter, r *http.Request) {
	if r.ContentLength != 0 {
		w.Header().Set("Connection", "close")
	}
	p.Write(w)
}

// problemResponse is an answer of the document.
func (a *API) problemResponse(status int) *huma.Response {
	schema := a.huma.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[Problem](), true, "")
	return &huma.Response{
		Description: http.StatusText(status),
		Content:     map[string]*huma.MediaType{problem.ContentType: {Schema: schema}},
	}
}

func statusText(status int) string { return strconv.Itoa(status) }

// ownProblem makes a Problem of what huma finds wrong with a request.
func ownProblem(ctx huma.Context, _ string, v any) (any, error) {
	m, is := v.(*huma.ErrorModel)
	if !is {
		return v, nil
	}
	p := problem.New(m.Status, "%s", m.Detail)
	switch {
	case m.Status == http.StatusRequestEntityTooLarge:
		p = coded(m.Status, policy.CodeTooLarge, fmt.Errorf("the request is too large: %d bytes fit here", ctx.Operation().MaxBodyBytes-1))
	case m.Status == http.StatusInternalServerError && m.Detail == "cannot read request body": // not of ours
		p = problem.New(http.StatusBadRequest, "the body did not arrive whole")
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
		if text == validation.MsgExpectedMatchExactlyOneSchema { // of requests, a member alone has several
			text = errMember.Error()
		}
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
		allow := rec.Header().Get("Allow")
		return problem.New(rec.status, "this path takes %s", allow).With("Allow", allow)
	}
	return problem.New(http.StatusNotFound, "there is no such path; %s has those there are", specPath)
}

// discard is an answer of which the headers alone count.
type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(int)             {}
