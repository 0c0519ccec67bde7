package probe

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/cmd/internal/cli"
	"github.com/stompgw/stompgw/cmd/internal/config"
	"github.com/stompgw/stompgw/cmd/internal/output"
	"github.com/stompgw/stompgw/gateway/destination"
	"github.com/stompgw/stompgw/gateway/policy"
)

func newChannelsListCmd(drivers []bus.Driver) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List the channels and routes of a configuration, in the order in which they are tried",
		Long: "List the channels and routes of a configuration, in the order in which they are tried: the first whose MATCH fits a\n" +
			"destination decides. SUBSCRIBE and SEND say who may: everybody, nobody, or a condition. HISTORY is what is kept of\n" +
			"each destination, and PRESENCE whether clients see who is subscribed. Below the member prefix, MATCH is the name on\n" +
			"the bus; clients use a shorter one.",
		Example: "  stompgw channels list --config prod.yaml\n" +
			"  stompgw channels list --config prod.yaml -o json | jq '.[] | select(.history)'",
	}
	src := cli.NewSource(cmd, drivers, "list those of serve --standalone")
	src.Needs("channels")
	t := cli.NewList(cmd, output.Options{
		Columns: []string{"RULE", "MATCH", "SUBSCRIBE", "SEND", "HISTORY", "PRESENCE", "SUMMARY"},
		Wide:    []string{"WHERE"},
		Cuts:    []output.Cut{{Column: "SUMMARY", Least: 12}, {Column: "SUBSCRIBE", Least: 12}, {Column: "SEND", Least: 12}, {Column: "MATCH", Least: 16}},
	})
	src.Run(cmd, func(cmd *cobra.Command, _ []string, cfg *config.Config) error {
		return t.Write(cmd, func(w *output.Writer) error {
			return output.Each(w, cfg.Rules().Outlines(), func(o policy.Outline) output.Row { return ruleRow(cfg, o) })
		})
	})
	return cmd
}

func newChannelsShowCmd(drivers []bus.Driver) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show DEST",
		Short: "Show the rule that decides about a destination, and everything it says",
		Long: "Show the rule that decides about a destination, and everything it says: who may subscribe and send, what is kept, and\n" +
			"where the rule is written. `policy test` shows what the rule does with one client's frame.\n\n" +
			"DEST is a destination, a pattern that clients subscribe to, or the match of a rule. A member's destination includes\n" +
			"the member, as on the bus. The exit code is 6 if no rule is about it: clients are refused there.",
		Example: "  stompgw channels show --config prod.yaml /topic/chat\n" +
			"  stompgw channels show --config prod.yaml /member/42/queue/inbox -o json",
	}
	src := cli.NewSource(cmd, drivers, "look at those of serve --standalone")
	src.Needs("channels")
	t := cli.NewForm(cmd)
	cmd.ValidArgsFunction = cli.OfferOnce(cli.OfferDestinations(src))
	src.Run(cmd, func(cmd *cobra.Command, args []string, cfg *config.Config) error {
		rules := deciders(cfg.Rules(), args[0])
		if len(rules) == 0 {
			return noRule(cfg, args[0])
		}
		told := shownRules{Destination: args[0], Room: cfg.Rules().Room(args[0]), Errors: args[0] == cfg.Errors.Destination}
		if ch := rules[0].Channel; destination.IsPattern(args[0]) && args[0] != rules[0].Match && ch != nil {
			told.Refused = !ch.Patterns
		}
		fields := told.fields()
		for _, o := range rules {
			row := ruleRow(cfg, o)
			told.Rules = append(told.Rules, row.Value)
			fields = append(fields, ruleFields(cfg, o)...)
		}
		return t.One(cmd, fields, output.Row{Name: rules[0].Match, Value: told})
	})
	return cmd
}

// deciders are the rules that decide about a destination or pattern, or whose match is written like that.
func deciders(rules *policy.Catalogue, dest string) []policy.Outline {
	if list := rules.Deciders(dest); len(list) > 0 {
		return list
	}
	return slices.DeleteFunc(rules.Outlines(), func(o policy.Outline) bool { return o.Match != dest })
}

// noRule says why no rule decides about a destination.
func noRule(cfg *config.Config, dest string) error {
	rules, shown := cfg.Rules(), output.Printable(dest)
	hint := "so clients are refused there; `stompgw channels list` has the rules"
	switch {
	case !strings.HasPrefix(dest, "/"):
		return cli.Exit(cli.Usage, fmt.Errorf("DEST %q does not begin with a slash: write it like /topic/chat", dest))
	case rules.IsMember(dest):
		if _, err := rules.Inbox(dest); err != nil {
			return cli.Exit(cli.Usage, fmt.Errorf("DEST %s: %w", shown, err))
		}
		hint = fmt.Sprintf("by its name on the bus; what a client of member 42 calls so is %s there", output.Printable(rules.MemberDestination("42", dest)))
	case rules.Room(dest) != "":
		hint = fmt.Sprintf("as the channel of %s has no presence", output.Printable(rules.Room(dest)))
	}
	return cli.Exit(cli.NoMatch, fmt.Errorf("no channel or route is about %s, %s", shown, hint))
}

// shownRules is what -o json prints of a destination.
type shownRules struct {
	Destination string `json:"destination"`
	Room        string `json:"room,omitempty"`    // whose subscribers it tells of
	Errors      bool   `json:"errors,omitempty"`  // refusals go there, and everybody may subscribe
	Refused     bool   `json:"refused,omitempty"` // it is a pattern, and the rule lets in none
	Rules       []any  `json:"rules"`
}

func (s *shownRules) fields() []output.Field {
	fields := []output.Field{{"DESTINATION", s.Destination}}
	if s.Room != "" {
		fields = append(fields, output.Field{"TELLS OF", "who is subscribed to " + s.Room + ", to whom may subscribe to that"})
	}
	if s.Errors {
		fields = append(fields, output.Field{"ERRORS", "refusals go here: everybody may subscribe, whatever the rule says"})
	}
	if s.Refused {
		fields = append(fields, output.Field{"REFUSED", "the rule lets in no subscription by pattern"})
	}
	return fields
}

// ruleFields are the lines of one rule: first who may do what, then all else that it says.
func ruleFields(cfg *config.Config, o policy.Outline) []output.Field {
	fields := []output.Field{{"RULE", placed(o)}, {"MATCH", o.Match}}
	if o.Channel != nil {
		fields = append(fields, output.Field{"SUBSCRIBE", onOneLine(o.Subscribe.String())})
	}
	fields = append(fields, output.Field{"SEND", onOneLine(o.Send.String())})
	for _, e := range cfg.Entries(o.Path) {
		section, name, below := strings.Cut(e.Key, ".")
		text := onOneLine(e.Value)
		if below {
			text = name + " " + text
		}
		switch last := &fields[len(fields)-1]; {
		case slices.Contains([]string{"match", "subscribe", "send", "allow"}, section):
		case below && last[0] == strings.ToUpper(section):
			last[1] += ", " + text
		default:
			fields = append(fields, output.Field{strings.ToUpper(section), text})
		}
	}
	return fields
}

// placed is a rule's path, and where it stands.
func placed(o policy.Outline) string {
	if o.Where == "" {
		return o.Path
	}
	return o.Path + ", " + o.Where
}

// ruleRow is a line of a list. In JSON it has all that the rule says, under the keys of the file.
func ruleRow(cfg *config.Config, o policy.Outline) output.Row {
	cells := []string{o.Path, o.Match, "-", onOneLine(o.Send.String()), "-", "-", goesTo(o.Route), o.Where}
	if ch := o.Channel; ch != nil {
		cells[2], cells[6] = onOneLine(o.Subscribe.String()), onOneLine(ch.Summary)
		if ch.History != (policy.History{}) {
			cells[4] = fmt.Sprintf("%d for %s", ch.History.Size, ch.History.TTL)
		}
		if ch.Presence != policy.PresenceNone {
			cells[5] = ch.Presence.String()
		}
	}
	return output.Row{Cells: cells, Name: o.Match, Value: ruleValue{o.Path, o.Where, cfg.EntriesJSON(o.Path)}}
}

// goesTo says what becomes of what is sent by a route.
func goesTo(r *policy.Route) string {
	if r == nil {
		return ""
	}
	goals := slices.DeleteFunc([]string{r.Publish, r.To.String()}, func(s string) bool { return s == "" })
	said := "goes to " + strings.Join(goals, " and ")
	if r.Body != "" || r.Headers != "" {
		said += ", rewritten"
	}
	return said
}

// onOneLine is a text with its line ends and indents as single spaces.
func onOneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// ruleValue is what -o json prints of a rule.
type ruleValue struct {
	rule, where string
	says        json.Marshaler // an object, with at least its match
}

// MarshalJSON puts the rule's place before what it says.
func (v ruleValue) MarshalJSON() ([]byte, error) {
	says, err := v.says.MarshalJSON()
	if err != nil {
		return nil, err
	}
	place, err := json.Marshal(struct {
		Rule  string `json:"rule"`
		Where string `json:"where"`
	}{v.rule, v.where})
	if err != nil {
		return nil, err
	}
	return slices.Concat(bytes.TrimSuffix(place, []byte("}")), []byte(","), bytes.TrimPrefix(says, []byte("{"))), nil
}
