package cli

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/spf13/cobra"

	"github.com/stompgw/stompgw/cmd/internal/config"
)

// TestAskInterrupted: nobody has to answer first.
func TestAskInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in, answers := io.Pipe()
		ctx, cancel := context.WithCancel(t.Context())
		cmd := new(cobra.Command)
		cmd.SetContext(ctx)
		cmd.SetIn(in)
		cmd.SetErr(io.Discard)
		go func() {
			synctest.Wait() // for the question
			cancel()
		}()
		if err := Confirm(cmd, "Really?", "nothing"); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		answers.Close() // ends the read that is left over
	})
}

// TestUnusableInTime: a server that says nothing is told of alike, whichever clock ran out first.
func TestUnusableInTime(t *testing.T) {
	read := &net.OpError{Op: "read", Net: "tcp", Err: os.ErrDeadlineExceeded}
	for _, err := range []error{context.DeadlineExceeded, os.ErrDeadlineExceeded, read} {
		got := Unusable(new(config.Config), RedisAddrs, "redis", err, "").Error()
		if !strings.HasSuffix(got, " does not answer: nothing came in time") {
			t.Errorf("%v: %s", err, got)
		}
	}
}
