package pageapi

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"github.com/stompgw/stompgw/gateway/policy"
	"github.com/stompgw/stompgw/gateway/problem"
)

// unauthorized is the Problem of who has to bring another token.
func unauthorized(detail string) *problem.Problem {
	r := policy.Refuse(policy.CodeLogin)
	r.Message = detail
	return refused(r)
}

// refused is what a refusal of the rules is over HTTP.
func refused(r *policy.Refusal) *problem.Problem {
	status := http.StatusForbidden
	switch r.Code {
	case policy.CodeLogin:
		status = http.StatusUnauthorized
	case policy.CodeNoRule:
		status = http.StatusNotFound
	case policy.CodePattern, policy.CodeDestination:
		status = http.StatusUnprocessableEntity
	}
	p := problem.New(status, "%s", r.Message).After(r.RetryAfter)
	p.Code, p.Word = r.Code, r.Word
	if status == http.StatusUnauthorized {
		p.With("WWW-Authenticate", "Bearer")
	}
	return p
}

// problem says what an error means for who asked. What has gone wrong behind the node is for its log alone.
func (a *API) problem(err error) *problem.Problem {
	if p, ok := errors.AsType[*problem.Problem](err); ok {
		return p
	}
	if !errors.Is(err, context.Canceled) { // who asked has left
		a.Failed.Log(a.Log, slog.LevelWarn, "what a page asks for can't be read", "err", err)
	}
	return problem.Busy("that can't be told now, try again")
}
