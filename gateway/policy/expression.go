package policy

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"github.com/stompgw/stompgw/gateway/destination"
)

// Bounds of expressions, so that neither who writes one nor who sends it a message takes more of a
// node than is meant.
const (
	maxExpression = 4096   // characters
	maxNested     = 8      // comprehensions (map, filter, all, exists) in or behind one another
	maxCost       = 10_000 // of one evaluation, in CEL's units: about one a step, 30 a map, 0.1 a character of what + joins, 1 an element that in looks at
	maxRegexp     = 500    // instructions of a regular expression
	checkEvery    = 100    // steps of a comprehension between two looks at the context
	maxTold       = 3      // faults of one expression that New tells
)

// compiler makes expressions of one catalogue: those that see a frame's body, or those that don't.
type compiler struct {
	bodies bool
	env    *cel.Env // nil until there is an expression
}

// expression is a CEL expression that has been compiled. Any goroutine may evaluate it.
type expression struct {
	path    string // such as "routes[0].body"
	ast     *cel.Ast
	program cel.Program

	// Which variables it names.
	login   bool // what tells who is logged in: claims, session.member
	session bool // anything of the session but its member
	headers bool // the headers of the frame
}

// compiling is held while an expression is compiled. It is a package variable because what it guards
// are the library's: its parser, and errors that all evaluations share, write to memory of the whole
// process without a lock.
var compiling sync.Mutex

// compile makes the expression of a rule's field path; an empty one is nil. m has the variables
// that "vars" holds, and result checks what it makes.
func (c *compiler) compile(source, path string, m *destination.Matcher, result func(*expression) []error) (*expression, error) {
	if source == "" {
		return nil, nil
	}
	source = strings.TrimRight(source, " \t\r\n") // what is missing is missing before
	if source == "" {
		return nil, &RuleError{Path: path, Reason: "is blank: leave it out, or write an expression"}
	}
	if n := len([]rune(source)); n > maxExpression {
		return nil, &RuleError{Path: path, Reason: fmt.Sprintf("is %d characters long: an expression may have %d", n, maxExpression)}
	}
	compiling.Lock()
	defer compiling.Unlock()
	if err := c.prepare(); err != nil {
		return nil, err
	}
	ast, issues := c.env.Compile(source)
	if issues.Err() != nil {
		return nil, faultsOf(issues.Errors(), source, path)
	}
	e := &expression{path: path, ast: ast}
	if errs := append(e.review(m), result(e)...); len(errs) > 0 {
		return nil, told(errs)
	}
	e.mentions()
	var err error
	e.program, err = c.env.Program(ast, append(c.limits(e), cel.EvalOptions(cel.OptOptimize))...)
	if err != nil {
		return nil, e.fault(ast.NativeRep().Expr().ID(), err.Error())
	}
	return e, nil
}

// prepare makes the environment once.
func (c *compiler) prepare() (err error) {
	if c.env != nil {
		return nil
	}
	settleErrors()
	options := append(frameVariables(), cel.ASTValidators(cel.ValidateComprehensionNestingLimit(maxNested)))
	if c.bodies {
		options = append(options, bodyVariables()...)
	}
	c.env, err = cel.NewEnv(options...)
	return err
}

// mentions notes which variables the expression names.
func (e *expression) mentions() {
	for _, reference := range e.ast.NativeRep().ReferenceMap() {
		name := reference.Name
		e.login = e.login || name == varClaims || name == varMember
		e.session = e.session || strings.HasPrefix(name, varSession+".") && name != varMember
		e.headers = e.headers || name == varHeaders
	}
}

// asksLogin and its like report whether the expression names what tells who is logged in, anything
// else of a session, and the headers. There may be none.
func (e *expression) asksLogin() bool   { return e != nil && e.login }
func (e *expression) asksSession() bool { return e != nil && e.session }
func (e *expression) asksHeaders() bool { return e != nil && e.headers }

// settleErrors writes into the two errors that all evaluations of a process share what the library
// would write, without a lock, at the first evaluation that ends with one: loops evaluate at the
// same time. It is the id of an expression; place knows that these have none.
func settleErrors() {
	types.LabelErrNode(sharedID, types.NoSuchOverloadErr())
	types.LabelErrNode(sharedID, types.Int(math.MaxInt64).ConvertToType(types.TimestampType))
}

// sharedID is what these errors have for the place at which they came up.
const sharedID = -1

// faultsOf makes the first few of the compiler's complaints ours.
func faultsOf(issues []*cel.Error, source, path string) error {
	slices.SortStableFunc(issues, func(a, b *cel.Error) int {
		if a.Location.Line() != b.Location.Line() {
			return a.Location.Line() - b.Location.Line()
		}
		return a.Location.Column() - b.Location.Column()
	})
	var errs []error
	for _, issue := range issues {
		errs = append(errs, faultAt(issue.Location, source, path, plainly(issue.Message, path)))
	}
	return told(errs)
}

// told joins the first few of the faults of an expression, of which there is one at least.
func told(errs []error) error {
	if len(errs) == 1 {
		return errs[0]
	}
	return errors.Join(errs[:min(len(errs), maxTold)]...)
}

// plainly leaves out of a complaint of the compiler what means nothing to who wrote the expression of a rule's field path.
func plainly(message, path string) string {
	message = strings.TrimSuffix(message, " (in container '')")
	message, _, _ = strings.Cut(message, " expecting {") // every token there is
	message = strings.NewReplacer("Syntax error: mismatched input '<EOF>'", "the expression ends too early",
		"Syntax error", "syntax error", "<EOF>", "the end",
		"comprehension exceeds nesting limit", fmt.Sprintf("more than %d of map, filter, all and exists in or behind one another", maxNested)).Replace(message)
	if strings.HasPrefix(message, "found no matching overload for '_?_:_'") {
		message += "; where the two results are of different types, write dyn(...) around one"
	}
	return message + hint(message, path)
}

// hint says what to do about a variable that there is not.
func hint(message, path string) string {
	name, _ := strings.CutPrefix(message, "undeclared reference to ")
	switch strings.Trim(name, "'") {
	case varSession:
		return "; " + sessionHas
	case varBody, varText, varIsJSON:
		if strings.HasSuffix(path, ".presence_info") {
			return "; " + infoHas
		}
		return "; who may do what can depend on claims, vars, headers, session and destination, not on the body"
	}
	return ""
}

// faultAt makes the error of a place in the source.
func faultAt(at common.Location, source, path, reason string) *RuleError {
	err := &RuleError{Path: path, Reason: reason}
	if lines := strings.Split(source, "\n"); at.Line() >= 1 && at.Line() <= len(lines) {
		err.Line, err.Column, err.Source = at.Line(), at.Column()+1, lines[at.Line()-1]
	}
	return err
}

// fault makes the error of a part of the expression.
func (e *expression) fault(id int64, reason string) *RuleError {
	return faultAt(e.ast.NativeRep().SourceInfo().GetStartLocation(id), e.ast.Source().Content(), e.path, reason)
}

// evaluate returns what the expression makes of its variables. The end of ctx interrupts it within a
// comprehension; an error is an *unfit.
func (e *expression) evaluate(ctx context.Context, variables cel.Activation) (ref.Val, error) {
	var out ref.Val
	var err error
	if ctx.Done() == nil { // which costs less
		out, _, err = e.program.Eval(variables)
	} else {
		out, _, err = e.program.ContextEval(ctx, variables)
	}
	if err != nil {
		return nil, &unfit{e, err}
	}
	return out, nil
}
