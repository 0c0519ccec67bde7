package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/cmd/internal/config"
)

// Source is where a command takes its configuration from: --config, --standalone, the
// environment, and flags of its own.
type Source struct {
	config.Source
	flags *pflag.FlagSet
}

// NewSource adds the flags for it to a command of a program with these buses.
func NewSource(cmd *cobra.Command, drivers []bus.Driver, standalone string) *Source {
	s := &Source{flags: cmd.Flags()}
	s.Flags, s.Drivers = map[string]*pflag.Flag{}, drivers
	s.flags.StringVarP(&s.File, "config", "c", "", "configuration `FILE` in YAML (default: $STOMPGW_CONFIG, ./stompgw.yaml or /etc/stompgw/stompgw.yaml)")
	s.flags.BoolVar(&s.Standalone, "standalone", false, standalone)
	return s
}

// Text adds a flag that wins over the setting key. Its default is the setting's, since viper asks
// a bound flag last.
func (s *Source) Text(key, name, value, usage string) {
	s.flags.String(name, value, usage)
	s.Flags[key] = s.flags.Lookup(name)
}

func (s *Source) List(key, name string, value []string, usage string) {
	s.flags.StringSlice(name, value, usage)
	s.Flags[key] = s.flags.Lookup(name)
}

// Needs says of which sections of the configuration the command uses secrets and files; without it, of all.
func (s *Source) Needs(sections ...string) { s.Uses = append([]string{}, sections...) }

// Find looks for a file, if none was named; one that was found stays the one.
func (s *Source) Find() (err error) {
	switch {
	case s.File != "" || s.Standalone:
		return nil
	case s.flags.Changed("config"):
		return Exit(Usage, errors.New("--config is empty: it needs the name of a YAML file"))
	}
	s.File, err = config.Find()
	s.Found = s.File != ""
	return err
}

func (s *Source) Load() (*config.Config, error) {
	if err := s.Find(); err != nil {
		return nil, err
	}
	return config.Load(s.Source)
}

// Run has the command of s do something with its configuration.
func (s *Source) Run(cmd *cobra.Command, do func(cmd *cobra.Command, args []string, cfg *config.Config) error) {
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		cfg, err := s.Load()
		if err != nil {
			return err
		}
		return do(cmd, args, cfg)
	}
}

// Unusable says which server is of no help, which setting names it, why, and perhaps what to do.
func Unusable(cfg *config.Config, key, what string, err error, advice string) error {
	how, why := "can't be used", strings.TrimRight(err.Error(), ". ")
	if IsNetwork(err) && !IsSentinels(err) {
		how, why = "does not answer", Cause(err).Error()
		if IsTimeout(err) {
			why = "nothing came in time"
		}
	}
	if advice != "" {
		why += "; " + advice
	}
	return Exit(Unreachable, fmt.Errorf("%s (%s, %s) %s: %s", what, key, cfg.Origin(key), how, why))
}

// Unreached is Unusable for a server that another flag may name; it advises that where the server does not answer.
func Unreached(cfg *config.Config, key, what, flag string, err error) error {
	hint := fmt.Sprintf("start it, or name another with %s", flag)
	switch where := cfg.Origin(key); {
	case !IsNetwork(err):
		hint = ""
	case where == config.ByStandalone:
		hint = "is `stompgw serve --standalone` running?"
	case where == config.ByDefault:
		hint = fmt.Sprintf("name another with %s or --config FILE, or use --standalone for a node that was started so", flag)
	}
	return Unusable(cfg, key, what, err, hint)
}

// NotListening says which setting asked for an address that can't be had, and what to do.
func NotListening(cfg *config.Config, key, flag, addr string, err error) error {
	set := "set " + key
	if flag != "" {
		set += " or " + flag
	}
	hint := ""
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		hint = "; stop the process that has it, or " + set + " to another port"
	case errors.Is(err, fs.ErrPermission):
		hint = "; ports under 1024 need a privilege: " + set + " to a higher one"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		hint = "; this machine has no such address: " + set + " to one that it has"
	}
	return fmt.Errorf("can't listen on %s (%s, %s): %w%s", addr, key, cfg.Origin(key), Cause(err), hint)
}

// Near is where somebody on this machine reaches what listens on addr.
func Near(addr string) string { return reached(addr, "127.0.0.1") }

// reached is an address, with a name instead of all those of a machine.
func reached(addr, name string) string {
	if host, port, err := net.SplitHostPort(addr); err == nil && config.IsEvery(host) {
		return name + ":" + port
	}
	return addr
}

// IsNetwork reports whether a server could not be reached, rather than answered something.
func IsNetwork(err error) bool {
	return errors.As(err, new(*net.OpError)) || // not net.Error, which every system error is
		errors.Is(err, io.EOF) || IsTimeout(err)
}

// IsTimeout reports whether a time was over: that of a call, or that of the connection, whichever was noticed first.
func IsTimeout(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded)
}

// Cause returns what the system said, without the addresses and operations around it.
func Cause(err error) error {
	if call, ok := errors.AsType[*os.SyscallError](err); ok {
		return call.Err
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Err
	}
	if file, ok := errors.AsType[*fs.PathError](err); ok {
		return file.Err
	}
	return err
}
