package api

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/gateway/policy"
	"github.com/stompgw/stompgw/gateway/problem"
)

func (a *API) addPolicy() {
	add(a, route{method: http.MethodPost, path: "/v1/policy/test", scope: ScopeRead, name: "test-policy",
		summary: "What the rules of this node make of a SUBSCRIBE or SEND, and which one decides"}, a.testPolicy)
}

type policyRequest struct {
	Body struct {
		Command     string            `json:"command" enum:"SUBSCRIBE,SEND"`
		Destination string            `json:"destination" minLength:"1" maxLength:"8192"`
		Headers     map[string]string `json:"headers,omitempty" doc:"headers of the frame"`
		Claims      json.RawMessage   `json:"claims,omitempty" doc:"claims of a valid token, an object; without them nobody is logged in"`
	} `nameHint:"Trial"`
}

// verdict is what the rules make of a frame.
type verdict struct {
	Allowed bool        `json:"allowed"`
	Code    policy.Code `json:"code,omitempty" doc:"code that the client is told"`
	Word    string      `json:"error,omitempty" doc:"word of the code"`
	Message string      `json:"message,omitempty"`
	Reason  string      `json:"reason,omitempty" doc:"reason for the log; the client is not told"`

	Rule       string `json:"rule,omitempty" doc:"rule that decides, such as channels[2]"`
	Where      string `json:"where,omitempty" doc:"where the rule is written"`
	Match      string `json:"match,omitempty" doc:"text of the rule's match"`
	Field      string `json:"field,omitempty" doc:"field of the rule that decides"`
	Expression string `json:"expression,omitempty" doc:"text of that field"`

	Destination string `json:"destination,omitempty" doc:"the bus name of an allowed SUBSCRIBE's destination; below /member it differs from what the client wrote"`
	Room        string `json:"room,omitempty" doc:"destination whose subscribers a SUBSCRIBE below /presence shows"`

	Target    string `json:"target,omitempty" doc:"where the message of a SEND goes"`
	Session   bool   `json:"session,omitempty" doc:"whether it goes to the sender's own session"`
	Rewritten bool   `json:"rewritten,omitempty" doc:"whether the rule changes the message first"`
	Limits    string `json:"limits,omitempty" doc:"what each session may send to the target's channel, such as 5/s, burst 10"`
	Schema    string `json:"schema,omitempty" doc:"JSON Schema that the message must match: its file, or the schema itself"`
	Backend   string `json:"backend,omitempty" doc:"where a backend reads the message, such as topic orders-in"`
}

func (a *API) testPolicy(_ context.Context, in *policyRequest) (out verdict, err error) {
	b, rules := in.Body, a.node.Rules()
	var headers []bus.Header
	for _, name := range slices.Sorted(maps.Keys(b.Headers)) {
		headers = append(headers, bus.Header{Name: name, Value: b.Headers[name]})
	}
	r := policy.NewTrial(headers)
	r.Destination = b.Destination
	if b.Claims != nil {
		who, err := a.node.Assume(b.Claims)
		if err != nil {
			return out, problem.Invalid("claims: %v", err)
		}
		r.Member, r.Claims, r.Inbox = who.Member, who.Claims, who.Inbox()
	}
	test := rules.TestSubscribe
	if b.Command == "SEND" {
		test = rules.TestSend
	}
	return newVerdict(test(r)), nil
}

func newVerdict(v policy.Verdict) verdict {
	out := verdict{
		Allowed: v.Refusal == nil, Rule: v.Rule, Where: v.Where, Match: v.Match, Field: v.Field, Expression: v.Expression,
		Destination: v.Destination, Room: v.Room, Target: v.Target.Destination, Session: v.Target.Session, Rewritten: v.Target.Rewrite != nil,
		Schema: v.Target.Contents.Schema().String(), Backend: policy.To{Topic: v.Target.To.Topic, Subject: v.Target.To.Subject}.String(),
	}
	if q := v.Target.Quota; q != nil {
		out.Limits = q.String()
	}
	if no := v.Refusal; no != nil {
		out.Code, out.Word, out.Message = no.Code, no.Word, no.Message
		if no.Reason != nil {
			out.Reason = no.Reason.Error()
		}
	}
	return out
}
