package cli

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/stompgw/stompgw/gateway/policy"
)

// CompleteFlag names what a shell offers as the value of a flag.
func CompleteFlag(cmd *cobra.Command, flag string, offer cobra.CompletionFunc) {
	if err := cmd.RegisterFlagCompletionFunc(flag, offer); err != nil {
		panic(err) // the command has no such flag
	}
}

// OfferOnce offers for the first argument alone.
func OfferOnce(offer cobra.CompletionFunc) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return offer(cmd, args, typed)
	}
}

// OfferDestinations offers what the channels and routes of the configuration name: up to a wildcard,
// behind which whoever types goes on.
func OfferDestinations(src *Source) cobra.CompletionFunc {
	return func(_ *cobra.Command, _ []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		cfg, err := src.Load()
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var offers []cobra.Completion
		directive := cobra.ShellCompDirectiveNoFileComp
		add := func(match string) {
			fixed := match
			if i := strings.IndexAny(match, "*?{"); i >= 0 {
				fixed = match[:i]
			}
			if !strings.HasPrefix(fixed, typed) || slices.Contains(offers, fixed) {
				return
			}
			if offers = append(offers, fixed); fixed != match {
				directive |= cobra.ShellCompDirectiveNoSpace
			}
		}
		for _, ch := range cfg.Channels {
			add(ch.Match)
		}
		for _, r := range cfg.Routes {
			add(r.Match)
		}
		return offers, directive
	}
}

func CodeWords() (words []string) {
	for _, e := range policy.Codes() {
		words = append(words, e.Word+"\t"+e.Message)
	}
	return words
}
