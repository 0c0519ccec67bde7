package cmd

import (
	"bytes"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9/logging"
	"go.uber.org/goleak"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/kafkabus"
	"github.com/stompgw/stompgw/bus/natsbus"
	"github.com/stompgw/stompgw/cmd/internal/config"
)

func TestMain(m *testing.M) {
	logging.Disable()
	// go-redis looks once a second for a Redis that is away, and sleeps on for as long when it is closed.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/redis/go-redis/v9/internal/pool.(*ConnPool).tryDial"))
}

// process is the stompgw of the tests, less its outputs.
func process(args ...string) Process {
	return Process{Args: append([]string{"stompgw"}, args...), Drivers: []bus.Driver{kafkabus.Driver(), natsbus.Driver()}}
}

// load reads a configuration as commands do; the name may be empty.
func load(file string) (*config.Config, error) {
	return config.Load(config.Source{File: file, Drivers: process().Drivers})
}

// run runs a command to its end.
func run(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	p := process(args...)
	p.Stdout, p.Stderr = &out, &errs
	code = Main(t.Context(), p)
	return code, out.String(), errs.String()
}

// newToken makes a token.
func newToken(t *testing.T, args ...string) string {
	t.Helper()
	code, stdout, stderr := run(t, append([]string{"token", "gen"}, args...)...)
	if code != 0 || stderr != "" || strings.Count(stdout, "\n") != 1 {
		t.Fatalf("token gen %q: exit code %d, %q, %q", args, code, stdout, stderr)
	}
	return strings.TrimSuffix(stdout, "\n")
}
