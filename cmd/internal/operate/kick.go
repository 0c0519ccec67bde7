package operate

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/stompgw/stompgw/admin"
	"github.com/stompgw/stompgw/cmd/internal/cli"
	"github.com/stompgw/stompgw/cmd/internal/output"
	"github.com/stompgw/stompgw/gateway"
	"github.com/stompgw/stompgw/gateway/policy"
)

func (c *console) sessionsKick() *cobra.Command {
	k := kicking{console: c}
	var code string
	cmd := &cobra.Command{
		Use:   "kick SESSION... | --member MEMBER | --destination DEST | --all",
		Short: "End sessions, on whatever nodes they are",
		Long: "End sessions, on whatever nodes they are: each client gets an ERROR with the reason, and its connection closes.\n\n" +
			"SESSION is written as in sessions show. What is meant by --member, --destination or --all is ended after a\n" +
			"question, or at once with --yes; --node and --transport narrow it.\n\n" +
			"Clients that reconnect by themselves are back within seconds: --block keeps their members out for a while, on all\n" +
			"nodes, see members list; that of --member also when it has no session. Who is not logged in can't be blocked.\n\n" +
			"The exit code is 0 when all were kicked, 6 when there was none and nobody was blocked,\n" +
			"and 7 when some were gone or their node did not answer.",
		Example: "  stompgw sessions kick d0b6fbca-2a --reason 'please reload the page'\n" +
			"  stompgw sessions kick --member 42 --block 10m --yes\n" +
			"  stompgw sessions kick --all --node 1719999999999 --rate 200/s --dry-run",
		Args: cobra.ArbitraryArgs,
	}
	src := newClusterSource(cmd)
	k.listing, k.filter = cli.NewList(cmd, output.Options{Columns: []string{"SESSION", "MEMBER", "RESULT"}, Cuts: []output.Cut{memberCut()}}), newFilter(cmd, c, src)
	cmd.ValidArgsFunction = c.offerSessions(src)
	flags := cmd.Flags()
	flags.BoolVar(&k.all, "all", false, "the sessions of everybody")
	flags.StringVar(&k.how.Reason, "reason", "", "`TEXT` that the clients are told, one line; default is that of the code")
	flags.StringVar(&code, "code", "kicked", "`CODE` that their programs are told: one of stompgw explain, or your own from 1000 on")
	cli.RateVar(flags, &k.how.Rate, "rate", "end them no faster than at this `RATE`, such as 100/s, 30/m or 10/h")
	cli.DurationVar(flags, &k.how.Block, "block", 0, leastBlock, "keep their members out for this `TIME`, such as 10m or 1d")
	flags.BoolVar(&k.dryRun, "dry-run", false, "only list the sessions that would be ended")
	flags.BoolVarP(&k.yes, "yes", "y", false, "don't ask")
	cli.CompleteFlag(cmd, "code", cobra.FixedCompletions(cli.CodeWords(), cobra.ShellCompDirectiveNoFileComp))
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		k.keys = args
		err := k.checkTarget(cmd)
		if err == nil {
			err = k.checkHow(code)
		}
		if err != nil {
			return cli.Misuse(cmd, err)
		}
		return c.use(cmd.Context(), src, func(cluster operator) error { return k.run(cmd, cluster) })
	}
	return cmd
}

// kicking is what the flags of sessions kick say.
type kicking struct {
	console *console
	listing *cli.List
	keys    []string // instead of the filter
	filter  *admin.Filter
	all     bool
	how     admin.Kick
	dryRun  bool
	yes     bool
}

// checkTarget holds that it is said once, and not by accident, whose sessions end.
func (k *kicking) checkTarget(cmd *cobra.Command) error {
	if err := checkFilter(cmd, k.filter); err != nil {
		return err
	}
	var said []string
	if len(k.keys) > 0 {
		said = append(said, "SESSION")
	}
	for _, name := range []string{"member", "destination", "all"} {
		if cmd.Flags().Changed(name) {
			said = append(said, "--"+name)
		}
	}
	narrowed := k.filter.Node != "" || k.filter.Transport != ""
	switch {
	case slices.Contains(k.keys, ""):
		return errors.New("a SESSION is empty: it needs the id of a session")
	case len(said) == 0 || said[0] == "--all" && !k.all:
		return errors.New("whose sessions? Say SESSION, --member, --destination or --all")
	case len(said) > 1:
		return fmt.Errorf("%s: say one of them alone", strings.Join(said, " and "))
	case len(k.keys) > 0 && narrowed:
		return errors.New("SESSION and --node or --transport: it says it all")
	case len(k.keys) == 0 && !k.dryRun && !k.yes && !cli.SomeoneThere(cmd):
		return fmt.Errorf("%s may end many sessions, and nobody is there to be asked: add --yes, or --dry-run to see which", said[0])
	}
	return nil
}

func (k *kicking) checkHow(code string) (err error) {
	if k.how.Code, err = kickCode(code); err != nil {
		return fmt.Errorf("--code %s: %w", code, err)
	}
	if k.how.Code >= ownCodes && k.how.Reason == "" {
		return fmt.Errorf("--code %s has no reason of its own: say one with --reason", code)
	}
	if err := gateway.CheckReason(k.how.Reason); err != nil {
		return fmt.Errorf("--reason: %w", err)
	}
	return nil
}

// ownCodes is where the codes begin that are the applications' own.
const ownCodes policy.Code = 1000

func kickCode(text string) (policy.Code, error) {
	n, err := strconv.ParseInt(text, 10, 32)
	if err == nil && policy.Code(n) >= ownCodes {
		return policy.Code(n), nil
	}
	for _, e := range policy.Codes() {
		if text == e.Word || err == nil && policy.Code(n) == e.Code {
			return e.Code, nil
		}
	}
	return 0, errors.New("want a code or word of `stompgw explain`, or a number of your own from 1000 on")
}
