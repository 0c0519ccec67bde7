package cmd

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/stompgw/stompgw/cmd/internal/config"
)

// durationFlag is a flag that is a length of time, written as in settings.
type durationFlag struct {
	to     *time.Duration
	signed bool // it may be negative
}

// durationVar adds a flag that is a length of time. One of 0 has no default worth telling.
func durationVar(flags *pflag.FlagSet, to *time.Duration, name string, value time.Duration, usage string) {
	*to = value
	flags.Var(&durationFlag{to: to}, name, usage)
}

// Set implements pflag.Value.
func (f *durationFlag) Set(text string) error {
	positive, negative := text, false
	if f.signed {
		positive, negative = strings.CutPrefix(text, "-")
	}
	d, err := config.ParseDuration(positive)
	if err != nil {
		return err
	}
	if negative {
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

// parseSpan reads a length of time that is more than nothing.
func parseSpan(text string) (time.Duration, error) {
	span, err := config.ParseDuration(text)
	if err == nil && span == 0 {
		return 0, fmt.Errorf("%s is no time: want more than nothing, such as 10m", text)
	}
	return span, err
}
