// Package message has the commands that publish messages, and show those that arrive and those that are kept.
package message

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/stompgw/stompgw/admin"
	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/cmd/internal/cli"
	"github.com/stompgw/stompgw/cmd/internal/config"
)

// publication is what the flags of publish say.
type publication struct {
	destination string
	body        []byte
	file        string   // where the body is read from
	headers     []string // "name:value"
	contentType string
	count       int
	rate        float64 // a second; 0 for as fast as can be
	via         string  // over the bus, or stomp as a client

	to    admin.To
	force bool // though no channel names the destination, its schema says no, or the body is long
	chomp bool

	gateway clientFlags // its timeout is that of the broker, too
	receipt bool
}

const (
	viaBus   = "bus"
	viaSTOMP = "stomp"
)

// Commands are those that publish, subscribe, and read what is kept.
func Commands(drivers []bus.Driver) []*cobra.Command {
	return []*cobra.Command{newPublishCmd(drivers), newSubscribeCmd(drivers), newHistoryCmd(drivers)}
}

func newPublishCmd(drivers []bus.Driver) *cobra.Command {
	var p publication
	cmd := &cobra.Command{
		Use:   "publish DEST [BODY]",
		Short: "Publish a message over the bus, to all subscribers, one session or one member, or as a client",
		Long: "Publish a message over the bus, to all subscribers of DEST on all nodes, with --session to one session, or with\n" +
			"--member to each of a member's. No node has to be running, and the rules for clients do not apply.\n\n" +
			"With --via stomp it goes to a gateway as from a client, under its rules; DEST may then be the application's.\n\n" +
			"Without BODY and --file the body is standard input, if that is a pipe or a file. The exit code is 0 only when the\n" +
			"broker has the messages, or the gateway has sent their RECEIPTs; 5 when it refused, 7 when only some were\n" +
			"published, 8 when no answer came in time.",
		Example: "  stompgw publish /topic/chat 'hello'\n" +
			"  stompgw publish /topic/orders '{\"id\": 7}' --content-type application/json -H priority:high\n" +
			"  stompgw publish /topic/orders -f order.json --count 1000 --rate 100/s\n" +
			"  stompgw publish /queue/notice 'only you' --session d0b6fbca-2a\n" +
			"  stompgw publish /queue/notice 'all your tabs' --member 42\n" +
			"  stompgw publish /topic/level -- -1   # a BODY that begins with a dash\n" +
			"  echo '{\"chat\": \"hi\"}' | stompgw publish /app/topic/chat --via stomp --url ws://127.0.0.1:13001/stomp --token-file token.txt",
	}
	src := cli.NewSource(cmd, drivers, "publish to the node that runs as serve --standalone on this machine")
	p.addFlags(cmd, src, drivers)
	cmd.Aliases = []string{"pub"}
	cmd.ValidArgsFunction = cli.OfferOnce(cli.OfferDestinations(src))
	cli.Check(cmd, func(cmd *cobra.Command, args []string) error {
		p.destination = args[0]
		src.Needs(p.sections()...)
		return p.checkFlags(cmd, len(args) > 1)
	})
	src.Run(cmd, func(cmd *cobra.Command, args []string, cfg *config.Config) (err error) {
		if p.body, err = p.readBody(cmd, cfg, args[1:]); err != nil {
			return err
		}
		r := batch{publication: &p, pace: newPace(p.rate), notes: cmd.ErrOrStderr()}
		if p.via == viaSTOMP {
			return p.overSTOMP(cmd, cfg, &r)
		}
		return p.overBus(cmd.Context(), cfg, drivers, &r)
	})
	return cmd
}

func (p *publication) addFlags(cmd *cobra.Command, src *cli.Source, drivers []bus.Driver) {
	addBuses(src, drivers, "to publish over")
	src.List("redis.addrs", "redis", config.Default().Redis.Addrs, "`ADDRESS` of Redis, for --session and --member")
	flags := cmd.Flags()
	flags.StringVarP(&p.file, "file", "f", "", "`FILE` with the body, sent as it is, including its last line end; - is standard input")
	flags.StringArrayVarP(&p.headers, "header", "H", nil, "header `NAME:VALUE` of the message; may be given several times")
	flags.StringVar(&p.contentType, "content-type", "", "`TYPE` of the body (default "+admin.TextType+", and "+admin.BytesType+" if it is not UTF-8)")
	flags.IntVar(&p.count, "count", 1, "publish it `N` times")
	cli.RateVar(flags, &p.rate, "rate", "publish at most at this `RATE`, such as 100/s, 30/m or 10/h")
	flags.StringVar(&p.to.Session, "session", "", "the one `SESSION` that should get it: its short id, key or principal, as for sessions show")
	flags.StringVar(&p.to.Member, "member", "", "`MEMBER` whose sessions should each get it: 42 is a number, alice a text, '\"42\"' too")
	flags.BoolVar(&p.force, "force", false, "publish even if no channel of the configuration matches DEST, or the body does not match its schema or is longer than limits.message")
	flags.BoolVar(&p.chomp, "chomp", false, "leave out the line end after the last line of the file or standard input")
	flags.StringVar(&p.via, "via", viaBus, "`WAY`: "+viaBus+", or "+viaSTOMP+" to be a client")
	p.gateway.add(cmd)
	cli.DurationVar(flags, &p.gateway.timeout, "timeout", 5*time.Second, time.Millisecond, "`TIME` that the broker, or the gateway, may take to answer")
	flags.BoolVar(&p.receipt, "receipt", true, "")
	flags.Lookup("receipt").Hidden = true // a client asks for it in any case: without it nobody knows what became of a SEND
}

// sections are those of which the way of the message takes secrets and files.
func (p *publication) sections() []string {
	switch {
	case p.via == viaSTOMP:
		return nil
	case p.to.Session != "" || p.to.Member != "":
		return []string{"bus", "channels", "redis"}
	}
	return []string{"bus", "channels"}
}

// checkFlags refuses an empty --session or --member in particular: it comes from a script whose list
// was empty, and what was meant for one session must not go to all.
func (p *publication) checkFlags(cmd *cobra.Command, body bool) error {
	given := cmd.Flags().Changed
	switch {
	case p.via != viaBus && p.via != viaSTOMP:
		return fmt.Errorf("--via %s: want %s or %s", p.via, viaBus, viaSTOMP)
	case given("kafka") && given("nats"):
		return errors.New("--kafka and --nats: a message goes over one bus")
	case given("session") && given("member"):
		return errors.New("--session and --member: it goes to one session, or to each of a member's")
	case body && given("file"):
		return errors.New("BODY and --file: a message has one body")
	case body && p.chomp:
		return errors.New("BODY and --chomp: that is for --file and standard input")
	case !body && p.gateway.token == "-" && (p.file == "-" || !given("file")):
		return errors.New("--token - and the body: standard input is one of them; --token-file names a file")
	case p.count < 1 || p.count > 1e9:
		return fmt.Errorf("--count %d: want 1 to 1000000000", p.count)
	case !p.receipt:
		return errors.New("--receipt=false: without a RECEIPT nobody knows whether a message was published")
	}
	if err := cli.NotEmpty(cmd, "session", "it needs the id of a session", "member", "it needs the id of a member",
		"file", "it needs the name of a file, or - for standard input"); err != nil {
		return err
	}
	if err := p.checkWay(given); err != nil {
		return err
	}
	return p.gateway.check(cmd)
}

// checkWay refuses flags that mean nothing on the way the message goes.
func (p *publication) checkWay(given func(string) bool) error {
	others, way := clientFlagNames(), viaSTOMP
	if p.via == viaSTOMP {
		others, way = []string{"kafka", "nats", "redis", "session", "member"}, viaBus
	}
	for _, name := range others {
		if given(name) {
			return fmt.Errorf("--%s is for --via %s", name, way)
		}
	}
	return nil
}

// entries are the headers of the message, its content-type first.
func (p *publication) entries() (list []bus.Header, err error) {
	contentType := p.contentType
	for _, h := range p.headers {
		name, value, ok := strings.Cut(h, ":")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		switch isType := strings.EqualFold(name, "content-type"); {
		case !ok:
			return nil, cli.Exit(cli.Usage, fmt.Errorf("-H %s: want NAME:VALUE", h))
		case isType && contentType != "":
			return nil, cli.Exit(cli.Usage, fmt.Errorf("-H %s: the body has a type already, %s", h, contentType))
		case isType:
			contentType = value
		default:
			list = append(list, bus.Header{Name: name, Value: value})
		}
	}
	list = slices.Insert(list, 0, bus.Header{Name: "content-type", Value: cmp.Or(contentType, admin.ContentType(p.body))})
	for _, h := range list {
		if !utf8.ValidString(h.Name) || !utf8.ValidString(h.Value) {
			return nil, cli.Exit(cli.Usage, fmt.Errorf("the header %q is not UTF-8, as STOMP asks for", h.Name))
		}
	}
	return list, nil
}
