package output

import (
	"fmt"
	"math"
	"time"
)

// Age writes how long ago something began, in at most two units: 5s, 3m12s, 4h5m, 3d2h.
func Age(d time.Duration) string {
	d = max(d, 0)
	const day = 24 * time.Hour
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm%ds", d/time.Minute, d%time.Minute/time.Second)
	case d < day:
		return fmt.Sprintf("%dh%dm", d/time.Hour, d%time.Hour/time.Minute)
	default:
		return fmt.Sprintf("%dd%dh", d/day, d%day/time.Hour)
	}
}

// Bytes writes a number of bytes in whole units: 512B, 12KiB, 3MiB.
func Bytes(n int) string {
	switch {
	case n < 1<<10:
		return fmt.Sprintf("%dB", n)
	case n < 1<<20:
		return fmt.Sprintf("%dKiB", n>>10)
	default:
		return fmt.Sprintf("%dMiB", n>>20)
	}
}

// FromNow says when something is, d from now.
func FromNow(d time.Duration) string {
	switch {
	case d == math.MaxInt64: // as much as a Duration holds
		return "in over 290 years"
	case d < 0:
		return Age(-d) + " ago"
	}
	return "in " + Age(d)
}
