package policy

import (
	"errors"
	"fmt"
	"strings"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/interpreter"
)

// unfit is why a message is not what an expression works on. Its text is safe to log: errors of
// the library quote from the message, so only their kind is told.
type unfit struct {
	expression *expression
	err        error
}

func (u *unfit) Error() string { return u.expression.path + ": " + u.kind() + u.place() }

func (u *unfit) Unwrap() error { return u.err }

// reason is a fault of a message or a result. It quotes nothing.
type reason string

func (r reason) Error() string { return string(r) }

const (
	errNotJSON = reason("the body is not JSON")
	errNotUTF8 = reason("the body is not UTF-8 text")
	errDeep    = reason("the body's JSON is nested too deeply")
	errValues  = reason("the body's JSON has too many values")
	errNumber  = reason("the body's JSON has a number that is too large")

	errTooLarge = reason("the result is too large")
	errNoJSON   = reason("the result holds what JSON can't say")
	errText     = reason("the result holds text that is not UTF-8")
	errHeaders  = reason("the result is not a map of texts")
	errHeader   = reason("the result has a header that no message carries")

	errPermission = reason("the result is neither true nor false")

	errCost     = reason("it costs too much to evaluate")
	errStopping = reason("it was interrupted")
)

// kind says what is wrong without a word of the message.
func (u *unfit) kind() string {
	if ours, ok := errors.AsType[reason](u.err); ok {
		return ours.Error()
	}
	if _, ok := errors.AsType[interpreter.EvalCancelledError](u.err); ok {
		return errCost.Error()
	}
	if errors.Is(u.err, interpreter.InterruptError{}) {
		return errStopping.Error()
	}
	text := u.err.Error()
	for _, kind := range []string{"no such key", "no such overload", "division by zero", "modulus by zero", "overflow",
		"out of bounds", "out of range", "expected iterable type", "unsupported index type", "conversion error"} {
		if strings.Contains(text, kind) {
			return kind
		}
	}
	return "it can't be evaluated"
}

// place is where in the expression it came up, as far as that is known.
func (u *unfit) place() string {
	err, ok := errors.AsType[*types.Err](u.err)
	if !ok || err.NodeID() == sharedID {
		return ""
	}
	at := u.expression.ast.NativeRep().SourceInfo().GetStartLocation(err.NodeID())
	if at.Line() < 1 {
		return ""
	}
	return fmt.Sprintf(", line %d column %d", at.Line(), at.Column()+1)
}
