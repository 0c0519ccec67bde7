package config

import (
	"strings"
	"testing"
	"time"
)

// TestParseDuration holds the grammar of lengths of time, in settings and flags alike.
func TestParseDuration(t *testing.T) {
	const bad = " is not a length of time: write it like 500ms, 10s, 1h30m or 7d"
	for _, tt := range []struct {
		text    string
		want    time.Duration
		wantErr string
	}{
		{"500ms", 500 * time.Millisecond, ""}, {"0s", 0, ""}, {"1h30m", 90 * time.Minute, ""}, {"1.5h", 90 * time.Minute, ""},
		{"7d", 168 * time.Hour, ""}, {"3d2h", 74 * time.Hour, ""}, {"0.5d", 12 * time.Hour, ""}, {"4.35s", 4350 * time.Millisecond, ""},
		{"1us", time.Microsecond, ""}, {"1µs", time.Microsecond, ""}, {"-0s", 0, ""}, {"36500d", 876000 * time.Hour, ""},
		{"5", 0, "5 has no unit: write 5s, or one of ms, m, h, d"},
		{"0", 0, "0 has no unit: write 0s, or one of ms, m, h, d"},
		{"-5s", 0, "-5s is negative: write it like 10s"},
		{"36500d1ms", 0, "36500d1ms is too long: want 36500d, which is 100 years, at most"},
		{"293y", 0, `"293y"` + bad},
		{"2600000h", 0, "2600000h is too long: want 36500d, which is 100 years, at most"},
		{strings.Repeat("9", 400) + "s", 0, strings.Repeat("9", 400) + "s is too long: want 36500d, which is 100 years, at most"},
		{"", 0, `""` + bad}, {"s", 0, `"s"` + bad}, {"5 s", 0, `"5 s"` + bad}, {"5S", 0, `"5S"` + bad}, {"1h30", 0, `"1h30"` + bad},
		{"1..5s", 0, `"1..5s"` + bad}, {"1e9s", 0, `"1e9s"` + bad}, {"infs", 0, `"infs"` + bad}, {"+5s", 0, `"+5s"` + bad}, {"--5s", 0, `"--5s"` + bad},
	} {
		got, err := ParseDuration(tt.text)
		if got != tt.want || (err == nil) != (tt.wantErr == "") || err != nil && err.Error() != tt.wantErr {
			t.Errorf("%q is %v, %v; want %v, %s", tt.text, got, err, tt.want, tt.wantErr)
		}
	}
}

// FuzzParseDuration holds that what ParseDuration takes is what Go's own parser makes of it, where that
// has the units, and that what is written is read as the same.
func FuzzParseDuration(f *testing.F) {
	for _, seed := range []string{"1h30m", "1.5h", ".5s", "5.", "3d2h", "0s", "-1s", "1h1h", "9999999h", "µs", "1µs"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := ParseDuration(text)
		if err != nil {
			return
		}
		if d < 0 || d > maxDuration {
			t.Fatalf("%q is %v", text, d)
		}
		if own, err := time.ParseDuration(text); err == nil && (own-d).Abs() > time.Microsecond { // sums of fractions differ by little
			t.Errorf("%q is %v, want %v", text, d, own)
		}
		if back, err := ParseDuration(d.String()); err != nil || (back-d).Abs() > time.Microsecond {
			t.Errorf("%q is written %v, which is read as %v, %v", text, d, back, err)
		}
	})
}

// TestParseRate holds the grammar of rates.
func TestParseRate(t *testing.T) {
	const bad, bounds = " is not a rate: write it like 100/s, 30/m or 10/h", " is not possible: want a rate from 4/h to 1000000/s"
	for _, tt := range []struct {
		text    string
		want    float64
		wantErr string
	}{
		{"10/s", 10, ""}, {"10", 10, ""}, {"30/m", 0.5, ""}, {"36/h", 0.01, ""}, {"0.5/s", 0.5, ""}, {"4/h", 4.0 / 3600, ""}, {"1000000/s", 1e6, ""},
		{"0/s", 0, "0/s" + bounds}, {"1000001", 0, "1000001" + bounds}, {"3/h", 0, "3/h" + bounds},
		{"", 0, `""` + bad}, {"/s", 0, `"/s"` + bad}, {"10/d", 0, `"10/d"` + bad}, {"10/2s", 0, `"10/2s"` + bad}, {"10/s/s", 0, `"10/s/s"` + bad},
		{"10s", 0, `"10s"` + bad}, {"-1/s", 0, `"-1/s"` + bad}, {"1e3/s", 0, `"1e3/s"` + bad}, {"NaN/s", 0, `"NaN/s"` + bad}, {"10 /s", 0, `"10 /s"` + bad},
	} {
		got, err := ParseRate(tt.text)
		if got != tt.want || (err == nil) != (tt.wantErr == "") || err != nil && err.Error() != tt.wantErr {
			t.Errorf("%q is %v, %v; want %v, %s", tt.text, got, err, tt.want, tt.wantErr)
		}
	}
}
