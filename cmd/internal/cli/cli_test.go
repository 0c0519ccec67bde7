package cli

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"

	"github.com/spf13/cobra"
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
