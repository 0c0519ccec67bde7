package cmd

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/stompgw/stompgw/cmd/internal/cli"
	"github.com/stompgw/stompgw/gateway"
)

func newVersionCmd() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version and what it was built from",
	}
	cli.FormatVar(cmd, &format, "text", "json")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if format == "json" {
			return json.NewEncoder(cmd.OutOrStdout()).Encode(newBuild())
		}
		fmt.Fprintln(cmd.OutOrStdout(), newBuild())
		return nil
	}
	return cmd
}

// build is what this program was built from.
type build struct {
	Version  string `json:"version"`
	Commit   string `json:"commit"` // empty when the build did not know it
	Modified bool   `json:"modified"`
	Go       string `json:"go"`
	OS       string `json:"os"`
	Arch     string `json:"arch"`
}

func newBuild() build {
	b := build{Version: gateway.Version, Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}

func (b build) String() string {
	commit := ""
	switch {
	case b.Commit != "" && b.Modified:
		commit = fmt.Sprintf(" (%.12s, modified)", b.Commit)
	case b.Commit != "":
		commit = fmt.Sprintf(" (%.12s)", b.Commit)
	}
	return fmt.Sprintf("stompgw %s%s %s %s/%s", b.Version, commit, b.Go, b.OS, b.Arch)
}
