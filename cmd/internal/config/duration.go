package config

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// maxDuration bounds what a length of time may be, so that two of them can be added to a time.
const maxDuration = 36500 * 24 * time.Hour

var (
	number   = regexp.MustCompile(`^-?([0-9]+\.?[0-9]*|\.[0-9]+)$`)
	duration = regexp.MustCompile(`^-?(([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h|d))+$`)
	inDays   = regexp.MustCompile(`[0-9.]+d`)
)

// ParseDuration reads a length of time: numbers with their units, such as 500ms, 1h30m, 1.5h or 7d, where
// a day has 24 hours. It refuses what is negative, over 100 years, or has no unit.
func ParseDuration(text string) (time.Duration, error) {
	inHours := inDays.ReplaceAllStringFunc(text, func(days string) string {
		n, _ := strconv.ParseFloat(strings.TrimSuffix(days, "d"), 64) // infinite beyond its range, which is no length
		return strconv.FormatFloat(24*n, 'f', -1, 64) + "h"
	})
	d, err := time.ParseDuration(inHours)
	switch {
	case duration.MatchString(text) && (err != nil || d > maxDuration):
		return 0, fmt.Errorf("%s is too long: want 36500d, which is 100 years, at most", text)
	case duration.MatchString(text) && d >= 0:
		return d, nil
	case duration.MatchString(text):
		return 0, fmt.Errorf("%s is negative: write it like 10s", text)
	case number.MatchString(text):
		return 0, fmt.Errorf("%s has no unit: write %[1]ss, or one of ms, m, h, d", text)
	}
	return 0, fmt.Errorf("%q is not a length of time: write it like 500ms, 10s, 1h30m or 7d", text)
}

// What a rate may be, for each second.
const (
	minRate = 0.001
	maxRate = 1e6
)

// ParseRate reads how often something may happen, such as 100/s, 30/m, 10/h, or 100, which is 100/s, and
// returns that for each second.
func ParseRate(text string) (float64, error) {
	amount, unit, named := strings.Cut(text, "/")
	if !named {
		unit = "s"
	}
	seconds, known := map[string]float64{"s": 1, "m": 60, "h": 3600}[unit]
	n, err := strconv.ParseFloat(amount, 64)
	if err != nil || !known || strings.Trim(amount, "0123456789.") != "" {
		return 0, fmt.Errorf("%q is not a rate: write it like 100/s, 30/m or 10/h", text)
	}
	if rate := n / seconds; rate >= minRate && rate <= maxRate {
		return rate, nil
	}
	return 0, fmt.Errorf("%s is not possible: want a rate from 4/h to 1000000/s", text)
}
