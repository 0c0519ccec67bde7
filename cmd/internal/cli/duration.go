package cli

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/stompgw/stompgw/cmd/internal/config"
)

// DurationFlag is a flag that is a length of time, written as in settings.
type DurationFlag struct {
	To     *time.Duration
	least  time.Duration // 0 for one that may be nothing
	Signed bool          // it may be negative
}

// DurationVar adds a flag that is a length of time, least or more. A value of 0 is no default worth telling.
func DurationVar(flags *pflag.FlagSet, to *time.Duration, name string, value, least time.Duration, usage string) {
	*to = value
	flags.Var(&DurationFlag{To: to, least: least}, name, usage)
}

// Set implements pflag.Value.
func (f *DurationFlag) Set(text string) error {
	positive, negative := text, false
	if f.Signed {
		positive, negative = strings.CutPrefix(text, "-")
	}
	d, err := config.ParseDuration(positive)
	if n, fault := strconv.ParseFloat(positive, 64); fault == nil && n == 0 && f.least > 0 {
		d, err = 0, nil // a unit would not make it longer
	}
	switch {
	case err != nil:
		return err
	case d < f.least:
		return fmt.Errorf("%s is too short: want %s or more", text, f.least)
	case negative:
		d = -d
	}
	*f.To = d
	return nil
}

// String implements pflag.Value.
func (f *DurationFlag) String() string {
	if f.To == nil || *f.To == 0 {
		return ""
	}
	return f.To.String()
}

// Type implements pflag.Value.
func (f *DurationFlag) Type() string { return durationType }

const durationType = "duration"
