package probe

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/stompgw/stompgw/cmd/internal/cli"
	"github.com/stompgw/stompgw/cmd/internal/output"
)

// caseResult is how one case has ended.
type caseResult struct {
	Name        string       `json:"name,omitempty"`
	Where       string       `json:"where"`
	Command     string       `json:"command"`
	Destination string       `json:"destination"`
	Passed      bool         `json:"passed"`
	Differences []difference `json:"differences,omitempty"`
	Got         caseAnswer   `json:"got"`

	title string
}

// caseReport is how all have.
type caseReport struct {
	Passed int          `json:"passed"`
	Failed int          `json:"failed"`
	Cases  []caseResult `json:"cases"`
}

func (r *caseReport) add(c caseResult) {
	r.Cases = append(r.Cases, c)
	if c.Passed {
		r.Passed++
	} else {
		r.Failed++
	}
}

// print writes the report, and returns the error for the exit code.
func (r *caseReport) print(w io.Writer, format string) error {
	var err error
	if format == "json" {
		err = writeJSON(w, r)
	} else {
		err = r.printText(w)
	}
	if err != nil {
		return err
	}
	if r.Failed > 0 {
		return cli.Exit(cli.Missed, cli.ErrTold)
	}
	return nil
}

func (r *caseReport) printText(w io.Writer) error {
	var text bytes.Buffer
	for i := range r.Cases {
		if c := &r.Cases[i]; !c.Passed {
			c.print(&text)
		}
	}
	fmt.Fprintf(&text, "%s: %d passed, %d failed\n", cli.Count(len(r.Cases), "case"), r.Passed, r.Failed)
	_, err := w.Write(text.Bytes())
	return err
}

// writeJSON writes v over several lines, which are safe to show.
func writeJSON(w io.Writer, v any) error {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false) // conditions are full of & and <
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return err
	}
	_, err := w.Write(output.EscapeJSON(text.Bytes()))
	return err
}

// print writes what is not as the case says, and below that what has decided.
func (c *caseResult) print(w io.Writer) {
	fmt.Fprintf(w, "%s: %s\n", c.Where, output.Printable(c.title))
	line := func(name, text string) {
		if text != "" {
			fmt.Fprintf(w, "  %-11s%s\n", name, output.Printable(onOneLine(text)))
		}
	}
	for _, d := range c.Differences {
		fmt.Fprintf(w, "  %s\n", output.Printable(d.Key))
		fmt.Fprintf(w, "    - want  %s\n", shown(d.Want))
		fmt.Fprintf(w, "    + got   %s\n", shown(d.Got))
	}
	got := &c.Got
	line("reason", got.Reason)
	line("token", got.Note)
	if got.Rule != "" {
		line("rule", got.Rule+", "+got.Where)
		line("match", got.Match)
		line(got.Field, cmp.Or(got.Expression, "(says nothing, which is no)"))
	}
}

// shown is a text on one line, in quotes where it would not be seen as it is.
func shown(text string) string {
	if text == "" || text != strings.TrimSpace(text) || text != output.Printable(text) {
		return strconv.Quote(text)
	}
	return text
}
