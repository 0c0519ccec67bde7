package cli

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/stompgw/stompgw/cmd/internal/config"
)

// quantity is the pflag.Value of a flag that is written as in settings, and says itself what is wrong with it.
type quantity struct {
	set  func(text string) error
	text string // of the default; empty for one that is not worth telling
}

func (q *quantity) Set(text string) error { return q.set(text) }

func (q *quantity) String() string { return q.text }

func (q *quantity) Type() string { return quantityType }

const quantityType = "quantity"

// DurationVar adds a flag that is a length of time, least or more; it may be negative where least is.
func DurationVar(flags *pflag.FlagSet, to *time.Duration, name string, value, least time.Duration, usage string) {
	*to = value
	q := &quantity{set: func(text string) (err error) {
		*to, err = parseDuration(text, least)
		return err
	}}
	if value != 0 {
		q.text = value.String()
	}
	flags.Var(q, name, usage)
}

func parseDuration(text string, least time.Duration) (time.Duration, error) {
	positive, negative := text, false
	if least < 0 {
		positive, negative = strings.CutPrefix(text, "-")
	}
	d, err := config.ParseDuration(positive)
	if n, fault := strconv.ParseFloat(positive, 64); fault == nil && n == 0 && least > 0 {
		d, err = 0, nil // a unit would not make it longer
	}
	switch {
	case err != nil:
		return 0, err
	case negative:
		d = -d
	}
	if d < least {
		return 0, fmt.Errorf("%s is too short: want %s or more", text, least)
	}
	return d, nil
}

// RateVar adds a flag that is how often something may happen each second; 0 is without a bound.
func RateVar(flags *pflag.FlagSet, to *float64, name, usage string) {
	flags.Var(&quantity{set: func(text string) (err error) {
		*to, err = config.ParseRate(text)
		return err
	}}, name, usage)
}
