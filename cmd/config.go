package cmd

import (
	"fmt"

	"github.com/spf13/cobra"
)

func newConfigCheckCmd(drivers []Driver) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Find the mistakes in a configuration without starting anything",
		Args:  takes(),
	}
	src := newSource(cmd, "check it as serve --standalone would use it")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := src.load()
		if err != nil {
			return err
		}
		if _, err := findDriver(cfg, drivers); err != nil {
			return err
		}
		for _, warning := range cfg.Warnings() {
			fmt.Fprintf(cmd.ErrOrStderr(), "warning: %s\n", warning)
		}
		name := src.File
		if name == "" {
			name = "built-in configuration"
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s: no mistakes: bus %s, listen %s, channels %d, routes %d\n",
			name, cfg.Bus.Driver, cfg.Listen, len(cfg.Channels), len(cfg.Routes))
		return nil
	}
	return cmd
}
