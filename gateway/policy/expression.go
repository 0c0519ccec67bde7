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
)

// Bounds of expressions, so that neither who writes one nor who sends it a message takes more of a
// node than is meant.
const (
	maxExpression = 4096   // characters
	maxNested     = 8      // comprehensions (map, filter, all, exists) in or behind one another
	maxCost       = 10_000 // of one evaluation, in CEL's units: about one a step, 30 a map, 0.1 a character of what + joins
	maxRegexp     = 500    // instructions of a regular expression
	checkEvery    = 100    // steps of a comprehension between two looks at the context
	maxTold       = 3      // faults of one expression that New tells
)

// compiler makes the expressions of one catalogue.
type compiler struct {
	env *cel.Env // nil until there is an expression
}

// expression is a CEL expression that has been compiled. Any goroutine may evaluate it.
type expression struct {
	path    string // such as "routes[0].body"
	ast     *cel.Ast
	program cel.Program
}

// compiling is held while an expression is compiled. It is a package variable because what it guards
// are the library's: its parser, and errors that all evaluations share, write to memory of the whole
// process without a lock.
var compiling sync.Mutex

// compile makes the expression of a rule's field path; an empty one is nil. p has the variables
// that "vars" holds, and result checks what it makes.
func (c *compiler) compile(source, path string, p pattern, result func(*expression) []error) (*expression, error) {
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
	if errs := append(e.review(p), result(e)...); len(errs) > 0 {
		return nil, told(errs)
	}
	var err error
	e.program, err = c.env.Program(ast, cel.EvalOptions(cel.OptOptimize), cel.CostLimit(maxCost), cel.InterruptCheckFrequency(checkEvery))
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
	texts := cel.MapType(cel.StringType, cel.StringType)
	c.env, err = cel.NewEnv(
		cel.Variable(varBody, cel.DynType),
		cel.Variable(varText, cel.StringType),
		cel.Variable(varIsJSON, cel.BoolType),
		cel.Variable(varHeaders, texts),
		cel.Variable(varVars, texts),
		cel.Variable(varDestination, cel.StringType),
		cel.ASTValidators(cel.ValidateComprehensionNestingLimit(maxNested)),
	)
	return err
}

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
		errs = append(errs, faultAt(issue.Location, source, path, plainly(issue.Message)))
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

// plainly leaves out of a complaint of the compiler what means nothing to who wrote the expression.
func plainly(message string) string {
	message = strings.TrimSuffix(message, " (in container '')")
	message, _, _ = strings.Cut(message, " expecting {") // every token there is
	message = strings.NewReplacer("Syntax error: mismatched input '<EOF>'", "the expression ends too early",
		"Syntax error", "syntax error", "<EOF>", "the end",
		"comprehension exceeds nesting limit", fmt.Sprintf("more than %d of map, filter, all and exists in or behind one another", maxNested)).Replace(message)
	if strings.HasPrefix(message, "found no matching overload for '_?_:_'") {
		message += "; where the two results are of different types, write dyn(...) around one"
	}
	return message
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

// evaluate returns what the expression makes of m. The end of ctx interrupts it within a
// comprehension; an error is an *unfit.
func (e *expression) evaluate(ctx context.Context, m *message) (ref.Val, error) {
	var out ref.Val
	var err error
	if ctx.Done() == nil { // which costs less
		out, _, err = e.program.Eval(m)
	} else {
		out, _, err = e.program.ContextEval(ctx, m)
	}
	if err != nil {
		return nil, &unfit{e, err}
	}
	return out, nil
}
