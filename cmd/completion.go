package cmd

import (
	"io"

	"github.com/spf13/cobra"

	"github.com/stompgw/stompgw/cmd/internal/cli"
)

func newCompletionCmd() *cobra.Command {
	cmd := cli.Group("completion", "Print a script with which a shell completes commands and flags",
		newShellCmd("bash", func(root *cobra.Command, w io.Writer) error { return root.GenBashCompletionV2(w, true) },
			"It needs the package bash-completion.",
			"  source <(stompgw completion bash)                                        # this shell\n"+
				"  stompgw completion bash > /etc/bash_completion.d/stompgw                 # each new one, on Linux\n"+
				"  stompgw completion bash > $(brew --prefix)/etc/bash_completion.d/stompgw # and with Homebrew"),
		newShellCmd("zsh", func(root *cobra.Command, w io.Writer) error { return root.GenZshCompletion(w) },
			"It needs completion to be on: `autoload -U compinit; compinit` in ~/.zshrc.",
			"  source <(stompgw completion zsh)                                     # this shell\n"+
				"  stompgw completion zsh > \"${fpath[1]}/_stompgw\"                      # each new one\n"+
				"  stompgw completion zsh > $(brew --prefix)/share/zsh/site-functions/_stompgw # and with Homebrew"),
		newShellCmd("fish", func(root *cobra.Command, w io.Writer) error { return root.GenFishCompletion(w, true) }, "",
			"  stompgw completion fish | source                                     # this shell\n"+
				"  stompgw completion fish > ~/.config/fish/completions/stompgw.fish    # each new one"),
		newShellCmd("powershell", func(root *cobra.Command, w io.Writer) error { return root.GenPowerShellCompletionWithDesc(w) }, "",
			"  stompgw completion powershell | Out-String | Invoke-Expression       # this shell; in $PROFILE each new one"),
	)
	cmd.Long = "Print a script with which a shell completes commands and flags. The help of each shell's command says how to\ninstall it."
	cmd.Example = "  stompgw completion bash --help"
	return cmd
}

// newShellCmd returns the command for one shell; write has the script from cobra.
func newShellCmd(shell string, write func(root *cobra.Command, w io.Writer) error, needs, example string) *cobra.Command {
	cmd := &cobra.Command{
		Use:               shell,
		Short:             "Print the script for " + shell,
		Long:              "Print the script for " + shell + ".",
		Example:           example,
		Args:              cli.Takes(),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return write(cmd.Root(), cmd.OutOrStdout())
		},
	}
	if needs != "" {
		cmd.Long += " " + needs
	}
	return cmd
}
