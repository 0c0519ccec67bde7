package cli

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/stompgw/stompgw/cmd/internal/config"
	"github.com/stompgw/stompgw/cmd/internal/output"
)

// flagError says in words for people what is wrong with the flags of a command. A command that there is
// none of comes first: what its flags mean nobody knows.
func flagError(cmd *cobra.Command, err error) error {
	if args := cmd.Flags().Args(); cmd.HasSubCommands() && len(args) > 0 {
		return unknownCommand(cmd, args[0])
	}
	unknown, isUnknown := errors.AsType[*pflag.NotExistError](err)
	bare, isBare := errors.AsType[*pflag.ValueRequiredError](err)
	wrong, isWrong := errors.AsType[*pflag.InvalidValueError](err)
	switch {
	case isUnknown && unknown.GetSpecifiedShortnames() == "":
		err = fmt.Errorf("there is no flag --%s", unknown.GetSpecifiedName())
	case isUnknown:
		err = fmt.Errorf("there is no flag -%s", unknown.GetSpecifiedName())
		if strings.Contains(cmd.Use, " ") { // it takes arguments
			err = fmt.Errorf("%w; put an argument that begins with a dash after --", err)
		}
	case isBare:
		value, _ := pflag.UnquoteUsage(bare.GetFlag())
		err = fmt.Errorf("--%s needs a value, %s", bare.GetFlag().Name, value)
	case isWrong && wrong.GetFlag().Value.Type() == "func": // DurationVar or RateVar, which say it themselves
		err = fmt.Errorf("--%s: %w", wrong.GetFlag().Name, wrong.Unwrap())
	case isWrong && errors.Is(err, strconv.ErrRange):
		err = fmt.Errorf("--%s %s: want a smaller number", wrong.GetFlag().Name, wrong.GetValue())
	case isWrong:
		err = fmt.Errorf("--%s %s: want %s", wrong.GetFlag().Name, wrong.GetValue(), wanted(wrong.GetFlag().Value.Type()))
	}
	return Misuse(cmd, err)
}

// wanted says what values a type of flags has.
func wanted(kind string) string {
	switch kind {
	case "int":
		return "a whole number"
	case "bool":
		return "true or false"
	}
	return "values with commas between them"
}

// unknownCommand says that a group has no such command.
func unknownCommand(group *cobra.Command, name string) error {
	reason := fmt.Sprintf("there is no command %q", name)
	group.SuggestionsMinimumDistance = 2
	if near := group.SuggestionsFor(name); len(near) > 0 {
		reason += fmt.Sprintf("; did you mean %s?", near[0])
	}
	return Misuse(group, errors.New(reason))
}

// FormatVar adds -o. The first of formats is the default, and another than those is refused before the command runs.
func FormatVar(cmd *cobra.Command, to *string, formats ...string) {
	names := strings.Join(formats, ", ")
	cmd.Flags().StringVarP(to, "output", "o", formats[0], "`FORMAT`: "+names)
	CompleteFlag(cmd, "output", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
	Check(cmd, func(*cobra.Command, []string) error {
		if !slices.Contains(formats, *to) {
			return fmt.Errorf("-o %s: the formats are %s", output.Printable(*to), names)
		}
		return nil
	})
}

// Check has a command refuse, before it runs, what fault finds wrong with its flags and arguments. The first fault that was
// added comes first.
func Check(cmd *cobra.Command, fault func(cmd *cobra.Command, args []string) error) {
	before := cmd.PreRunE
	cmd.PreRunE = func(cmd *cobra.Command, args []string) error {
		if before != nil {
			if err := before(cmd, args); err != nil {
				return err
			}
		}
		if err := fault(cmd, args); err != nil {
			return Misuse(cmd, err)
		}
		return nil
	}
}

// NotEmpty refuses flags that are given and say nothing: they come from a script whose variable was empty. Behind
// each name in advice stands what its error tells.
func NotEmpty(cmd *cobra.Command, advice ...string) error {
	for pair := range slices.Chunk(advice, 2) {
		if f := cmd.Flags().Lookup(pair[0]); f.Changed && f.Value.String() == "" {
			return fmt.Errorf("--%s is empty: %s", pair[0], pair[1])
		}
	}
	return nil
}

// DurationVar adds a flag that is a length of time as in settings, least or more; it may be negative where least is.
func DurationVar(flags *pflag.FlagSet, to *time.Duration, name string, value, least time.Duration, usage string) {
	flags.Func(name, usage, func(text string) (err error) {
		*to, err = parseDuration(text, least)
		return err
	})
	if *to = value; value != 0 {
		flags.Lookup(name).DefValue = value.String()
	}
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
	flags.Func(name, usage, func(text string) (err error) {
		*to, err = config.ParseRate(text)
		return err
	})
}
