package config

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// maxDuration bounds what a length of time may be, so that two of them can be added to a time.
const maxDuration = 36500 * 24 * time.Hour

// ParseDuration reads a length of time: numbers with their units, such as 500ms, 1h30m, 1.5h or 7d, where
// a day has 24 hours. It refuses what is negative, over 100 years, or has no unit.
func ParseDuration(text string) (time.Duration, error) {
	positive, negative := strings.CutPrefix(text, "-")
	nanoseconds, rest := 0.0, positive
	for rest != "" {
		number, unit, tail := cutQuantity(rest)
		n, err := strconv.ParseFloat(number, 64)
		size, known := durationUnit(unit)
		switch {
		case err == nil && unit == "" && number == positive:
			return 0, fmt.Errorf("%s has no unit: write %[1]ss, or one of ms, m, h, d", text)
		case err != nil && !errors.Is(err, strconv.ErrRange) || !known: // out of range is infinite
			return 0, badDuration(text)
		}
		nanoseconds += n * float64(size)
		rest = tail
	}
	switch {
	case positive == "":
		return 0, badDuration(text)
	case negative && nanoseconds > 0:
		return 0, fmt.Errorf("%s is negative: write it like 10s", text)
	case nanoseconds > float64(maxDuration):
		return 0, fmt.Errorf("%s is too long: want 36500d, which is 100 years, at most", text)
	}
	return time.Duration(math.Round(nanoseconds)), nil
}

func badDuration(text string) error {
	return fmt.Errorf("%q is not a length of time: write it like 500ms, 10s, 1h30m or 7d", text)
}

// cutQuantity takes a number and what is behind it, up to the next number, from the beginning of text.
func cutQuantity(text string) (number, unit, tail string) {
	isDigit := func(r rune) bool { return '0' <= r && r <= '9' || r == '.' }
	number = text[:len(text)-len(strings.TrimLeftFunc(text, isDigit))]
	unit = text[len(number):]
	if i := strings.IndexFunc(unit, isDigit); i >= 0 {
		unit, tail = unit[:i], unit[i:]
	}
	return number, unit, tail
}

func durationUnit(name string) (size time.Duration, known bool) {
	size, known = map[string]time.Duration{
		"ns": time.Nanosecond, "us": time.Microsecond, "µs": time.Microsecond, "μs": time.Microsecond,
		"ms": time.Millisecond, "s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour,
	}[name]
	return size, known
}

// What a rate may be, for each second.
const (
	minRate = 0.001
	maxRate = 1e6
)

// ParseRate reads how often something may happen, such as 100/s, 30/m, 10/h, or 100, which is 100/s, and
// returns that for each second.
func ParseRate(text string) (float64, error) {
	number, unit, named := strings.Cut(text, "/")
	if !named {
		unit = "s"
	}
	seconds, known := map[string]float64{"s": 1, "m": 60, "h": 3600}[unit]
	n, err := strconv.ParseFloat(number, 64)
	if digits, rest, _ := cutQuantity(number); err != nil || !known || rest != "" || digits != number {
		return 0, fmt.Errorf("%q is not a rate: write it like 100/s, 30/m or 10/h", text)
	}
	if rate := n / seconds; rate >= minRate && rate <= maxRate {
		return rate, nil
	}
	return 0, fmt.Errorf("%s is not possible: want a rate from 4/h to 1000000/s", text)
}
