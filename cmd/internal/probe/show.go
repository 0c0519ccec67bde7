package probe

import (
	"github.com/spf13/cobra"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/cmd/internal/cli"
	"github.com/stompgw/stompgw/cmd/internal/config"
)

func newConfigDefaultCmd(drivers []bus.Driver) *cobra.Command {
	return &cobra.Command{
		Use:   "default",
		Short: "Print a file with every setting, its default and its description",
		Long: "Print a file with every setting, its default and its description. A node that runs with this file behaves as\n" +
			"one without a file: change what you need, and delete the rest.",
		Example: "  stompgw config default > prod.yaml\n" +
			"  stompgw config default | less",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return config.WriteDefault(cmd.OutOrStdout(), drivers)
		},
	}
}

func newConfigShowCmd(drivers []bus.Driver) *cobra.Command {
	var format string
	var origin bool
	cmd := &cobra.Command{
		Use:   "show",
		Short: "Print the configuration in effect: file, environment and defaults together",
		Long: "Print the configuration in effect: the file, overridden by the environment, and defaults for the rest. It shows\n" +
			"where there is a secret, but not the secret.\n\n" +
			"With --origin each line ends with where its value came from: file and line, a variable, a flag, or default.\n" +
			"In JSON it is then a list of keys with their values and origins.",
		Example: "  stompgw config show --config prod.yaml --origin\n" +
			"  stompgw config show --config prod.yaml -o json | jq .limits\n" +
			"  diff <(stompgw config show) <(stompgw config show --config prod.yaml)",
	}
	src := cli.NewSource(cmd, drivers, "show what serve --standalone would use")
	src.Needs("channels") // whose files are shown as they are named
	cmd.Flags().BoolVar(&origin, "origin", false, "show where each value came from")
	cli.FormatVar(cmd, &format, "yaml", "json")
	src.Run(cmd, func(cmd *cobra.Command, _ []string, cfg *config.Config) error {
		if format == "json" {
			return cfg.WriteJSON(cmd.OutOrStdout(), origin)
		}
		return cfg.WriteYAML(cmd.OutOrStdout(), origin)
	})
	return cmd
}
