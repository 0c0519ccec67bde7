package policy

import (
	"context"

	"cel.dev/cel-go/common/types"

	"github.com/stompgw/stompgw/gateway/destination"
)

// permission says whether a frame may do what a rule is about.
type permission struct {
	always     bool        // the answer, if there is no expression
	expression *expression // over the frame
}

// permission reads the one of a rule's field path. What is written out as true or false costs no
// evaluation.
func (c *compiler) permission(source, path string, m *destination.Matcher) (p permission, err error) {
	switch source {
	case "true":
		return permission{always: true}, nil
	case "", "false":
		return permission{}, nil
	}
	p.expression, err = c.compile(source, path, m, (*expression).reviewPermission)
	return p, err
}

// reviewPermission checks that the expression makes a yes or a no.
func (e *expression) reviewPermission() []error {
	switch t := e.ast.OutputType(); t.Kind() {
	case types.BoolKind, types.DynKind:
		return nil
	default:
		return e.whole("is " + typeName(t) + `: want true or false, such as "ROLE_ADMIN" in claims.rl`)
	}
}

// judge returns nil if one of the rule's permissions lets the frame pass, and else the refusal. What can't be
// evaluated is a no. A permission without an expression allocates nothing to say yes.
func (ru *rule) judge(p *permission, r *Request, b *destination.Bindings) *Refusal {
	if p.always {
		return nil
	}
	if p.expression == nil {
		return refusedBy(ru.path, CodeNotAllowed, nil)
	}
	if r.Outside && (p.expression.asksSession() || p.expression.asksHeaders()) {
		return refusedBy(ru.path, CodeNotAllowed, errOutside)
	}
	yes, err := p.expression.permits(&frame{request: *r, match: &ru.match, bound: *b})
	switch {
	case yes:
		return nil
	case r.Claims == nil && p.login():
		return refusedBy(ru.path, CodeLogin, err)
	}
	return refusedBy(ru.path, CodeNotAllowed, err)
}

const errOutside = reason("the expression names the session, or headers, and there are none here")

// login reports whether the permission depends on who is logged in.
func (p *permission) login() bool { return p.expression.asksLogin() }

// isNever reports whether nobody may.
func (p *permission) isNever() bool { return !p.always && p.expression == nil }

// permits evaluates a permission. The error is why that failed.
func (e *expression) permits(f *frame) (bool, error) {
	v, err := e.evaluate(context.Background(), f)
	if err != nil {
		return false, err
	}
	yes, isBool := v.(types.Bool)
	if !isBool {
		return false, &unfit{e, errPermission}
	}
	return bool(yes), nil
}

// refusedBy returns the refusal of a rule.
func refusedBy(rule string, code Code, reason error) *Refusal {
	r := Refuse(code)
	r.Rule, r.Reason = rule, reason
	return r
}
