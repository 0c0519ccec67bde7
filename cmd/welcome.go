package cmd

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/stompgw/stompgw/cmd/internal/cli"
	"github.com/stompgw/stompgw/cmd/internal/config"
)

// welcome is what a standalone node tells the person who started it.
type welcome struct {
	program, file string
	cfg           *config.Config // after startEmbedded
	ports         *ports
}

func printWelcome(w io.Writer, o welcome) {
	web, scheme := cli.Near(o.ports.web.Addr().String()), [2]string{"http", "ws"}
	if o.cfg.TLS.Cert != "" {
		scheme = [2]string{"https", "wss"}
	}
	fmt.Fprintf(w, "stompgw runs with its own NATS server and Redis. They keep nothing: all is gone when it ends.\n\n")
	fmt.Fprintf(w, "  open    %s://%s/  (twice, and chat)\n", scheme[0], web)
	fmt.Fprintf(w, "  STOMP   %s://%s%s\n", scheme[1], web, o.cfg.Endpoint)
	if o.ports.admin != nil {
		fmt.Fprintf(w, "  admin   http://%s/readyz\n", cli.Near(o.ports.admin.Addr().String()))
	}
	api := o.ports.api != nil && o.file == ""
	if api {
		fmt.Fprintf(w, "  API     http://%s/v1/openapi.json\n", o.ports.api.Addr())
	}
	fmt.Fprintf(w, "\nFrom a second terminal:\n\n")
	fmt.Fprintf(w, "  %s sessions list %s\n", o.program, o.reach("redis", o.cfg.Redis.Addrs[0], o.cfg.Embedded.Redis))
	fmt.Fprintf(w, "  %s publish %s %s/test-channel 'hello from a terminal'\n\n", o.program,
		o.reach("nats", o.cfg.Text(config.EmbeddedURL), "nats://"+o.cfg.Embedded.NATS), o.cfg.Prefixes.Broker[0])
	if api {
		fmt.Fprintf(w, "And from a backend, with a key that is good until this node ends:\n\n")
		fmt.Fprintf(w, "  curl http://%s/v1/publish -H 'Authorization: Bearer %s' \\\n    --json '{\"destination\": \"%s/test-channel\", \"body\": \"hello from a backend\"}'\n\n",
			o.ports.api.Addr(), o.cfg.API.Keys[0].Secret.Reveal(), o.cfg.Prefixes.Broker[0])
	}
}

// reach returns the flags with which another process finds the embedded servers. Where they listen
// says the configuration, unless that left the port open.
func (o welcome) reach(flag, actual, configured string) string {
	args := "--standalone"
	if o.file != "" {
		args += " --config " + o.file
	}
	if actual != configured {
		args += " --" + flag + " " + actual
	}
	return args
}

// program is how to call this program again. `go run` builds it anew into a folder of its own.
func program(arg0 string) string {
	if strings.Contains(filepath.ToSlash(arg0), "/go-build") {
		return "go run ./cmd/stompgw"
	}
	return arg0
}
