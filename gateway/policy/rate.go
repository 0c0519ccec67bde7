package policy

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Rate is how often something may happen: a number of times in a second, a minute or an hour. The zero value means any
// number of times.
type Rate struct {
	Times int           // 1 to 1,000,000
	Per   time.Duration // time.Second, time.Minute or time.Hour
}

// maxTimes bounds a Rate, and what may come at once.
const maxTimes = 1_000_000

// units are the times that a Rate may be for, by what is written for them.
func units() map[string]time.Duration {
	return map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour}
}

// UnmarshalText accepts a rate as settings write it, such as 5/s, 300/m or 1000/h; empty is the zero value.
func (r *Rate) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*r = Rate{}
		return nil
	}
	digits, unit, _ := strings.Cut(string(text), "/")
	per, known := units()[unit]
	times, err := strconv.Atoi(digits)
	switch {
	case !known && isNumber(digits) && unit != "":
		return fmt.Errorf("%.40q: a rate is for a second, a minute or an hour, as in 5/s, 300/m or 1000/h", text)
	case !known || !isNumber(digits):
		return fmt.Errorf("%.40q is no rate: write a whole number and a time, such as 5/s, 300/m or 1000/h", text)
	case err != nil: // it has too many digits
		times = maxTimes + 1
	}
	said := Rate{times, per}
	if err := said.check(); err != nil {
		return fmt.Errorf("%.40q: %w", text, err)
	}
	*r = said
	return nil
}

// isNumber reports whether text is a whole number as people write it, without a sign or zeros before it.
func isNumber(text string) bool {
	isDigit := func(c rune) bool { return '0' <= c && c <= '9' }
	return text == "0" || text != "" && text[0] != '0' && strings.TrimLeftFunc(text, isDigit) == ""
}

// check says what is wrong with a rate that is not the zero value.
func (r Rate) check() error {
	switch {
	case r.Times == 0:
		return fmt.Errorf("lets nothing pass: want 1 to %d, or leave it out for no limit", maxTimes)
	case r.Times < 0 || r.Times > maxTimes:
		return fmt.Errorf("is not possible: want 1 to %d times", maxTimes)
	}
	for _, per := range units() {
		if r.Per == per {
			return nil
		}
	}
	return fmt.Errorf("%s is not possible: a rate is for a second, a minute or an hour", r.Per)
}

// String is the rate as settings write it.
func (r Rate) String() string {
	for unit, per := range units() {
		if r.Per == per {
			return strconv.Itoa(r.Times) + "/" + unit
		}
	}
	return ""
}

// PerSecond is the number of times in a second.
func (r Rate) PerSecond() float64 { return float64(r.Times) / r.Per.Seconds() }

// inSecond is how many times a second has, rounded up.
func (r Rate) inSecond() int {
	return int((time.Duration(r.Times)*time.Second + r.Per - 1) / r.Per)
}
