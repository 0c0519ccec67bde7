package config

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Size is a number of bytes, written in bytes or with a unit.
type Size int

const (
	KiB Size = 1 << 10
	MiB Size = 1 << 20
	GiB Size = 1 << 30
)

// UnmarshalText takes a whole number, of bytes or of the unit behind it.
func (s *Size) UnmarshalText(text []byte) error {
	digits := strings.TrimRight(string(text), "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz ")
	unit, err := parseUnit(strings.TrimSpace(string(text)[len(digits):]))
	if err != nil {
		return fmt.Errorf("%q: %w", text, err)
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) || n < 0 {
		return fmt.Errorf("%q is not a size: write it like 65536, 64KiB or 1MiB", text)
	}
	if n > math.MaxInt32/int64(unit) {
		return fmt.Errorf("%q is too large: sizes go up to 2GiB", text)
	}
	*s = Size(n) * unit
	return nil
}

func parseUnit(name string) (Size, error) {
	switch name {
	case "", "B":
		return 1, nil
	case "KiB":
		return KiB, nil
	case "MiB":
		return MiB, nil
	case "GiB":
		return GiB, nil
	}
	return 0, errors.New("the units are B, KiB, MiB and GiB, as in 64KiB")
}

// String uses the largest unit that leaves a whole number.
func (s Size) String() string {
	switch {
	case s == 0:
		return "0B"
	case s%GiB == 0:
		return fmt.Sprintf("%dGiB", s/GiB)
	case s%MiB == 0:
		return fmt.Sprintf("%dMiB", s/MiB)
	case s%KiB == 0:
		return fmt.Sprintf("%dKiB", s/KiB)
	}
	return fmt.Sprintf("%dB", int(s))
}
