package cmd

import (
	"context"
	"crypto/tls"
	"net"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/net/netutil"

	"github.com/stompgw/stompgw/cmd/internal/cli"
	"github.com/stompgw/stompgw/cmd/internal/config"
	"github.com/stompgw/stompgw/cmd/internal/embedded"
	"github.com/stompgw/stompgw/gateway"
)

// ports are the listeners of a node, all open or none.
type ports struct {
	gateway         []gateway.Listener
	web, admin, api net.Listener // web is one of gateway's; the others may be nil
	all             []net.Listener
}

// listen opens the ports of a node. Those for clients have the certificate that running holds when
// somebody connects.
func listen(cfg *config.Config, running *atomic.Pointer[config.Config]) (p *ports, err error) {
	var secure *tls.Config
	if cfg.TLS.Loaded() != nil {
		secure = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return running.Load().TLS.Loaded(), nil
		}}
	}
	p = &ports{}
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	p.web, err = p.open(cfg, "listen", "--listen", cfg.Listen)
	p.gateway = append(p.gateway, gateway.Listener{Listener: p.web, TLS: secure})
	if err == nil && cfg.TCP.Listen != "" {
		var tcp net.Listener
		tcp, err = p.open(cfg, "tcp.listen", "", cfg.TCP.Listen)
		p.gateway = append(p.gateway, gateway.Listener{Listener: tcp, STOMP: true, TLS: secure})
	}
	if err == nil && cfg.Admin.Listen != "" {
		p.admin, err = p.open(cfg, "admin.listen", "--admin-listen", cfg.Admin.Listen)
	}
	if err == nil && cfg.API.Listen != "" {
		p.api, err = p.openAPI(cfg, running)
	}
	return p, err
}

// maxBackends is how many connections backends may have at a time; more wait. Each may keep one for a minute in which it
// asks nothing.
const maxBackends = 256

// openAPI opens the port for backends. One that nobody asked for takes another where that is taken.
func (p *ports) openAPI(cfg *config.Config, running *atomic.Pointer[config.Config]) (net.Listener, error) {
	const key, flag = "api.listen", "--api-listen"
	ln, err := p.open(cfg, key, flag, cfg.API.Listen)
	if err != nil && cfg.Origin(key) == config.ByStandalone {
		ln, err = p.open(cfg, key, flag, "127.0.0.1:0")
	}
	if err != nil {
		return nil, err
	}
	ln = netutil.LimitListener(ln, maxBackends)
	if cfg.API.TLS.Loaded() == nil {
		return ln, nil
	}
	return tls.NewListener(ln, &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		return running.Load().API.TLS.Loaded(), nil
	}}), nil
}

// open opens the port of a setting, which a flag of serve may set too.
func (p *ports) open(cfg *config.Config, key, flag, addr string) (net.Listener, error) {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, cli.NotListening(cfg, key, flag, addr, err)
	}
	p.all = append(p.all, ln)
	return ln, nil
}

// addressTimeout is how long the name of Redis may take to be looked up.
const addressTimeout = time.Second

// address is where clients reach the node. One that listens on all addresses of the machine names that
// from which it reaches Redis, as other machines do.
func (p *ports) address(ctx context.Context, redis []string) string {
	at := p.web.Addr().(*net.TCPAddr) // of net.Listen("tcp", …)
	if !at.IP.IsUnspecified() {
		return at.String()
	}
	ctx, cancel := context.WithTimeout(ctx, addressTimeout)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "udp", redis[0]) // which sends nothing
	if err != nil {
		return at.String()
	}
	defer conn.Close()
	return net.JoinHostPort(conn.LocalAddr().(*net.UDPAddr).IP.String(), strconv.Itoa(at.Port))
}

// close closes what the gateway and the admin server have not closed already.
func (p *ports) close() {
	for _, ln := range p.all {
		ln.Close() // closed twice is no matter
	}
}

// startEmbedded starts the servers that the node brings along, and returns the configuration that points to
// them.
func startEmbedded(cfg *config.Config) (to *config.Config, stop func(), err error) {
	redis, nats, stopRedis, stopNATS := "", "", func() {}, func() {}
	if cfg.Standalone {
		if redis, stopRedis, err = embedded.StartRedis(cfg.Embedded.Redis); err != nil {
			return nil, nil, cli.NotListening(cfg, "embedded.redis", "", cfg.Embedded.Redis, err)
		}
	}
	if cfg.Bus.Driver == "embedded" {
		if nats, stopNATS, err = embedded.StartNATS(cfg.Embedded.NATS, maxPayload(cfg)); err != nil {
			stopRedis()
			return nil, nil, cli.NotListening(cfg, "embedded.nats", "", cfg.Embedded.NATS, err)
		}
	}
	return cfg.EmbeddedAt(redis, nats), func() { stopNATS(); stopRedis() }, nil
}

// maxPayload leaves room for the largest body and its headers, which are 32 KiB at most and may
// grow fourfold in their encoding.
func maxPayload(cfg *config.Config) int {
	return max(1<<20, int(cfg.Limits.Message)+256<<10)
}
