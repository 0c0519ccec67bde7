package output_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stompgw/stompgw/cmd/internal/output"
)

func write(t *testing.T, format string, o output.Options, rows ...output.Row) string {
	t.Helper()
	var out bytes.Buffer
	w, err := output.New(&out, format, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		if err := w.Row(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func row(cells ...string) output.Row {
	return output.Row{Cells: cells, Name: "n-" + cells[0], Value: map[string]string{"id": cells[0]}}
}

func TestFormats(t *testing.T) {
	rows := func() []output.Row { return []output.Row{row("1", "b"), row("long one", "c")} }
	columns := func(o output.Options) output.Options { o.Columns = []string{"ID", "X"}; return o }
	for _, tt := range []struct {
		name, format string
		o            output.Options
		rows         []output.Row
		want         string
	}{
		{"table for a terminal", "table", columns(output.Options{Headers: true, Terminal: true}), rows(), "ID         X\n1          b\nlong one   c\n"},
		{"table for a program", "table", columns(output.Options{Headers: true}), rows(), "ID\tX\n1\tb\nlong one\tc\n"},
		{"table without headers", "table", columns(output.Options{}), rows(), "1\tb\nlong one\tc\n"},
		{"json", "json", output.Options{}, rows(), "[\n{\"id\":\"1\"},\n{\"id\":\"long one\"}\n]\n"},
		{"empty json", "json", output.Options{}, nil, "[]\n"},
		{"names", "name", output.Options{}, rows(), "n-1\nn-long one\n"},
		{"control characters", "table", output.Options{}, []output.Row{row("a\tb\x1b[2J", "c\n")}, "a\ufffdb\ufffd[2J\tc\ufffd\n"},
	} {
		if got := write(t, tt.format, tt.o, tt.rows...); got != tt.want {
			t.Errorf("%s:\n got %q\nwant %q", tt.name, got, tt.want)
		}
	}
}

func TestUnknownFormat(t *testing.T) {
	const want = "-o xml: the formats are table, json, name"
	if _, err := output.New(nil, "xml", output.Options{}); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// TestLongTable: an aligned table reaches the output before its last row.
func TestLongTable(t *testing.T) {
	var out bytes.Buffer
	w, err := output.New(&out, "table", output.Options{Terminal: true})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 1500 {
		if err := w.Row(row(fmt.Sprint(i), "x")); err != nil {
			t.Fatal(err)
		}
	}
	if n := strings.Count(out.String(), "\n"); n != 1000 {
		t.Errorf("%d of 1500 rows are written before Close, want 1000", n)
	}
}

func TestAge(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0s", 0: "0s", 59 * time.Second: "59s", 192 * time.Second: "3m12s",
		4*time.Hour + 5*time.Minute: "4h5m", 74*time.Hour + time.Minute: "3d2h",
	} {
		if got := output.Age(d); got != want {
			t.Errorf("Age(%s) = %s, want %s", d, got, want)
		}
	}
}
