package config

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
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

type unit struct {
	name string
	size Size
}

// units are those of a Size, the largest first.
func units() []unit { return []unit{{"GiB", GiB}, {"MiB", MiB}, {"KiB", KiB}, {"B", 1}} }

// UnmarshalText takes a whole number, of bytes or of the unit behind it.
func (s *Size) UnmarshalText(text []byte) error {
	digits := strings.TrimRight(string(text), "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz ")
	name := cmp.Or(strings.TrimSpace(string(text)[len(digits):]), "B")
	i := slices.IndexFunc(units(), func(u unit) bool { return u.name == name })
	if i < 0 {
		return fmt.Errorf("%q: the units are B, KiB, MiB and GiB, as in 64KiB", text)
	}
	size := units()[i].size
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) || n < 0 {
		return fmt.Errorf("%q is not a size: write it like 65536, 64KiB or 1MiB", text)
	}
	if n > math.MaxInt32/int64(size) {
		return fmt.Errorf("%q is too large: sizes go up to 2GiB", text)
	}
	*s = Size(n) * size
	return nil
}

// String uses the largest unit that leaves a whole number.
func (s Size) String() string {
	for _, u := range units() {
		if s != 0 && s%u.size == 0 {
			return fmt.Sprintf("%d%s", int(s/u.size), u.name)
		}
	}
	return "0B"
}
