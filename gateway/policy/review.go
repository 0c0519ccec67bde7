package policy

import (
	"fmt"
	"regexp/syntax"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"

	"github.com/stompgw/stompgw/gateway/destination"
)

// review finds what the compiler lets pass though it would refuse every message, or let a sender
// hold up the node. m has the variables that "vars" holds.
func (e *expression) review(m *destination.Matcher) (errs []error) {
	add := func(x ast.Expr, format string, args ...any) {
		errs = append(errs, e.fault(x.ID(), fmt.Sprintf(format, args...)))
	}
	ast.PreOrderVisit(e.ast.NativeRep().Expr(), ast.NewExprVisitor(func(x ast.Expr) {
		if name, ok := memberOf(x, varVars); ok && (name == "" || m.Index(name) < 0) {
			add(x, "match has no variable {%s}", name)
		}
		if x.Kind() == ast.CallKind && x.AsCall().FunctionName() == overloads.Matches {
			args := x.AsCall().Args()
			if fault := reviewRegexp(args[len(args)-1]); fault != "" {
				add(args[len(args)-1], "%s", fault)
			}
		}
	}))
	return errs
}

// reviewRegexp says why the pattern of matches can't be x, "" if it can. The time that one takes is
// its size times that of the text, of which the cost of an evaluation knows only the latter.
func reviewRegexp(x ast.Expr) string {
	pattern, ok := literal(x)
	if !ok {
		return "the pattern of matches has to be a literal: one that a message brings could take any time"
	}
	parsed, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return err.Error()
	}
	program, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		return err.Error()
	}
	if n := len(program.Inst); n > maxRegexp {
		return fmt.Sprintf("the pattern takes %d steps for each character: it may take %d", n, maxRegexp)
	}
	return ""
}

// memberOf returns the name of what x takes out of a variable: "a" of vars.a and vars["a"].
func memberOf(x ast.Expr, variable string) (name string, ok bool) {
	isVariable := func(x ast.Expr) bool { return x.Kind() == ast.IdentKind && x.AsIdent() == variable }
	switch x.Kind() {
	case ast.SelectKind:
		return x.AsSelect().FieldName(), isVariable(x.AsSelect().Operand())
	case ast.CallKind:
		if args := x.AsCall().Args(); x.AsCall().FunctionName() == operators.Index && isVariable(args[0]) {
			return literal(args[1])
		}
	}
	return "", false
}

// literal returns the text that x is.
func literal(x ast.Expr) (string, bool) {
	if x.Kind() != ast.LiteralKind {
		return "", false
	}
	s, ok := x.AsLiteral().(types.String)
	return string(s), ok
}

// reviewBody checks that the expression makes what a body can be.
func (e *expression) reviewBody() []error {
	t := e.ast.OutputType()
	switch t.Kind() {
	case types.DynKind, types.AnyKind, types.BoolKind, types.IntKind, types.UintKind, types.DoubleKind, types.NullTypeKind,
		types.StringKind, types.BytesKind, types.ListKind, types.TypeParamKind:
		return nil
	case types.MapKind:
		if key := t.Parameters()[0]; isText(key) {
			return nil
		}
	}
	return e.whole("is " + typeName(t) + ": want a map with keys of text, a list, text, bytes, a number, true or false, or null")
}

// reviewHeaders checks that the expression makes header entries, and that a message carries those
// whose names are written out.
func (e *expression) reviewHeaders() []error {
	t := e.ast.OutputType()
	isMap := t.Kind() == types.MapKind && isText(t.Parameters()[0]) && isText(t.Parameters()[1])
	if !isMap && t.Kind() != types.DynKind {
		return e.whole("is " + typeName(t) + `: want a map of texts, such as {"x-room": vars.room}`)
	}
	return e.reviewNames(e.ast.NativeRep().Expr())
}

// typeName is what messages call a type of CEL.
func typeName(t *cel.Type) string {
	if name, ok := map[types.Kind]string{
		types.IntKind: "a whole number", types.UintKind: "a whole number", types.DoubleKind: "a number", types.StringKind: "a text",
		types.BoolKind: "true or false", types.BytesKind: "bytes", types.NullTypeKind: "null",
		types.TimestampKind: "a time", types.DurationKind: "a length of time",
	}[t.Kind()]; ok {
		return name
	}
	return "a " + cel.FormatCELType(t)
}

func isText(t *cel.Type) bool {
	return t.Kind() == types.StringKind || t.Kind() == types.DynKind || t.Kind() == types.TypeParamKind
}

// reviewNames looks at the names in a map literal, or in those that a condition chooses from.
func (e *expression) reviewNames(x ast.Expr) (errs []error) {
	switch x.Kind() {
	case ast.MapKind:
		for _, entry := range x.AsMap().Entries() {
			key := entry.AsMapEntry().Key()
			if name, ok := literal(key); ok && (name == "" || !carried(name) || !Travels(name, nil)) {
				errs = append(errs, e.fault(key.ID(), fmt.Sprintf("no message carries a header %q: it is STOMP's or the gateway's own, proves who sends, or can't be written", name)))
			}
		}
	case ast.CallKind:
		if x.AsCall().FunctionName() == operators.Conditional {
			for _, result := range x.AsCall().Args()[1:] {
				errs = append(errs, e.reviewNames(result)...)
			}
		}
	}
	return errs
}

// whole makes the error of the expression as a whole.
func (e *expression) whole(reason string) []error {
	source := e.ast.Source().Content()
	blank := source[:len(source)-len(strings.TrimLeft(source, " \t\r\n"))]
	line := strings.Count(blank, "\n")
	at := common.NewLocation(line+1, len(blank)-strings.LastIndexByte(blank, '\n')-1)
	return []error{faultAt(at, source, e.path, reason)}
}
