package probe

import (
	_ "embed"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/stompgw/stompgw/cmd/internal/cli"
	"github.com/stompgw/stompgw/cmd/internal/output"
	"github.com/stompgw/stompgw/gateway/policy"
)

func newExplainCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "explain [CODE]",
		Short: "Explain the codes in refusals",
		Long: "Explain the errorCode of a refusal, and what to do about it.\n\n" +
			"CODE is the number or the word. Without it, all are listed.",
		Example: "  stompgw explain 2\n  stompgw explain no_rule",
	}
	cmd.ValidArgsFunction = cli.OfferOnce(cobra.FixedCompletions(cli.CodeWords(), cobra.ShellCompDirectiveNoFileComp))
	t := cli.NewList(cmd, output.Options{Columns: []string{"CODE", "WORD", "RETRY", "MESSAGE"}})
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return t.Write(cmd, func(w *output.Writer) error { return output.Each(w, policy.Codes(), codeLine) })
		}
		return explain(cmd, t, args[0])
	}
	return cmd
}

// codeRow is what -o json prints of a code, under the names that clients know.
type codeRow struct {
	Code      policy.Code `json:"errorCode"`
	Word      string      `json:"error"`
	Message   string      `json:"errorMessage"`
	Retryable bool        `json:"retryable"`
}

// explainedCode is what -o json prints of the one that is named.
type explainedCode struct {
	codeRow
	Explanation string `json:"explanation"`
}

func codeLine(e policy.Explanation) output.Row {
	retry := "no"
	if e.Retryable {
		retry = "yes"
	}
	return output.Row{Cells: []string{strconv.Itoa(int(e.Code)), e.Word, retry, e.Message}, Name: e.Word, Value: codeRow(e)}
}

func explain(cmd *cobra.Command, t *cli.List, code string) error {
	codes := policy.Codes()
	i := slices.IndexFunc(codes, func(e policy.Explanation) bool { return code == e.Word || code == strconv.Itoa(int(e.Code)) })
	if i < 0 {
		return cli.Misuse(cmd, fmt.Errorf("there is no code %q: `stompgw explain` lists them", code))
	}
	e := codes[i]
	if t.Format != output.Table && t.Format != output.Wide {
		return t.One(cmd, nil, output.Row{Name: e.Word, Value: explainedCode{codeRow(e), strings.ReplaceAll(advice()[e.Word], "\n", " ")}})
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%d %s: %s\n\n%s\n", e.Code, e.Word, e.Message, advice()[e.Word])
	return nil
}

// adviceText says of each code, under its word, what has happened and what to do, in lines for a terminal. It is a
// variable because go:embed wants one; nothing writes to it.
//
//go:embed explain.txt
var adviceText string

// advice returns what stands under each word.
func advice() map[string]string {
	all := map[string]string{}
	for section := range strings.SplitSeq(strings.TrimSpace(adviceText), "\n\n") {
		word, text, _ := strings.Cut(section, "\n")
		all[word] = text
	}
	return all
}
