package output

import (
	"io"
	"strings"
)

// Field is a name and one line of what is known of one thing. Several with the same name in a row are the lines of one.
type Field [2]string

// One writes one thing in one of Formats: a line for each field, with nothing cut, or its value or name.
func One(w io.Writer, format string, o Options, fields []Field, r Row) error {
	text := []byte(record(fields, o))
	if format != Table && format != Wide {
		var err error
		if text, err = textOf(format)(r); err != nil {
			return err
		}
	}
	_, err := w.Write(text)
	return err
}

// record returns the lines of fields. For a program, each names its field.
func record(fields []Field, o Options) string {
	var text strings.Builder
	column, last := 0, ""
	for _, f := range fields {
		column = max(column, cells().StringWidth(f[0])+usualGap)
	}
	for _, f := range fields {
		name, value := f[0], Printable(f[1])
		before := name + "\t"
		if o.Terminal {
			before = cells().FillRight(name, column)
			switch {
			case name == last:
				before = strings.Repeat(" ", column)
			case o.Bold:
				before = strings.Replace(before, name, bold(name), 1)
			}
		}
		text.WriteString(before + value + "\n")
		last = name
	}
	return text.String()
}
