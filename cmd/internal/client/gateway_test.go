package client

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/bus/membus"
	"github.com/stompgw/stompgw/gateway"
	"github.com/stompgw/stompgw/gateway/policy"
	"github.com/stompgw/stompgw/gateway/registry"
	"github.com/stompgw/stompgw/gateway/stomp"
)

const requestError = "/session/queue/request-error"

// startGateway runs a gateway until the test ends, and returns options for each kind of connection.
func startGateway(t *testing.T, secure *tls.Config, opts ...gateway.Option) map[string]Options {
	t.Helper()
	rules, err := policy.New(policy.Rules{
		Prefixes:         policy.DefaultPrefixes(),
		ErrorDestination: requestError,
		Channels: []policy.Channel{
			{Match: "/topic/{room}", Subscribe: "true", Send: "true", Patterns: true},
			{Match: "/topic/secret/{room}", Subscribe: "false", Send: "false"},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	name := registry.NewNode(time.Now())
	bus := membus.NewCluster().Bus(name.String())
	g, err := gateway.New(name, bus, registry.NewMemory(), rules, append([]gateway.Option{gateway.WithDrain(0)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	web, tcp := listen(t), listen(t)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- g.Run(ctx, gateway.Listener{Listener: web, TLS: secure}, gateway.Listener{Listener: tcp, TLS: secure, STOMP: true})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		bus.Close(context.Background())
	})
	bustest.Eventually(t, "the gateway is ready", func() bool { return g.Ready() == nil })
	s := ""
	if secure != nil {
		s = "s"
	}
	return map[string]Options{
		"websocket":        {URL: "ws" + s + "://" + web.Addr().String() + "/stomp"},
		"SockJS":           {URL: "http" + s + "://" + web.Addr().String() + "/stomp"},
		"TCP":              {URL: "tcp" + s + "://" + tcp.Addr().String()},
		"websocket/socket": {URL: "ws" + s + "://" + web.Addr().String() + "/stomp/websocket"},
	}
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

// TestGateway does what commands do, with a gateway as it is, over every kind of connection.
func TestGateway(t *testing.T) {
	t.Run("plain", func(t *testing.T) { testGateway(t, startGateway(t, nil), nil) })
	t.Run("TLS", func(t *testing.T) {
		s := httptest.NewTLSServer(http.NotFoundHandler())
		defer s.Close()
		trust := s.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
		trust.ServerName = "example.com" // of httptest's certificate
		all := startGateway(t, &tls.Config{Certificates: s.TLS.Certificates})
		testGateway(t, all, trust)
		for name, o := range all {
			if _, err := Dial(t.Context(), o); err == nil || !errors.As(err, new(*ConnectError)) || !strings.Contains(err.Error(), "certificate") {
				t.Errorf("%s, without trust: %v", name, err)
			}
		}
	})
}

func testGateway(t *testing.T, all map[string]Options, trust *tls.Config) {
	for name, o := range all {
		t.Run(name, func(t *testing.T) {
			o.Errors, o.TLS = requestError, trust
			exchange(t, o, name != "SockJS")
		})
	}
}

// exchange subscribes, sends, is refused, and goes.
func exchange(t *testing.T, o Options, binary bool) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	reader, writer := dial(t, o), dial(t, o)
	for _, destination := range []string{"/topic/a", "/topic/*"} {
		if err := reader.Subscribe(ctx, destination); err != nil {
			t.Fatal(err)
		}
	}
	bodies := []string{"", "a", "<ü\u2028\x00😀>", strings.Repeat("0123456789", 6000)}
	if binary {
		bodies = append(bodies, "\xff\x00")
	}
	for _, body := range bodies {
		header := stomp.Header{{Name: "content-type", Value: []byte("text/x")}, {Name: "a:b", Value: []byte("c\nd")}}
		if err := send(writer, ctx, "/topic/a", header, []byte(body)); err != nil {
			t.Fatalf("%.20q: %v", body, err)
		}
		for range 2 { // subscriptions
			m, err := reader.Next(ctx)
			if err != nil {
				t.Fatal(err)
			}
			own, _ := m.Header.Get("a:b")
			kind, _ := m.Header.Get("content-type")
			if m.Destination != "/topic/a" || string(m.Body) != body || string(own) != "c\nd" || string(kind) != "text/x" {
				t.Errorf("got %.200q %+v, want %.20q", m.Body, m.Header, body)
			}
		}
	}
	for what, err := range map[string]error{
		"SUBSCRIBE": reader.Subscribe(ctx, "/topic/secret/a"),
		"SEND":      send(writer, ctx, "/topic/secret/a", nil, []byte("x")),
	} {
		if r, ok := errors.AsType[*Refusal](err); !ok || r.Code != 2 {
			t.Errorf("%s: %v", what, err)
		}
	}
	const many = 1000
	answers := make(chan error, many)
	for range many {
		if err := writer.Start(ctx, "/topic/b", nil, []byte("x"), func(err error) { answers <- err }); err != nil {
			t.Fatal(err)
		}
		if _, err := reader.Next(ctx); err != nil {
			t.Fatal(err)
		}
	}
	for range many {
		if err := <-answers; err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []*Client{reader, writer} {
		if err := c.Close(ctx); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
}

// TestGatewayTurnsAway: without a token, where one is asked for.
func TestGatewayTurnsAway(t *testing.T) {
	for name, o := range startGateway(t, nil, gateway.WithAnonymous(false)) {
		_, err := Dial(t.Context(), o)
		if e, ok := errors.AsType[*ServerError](err); !ok || !strings.HasPrefix(e.Message, "log in:") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
