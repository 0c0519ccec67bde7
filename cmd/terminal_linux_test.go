package cmd

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
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
		want                   screen
	}{
		{"a terminal", tty, "", "", "xterm", screen{true, 132, true}},
		{"COLUMNS", tty, "60", "", "xterm", screen{true, 60, true}},
		{"a wrong COLUMNS", tty, "-5", "", "xterm", screen{true, 132, true}},
		{"NO_COLOR", tty, "", "1", "xterm", screen{true, 132, false}},
		{"a dumb one", tty, "", "", "dumb", screen{true, 132, false}},
		{"no TERM", tty, "", "", "", screen{true, 132, false}},
		{"unknown width", unknown, "", "", "dumb", screen{true, 0, false}},
		{"a pipe", pipe, "60", "", "xterm", screen{}},
	} {
		t.Setenv("COLUMNS", tt.columns)
		t.Setenv("NO_COLOR", tt.noColor)
		t.Setenv("TERM", tt.term)
		if got := screenOf(&stdout{Writer: tt.out}); got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
	if got := screenOf(new(bytes.Buffer)); got != (screen{}) {
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
		cmd := newSessionsKickCmd()
		cmd.SetIn(tt.in)
		cmd.SetErr(tt.errs)
		if got := someoneThere(cmd); got != tt.want {
			t.Errorf("%s, %s: %t", tt.in.Name(), tt.errs.Name(), got)
		}
	}
	s := newSeat(t)
	s.stdin = tty
	if _, err := person.WriteString("yes\n"); err != nil {
		t.Fatal(err)
	}
	if code, stdout, stderr := s.run("sessions", "kick", "--all"); code != partial || !strings.Contains(stdout, "kicked") {
		t.Errorf("exit code %d, %s%s", code, stdout, stderr)
	}
}
