package policy

import (
	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// limits returns what bounds an evaluation. A permission that has no loop and no regular expression
// goes to each of its parts once, and a part takes no longer than reading the headers and the
// claims does: it needs no bound, and half the time goes into keeping one.
func (c *compiler) limits(e *expression) []cel.ProgramOption {
	if !c.bodies && !e.repeats() {
		return nil
	}
	return []cel.ProgramOption{cel.CostTracking(costs{}), cel.CostLimit(maxCost), cel.InterruptCheckFrequency(checkEvery)}
}

// repeats reports whether the expression has a loop or a regular expression.
func (e *expression) repeats() (found bool) {
	ast.PreOrderVisit(e.ast.NativeRep().Expr(), ast.NewExprVisitor(func(x ast.Expr) {
		isRegexp := x.Kind() == ast.CallKind && x.AsCall().FunctionName() == overloads.Matches
		found = found || isRegexp || x.Kind() == ast.ComprehensionKind
	}))
	return found
}

// costs counts what the library takes for one step where it learns types only as it evaluates, as it
// does of all that JSON brings.
type costs struct{}

// perCharacter is the library's own cost of a character that is gone through.
const perCharacter = 0.1

// CallCost implements interpreter.ActualCostEstimator.
func (costs) CallCost(function, _ string, args []ref.Val, _ ref.Val) *uint64 {
	var cost uint64
	switch function {
	case operators.In:
		list, ok := args[1].(traits.Lister)
		if !ok {
			return nil
		}
		size, _ := list.Size().(types.Int)
		cost = uint64(size)
	case operators.Add, operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals:
		cost = characters(args[0]) + characters(args[1])
	case overloads.TypeConvertBytes:
		cost = characters(args[0])
	}
	if cost == 0 {
		return nil // the library's
	}
	return &cost
}

// characters is the cost of going through v, 0 if it is no text.
func characters(v ref.Val) uint64 {
	switch v := v.(type) {
	case types.String:
		return 1 + uint64(perCharacter*float64(len(v)))
	case types.Bytes:
		return 1 + uint64(perCharacter*float64(len(v)))
	}
	return 0
}
