package output

import (
	"fmt"
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
	switch format {
	case JSON, Lines:
		text, err := marshal(r.Value)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(w, "%s\n", text)
		return err
	case YAML:
		node, err := yamlNode(r.Value)
		if err != nil {
			return err
		}
		return writeYAML(w, node)
	case Names:
		_, err := fmt.Fprintln(w, Printable(r.Name))
		return err
	}
	_, err := io.WriteString(w, record(fields, o))
	return err
}

// record returns the lines of fields. For a program, each names its field.
func record(fields []Field, o Options) string {
	var text strings.Builder
	column := 0
	for _, f := range fields {
		column = max(column, width(f.Name)+usualGap)
	}
	for _, f := range fields {
		name := f.Name
		for _, value := range f.Values {
			before := name + "\t"
			if o.Terminal {
				before = label(name, o.Bold) + strings.Repeat(" ", column-width(name))
				name = ""
			}
			text.WriteString(before + Printable(value) + "\n")
		}
	}
	return text.String()
}

func label(name string, strong bool) string {
	if strong && name != "" {
		return bold(name)
	}
	return name
}
