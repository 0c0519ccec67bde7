package output_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/stompgw/stompgw/cmd/internal/output"
)

// TestSort: numbers, ages and sizes are in order as such, equal rows stay as they came, and memory is bounded.
func TestSort(t *testing.T) {
	o := output.Options{Columns: []string{"NAME", "AGE"}, Wide: []string{"SIZE"}}
	for _, tt := range []struct {
		column string
		most   int
		cells  string // of that column, perhaps with what tells equal ones apart
		want   string
	}{
		{"age", 0, "3m12s,9s,2d3h,0s,-,1h0m", "0s,9s,3m12s,1h0m,2d3h,-"},
		{"-AGE", 0, "3m12s,-,9s,2d3h", "2d3h,3m12s,9s,-"},
		{"Age", 0, "3s ago,1m0s ago,0s ago", "0s ago,3s ago,1m0s ago"},
		{"size", 0, "2KiB,1MiB,-,100B,1KiB", "100B,1KiB,2KiB,1MiB,-"},
		{"size", 0, "10,9,-1,100", "-1,9,10,100"},
		{"-size", 2, "10,9,-1,100", "100,10"},
		{"name", 0, `"b",10,"a",9,expired,in 1m0s`, `9,10,in 1m0s,"a","b",expired`},
		{"name", 0, "1x,s,2m", "2m,1x,s"}, // the first two are no times
		{"-name", 3, "0#0,1#1,0#2,1#3,0#4", "1#1,1#3,0#0"},
	} {
		var got bytes.Buffer
		o.Sort, o.Most = tt.column, tt.most
		w, err := output.New(&got, output.Names, o)
		if err != nil {
			t.Fatal(err)
		}
		for name := range strings.SplitSeq(tt.cells, ",") {
			cell, _, _ := strings.Cut(name, "#")
			if err := w.Row(output.Row{Cells: []string{cell, cell, cell}, Name: name}); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Flush(); err != nil || got.Len() > 0 {
			t.Errorf("written before the last is known: %q, %v", &got, err)
		}
		if err := w.Close(); err != nil || strings.Join(strings.Fields(strings.ReplaceAll(got.String(), " ", "_")), ",") != strings.ReplaceAll(tt.want, " ", "_") {
			t.Errorf("%s by %s: %q, %v, want %s", tt.cells, tt.column, &got, err, tt.want)
		}
	}
	o.Sort = "colour"
	if _, err := output.New(nil, output.Table, o); err == nil || err.Error() != "--sort colour: the columns are name, age, size" {
		t.Error(err)
	}
	o.Sort = "name"
	w, err := output.New(new(bytes.Buffer), output.Table, o)
	n := 0
	for ; err == nil; n++ {
		err = w.Row(output.Row{Cells: []string{fmt.Sprint(n)}})
	}
	if n != 100_001 || !strings.Contains(err.Error(), "more than the 100000 rows that can be sorted") {
		t.Errorf("row %d: %v", n, err)
	}
}
