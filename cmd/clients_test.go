package cmd

import (
	"encoding/json"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stompgw/stompgw/cmd/internal/cli"
	"github.com/stompgw/stompgw/cmd/internal/cli/clitest"
)

// TestSubscribe: a client that prints what others publish, to its end.
func TestSubscribe(t *testing.T) {
	s := serveStandalone(t)
	awaitReady(t, s.find(t, `admin +(http://\S+)`))
	url := s.find(t, `STOMP +(ws://\S+)`)
	publish := s.printed(t, "publish")
	send := func(t *testing.T, args ...string) {
		t.Helper()
		if code, _, stderr := run(t, append(publish, args...)...); code != 0 {
			t.Fatalf("publish: exit code %d, %s", code, stderr)
		}
	}
	for _, url := range []string{url, strings.Replace(url, "ws:", "http:", 1)} {
		t.Run(url[:4], func(t *testing.T) {
			b := runBeside(t, "subscribe", "/topic/a", "/topic/b", "--url", url, "--count", "3").Subscribed(t)
			send(t, "/topic/a", "one")
			send(t, "/topic/b", "two\nlines")
			send(t, "/topic/c", "for nobody")
			send(t, "/topic/a", "\x1b[2Jraw")
			b.WantEnd(t, cli.Done, "one\ntwo\nlines\n\x1b[2Jraw\n", "subscribed to 2 destinations\n3 messages\n")
		})
	}
	t.Run("jsonl", func(t *testing.T) {
		b := runBeside(t, "subscribe", "/topic/a", "--url", url, "--count", "1", "-o", "jsonl").Subscribed(t)
		send(t, "/topic/a", "one", "-H", "x:y")
		if b.Wait() != 0 {
			t.Errorf("stderr %s", b.Stderr)
		}
		var m struct {
			Destination, Subscription, Body string
			Headers                         map[string]string
			ReceivedAt                      time.Time `json:"received_at"`
		}
		if err := json.Unmarshal([]byte(b.Stdout.String()), &m); err != nil || strings.Count(b.Stdout.String(), "\n") != 1 {
			t.Fatalf("%v in %q", err, b.Stdout)
		}
		if m.Destination != "/topic/a" || m.Subscription == "" || m.Body != "one" || m.Headers["x"] != "y" || time.Since(m.ReceivedAt) > clitest.Patience {
			t.Errorf("got %+v", m)
		}
	})
	t.Run("Ctrl-C", func(t *testing.T) {
		b := runBeside(t, "subscribe", "/topic/a", "--url", url).Subscribed(t)
		send(t, "/topic/a", "one")
		clitest.Eventually(t, "printed", func() bool { return b.Stdout.String() == "one\n" })
		b.Interrupt()
		b.WantEnd(t, cli.Done, "one\n", "subscribed to /topic/a\n1 message\n")
	})
	t.Run("time", func(t *testing.T) {
		b := runBeside(t, "subscribe", "/topic/a", "--url", url, "--for", "1ms")
		b.WantEnd(t, cli.Done, "", "subscribed to /topic/a\n0 messages\n")
		b = runBeside(t, "subscribe", "/topic/a", "--url", url, "--for", "1ms", "--count", "2")
		b.WantEnd(t, cli.TimedOut, "", "subscribed to /topic/a\n0 messages\nstompgw: 0 of 2 messages came within 1ms\n")
	})
	t.Run("refused", func(t *testing.T) {
		b := runBeside(t, "subscribe", "/topic/a", "/elsewhere", "--url", url)
		b.WantEnd(t, cli.NotAllowed, "", "0 messages\nstompgw: /elsewhere: refused with code 3: No channel or route has this destination; `stompgw explain 3` tells what to do\n")
	})
	t.Run("refusals", func(t *testing.T) {
		b := runBeside(t, "subscribe", "/session/queue/request-error", "--url", url, "--for", "1ms")
		b.WantEnd(t, cli.Done, "", "subscribed to /session/queue/request-error\n0 messages\n")
	})
	t.Run("the node goes", func(t *testing.T) {
		b := runBeside(t, "subscribe", "/topic/a", "--url", url).Subscribed(t)
		s.stop()
		if code := b.Wait(); code != int(cli.Unreachable) {
			t.Errorf("exit code %d", code)
		}
		clitest.Contains(t, b.Stderr.String(), "0 messages\nstompgw: lost the gateway: ")
	})
}

// TestSubscribeByDefault: the configuration says where the gateway is.
func TestSubscribeByDefault(t *testing.T) {
	s := serveStandalone(t)
	awaitReady(t, s.find(t, `admin +(http://\S+)`))
	_, port, err := net.SplitHostPort(s.find(t, `STOMP +ws://(\S+)/stomp`))
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("STOMPGW_LISTEN", "0.0.0.0:"+port)
	runBeside(t, "subscribe", "/topic/a", "--standalone", "--for", "1ms").WantEnd(t, cli.Done, "", "subscribed to /topic/a\n0 messages\n")
}

// tokenWorld runs a node where member 42 may listen in /topic/members, and returns the URL, and a
// token that is good.
func tokenWorld(t *testing.T) (s standalone, url, token string) {
	t.Helper()
	t.Chdir(t.TempDir())
	clitest.WriteFile(t, "secret", strings.Repeat("s", 32))
	file := clitest.WriteFile(t, "members.yaml", `auth: {jwt: {secret_file: secret}, revocation: {enabled: false}}
channels:
  - {match: /topic/members, subscribe: 'claims.mu == 42', send: 'claims.mu == 42'}
  - {match: '/session/queue/{name}', subscribe: 'true'}
`)
	s = serveStandalone(t, "--config", file)
	awaitReady(t, s.find(t, `admin +(http://\S+)`))
	return s, s.find(t, `STOMP +(ws://\S+)`), newToken(t, "--member", "42", "--secret-file", "secret")
}

// TestSubscribeToken: the token may come in several ways, and is shown in none.
func TestSubscribeToken(t *testing.T) {
	_, url, token := tokenWorld(t)
	listen := []string{"subscribe", "/topic/members", "--url", url, "--for", "1ms"}
	const subscribed = "subscribed to /topic/members\n0 messages\n"
	runBeside(t, append(listen, "--token", token)...).WantEnd(t, cli.Done, "", subscribed)
	runBeside(t, append(listen, "--token-file", clitest.WriteFile(t, "token", "Bearer "+token+"\n"))...).WantEnd(t, cli.Done, "", subscribed)
	if code, _, stderr := runOn(t, token+"\n", append(listen, "--token", "-")...); code != 0 || stderr != subscribed {
		t.Errorf("exit code %d, %s", code, stderr)
	}
	runBeside(t, listen...).WantEnd(t, cli.NotAllowed, "", "0 messages\nstompgw: /topic/members: refused with code 1: Need Login; `stompgw explain 1` tells what to do\n")
	t.Setenv("STOMPGW_TOKEN", token)
	runBeside(t, listen...).WantEnd(t, cli.Done, "", subscribed)
	const warning = "warning: the gateway refuses the token, and takes this client for nobody; `stompgw token check` tells why\n"
	runBeside(t, append(listen, "--token", "x.y.z")...).WantEnd(t, cli.NotAllowed, "", warning+"0 messages\nstompgw: /topic/members: refused with code 1: Need Login; `stompgw explain 1` tells what to do\n")
	t.Setenv("STOMPGW_TOKEN", "")
	runBeside(t, listen...).WantEnd(t, cli.Usage, "", "stompgw: STOMPGW_TOKEN: there is no token in it\n")
}

// TestPublishAsClient: by the rules, with a token, and only a RECEIPT is success.
func TestPublishAsClient(t *testing.T) {
	_, url, token := tokenWorld(t)
	for _, url := range []string{url, strings.Replace(url, "ws:", "http:", 1)} {
		b := runBeside(t, "subscribe", "/topic/members", "--url", url, "--token", token, "--count", "4").Subscribed(t)
		send := []string{"publish", "/topic/members", "hello", "--via", "stomp", "--url", url}
		code, _, stderr := run(t, send...)
		if clitest.WantLine(t, stderr, "stompgw: /topic/members: refused with code 1: Need Login; `stompgw explain 1` tells what to do"); code != int(cli.NotAllowed) {
			t.Errorf("exit code %d", code)
		}
		old := newToken(t, "--member", "42", "--secret-file", "secret", "--ttl", "-1h")
		code, _, stderr = run(t, append(send, "--token", old)...)
		if !strings.HasPrefix(stderr, "warning: the token has expired: the gateway takes this client for nobody\n") || code != int(cli.NotAllowed) {
			t.Errorf("exit code %d, %s", code, stderr)
		}
		code, _, stderr = run(t, append(send, "--token-file", clitest.WriteFile(t, "token", token), "--receipt")...)
		if clitest.WantLine(t, stderr, "published 5 bytes to /topic/members"); code != 0 {
			t.Errorf("exit code %d", code)
		}
		code, _, stderr = run(t, append(send, "--token", token, "--count", "3", "--rate", "1000/s")...)
		if clitest.WantLine(t, stderr, "published 3 messages (15 bytes) to /topic/members"); code != 0 {
			t.Errorf("exit code %d", code)
		}
		b.WantEnd(t, cli.Done, strings.Repeat("hello\n", 4), "subscribed to /topic/members\n4 messages\n")
	}
	code, stderr := runBinary(t, strings.Replace(url, "ws:", "http:", 1))
	if clitest.WantLine(t, stderr, "stompgw: SockJS carries UTF-8 text alone, and this body is none: connect by ws:// or tcp://"); code != int(cli.Usage) {
		t.Errorf("exit code %d", code)
	}
}

func runBinary(t *testing.T, url string) (code int, stderr string) {
	t.Helper()
	code, _, stderr = runOn(t, "\xff", "publish", "/topic/members", "--via", "stomp", "--url", url)
	return code, stderr
}

// TestPublishToMember: each of the member's sessions has it, and nobody else.
func TestPublishToMember(t *testing.T) {
	s, url, token := tokenWorld(t)
	list, publish := s.printed(t, "sessions list"), s.printed(t, "publish")
	publish = append(publish, "--redis", argument(list, "--redis"), "/queue/x", "only you", "--member")
	code, _, stderr := run(t, append(publish, "42")...)
	if clitest.WantLine(t, stderr, "stompgw: --member 42: no live node has a session of this member; `stompgw sessions list` prints those there are"); code != int(cli.NoMatch) {
		t.Errorf("exit code %d", code)
	}
	listen := []string{"subscribe", "/session/queue/x", "--url", url, "--count", "2"}
	one, two := runBeside(t, append(listen, "--token", token)...).Subscribed(t), runBeside(t, append(listen, "--token", token)...).Subscribed(t)
	other := runBeside(t, "subscribe", "/session/queue/x", "--url", url).Subscribed(t)
	clitest.Eventually(t, "all are in Redis", func() bool {
		_, stdout, _ := run(t, append(list, "-o", "name")...)
		return strings.Count(stdout, "\n") == 3
	})
	code, _, stderr = run(t, append(publish, "42", "--count", "2")...)
	if clitest.WantLine(t, stderr, "published 4 messages (32 bytes) to /queue/x of member 42 (2 sessions)"); code != 0 {
		t.Errorf("exit code %d", code)
	}
	for _, b := range []*clitest.Background{one, two} {
		b.WantEnd(t, cli.Done, "only you\nonly you\n", "subscribed to /session/queue/x\n2 messages\n")
	}
	other.Interrupt()
	other.WantEnd(t, cli.Done, "", "subscribed to /session/queue/x\n0 messages\n")
}
