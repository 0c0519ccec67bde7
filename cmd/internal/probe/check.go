// Package probe has the commands that tell, without a node, what one would do: its configuration, its rules, the
// tokens it accepts, and the codes with which it refuses.
package probe

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/cmd/internal/cli"
	"github.com/stompgw/stompgw/cmd/internal/config"
)

// Commands are those that look at configurations, rules, tokens and codes, without a node.
func Commands(drivers []bus.Driver) []*cobra.Command {
	return []*cobra.Command{
		cli.Group("config", "Check and show configurations", newConfigCheckCmd(drivers), newConfigShowCmd(drivers), newConfigDefaultCmd(drivers)),
		cli.Group("channels", "Show the channels and routes of a configuration", newChannelsListCmd(drivers), newChannelsShowCmd(drivers)),
		cli.Group("policy", "Test the rules", newPolicyTestCmd(drivers)),
		cli.Group("token", "Make and check client tokens", newTokenGenCmd(drivers), newTokenCheckCmd(drivers)),
		newAsyncapiCmd(drivers),
		newExplainCmd(),
	}
}

func newConfigCheckCmd(drivers []bus.Driver) *cobra.Command {
	var connect bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Find the mistakes in a configuration without starting anything",
		Long: "Find the mistakes in a configuration without starting anything: unknown keys, values that can't be right,\n" +
			"rules that don't compile, and files of keys and certificates that can't be used.\n\n" +
			"With --connect it also tries, from this machine, everything that the configuration names, and prints a line for each:\n" +
			"whether ports are free, whether Redis allows everything that a node does (on keys of its own, which it removes\n" +
			"again), and whether the broker lets it receive. It publishes nothing, and creates no session or topic. The\n" +
			"exit code is 4 if Redis or the broker can't be used, and otherwise 1 if a port is not free.",
		Example: "  stompgw config check --config prod.yaml\n" +
			"  stompgw config check --config prod.yaml --connect",
	}
	src := cli.NewSource(cmd, drivers, "check it as serve --standalone would use it")
	cmd.Flags().BoolVar(&connect, "connect", false, "also try what it names")
	cli.DurationVar(cmd.Flags(), &timeout, "timeout", 5*time.Second, time.Millisecond, "`TIME` that each server may take to answer, with --connect")
	src.Run(cmd, func(cmd *cobra.Command, _ []string, cfg *config.Config) error {
		if err := errors.Join(cfg.Expired(time.Now(), nil)...); err != nil {
			return err
		}
		for _, warning := range append(cfg.Warnings(), cfg.ExpireSoon(time.Now())...) {
			fmt.Fprintf(cmd.ErrOrStderr(), "warning: %s\n", warning)
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s: no mistakes: bus %s, listen %s, channels %d, routes %d\n",
			cmp.Or(src.File, "built-in configuration"), cfg.Bus.Driver, cfg.Listen, len(cfg.Channels), len(cfg.Routes))
		if !connect {
			return nil
		}
		t := trials{cfg: cfg, timeout: timeout, out: cmd.OutOrStdout()}
		return t.run(cmd.Context())
	})
	return cmd
}
