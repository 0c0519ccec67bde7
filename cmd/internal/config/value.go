package config

import (
	"math"

	"github.com/stompgw/stompgw/bus/settings"
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
	n, err := settings.ParseSize(string(text), math.MaxInt32)
	if err == nil {
		*s = Size(n)
	}
	return err
}

// String uses the largest unit that leaves a whole number.
func (s Size) String() string { return settings.FormatSize(int64(s)) }
