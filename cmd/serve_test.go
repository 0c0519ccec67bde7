package cmd

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/coder/websocket"
	"github.com/redis/go-redis/v9"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/stompgw/stompgw/admin"
	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/bus/bustest/servers"
	"github.com/stompgw/stompgw/cmd/internal/cli"
	"github.com/stompgw/stompgw/cmd/internal/cli/clitest"
	"github.com/stompgw/stompgw/cmd/internal/config"
	"github.com/stompgw/stompgw/cmd/internal/embedded"
)

// standalone is a running `stompgw serve --standalone`.
type standalone struct {
	welcome string
	stderr  *bustest.Log
	hangups chan<- os.Signal
	stop    func() (code int)
}

// serveStandalone starts a node on free ports and waits for what it says on stdout.
func serveStandalone(t *testing.T, args ...string) standalone {
	t.Helper()
	t.Setenv("STOMPGW_EMBEDDED_REDIS", "127.0.0.1:0")
	t.Setenv("STOMPGW_EMBEDDED_NATS", "127.0.0.1:0")
	p := process(append([]string{"serve", "--standalone", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"}, args...)...)
	hangups := make(chan os.Signal)
	p.Hangups = func() <-chan os.Signal { return hangups }
	stdout, stderr, stop := beside(t, p)
	bustest.Eventually(t, "it tells what to do, or its mistake", func() bool {
		return strings.Contains(stdout.String(), " publish ") || strings.Contains(stderr.String(), "stompgw: ")
	})
	s := standalone{stdout.String(), stderr, hangups, stop}
	if !strings.Contains(s.welcome, " publish ") {
		t.Fatalf("serve ended early:\n%s%s", s.welcome, stderr)
	}
	return s
}

// beside runs a command beside the test; see clitest.Beside.
func beside(t *testing.T, p Process) (stdout, stderr *bustest.Log, stop func() int) {
	return clitest.Beside(t, func(ctx context.Context, stdout, stderr io.Writer) int {
		p.Stdout, p.Stderr = stdout, stderr
		return Main(ctx, p)
	})
}

// find returns what a pattern's group matches in the welcome.
func (s standalone) find(t *testing.T, pattern string) string {
	t.Helper()
	m := regexp.MustCompile(pattern).FindStringSubmatch(s.welcome)
	if m == nil {
		t.Fatalf("%s is not in the welcome:\n%s", pattern, s.welcome)
	}
	return m[1]
}

// TestStandaloneAPI: a backend publishes as the welcome proposes, whoever has the usual port.
func TestStandaloneAPI(t *testing.T) {
	if ln, err := net.Listen("tcp", "127.0.0.1:13005"); err == nil { // else another has it
		defer ln.Close()
	}
	s := serveStandalone(t)
	defer s.stop()
	publish := func() (status int, text string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.find(t, `curl (http://\S+/v1/publish)`), strings.NewReader(s.find(t, `--json '(.*)'`)))
		if err != nil {
			t.Fatal(err)
		}
		req.Close = true
		req.Header.Set("Authorization", s.find(t, `-H 'Authorization: (Bearer \S+)'`))
		req.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(body)
	}
	var text string
	bustest.Eventually(t, "the node is ready for it", func() bool {
		var status int
		status, text = publish()
		return status != http.StatusServiceUnavailable // the stream of what has history is being made
	})
	if text != "{\"envelopes\":1}\n" {
		t.Error(text)
	}
	if key := s.find(t, `Bearer (\S+)'`); strings.Contains(s.stderr.String(), key) {
		t.Error("the log has the key")
	}
}

// TestAPIOverTLS: the port for backends has the certificate that counts when they connect.
func TestAPIOverTLS(t *testing.T) {
	t.Chdir(t.TempDir())
	writePair(t, "api.crt", "api.pem")
	clitest.WriteFile(t, "api.key", strings.Repeat("k", 32))
	clitest.WriteFile(t, "t.yaml", "listen: 127.0.0.1:0\nadmin: {listen: ''}\n"+
		"api: {listen: ':0', tls: {cert: api.crt, key: api.pem}, keys: [{name: a, key_file: api.key, scopes: [read]}]}\n")
	cfg, err := load("t.yaml")
	if err != nil {
		t.Fatal(err)
	}
	running := new(atomic.Pointer[config.Config])
	running.Store(cfg)
	p, err := listen(cfg, running)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	wg.Go(func() {
		if err := admin.Serve(ctx, p.api, http.NotFoundHandler(), slog.New(slog.DiscardHandler)); err != nil {
			t.Error(err)
		}
	})
	conn, err := tls.Dial("tcp", cli.Near(p.api.Addr().String()), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if got := conn.ConnectionState().PeerCertificates[0].Raw; !bytes.Equal(got, cfg.API.TLS.Loaded().Certificate[0]) {
		t.Error("another certificate")
	}
}

// printed returns the arguments of a command line that the welcome prints, up to a destination.
func (s standalone) printed(t *testing.T, command string) []string {
	t.Helper()
	line, _, _ := strings.Cut(s.find(t, `(?m)^  stompgw (`+command+` .*)$`), " /topic/")
	return strings.Fields(line)
}

// TestStandalone does what the welcome proposes: a client connects to the STOMP URL, a second
// terminal lists it and publishes to it, and the node ends cleanly.
func TestStandalone(t *testing.T) {
	s := serveStandalone(t)
	awaitReady(t, s.find(t, `admin +(http://\S+)`))
	awaitReady(t, s.find(t, `open +(http://\S+)`)) // the page
	c := connect(t, s.find(t, `STOMP +(ws://\S+)`))
	c.send(t, "SUBSCRIBE\nid:0\ndestination:/topic/chat\nreceipt:sub\n\n\x00")
	clitest.Contains(t, c.receive(t), "RECEIPT\n", "receipt-id:sub\n")

	list := s.printed(t, "sessions list")
	var sessions []map[string]any
	bustest.Eventually(t, "the session is listed", func() bool {
		code, stdout, _ := run(t, append(list, "-o", "json")...)
		if err := json.Unmarshal([]byte(stdout), &sessions); err != nil || code != 0 {
			t.Fatalf("exit code %d, %v in %s", code, err, stdout)
		}
		return len(sessions) == 1
	})
	code, stdout, stderr := run(t, list...)
	clitest.WantLine(t, stderr, "1 session on 1 live node")
	if code != 0 || !strings.HasPrefix(stdout, "SESSION\tMEMBER\tTRANSPORT\tAGE\tSUBS\n") {
		t.Errorf("exit code %d, stdout %q", code, stdout)
	}

	publish := s.printed(t, "publish")
	code, _, stderr = run(t, append(publish, "/topic/chat", "to all", "-H", "colour: blue")...)
	if clitest.WantLine(t, stderr, "published 6 bytes to /topic/chat"); code != 0 {
		t.Fatalf("publish: exit code %d", code)
	}
	clitest.Contains(t, c.receive(t), "MESSAGE\n", "destination:/topic/chat\n", "colour:blue\n", "content-type:text/plain;charset=UTF-8\n", "\n\nto all\x00")
	code, stdout, stderr = run(t, "sessions", "list", "-o", "name", "--redis", argument(list, "--redis"))
	if code != 0 || strings.TrimSpace(stdout) != sessions[0]["key"] {
		t.Errorf("the session's name is %q, %q; want its key %v", stdout, stderr, sessions[0]["key"])
	}

	c.ws.CloseNow() // it would not answer the closing handshake
	if code := s.stop(); code != 0 || !strings.Contains(s.stderr.String(), "draining") {
		t.Errorf("the node ended with %d:\n%s", code, s.stderr)
	}
}

// TestPublishOverKafka: the flag is enough, for a topic that is there.
func TestPublishOverKafka(t *testing.T) {
	brokers := servers.Fake(t, 2, kfake.SeedTopics(3, "stompgw")).Addrs
	code, _, stderr := run(t, "publish", "/topic/chat", "to all", "--kafka", strings.Join(brokers, ","))
	if clitest.WantLine(t, stderr, "published 6 bytes to /topic/chat"); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// TestHistoryOfBroker: what is published to a destination with history is read back from either broker, without any node; by the
// positions too.
func TestHistoryOfBroker(t *testing.T) {
	kafka := servers.Fake(t, 2, kfake.SeedTopics(3, "stompgw")).Addrs
	nats, stop, err := embedded.StartNATS("127.0.0.1:0", 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	t.Chdir(t.TempDir())
	clitest.WriteFile(t, "c.yaml", "channels: [{match: /topic/kept, subscribe: true, history: {size: 100, ttl: 10m}}]\n")
	for name, server := range map[string]string{"kafka": strings.Join(kafka, ","), "nats": nats} {
		t.Run(name, func(t *testing.T) {
			from := []string{"/topic/kept", "-c", "c.yaml", "--" + name, server}
			for _, body := range []string{"one", "two", "three"} {
				if code, _, stderr := run(t, append([]string{"publish", from[0], body}, from[1:]...)...); code != 0 {
					t.Fatalf("publish: exit code %d, %s", code, stderr)
				}
			}
			read := func(want string, args ...string) (positions []string) {
				t.Helper()
				code, stdout, stderr := run(t, append(append([]string{"history", "-o", "jsonl"}, from...), args...)...)
				var bodies []string
				for line := range strings.Lines(stdout) {
					var m struct{ Position, Body string }
					if err := json.Unmarshal([]byte(line), &m); err != nil {
						t.Fatalf("%v: %s", err, line)
					}
					positions, bodies = append(positions, m.Position), append(bodies, m.Body)
				}
				if got := strings.Join(bodies, " "); code != 0 || got != want {
					t.Fatalf("exit code %d, %q, want %q; %s", code, got, want, stderr)
				}
				return positions
			}
			read("two three", "--limit", "2")
			positions := read("one two three")
			read("two three", "--after", positions[0])
			read("", "--after", positions[2])
		})
	}
}

// argument returns what follows a flag.
func argument(args []string, flag string) string {
	for i, arg := range args[:len(args)-1] {
		if arg == flag {
			return args[i+1]
		}
	}
	return ""
}

func awaitReady(t *testing.T, url string) {
	t.Helper()
	bustest.Eventually(t, "the node is ready", func() bool {
		resp, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	http.DefaultClient.CloseIdleConnections()
}

// client is a STOMP session over WebSocket, one frame a message.
type client struct {
	ws *websocket.Conn
}

func connect(t *testing.T, url string) *client {
	t.Helper()
	c := dial(t, url)
	clitest.Contains(t, c.receive(t), "CONNECTED\n", "version:1.2\n")
	return c
}

// dial sends a CONNECT and leaves the answer to the caller.
func dial(t *testing.T, url string, headers ...string) *client {
	t.Helper()
	ws, _, err := websocket.Dial(t.Context(), url, &websocket.DialOptions{Subprotocols: []string{"v12.stomp"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ws.CloseNow() })
	c := &client{ws}
	c.send(t, "CONNECT\naccept-version:1.2\nhost:x\n"+strings.Join(append(headers, ""), "\n")+"\n\x00")
	return c
}

func (c *client) send(t *testing.T, frame string) {
	t.Helper()
	if err := c.ws.Write(t.Context(), websocket.MessageText, []byte(frame)); err != nil {
		t.Fatal(err)
	}
}

func (c *client) receive(t *testing.T) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), clitest.Patience)
	defer cancel()
	_, frame, err := c.ws.Read(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return string(frame)
}

// TestWelcome: the lines to copy name the configuration, and addresses only where it does not.
func TestWelcome(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	cfg, err := config.Load(config.Source{Standalone: true, Drivers: process().Drivers})
	if err != nil {
		t.Fatal(err)
	}
	cfg.Redis.Addrs = []string{"127.0.0.1:5"}
	var out bytes.Buffer
	printWelcome(&out, welcome{program: "./stompgw", file: "my.yaml", cfg: cfg, ports: &ports{web: ln}})
	clitest.Golden(t, "welcome.golden", strings.ReplaceAll(out.String(), ln.Addr().String(), "ADDRESS"))
}

func TestProgram(t *testing.T) {
	for in, want := range map[string]string{
		"stompgw": "stompgw", "./bin/stompgw": "./bin/stompgw", "/tmp/go-build12/b001/exe/stompgw": "go run ./cmd/stompgw",
	} {
		if got := program(in); got != want {
			t.Errorf("program(%s) = %s, want %s", in, got, want)
		}
	}
}

// TestServeTokens: what the configuration says of tokens reaches the gateway.
func TestServeTokens(t *testing.T) {
	clitest.TokenFiles(t)
	s := serveStandalone(t, "--config", clitest.WriteFile(t, "t.yaml", `
auth:
  jwt: {secret_file: secret, issuer: me}
  anonymous: refuse
  claims: {member: sub}
  revocation: {prefix: "p:"}
channels:
  - {match: "/topic/of/{who}", subscribe: string(claims.sub) == vars.who}
`))
	awaitReady(t, s.find(t, `admin +(http://\S+)`))
	url := s.find(t, `STOMP +(ws://\S+)`)
	for _, header := range []string{"x:y", "Authorization:Bearer aa"} {
		c := dial(t, url, header)
		clitest.Contains(t, c.receive(t), "ERROR\n", "message:log in")
	}
	c := dial(t, url, "Authorization:Bearer "+newToken(t, "--config", "t.yaml", "--member", "43"))
	clitest.Contains(t, c.receive(t), "CONNECTED\n")
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

// TestRevocationEnabled: Redis is asked only where the configuration says so.
func TestRevocationEnabled(t *testing.T) {
	clitest.TokenFiles(t)
	text := "auth: {jwt: {secret_file: secret}, revocation: {enabled: %t}}\nredis: {addrs: ['" + clitest.ClosedAddr(t) + "']}\n"
	for _, enabled := range []bool{true, false} {
		clitest.WriteFile(t, "t.yaml", fmt.Sprintf(text, enabled))
		cfg, err := load("t.yaml")
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

// TestReadinessOfRedis: a node that has never reached Redis is not ready, since it does not know whom it
// must not let in. One that has lost it is, but where readiness.redis says that it is required.
func TestReadinessOfRedis(t *testing.T) {
	for setting, lost := range map[string]string{
		"ignore": "200 ready\nregistry (does not count): redis ADDR: away for ", "required": "503 registry: redis ADDR: away for ",
	} {
		t.Run(setting, func(t *testing.T) {
			t.Chdir(t.TempDir())
			redis := servers.Redis(t)
			redis.Kill()
			admin := fmt.Sprintf("127.0.0.1:%d", servers.FreePort(t))
			clitest.WriteFile(t, "t.yaml", fmt.Sprintf("listen: 127.0.0.1:0\nadmin: {listen: '%s'}\nbus: {driver: embedded}\nembedded: {nats: '127.0.0.1:0'}\n"+
				"redis: {addrs: ['%s']}\nregistry: {heartbeat: 50ms}\nreadiness: {redis: %s}\n", admin, redis.Addr, setting))
			beside(t, process("serve", "--config", "t.yaml"))
			var said string
			await := func(what, want string) {
				t.Helper()
				want = strings.ReplaceAll(want, "ADDR", redis.Addr)
				bustest.Eventually(t, what+": /readyz says "+want, func() bool {
					said = readyz(t, admin)
					return strings.HasPrefix(said, want)
				})
			}
			await("not reached", "503 registry: redis ADDR: has not answered yet")
			redis.Start(t)
			await("reached", "200 ready\n")
			redis.Kill()
			await("lost", lost)
		})
	}
}

// readyz returns the status and body of a node's /readyz, "" while it does not listen.
func readyz(t *testing.T, addr string) string {
	t.Helper()
	defer http.DefaultClient.CloseIdleConnections()
	resp, err := http.Get("http://" + addr + "/readyz")
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%d %s", resp.StatusCode, body)
}
