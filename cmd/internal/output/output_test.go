package output_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.yaml.in/yaml/v3"

	"github.com/stompgw/stompgw/cmd/internal/output"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func write(t *testing.T, format string, o output.Options, rows ...output.Row) string {
	t.Helper()
	var out bytes.Buffer
	w, err := output.New(&out, format, o)
	for _, r := range rows {
		err = errors.Join(err, w.Row(r))
	}
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func row(cells ...string) output.Row {
	return output.Row{Cells: cells, Name: "n-" + cells[0], Value: map[string]string{"id": cells[0]}}
}

func TestFormats(t *testing.T) {
	terminal, bold := output.Screen{Terminal: true}, output.Screen{Terminal: true, Bold: true}
	rows := []output.Row{row("1", "b", "w"), row("long one", "c", "w2")}
	columns := func(o output.Options) output.Options {
		o.Columns, o.Wide = []string{"ID", "X"}, []string{"MORE"}
		return o
	}
	for _, tt := range []struct {
		name, format string
		o            output.Options
		rows         []output.Row
		want         string
	}{
		{"table for a terminal", "table", columns(output.Options{Headers: true, Screen: terminal}), rows, "ID         X\n1          b\nlong one   c\n"},
		{"names in bold", "table", columns(output.Options{Headers: true, Screen: bold}), rows, "\x1b[1mID         X\x1b[0m\n1          b\nlong one   c\n"},
		{"no bold for a program", "table", columns(output.Options{Headers: true, Screen: output.Screen{Bold: true}}), rows, "ID\tX\n1\tb\nlong one\tc\n"},
		{"table for a program", "table", columns(output.Options{Headers: true}), rows, "ID\tX\n1\tb\nlong one\tc\n"},
		{"table without headers", "table", columns(output.Options{}), rows, "1\tb\nlong one\tc\n"},
		{"terminal without headers", "table", columns(output.Options{Screen: terminal}), rows, "1          b\nlong one   c\n"},
		{"wide", "wide", columns(output.Options{Headers: true, Screen: terminal}), rows, "ID         X   MORE\n1          b   w\nlong one   c   w2\n"},
		{"wide for a program", "wide", columns(output.Options{Headers: true}), rows, "ID\tX\tMORE\n1\tb\tw\nlong one\tc\tw2\n"},
		{"empty", "table", columns(output.Options{Headers: true}), nil, "ID\tX\n"},
		{"empty on a terminal", "table", columns(output.Options{Headers: true, Screen: terminal}), nil, "ID   X\n"},
		{"empty without headers", "table", columns(output.Options{Screen: terminal}), nil, ""},
		{"later pages keep the width of earlier ones", "table", output.Options{Columns: []string{"A", "B"}, Headers: true, Screen: terminal, Page: 2},
			[]output.Row{row("1", "x"), row("long", "y"), row("2", "z"), row("3", "z"), row("longer", "z")}, "A      B\n1      x\nlong   y\n2      z\n3      z\nlonger   z\n"},
		{"a terminal that does not say how wide", "table", output.Options{Columns: []string{"A"}, Screen: terminal}, []output.Row{row(strings.Repeat("x", 200))},
			strings.Repeat("x", 79) + "…\n"},
		{"json", "json", output.Options{}, rows, "[\n{\"id\":\"1\"},\n{\"id\":\"long one\"}\n]\n"},
		{"empty json", "json", output.Options{}, nil, "[]\n"},
		{"yaml", "yaml", output.Options{}, rows, "- id: \"1\"\n- id: \"long one\"\n"},
		{"empty yaml", "yaml", output.Options{}, nil, "[]\n"},
		{"names", "name", output.Options{}, rows, "n-1\nn-long one\n"},
		{"control characters", "table", columns(output.Options{}), []output.Row{row("a\tb\x1b[2J", "c\n")}, "a\ufffdb\ufffd[2J\tc\ufffd\n"},
		{"control characters on a terminal", "table", columns(output.Options{Screen: terminal}), []output.Row{row("a\tb\u009b2J\u202e", "c\r\n")},
			"a\ufffdb\ufffd2J\ufffd   c\ufffd\ufffd\n"},
		{"control characters of a name", "name", output.Options{}, []output.Row{row("a\x1b]0;x\a")}, "n-a\ufffd]0;x\ufffd\n"},
		{"control characters in JSON", "json", output.Options{}, []output.Row{row("\x1b\u007f\u009b\u202e\U000e0041\xff")},
			"[\n{\"id\":\"\\u001b\\u007f\\u009b\\u202e\\udb40\\udc41\\ufffd\"}\n]\n"},
		{"control characters in YAML", "yaml", output.Options{}, []output.Row{row("\x1b\u007f\u009b\u202e\U000e0041")},
			"- id: \"\\e\\x7F\\x9B\\U0000202E\\U000E0041\"\n"},
	} {
		if got := write(t, tt.format, tt.o, tt.rows...); got != tt.want {
			t.Errorf("%s:\n got %q\nwant %q", tt.name, got, tt.want)
		}
	}
}

// TestYAMLAgrees: YAML has the keys and the types of JSON, in its order.
func TestYAMLAgrees(t *testing.T) {
	value := struct {
		Text   []string        `json:"text"`
		Raw    json.RawMessage `json:"raw"`
		Number []any           `json:"number"`
		None   *int            `json:"none"`
		At     time.Time       `json:"at"`
		Empty  []int           `json:"empty"`
		Object map[string]any  `json:"object"`
	}{
		Text: []string{"yes", "null", "1", "0x1f", "1e3", "~", "", "- a", "a: b", "#", "line\nline", " ", "'", `"`, "2025-02-03", "é世🙂", "\u0085", "<&>"},
		Raw:  json.RawMessage(`{"z":12345678901234567890,"a":[1,[2,{}]],"m":null}`), Number: []any{1.5, 1e-30, int64(1<<63 - 1), true},
		At: time.Date(2025, 2, 3, 14, 5, 6, 0, time.FixedZone("KST", 9*60*60)), Empty: []int{}, Object: map[string]any{},
	}
	text := write(t, "yaml", output.Options{}, output.Row{Value: value}, output.Row{Value: value})
	var got []map[string]any
	if err := yaml.Unmarshal([]byte(text), &got); err != nil || len(got) != 2 {
		t.Fatalf("%v in\n%s", err, text)
	}
	for _, g := range got {
		if got, want := canonical(t, g), canonical(t, value); got != want {
			t.Errorf("\n got %s\nwant %s", got, want)
		}
	}
	if at := strings.Index(text, "raw:"); at < strings.Index(text, "text:") || at > strings.Index(text, "number:") {
		t.Errorf("the keys are not in the order of JSON:\n%s", text)
	}
	// Older readers must not take text for something else either.
	for _, text := range []string{"y", "Yes", "on", "N", "no", "OFF", "true", "1:30", "-12:30:45.5", "1_000", "0777", "000001e5", "0x1f", "null", "~", "2025-02-03"} {
		got := write(t, "yaml", output.Options{}, output.Row{Value: map[string]string{"id": text}})
		if got != `- id: "`+text+"\"\n" {
			t.Errorf("%s", got)
		}
	}
}

// canonical is JSON with its keys in order.
func canonical(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	if err = errors.Join(err, dec.Decode(&v)); err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(again)
}

// TestPages: rows reach the output page by page, or when they are flushed, and nothing does before there is one: a
// command that fails has written nothing.
func TestPages(t *testing.T) {
	forEach(t, func(t *testing.T, format string, o output.Options) {
		var out bytes.Buffer
		o.Page = 100
		w, err := output.New(&out, format, o)
		want := func(when string, rows int) {
			t.Helper()
			if got := strings.Count(out.String(), "id") + strings.Count(out.String(), "row"); err != nil || got != rows || rows == 0 && out.Len() > 0 {
				t.Errorf("%s %d rows are written, want %d; %v", when, got, rows, err)
			}
		}
		err = errors.Join(err, w.Flush())
		want("before there are any,", 0)
		for i := range 250 {
			err = errors.Join(err, w.Row(output.Row{Cells: []string{"row"}, Name: "row", Value: map[string]int{"id": i}}))
		}
		want("of 250", 200)
		err = errors.Join(err, w.Flush())
		want("when flushed", 250)
		err = errors.Join(err, w.Close())
		want("at the end", 250)
	})
}

// forEach runs a test in each format, on a terminal and not.
func forEach(t *testing.T, test func(t *testing.T, format string, o output.Options)) {
	for _, format := range output.Formats() {
		for _, terminal := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, terminal %t", format, terminal), func(t *testing.T) {
				test(t, format, output.Options{Columns: []string{"N"}, Headers: true, Screen: output.Screen{Terminal: terminal}})
			})
		}
	}
}

// TestManyRows: memory does not grow with the number of rows.
func TestManyRows(t *testing.T) {
	const rows = 20_000
	forEach(t, func(t *testing.T, format string, o output.Options) {
		counter := new(lines)
		o.Width = 40
		w, err := output.New(counter, format, o)
		r := output.Row{Cells: []string{strings.Repeat("n", 50)}, Name: strings.Repeat("k", 59), Value: struct{ ID int }{7}}
		var before, now runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		for range rows {
			err = errors.Join(err, w.Row(r))
		}
		runtime.GC()
		runtime.ReadMemStats(&now)
		if err = errors.Join(err, w.Close()); err != nil || counter.n < rows {
			t.Errorf("%d lines, %v", counter.n, err)
		}
		if grown := int64(now.HeapAlloc) - int64(before.HeapAlloc); grown > 800<<10 {
			t.Errorf("%d bytes are kept of %d rows", grown, rows)
		}
	})
}

type lines struct{ n int }

func (l *lines) Write(b []byte) (int, error) {
	l.n += bytes.Count(b, []byte("\n"))
	return len(b), nil
}

// TestBrokenOutput: an error of the output is told by Close, and before it by the Row that ends a page.
func TestBrokenOutput(t *testing.T) {
	forEach(t, func(t *testing.T, format string, o output.Options) {
		o.Page = 2
		w, err := output.New(broken{}, format, o)
		first, second, third, end := w.Row(row("1")), w.Row(row("2")), w.Flush(), w.Close()
		if err != nil || first != nil || !errors.Is(second, errBroken) || !errors.Is(third, errBroken) || !errors.Is(end, errBroken) {
			t.Error(err, first, second, third, end)
		}
	})
}

var errBroken = errors.New("broken")

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errBroken }

// TestNoValue: what has no JSON is an error, from then on, and not half a list.
func TestNoValue(t *testing.T) {
	for _, format := range []string{"json", "yaml"} {
		var out bytes.Buffer
		w, err := output.New(&out, format, output.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if w.Row(output.Row{Value: func() {}}) == nil || out.Len() > 0 || w.Row(row("1")) == nil || w.Close() == nil {
			t.Errorf("%s: no error, %q", format, out.String())
		}
		out.Reset()
		if err := output.One(&out, format, output.Options{}, nil, output.Row{Value: func() {}}); err == nil || out.Len() > 0 {
			t.Errorf("%s: %v, %q", format, err, out.String())
		}
	}
}

func TestOne(t *testing.T) {
	terminal, bold := output.Screen{Terminal: true}, output.Screen{Terminal: true, Bold: true}
	fields := []output.Field{{"KEY", "k\x1b"}, {"世", "a"}, {"世", "b"}}
	r := output.Row{Name: "k\x1b", Value: map[string]any{"id": 1, "list": []string{"a"}}}
	for _, tt := range []struct {
		format string
		o      output.Options
		want   string
	}{
		{"table", output.Options{Screen: terminal}, "KEY   k\ufffd\n世    a\n      b\n"},
		{"wide", output.Options{Screen: terminal}, "KEY   k\ufffd\n世    a\n      b\n"},
		{"table", output.Options{Screen: bold}, "\x1b[1mKEY\x1b[0m   k\ufffd\n\x1b[1m世\x1b[0m    a\n      b\n"},
		{"table", output.Options{Screen: output.Screen{Bold: true}}, "KEY\tk\ufffd\n世\ta\n世\tb\n"},
		{"json", output.Options{}, "{\"id\":1,\"list\":[\"a\"]}\n"},
		{"yaml", output.Options{}, "id: 1\nlist:\n  - \"a\"\n"},
		{"name", output.Options{}, "k\ufffd\n"},
	} {
		var out bytes.Buffer
		if err := output.One(&out, tt.format, tt.o, fields, r); err != nil || out.String() != tt.want {
			t.Errorf("%s, %+v: %v\n got %q\nwant %q", tt.format, tt.o, err, out.String(), tt.want)
		}
	}
}

func TestSpans(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0s", 0: "0s", 59 * time.Second: "59s", 192 * time.Second: "3m12s",
		4*time.Hour + 5*time.Minute: "4h5m", 74*time.Hour + time.Minute: "3d2h",
	} {
		if got := output.Age(d); got != want {
			t.Errorf("Age(%s) = %s, want %s", d, got, want)
		}
	}
	for n, want := range map[int]string{0: "0B", 1023: "1023B", 1024: "1KiB", 1<<20 - 1: "1023KiB", 5<<20 + 1: "5MiB"} {
		if got := output.Bytes(n); got != want {
			t.Errorf("Bytes(%d) = %s, want %s", n, got, want)
		}
	}
}

func ExampleNew() {
	// errors are left out: the output is a terminal
	w, _ := output.New(printed{}, output.Table, output.Options{Columns: []string{"NODE", "STATE"}, Headers: true, Screen: output.Screen{Terminal: true, Width: 20},
		Cuts: []output.Cut{{Column: "NODE", Least: 4}}})
	_ = w.Row(output.Row{Cells: []string{"1719999999999/7c0e9d1a", "serving"}})
	_ = w.Close()
	// Output:
	// NODE         STATE
	// 171999999…   serving
}

type printed struct{}

func (printed) Write(b []byte) (int, error) { return fmt.Print(string(b)) }
