package cmd

import (
	"fmt"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/stompgw/stompgw/cmd/internal/cli"
	"github.com/stompgw/stompgw/cmd/internal/cli/clitest"
	"github.com/stompgw/stompgw/cmd/internal/config"
)

// TestServeTokens: what the configuration says of tokens reaches the gateway.
func TestServeTokens(t *testing.T) {
	clitest.TokenFiles(t)
	s := serveStandalone(t, "--config", clitest.WriteFile(t, "t.yaml", `
auth:
  jwt: {secret_file: secret, issuer: me}
  claims: {member: sub}
  revocation: {prefix: "p:"}
channels:
  - {match: "/topic/of/{who}", subscribe: string(claims.sub) == vars.who}
`))
	awaitReady(t, s.find(t, `admin +(http://\S+)`))
	c := dial(t, s.find(t, `STOMP +(ws://\S+)`), "Authorization:Bearer aa")
	clitest.Contains(t, c.receive(t), "CONNECTED\n") // anonymous
	c.send(t, "SUBSCRIBE\nid:e\ndestination:/session/queue/request-error\n\n\x00")
	ids := "12345678"
	subscribe := func(token, want string) {
		t.Helper()
		c.send(t, "SUBSCRIBE\nid:"+ids[:1]+"\ndestination:/topic/of/42\nreceipt:r\nclient-request-code:S\nAuthorization:Bearer "+token+"\n\n\x00")
		ids = ids[1:]
		clitest.Contains(t, c.receive(t), want)
	}
	const login = `{"clientRequestCode":"S","errorCode":1,"errorMessage":"Need Login"`
	subscribe("bad", login)
	subscribe(newToken(t, "--secret-file", "other", "--issuer", "me", "--member", "42", "--claim", "sub=42"), login)
	subscribe(newToken(t, "--secret-file", "secret", "--issuer", "you", "--member", "42", "--claim", "sub=42"), login)
	subscribe(newToken(t, "--config", "t.yaml", "--member", "43"), `{"clientRequestCode":"S","errorCode":2,`)

	revoked := newToken(t, "--config", "t.yaml", "--member", "42", "--claim", "jti=taken")
	client := redis.NewClient(&redis.Options{Addr: argument(s.printed(t, "sessions list"), "--redis")})
	defer client.Close()
	if err := client.Set(t.Context(), "p:Bearer_"+revoked, "1", 0).Err(); err != nil {
		t.Fatal(err)
	}
	subscribe(revoked, login)
	subscribe(newToken(t, "--config", "t.yaml", "--member", "42"), "RECEIPT\n")
}

// TestServeRefusesAnonymous: without a good token there is no session.
func TestServeRefusesAnonymous(t *testing.T) {
	clitest.TokenFiles(t)
	s := serveStandalone(t, "--config", clitest.WriteFile(t, "t.yaml", "auth: {jwt: {secret_file: secret}, anonymous: refuse}\n"))
	awaitReady(t, s.find(t, `admin +(http://\S+)`))
	url := s.find(t, `STOMP +(ws://\S+)`)
	for _, header := range []string{"x:y", "Authorization:Bearer " + newToken(t, "--secret-file", "other", "--member", "1")} {
		c := dial(t, url, header)
		clitest.Contains(t, c.receive(t), "ERROR\n", "message:log in")
	}
	c := dial(t, url, "Authorization:Bearer "+newToken(t, "--config", "t.yaml", "--member", "1"))
	clitest.Contains(t, c.receive(t), "CONNECTED\n")
}

// TestRevocationEnabled: Redis is asked only where the configuration says so.
func TestRevocationEnabled(t *testing.T) {
	clitest.TokenFiles(t)
	text := "auth: {jwt: {secret_file: secret}, revocation: {enabled: %t}}\nredis: {addrs: ['" + clitest.ClosedAddr(t) + "']}\n"
	for _, enabled := range []bool{true, false} {
		clitest.WriteFile(t, "t.yaml", fmt.Sprintf(text, enabled))
		cfg, err := config.Load(config.Source{File: "t.yaml"})
		if err != nil {
			t.Fatal(err)
		}
		client := cli.NewRedis(cfg)
		defer client.Close()
		a, err := newTokens(cfg, client)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := a.Verify(t.Context(), newToken(t, "--config", "t.yaml", "--member", "1")); err != nil {
			t.Error(err)
		}
		if asked := a.Figures().ListAway > 0; asked != enabled {
			t.Errorf("enabled: %t, and Redis was asked: %t", enabled, asked)
		}
	}
}
