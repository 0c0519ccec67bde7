package cmd

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/stompgw/stompgw/bus/bustest/servers"
	"github.com/stompgw/stompgw/cmd/internal/cli"
	"github.com/stompgw/stompgw/cmd/internal/cli/clitest"
	"github.com/stompgw/stompgw/cmd/internal/config"
	"github.com/stompgw/stompgw/gateway/registry"
)

// standalone is a running `stompgw serve --standalone`.
type standalone struct {
	welcome string
	stderr  *clitest.SyncBuffer
	hangups chan<- os.Signal
	stop    func() (code int, stderr string)
}

// serveStandalone starts a node on free ports and waits for what it says on stdout.
func serveStandalone(t *testing.T, args ...string) standalone {
	t.Helper()
	t.Setenv("STOMPGW_EMBEDDED_REDIS", "127.0.0.1:0")
	t.Setenv("STOMPGW_EMBEDDED_NATS", "127.0.0.1:0")
	p := process(append([]string{"serve", "--standalone", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"}, args...)...)
	out, in := io.Pipe()
	var stderr clitest.SyncBuffer
	p.Stdout, p.Stderr = in, &stderr
	hangups := make(chan os.Signal)
	p.Hangups = func() <-chan os.Signal { return hangups }
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	var code int
	wg.Go(func() {
		code = Main(ctx, p)
		in.Close()
	})
	s := standalone{stderr: &stderr, hangups: hangups}
	s.stop = sync.OnceValues(func() (int, string) {
		cancel()
		wg.Wait()
		return code, stderr.String()
	})
	t.Cleanup(func() { s.stop() })

	var text strings.Builder
	for lines := bufio.NewScanner(out); lines.Scan(); {
		text.WriteString(lines.Text() + "\n")
		if strings.Contains(lines.Text(), " publish ") {
			break
		}
	}
	if s.welcome = text.String(); !strings.Contains(s.welcome, " publish ") {
		t.Fatalf("serve ended early:\n%s%s", s.welcome, stderr.String())
	}
	wg.Go(func() { io.Copy(io.Discard, out) })
	return s
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
	clitest.Eventually(t, "the session is listed", func() bool {
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
	code, stderr = s.stop()
	if code != 0 || !strings.Contains(stderr, "draining") {
		t.Errorf("the node ended with %d:\n%s", code, stderr)
	}
}

// TestPublishToOneSession goes by the session's key, and by its id alone.
func TestPublishToOneSession(t *testing.T) {
	t.Chdir(t.TempDir())
	file := clitest.WriteFile(t, "queue.yaml", "channels:\n  - {match: '/session/queue/{name}', subscribe: 'true'}\n")
	s := serveStandalone(t, "--config", file)
	awaitReady(t, s.find(t, `admin +(http://\S+)`))
	c := connect(t, s.find(t, `STOMP +(ws://\S+)`))
	c.send(t, "SUBSCRIBE\nid:0\ndestination:/session/queue/x\nreceipt:sub\n\n\x00")
	clitest.Contains(t, c.receive(t), "receipt-id:sub\n")
	list, publish := s.printed(t, "sessions list"), s.printed(t, "publish")
	publish = append(publish, "--redis", argument(list, "--redis"))
	var key string
	clitest.Eventually(t, "the session is listed", func() bool {
		_, stdout, _ := run(t, append(list, "-o", "name")...)
		key = strings.TrimSpace(stdout)
		return key != ""
	})
	_, id, _ := strings.Cut(key, "_")
	for _, name := range []string{key, id, registry.ShortKey(key)} {
		if code, _, stderr := run(t, append(publish, "/queue/x", "only you", "--session", name)...); code != 0 {
			t.Fatalf("publish: exit code %d, %s", code, stderr)
		}
		clitest.Contains(t, c.receive(t), "destination:/session/queue/x\n", "\n\nonly you\x00")
	}
	code, _, stderr := run(t, append(publish, "/queue/x", "b", "--session", "0badcafe")...)
	if clitest.WantLine(t, stderr, "stompgw: --session 0badcafe: no such session; `stompgw sessions list` prints those there are"); code != int(cli.NoMatch) {
		t.Errorf("exit code %d, want %d", code, cli.NoMatch)
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
	clitest.Eventually(t, "the node is ready", func() bool {
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
	cfg, err := config.Load(config.Source{Standalone: true})
	if err != nil {
		t.Fatal(err)
	}
	cfg.Redis.Addrs = []string{"127.0.0.1:5"}
	var out bytes.Buffer
	printWelcome(&out, welcome{program: "./stompgw", file: "my.yaml", cfg: cfg, ports: &ports{web: ln}})
	clitest.Golden(t, "welcome.golden", strings.ReplaceAll(out.String(), ln.Addr().String(), "ADDRESS"))
}

func TestHost(t *testing.T) {
	for in, want := range map[string]string{"0.0.0.0:1": "127.0.0.1:1", "[::]:2": "127.0.0.1:2", "10.0.0.1:3": "10.0.0.1:3"} {
		addr, err := net.ResolveTCPAddr("tcp", in)
		if err != nil {
			t.Fatal(err)
		}
		if got := host(addr); got != want {
			t.Errorf("host(%s) = %s, want %s", in, got, want)
		}
	}
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
