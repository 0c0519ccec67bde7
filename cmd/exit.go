package cmd

import (
	"errors"

	"github.com/stompgw/stompgw/cmd/internal/config"
)

// exitCode is what the process ends with. Scripts rely on the numbers.
type exitCode int

const (
	done          exitCode = 0
	failed        exitCode = 1
	usage         exitCode = 2
	configuration exitCode = 3
	unreachable   exitCode = 4
	notAllowed    exitCode = 5
	noMatch       exitCode = 6
	partial       exitCode = 7 // some of it is done
	timedOut      exitCode = 8
	assertion     exitCode = 9 // what was expected did not come
)

// exitError is an error of a kind that has an exit code.
type exitError struct {
	code exitCode
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }

func (e *exitError) Unwrap() error { return e.err }

// errTold is the error of a command whose output says all there is to say.
var errTold = errors.New("told already")

func codeOf(err error) exitCode {
	var exit *exitError
	if errors.As(err, &exit) {
		return exit.code
	}
	var fault *config.Error
	if errors.As(err, &fault) {
		return configuration
	}
	return failed
}
