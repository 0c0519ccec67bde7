package cmd

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/stompgw/stompgw/cmd/internal/config"
)

// durationFlag is a flag that is a length of time, written as in settings.
type durationFlag struct {
	to     *time.Duration
	least  time.Duration // 0 for one that may be nothing
	signed bool          // it may be negative
}

// durationVar adds a flag that is a length of time, least or more. A value of 0 is no default worth telling.
func durationVar(flags *pflag.FlagSet, to *time.Duration, name string, value, least time.Duration, usage string) {
	*to = value
	flags.Var(&durationFlag{to: to, least: least}, name, usage)
}

// Set implements pflag.Value.
func (f *durationFlag) Set(text string) error {
	positive, negative := text, false
	if f.signed {
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
	*f.to = d
	return nil
}

// String implements pflag.Value.
func (f *durationFlag) String() string {
	if f.to == nil || *f.to == 0 {
		return ""
	}
	return f.to.String()
}

// Type implements pflag.Value.
func (f *durationFlag) Type() string { return durationType }

const durationType = "duration"
