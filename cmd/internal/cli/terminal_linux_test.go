package cli

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"testing"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/stompgw/stompgw/cmd/internal/output"
)

// openTerminal returns both sides of a terminal of so many columns: what a person sees and types, and
// what a process has.
func openTerminal(t *testing.T, columns uint16) (person, process *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("there are no terminals here: %v", err)
	}
	t.Cleanup(func() { person.Close() })
	fd := int(person.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if process, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { process.Close() })
	if err := unix.IoctlSetWinsize(int(process.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: columns}); err != nil {
		t.Fatal(err)
	}
	return person, process
}

func TestScreen(t *testing.T) {
	_, tty := openTerminal(t, 132)
	_, unknown := openTerminal(t, 0)
	pipe, _, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer pipe.Close()
	for _, tt := range []struct {
		name                   string
		out                    *os.File
		columns, noColor, term string
		want                   output.Screen
	}{
		{"a terminal", tty, "", "", "xterm", output.Screen{Terminal: true, Width: 132, Bold: true}},
		{"COLUMNS", tty, "60", "", "xterm", output.Screen{Terminal: true, Width: 60, Bold: true}},
		{"a wrong COLUMNS", tty, "-5", "", "xterm", output.Screen{Terminal: true, Width: 132, Bold: true}},
		{"NO_COLOR", tty, "", "1", "xterm", output.Screen{Terminal: true, Width: 132, Bold: false}},
		{"a dumb one", tty, "", "", "dumb", output.Screen{Terminal: true, Width: 132, Bold: false}},
		{"no TERM", tty, "", "", "", output.Screen{Terminal: true, Width: 132, Bold: false}},
		{"unknown width", unknown, "", "", "dumb", output.Screen{Terminal: true, Width: 0, Bold: false}},
		{"a pipe", pipe, "60", "", "xterm", output.Screen{}},
	} {
		t.Setenv("COLUMNS", tt.columns)
		t.Setenv("NO_COLOR", tt.noColor)
		t.Setenv("TERM", tt.term)
		if got := ScreenOf(&stdout{Writer: tt.out}); got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
	if got := ScreenOf(new(bytes.Buffer)); got != (output.Screen{}) {
		t.Errorf("a buffer: %+v", got)
	}
}

// TestSomeoneThere: a question is put only where somebody can read and answer it.
func TestSomeoneThere(t *testing.T) {
	person, tty := openTerminal(t, 80)
	file, err := os.Create(t.TempDir() + "/f")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, tt := range []struct {
		in, errs *os.File
		want     bool
	}{{tty, tty, true}, {file, tty, false}, {tty, file, false}} {
		cmd := new(cobra.Command)
		cmd.SetIn(tt.in)
		cmd.SetErr(tt.errs)
		if got := SomeoneThere(cmd); got != tt.want {
			t.Errorf("%s, %s: %t", tt.in.Name(), tt.errs.Name(), got)
		}
	}
	if _, err := person.WriteString("yes\n"); err != nil {
		t.Fatal(err)
	}
	cmd := new(cobra.Command)
	cmd.SetContext(t.Context())
	cmd.SetIn(tty)
	cmd.SetErr(io.Discard)
	if err := Confirm(cmd, "Really?", "nothing"); err != nil {
		t.Error(err)
	}
}
