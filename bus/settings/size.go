package settings

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// largest is what a Size goes up to: a pebibyte, less one.
const largest = 1<<50 - 1

// Size is a number of bytes, written in bytes or with a unit.
type Size int64

// UnmarshalText takes a whole number, of bytes or of the unit that follows it.
func (s *Size) UnmarshalText(text []byte) error {
	n, err := ParseSize(string(text), largest)
	*s = Size(n)
	return err
}

func (s Size) String() string { return FormatSize(int64(s)) }

type unit struct {
	name string
	size int64
}

// units are those of a size, the largest first.
func units() []unit { return []unit{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}} }

// ParseSize reads a number of bytes, at most most, such as 65536 or 64KiB.
func ParseSize(text string, most int64) (int64, error) {
	digits := strings.TrimRight(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz ")
	name := cmp.Or(strings.TrimSpace(text[len(digits):]), "B")
	i := slices.IndexFunc(units(), func(u unit) bool { return u.name == name })
	if i < 0 {
		return 0, fmt.Errorf("%q: the units are B, KiB, MiB and GiB, as in 64KiB", text)
	}
	size := units()[i].size
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) || n < 0 {
		return 0, fmt.Errorf("%q is not a size: write it like 65536, 64KiB or 1MiB", text)
	}
	if n > most/size {
		return 0, fmt.Errorf("%q is too large: sizes go up to %s", text, FormatSize(most+1))
	}
	return n * size, nil
}

// FormatSize writes n with the largest unit that leaves a whole number.
func FormatSize(n int64) string {
	for _, u := range units() {
		if n != 0 && n%u.size == 0 {
			return fmt.Sprintf("%d%s", n/u.size, u.name)
		}
	}
	return "0B"
}
