package output

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// TestWidth: a text takes as many cells as terminals show it in.
func TestWidth(t *testing.T) {
	for text, want := range map[string]int{
		"": 0, "abc": 3, "é": 1, "e\u0301": 1, "世界": 4, "ｆｕ": 4, "ﾊﾝ": 2, "한글": 4, "\u1112\u1161\u11ab": 2, "🙂": 2,
		"✅": 2, "✔": 1, "🇰🇷": 2, "…": 1, "\u2329": 2, "\u303f": 1, "한\U00020000": 4, "\ufffd": 1, "あ。": 4,
	} {
		if got := cells().StringWidth(text); got != want {
			t.Errorf("%q takes %d, want %d", text, got, want)
		}
	}
}

// TestFit holds in which order columns give way.
func TestFit(t *testing.T) {
	columns := []string{"A", "B", "C"}
	cuts := []Cut{{Column: "B", Least: 10}, {Column: "C", Least: 5}, {Column: "none", Least: 1}}
	for _, tt := range []struct {
		width int
		want  []int
		gap   int
	}{
		{66, []int{10, 30, 20}, 3},
		{60, []int{10, 24, 20}, 3}, // B first
		{46, []int{10, 10, 20}, 3},
		{40, []int{10, 10, 14}, 3}, // then C
		{31, []int{10, 10, 5}, 3},
		{29, []int{10, 10, 5}, 2}, // then the spaces
		{27, []int{10, 10, 5}, 1},
		{25, []int{10, 8, 5}, 1}, // then B and C once more
		{20, []int{10, 4, 4}, 1},
		{17, []int{7, 4, 4}, 1}, // then whatever is widest
		{13, []int{3, 4, 4}, 1},
		{5, []int{1, 1, 1}, 1},
		{1, []int{1, 1, 1}, 1},
	} {
		widths, gap := fit(columns, []int{10, 30, 20}, Options{Screen: Screen{Width: tt.width}, Cuts: cuts})
		if !slices.Equal(widths, tt.want) || gap != tt.gap {
			t.Errorf("in %d cells: %v, %d spaces, want %v, %d", tt.width, widths, gap, tt.want, tt.gap)
		}
	}
	if widths, _ := fit([]string{"A"}, []int{3}, Options{Screen: Screen{Width: 2}, Cuts: []Cut{{Column: "A", Least: 8}}}); widths[0] != 2 {
		t.Errorf("a short column of %d cells in 2", widths[0])
	}
	if widths, gap := fit(nil, nil, Options{Screen: Screen{Width: 1}}); len(widths) != 0 || gap != usualGap {
		t.Errorf("no columns: %v, %d", widths, gap)
	}
}

// TestNothingWraps: no line is longer than the terminal, whatever the cells are; and with room for it,
// nothing is cut.
func TestNothingWraps(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	alphabet := []rune("ab1 /_-é世界🙂한…\u0301\x1b\t\u202e")
	for range 3000 {
		o := Options{Columns: []string{"SESSION", "MEMBER", "NODE", "世"}, Wide: []string{"MORE"}, Headers: random.IntN(2) == 0,
			Screen: Screen{Terminal: true, Width: 1 + random.IntN(120)}, Page: 1 + random.IntN(4), Cuts: []Cut{{"NODE", random.IntN(20)}, {"MEMBER", 3}}}
		var out bytes.Buffer
		w, err := New(&out, Formats()[random.IntN(2)], o)
		if err != nil {
			t.Fatal(err)
		}
		for range random.IntN(6) {
			cells := make([]string, 5)
			for i := range cells {
				for range random.IntN(40) {
					cells[i] += string(alphabet[random.IntN(len(alphabet))])
				}
			}
			if err := w.Row(Row{Cells: cells}); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(out.String()) {
			line, _ = strings.CutSuffix(line, "\n")
			if n := cells().StringWidth(line); n > o.Width || Printable(line) != line || strings.HasSuffix(line, " ") {
				t.Fatalf("%+v: a line of %d cells: %q", o, n, line)
			}
		}
	}
}
