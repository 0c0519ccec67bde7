package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/stompgw/stompgw/cmd/internal/config"
)

// source is where a command takes its configuration from: --config, --standalone, the
// environment, and flags of its own.
type source struct {
	config.Source
	flags *pflag.FlagSet
}

func newSource(cmd *cobra.Command, standalone string) *source {
	s := &source{flags: cmd.Flags()}
	s.Flags = map[string]*pflag.Flag{}
	s.flags.StringVarP(&s.File, "config", "c", "", "configuration `FILE` in YAML (default: $STOMPGW_CONFIG, ./stompgw.yaml or /etc/stompgw/stompgw.yaml)")
	s.flags.BoolVar(&s.Standalone, "standalone", false, standalone)
	return s
}

// text adds a flag that wins over the setting key. Its default is the setting's, since viper asks
// a bound flag last.
func (s *source) text(key, name, value, usage string) {
	s.flags.String(name, value, usage)
	s.Flags[key] = s.flags.Lookup(name)
}

func (s *source) list(key, name string, value []string, usage string) {
	s.flags.StringSlice(name, value, usage)
	s.Flags[key] = s.flags.Lookup(name)
}

// uses says of which sections of the configuration the command uses secrets and files; without it, of all.
func (s *source) uses(sections ...string) { s.Uses = append([]string{}, sections...) }

// find looks for a file, if none was named; one that was found stays the one.
func (s *source) find() (err error) {
	switch {
	case s.File != "" || s.Standalone:
		return nil
	case s.flags.Changed("config"):
		return &exitError{usage, errors.New("--config is empty: it needs the name of a YAML file")}
	}
	s.File, err = config.Find()
	s.Found = s.File != ""
	return err
}

func (s *source) load() (*config.Config, error) {
	if err := s.find(); err != nil {
		return nil, err
	}
	return config.Load(s.Source)
}

// unreachableError says which server did not answer, why, who named it, and what to do.
func unreachableError(cfg *config.Config, key, what, flag string, err error) error {
	where := cfg.Origin(key)
	hint := fmt.Sprintf("start it, or name another with %s", flag)
	switch where {
	case config.ByStandalone:
		hint = "is `stompgw serve --standalone` running?"
	case config.ByDefault:
		hint = fmt.Sprintf("name another with %s or --config FILE, or use --standalone for a node that was started so", flag)
	}
	why := cause(err).Error()
	if errors.Is(err, context.DeadlineExceeded) {
		why = "nothing came in time"
	}
	return &exitError{unreachable, fmt.Errorf("%s (%s, %s) does not answer: %s; %s", what, key, where, why, hint)}
}

// isNetwork reports whether a server could not be reached, rather than answered something.
func isNetwork(err error) bool {
	var fault *net.OpError // not net.Error, which every system error is
	return errors.As(err, &fault) || errors.Is(err, io.EOF) || errors.Is(err, context.DeadlineExceeded)
}

// cause returns what the system said, without the addresses and operations around it.
func cause(err error) error {
	var call *os.SyscallError
	if errors.As(err, &call) {
		return call.Err
	}
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	var file *fs.PathError
	if errors.As(err, &file) {
		return file.Err
	}
	return err
}
