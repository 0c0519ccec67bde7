package cli

import (
	"errors"

	"github.com/stompgw/stompgw/cmd/internal/config"
)

// ExitCode is what the process ends with. Scripts rely on the numbers.
type ExitCode int

const (
	Done          ExitCode = 0
	Failed        ExitCode = 1
	Usage         ExitCode = 2
	Configuration ExitCode = 3
	Unreachable   ExitCode = 4
	NotAllowed    ExitCode = 5
	NoMatch       ExitCode = 6
	Partial       ExitCode = 7 // some of it is done
	TimedOut      ExitCode = 8
	assertion     ExitCode = 9 // what was expected did not come
)

// ExitError is an error of a kind that has an exit code.
type ExitError struct {
	code ExitCode
	err  error
}

// Exit gives an error the exit code of its kind.
func Exit(code ExitCode, err error) error { return &ExitError{code, err} }

func (e *ExitError) Error() string { return e.err.Error() }

func (e *ExitError) Unwrap() error { return e.err }

// ErrTold is the error of a command whose output says all there is to say.
var ErrTold = errors.New("told already")

func CodeOf(err error) ExitCode {
	var exit *ExitError
	if errors.As(err, &exit) {
		return exit.code
	}
	var fault *config.Error
	if errors.As(err, &fault) {
		return Configuration
	}
	return Failed
}
