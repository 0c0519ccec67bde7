package cli

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/stompgw/stompgw/cmd/internal/output"
)

// ScreenOf returns what w is. COLUMNS wins over what the terminal says; NO_COLOR is for people who want
// no bold text either.
func ScreenOf(w io.Writer) output.Screen {
	if p, ok := bare(w).(person); ok {
		return p.Screen()
	}
	f, ok := bare(w).(*os.File)
	if !ok || !IsTerminal(f) {
		return output.Screen{}
	}
	kind := os.Getenv("TERM")
	s := output.Screen{Terminal: true, Bold: os.Getenv("NO_COLOR") == "" && kind != "" && kind != "dumb"}
	if n, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && n > 0 {
		s.Width = n
	} else if n, _, err := term.GetSize(int(f.Fd())); err == nil {
		s.Width = n
	}
	return s
}

// IsTerminal reports whether a person is at the other end of a stream, not a program.
func IsTerminal(stream any) bool {
	stream = bare(stream)
	if _, ok := stream.(person); ok {
		return true
	}
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// person is a stream with somebody at the other end though it is no terminal, in tests.
type person interface{ Screen() output.Screen }

// bare is a stream without what runRoot has put around it.
func bare(stream any) any {
	if out, ok := stream.(*stdout); ok {
		return out.Writer
	}
	return stream
}

// SomeoneThere reports whether a question would be read and answered.
func SomeoneThere(cmd *cobra.Command) bool {
	return IsTerminal(cmd.InOrStdin()) && IsTerminal(cmd.ErrOrStderr())
}

// Confirm asks the person at a command, and returns an error unless the answer is yes; otherwise says what was
// not done then.
func Confirm(cmd *cobra.Command, question, otherwise string) error {
	fmt.Fprintf(cmd.ErrOrStderr(), "%s [y/N] ", question)
	answer := make(chan string, 1)
	go func() { // ends with a line, or with the process: nothing else ends a read from a terminal
		line, _ := bufio.NewReader(io.LimitReader(cmd.InOrStdin(), 1024)).ReadString('\n') // the end of the input is a no
		answer <- strings.ToLower(strings.TrimSpace(line))
	}()
	select {
	case <-cmd.Context().Done():
		fmt.Fprintln(cmd.ErrOrStderr())
		return cmd.Context().Err()
	case line := <-answer:
		if line != "y" && line != "yes" {
			return Exit(Failed, fmt.Errorf("the answer was not yes: %s", otherwise))
		}
		return nil
	}
}
