package output_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stompgw/stompgw/cmd/internal/output"
)

// names writes the names of its rows.
type names struct{ all []string }

func (n *names) Row(r output.Row) error { n.all = append(n.all, r.Name); return nil }
func (n *names) Flush() error           { return nil }
func (n *names) Close() error           { return nil }

func TestSorted(t *testing.T) {
	o := output.Options{Columns: []string{"NAME", "AGE"}, Wide: []string{"SIZE"}}
	for _, tt := range []struct {
		column string
		most   int
		cells  string // of that column
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
	} {
		got := &names{}
		w, err := output.Sorted(got, o, tt.column, tt.most)
		if err != nil {
			t.Fatal(err)
		}
		for cell := range strings.SplitSeq(tt.cells, ",") {
			if err := w.Row(output.Row{Cells: []string{cell, cell, cell}, Name: cell}); err != nil {
				t.Fatal(err)
			}
		}
		if len(got.all) > 0 {
			t.Errorf("written before the last is known: %q", got.all)
		}
		if err := w.Close(); err != nil || strings.Join(got.all, ",") != tt.want {
			t.Errorf("%s by %s: %q, %v, want %s", tt.cells, tt.column, got.all, err, tt.want)
		}
	}
	_, err := output.Sorted(&names{}, o, "colour", 0)
	if err == nil || err.Error() != "--sort colour: the columns are name, age, size" {
		t.Error(err)
	}
}

// TestSortedKeepsOrder: equal rows stay as they came, and memory is bounded.
func TestSortedKeepsOrder(t *testing.T) {
	got := &names{}
	w, err := output.Sorted(got, output.Options{Columns: []string{"A"}}, "-a", 0)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for ; err == nil; n++ {
		err = w.Row(output.Row{Cells: []string{fmt.Sprint(n % 2)}, Name: fmt.Sprint(n)})
	}
	if n != 100_001 || !strings.Contains(err.Error(), "more than the 100000 rows that can be sorted") {
		t.Errorf("row %d: %v", n, err)
	}
	if err := w.Close(); err != nil || !slices.Equal(got.all[:3], []string{"1", "3", "5"}) {
		t.Errorf("%v, %q", err, got.all[:3])
	}
}
