package output

import (
	"io"
	"strings"
)

// Field is one line, or several, of what is known of one thing.
type Field struct {
	Name   string
	Values []string // a line each
}

// One writes one thing in one of Formats: a line for each field, with nothing cut, or its value or name.
func One(w io.Writer, format string, o Options, fields []Field, r Row) error {
	if err := checkFormat(format); err != nil {
		return err
	}
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
	column := 0
	for _, f := range fields {
		column = max(column, cells().StringWidth(f.Name)+usualGap)
	}
	for _, f := range fields {
		for i, value := range f.Values {
			before := f.Name + "\t"
			if o.Terminal {
				before = cells().FillRight(f.Name, column)
				switch {
				case i > 0:
					before = strings.Repeat(" ", column)
				case o.Bold:
					before = strings.Replace(before, f.Name, bold(f.Name), 1)
				}
			}
			text.WriteString(before + Printable(value) + "\n")
		}
	}
	return text.String()
}
