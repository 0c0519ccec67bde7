package main

import (
	"bufio"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestLinked: nothing in the program looks methods up by a name that the linker does not know. One that does, as
// text/template, makes it keep every exported method: 10 MB of them.
func TestLinked(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "go", "build", "-ldflags=-dumpdep", "-o", os.DevNull, ".")
	says, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	lines := bufio.NewScanner(says)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if who, _, _ := strings.Cut(lines.Text(), " "); strings.Contains(lines.Text(), "<ReflectMethod>") && !seen[who] {
			seen[who] = true
			t.Errorf("%s looks up methods", who)
		}
	}
	if err := lines.Err(); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}
