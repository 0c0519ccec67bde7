package probe

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/cmd/internal/cli"
	"github.com/stompgw/stompgw/cmd/internal/config"
	"github.com/stompgw/stompgw/gateway/auth"
	"github.com/stompgw/stompgw/gateway/policy"
)

// runCases tries the cases of a file, and returns the error for the exit code if one fails.
func runCases(cmd *cobra.Command, src *cli.Source, name, format string) error {
	cases, err := readCases(name)
	if err != nil {
		return cli.Exit(cli.Usage, err)
	}
	src.Needs("channels")
	hasToken := slices.ContainsFunc(cases, func(c policyCase) bool { return c.Token != "" })
	if hasToken {
		src.Needs("auth", "channels")
	}
	cfg, err := src.Load()
	if err != nil {
		return err
	}
	t := caseTester{cfg: cfg, now: time.Now()}
	if hasToken {
		if t.tokens, err = newAuthenticator(cfg, nil); err != nil {
			return err
		}
	}
	var told caseReport
	for i := range cases {
		result, err := t.try(cmd.Context(), &cases[i])
		if err != nil {
			return cli.Exit(cli.Usage, err)
		}
		told.add(result)
	}
	return told.print(cmd.OutOrStdout(), format)
}

// caseTester asks the rules about cases.
type caseTester struct {
	cfg    *config.Config
	tokens *auth.Authenticator // nil where no case has a token
	now    time.Time
}

// try returns how a case has ended. The error is about its claims.
func (t *caseTester) try(ctx context.Context, c *policyCase) (caseResult, error) {
	headers, _ := textsOf(c.Headers, false) // which check has read
	r := policy.NewTrial(headerList(headers))
	r.Destination = c.Destination
	who, note := &auth.Identity{}, ""
	switch {
	case c.Token != "":
		token := c.Token
		if bare, ok := auth.Bearer([]byte(token)); ok {
			token = string(bare)
		}
		bearer, err := t.tokens.Check(token, t.now)
		if who = bearer; err != nil { // as in a node
			who, note = &auth.Identity{}, fmt.Sprintf("the token is refused (%v), so the frame is nobody's", err)
		}
	case c.Claims != nil:
		var err error
		if who, err = t.cfg.Tokens().Assume(c.Claims); err != nil {
			return caseResult{}, &config.Error{Where: c.where, Key: c.path + ".claims", Reason: claimsFault(err)}
		}
	}
	r.Member, r.Claims, r.Inbox = who.Member, who.Claims, who.Inbox()
	got := t.ask(ctx, c, r)
	got.Note = note
	result := caseResult{Name: c.Name, Where: c.where, Command: c.Command, Destination: c.Destination, Got: got, title: c.title()}
	result.Differences = c.differences(&got)
	result.Passed = len(result.Differences) == 0
	return result, nil
}

// claimsFault is what is wrong with claims.
func claimsFault(err error) string {
	if fault, ok := errors.AsType[*auth.Error](err); ok { // of the member
		return fault.Error()
	}
	return "want a section, such as {mu: 42}"
}

// caseAnswer is what the rules make of a frame.
type caseAnswer struct {
	Verdict string      `json:"verdict"`        // allow, or the word of the code
	Code    policy.Code `json:"code,omitempty"` // that the client is told
	Message string      `json:"message,omitempty"`
	Reason  string      `json:"reason,omitempty"`
	Note    string      `json:"note,omitempty"` // what became of the token

	Rule       string `json:"rule,omitempty"` // that decides
	Where      string `json:"where,omitempty"`
	Match      string `json:"match,omitempty"`
	Field      string `json:"field,omitempty"`
	Expression string `json:"expression,omitempty"`

	// Where a frame goes that may pass, and, if the case says what it becomes or has a body, what a route makes of it.
	Destination string            `json:"destination,omitempty"`
	Body        *string           `json:"body,omitempty"`
	Headers     map[string]string `json:"headers,omitempty"`
}

// ask asks the rules, and has the route's expressions make what the case is about.
func (t *caseTester) ask(ctx context.Context, c *policyCase, r *policy.Request) (got caseAnswer) {
	rules := t.cfg.Rules()
	if c.Command == subscribe {
		v := rules.TestSubscribe(r)
		got.decided(t.cfg, v)
		got.Destination = v.Destination
		return got
	}
	v := rules.TestSend(r)
	if v.Refusal != nil || c.Body == nil && c.Becomes.Body == nil && c.Becomes.Headers == nil {
		got.decided(t.cfg, v)
		got.Destination = v.Target.Destination
		return got
	}
	e := bus.Envelope{Destination: v.Target.Destination, Headers: r.Headers, Body: []byte(asText(c.Body))}
	if v.Target.Rewrite != nil {
		v.Refusal = v.Target.Rewrite.Apply(ctx, &e, int(t.cfg.Limits.Message))
	}
	if v.Refusal == nil {
		v.Refusal = v.Target.Quota.Fits(len(e.Body))
	}
	if v.Refusal == nil {
		v.Refusal = v.Target.Contents.Check(e.Body)
	}
	got.decided(t.cfg, v)
	if v.Refusal == nil {
		body := string(e.Body)
		got.Destination, got.Body, got.Headers = e.Destination, &body, map[string]string{}
		for _, h := range slices.Backward(e.Headers) { // of repeated ones the first counts
			got.Headers[h.Name] = h.Value
		}
	}
	return got
}

func (a *caseAnswer) decided(cfg *config.Config, v policy.Verdict) {
	a.Verdict = allow
	if no := v.Refusal; no != nil {
		a.Verdict, a.Code, a.Message = no.Word, no.Code, no.Message
		if no.Reason != nil {
			a.Reason = no.Reason.Error()
		}
	}
	a.Rule, a.Where, a.Match, a.Field, a.Expression = v.Rule, v.Where, v.Match, v.Field, v.Expression
	if v.Rule != "" {
		_, a.Where = cfg.Said(v.Rule + "." + v.Field)
	}
}

// difference is one thing that is not as a case says.
type difference struct {
	Key  string `json:"key"` // of the case
	Want string `json:"want"`
	Got  string `json:"got"`
}

// differences are all that is not as the case says.
func (c *policyCase) differences(got *caseAnswer) (list []difference) {
	differs := func(key, want, is string) { list = append(list, difference{key, want, is}) }
	if got.Verdict != c.Expect && !(c.Expect == deny && got.Code != 0) {
		differs("expect", c.Expect, got.Verdict)
	}
	if c.Rule != "" && c.Rule != got.Rule && c.Rule != got.Match {
		is := "none"
		if got.Rule != "" {
			is = got.Match + " (" + got.Rule + ")"
		}
		differs("rule", c.Rule, is)
	}
	if got.Code != 0 {
		return list // and becomes nothing
	}
	b := &c.Becomes
	if b.Destination != "" && b.Destination != got.Destination {
		differs("becomes.destination", b.Destination, got.Destination)
	}
	if b.Body != nil && !sameBody(b.Body, *got.Body) {
		differs("becomes.body", asText(b.Body), *got.Body)
	}
	headers, _ := textsOf(b.Headers, true) // which check has read
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		value, has := got.Headers[name]
		want := headers[name]
		switch key := "becomes.headers." + name; {
		case want == nil && has:
			differs(key, "none", value)
		case want != nil && !has:
			differs(key, *want, "none")
		case want != nil && *want != value:
			differs(key, *want, value)
		}
	}
	return list
}

// sameBody reports whether a body is as a case has it: the same text, or JSON that means the same.
func sameBody(want config.Any, got string) bool {
	if want[0] == '"' {
		return asText(want) == got
	}
	a, err := plainJSON(want)
	b, fault := plainJSON([]byte(got))
	return err == nil && fault == nil && reflect.DeepEqual(a, b)
}

// plainJSON reads JSON in which numbers are floats, but for whole ones that no float holds, which are texts.
func plainJSON(text []byte) (v any, err error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	if err = dec.Decode(&v); err == nil && dec.More() {
		err = errors.New("two values")
	}
	return plainNumbers(v), err
}

func plainNumbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		if f, err := v.Float64(); err == nil && math.Abs(f) < 1<<53 {
			return f
		}
	case []any:
		for i := range v {
			v[i] = plainNumbers(v[i])
		}
	case map[string]any:
		for name := range v {
			v[name] = plainNumbers(v[name])
		}
	}
	return v
}
