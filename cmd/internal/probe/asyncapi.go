package probe

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/cmd/internal/cli"
	"github.com/stompgw/stompgw/cmd/internal/config"
	"github.com/stompgw/stompgw/cmd/internal/output"
	"github.com/stompgw/stompgw/gateway/asyncapi"
)

// asyncapiFlags say of a document what a configuration does not know.
type asyncapiFlags struct {
	format, title, version string
	servers                []string
}

func newAsyncapiCmd(drivers []bus.Driver) *cobra.Command {
	var f asyncapiFlags
	cmd := &cobra.Command{
		Use:   "asyncapi",
		Short: "Describe what clients can receive and send, as an AsyncAPI 3.0 document",
		Long: "Describe what clients can receive and send by the rules of a configuration, as an AsyncAPI 3.0 document: for people,\n" +
			"and for generators of pages or code.\n\n" +
			"The application in it is a client of the gateway: its operations receive what it has subscribed to, and send. The\n" +
			"variable parts of a match, wildcards included, are parameters of the address. The servers are those that a node\n" +
			"listens on, unless --server names what clients connect to, such as a load balancer.",
		Example: "  stompgw asyncapi --config prod.yaml --title Chat --doc-version 1.4.0 > asyncapi.yaml\n" +
			"  stompgw asyncapi --config prod.yaml --server wss://chat.example.com/stomp -o json",
	}
	src := cli.NewSource(cmd, drivers, "describe serve --standalone")
	src.Needs("channels")
	cli.FormatVar(cmd, &f.format, output.YAML, output.JSON)
	flags := cmd.Flags()
	flags.StringVar(&f.title, "title", "", "`TITLE` of the document (default stompgw)")
	flags.StringVar(&f.version, "doc-version", "", "`VERSION` of the document (default that of stompgw)")
	flags.StringArrayVar(&f.servers, "server", nil, "`URL` that clients connect to, such as wss://chat.example.com/stomp; may be given several times")
	var servers []asyncapi.Server
	cli.Check(cmd, func(cmd *cobra.Command, _ []string) (err error) {
		if err := cli.NotEmpty(cmd, "title", "leave it out, or say one", "doc-version", "leave it out, or say one"); err != nil {
			return err
		}
		servers, err = f.named()
		return err
	})
	src.Run(cmd, func(cmd *cobra.Command, _ []string, cfg *config.Config) error {
		o := cli.AsyncAPI(cfg)
		o.Title, o.Version = cmp.Or(f.title, o.Title), cmp.Or(f.version, o.Version)
		if servers != nil {
			o.Servers = servers
		}
		document := asyncapi.New(cfg.Rules(), o)
		if f.format == output.JSON {
			return writeJSON(cmd.OutOrStdout(), document)
		}
		return output.One(cmd.OutOrStdout(), f.format, output.Options{}, nil, output.Row{Value: document})
	})
	return cmd
}

// named are the servers of --server.
func (f *asyncapiFlags) named() (servers []asyncapi.Server, err error) {
	protocols := map[string]string{"ws": "ws", "wss": "wss", "tcp": "stomp", "tcps": "stomps"}
	for i, text := range f.servers {
		u, err := url.Parse(text)
		if err != nil {
			return nil, errors.New("--server: this is not a URL: want one like wss://chat.example.com/stomp")
		}
		protocol, known := protocols[u.Scheme]
		switch {
		case !known || u.Hostname() == "":
			return nil, fmt.Errorf("--server %s: want a URL that begins with ws://, wss:// (WebSocket), tcp:// or tcps:// (STOMP alone), and a host", output.Printable(u.Redacted()))
		case u.User != nil || u.RawQuery != "" || u.Fragment != "":
			return nil, fmt.Errorf("--server %s: want a URL without a name, a password, a query and a fragment", output.Printable(u.Redacted()))
		}
		s := asyncapi.Server{Name: u.Scheme, Host: u.Host, Path: u.Path, Protocol: protocol, Description: "STOMP over WebSocket"}
		if protocol != u.Scheme {
			s.Description = "STOMP alone"
		}
		if i > 0 {
			s.Name = fmt.Sprintf("%s_%d", s.Name, i+1)
		}
		servers = append(servers, s)
	}
	return servers, nil
}
