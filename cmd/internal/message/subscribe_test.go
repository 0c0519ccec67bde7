package message

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/cmd/internal/cli"
	"github.com/stompgw/stompgw/cmd/internal/cli/clitest"
	stompclient "github.com/stompgw/stompgw/cmd/internal/client"
	"github.com/stompgw/stompgw/cmd/internal/config"
)

func TestGatewayURL(t *testing.T) {
	for _, tt := range []struct{ listen, cert, want string }{
		{"0.0.0.0:1", "", "ws://127.0.0.1:1/stomp"},
		{"[::]:2", "", "ws://127.0.0.1:2/stomp"},
		{":3", "", "ws://127.0.0.1:3/stomp"},
		{"10.0.0.1:4", "cert.pem", "wss://10.0.0.1:4/stomp"},
		{"[::1]:5", "", "ws://[::1]:5/stomp"},
		{"gateway:6", "", "ws://gateway:6/stomp"},
	} {
		cfg := config.Default()
		cfg.Listen, cfg.TLS.Cert = tt.listen, tt.cert
		if got, err := gatewayURL(cfg); got != tt.want || err != nil {
			t.Errorf("%s: got %s, %v; want %s", tt.listen, got, err, tt.want)
		}
	}
}

// scripted is a STOMP server that answers each frame as a test says, at most once; it returns its URL.
func scripted(t *testing.T, answer func(frame string) string) (url string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	scriptedOn(t, ln, answer)
	return "tcp://" + ln.Addr().String()
}

func scriptedOn(t *testing.T, ln net.Listener, answer func(frame string) string) {
	var wg sync.WaitGroup
	t.Cleanup(func() {
		ln.Close()
		wg.Wait()
	})
	wg.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer conn.Close()
				in := bufio.NewReader(conn)
				for {
					frame, err := in.ReadString(0)
					if err != nil {
						return
					}
					text := answer(strings.TrimLeft(frame, "\n"))
					if text == "hang up" {
						return
					}
					io.WriteString(conn, strings.ReplaceAll(text, "^@", "\x00")) // it may come to nobody
				}
			})
		}
	})
}

// obliging answers as a server that agrees to everything.
func obliging(frame string) string {
	if strings.HasPrefix(frame, "CONNECT\n") {
		return "CONNECTED\nversion:1.2\n\n^@"
	}
	_, rest, _ := strings.Cut(frame, "\nreceipt:")
	receipt, _, _ := strings.Cut(rest, "\n")
	return "RECEIPT\nreceipt-id:" + receipt + "\n\n^@"
}

// answering is scripted, for a server that says something to the frames that have a part, and obliges otherwise. In what
// it says RECEIPT^ is how it would oblige, and CODE the request code of the frame.
func answering(t *testing.T, part, say string) (url string) {
	return scripted(t, func(frame string) string {
		if !strings.Contains(frame, part) {
			return obliging(frame)
		}
		_, code, _ := strings.Cut(frame, "client-request-code:")
		code, _, _ = strings.Cut(code, "\n")
		return strings.NewReplacer("RECEIPT^", obliging(frame), "CODE", code).Replace(say)
	})
}

// waits is the time-out of a command that ends with a code.
func waits(code cli.ExitCode) string {
	if code == cli.TimedOut {
		return "3s"
	}
	return clitest.Patience.String()
}

// ofSubscribe is what a SUBSCRIBE to /topic/a has.
const ofSubscribe = "\ndestination:/topic/a\n"

// TestSubscribe prints what comes, until there is enough, the time is over, or Ctrl-C.
func TestSubscribe(t *testing.T) {
	url := answering(t, ofSubscribe, "RECEIPT^MESSAGE\nsubscription:2\n\none^@MESSAGE\nsubscription:2\n\ntwo\nlines\x1b[2J^@")
	both := "one\ntwo\nlines\x1b[2J\n"
	if code, stdout, stderr := run(t, "subscribe", "/topic/a", "--url", url, "--count", "2"); code != 0 || stdout != both || !strings.HasSuffix(stderr, "2 messages\n") {
		t.Errorf("exit code %d, %q, %s", code, stdout, stderr)
	}
	stdout, stderr, interrupt := clitest.Beside(t, func(ctx context.Context, stdout, stderr io.Writer) int {
		return over(nil).Main(ctx, nil, stdout, stderr, "subscribe", "/topic/b", "/topic/a", "--url", url)
	})
	bustest.Eventually(t, "subscribed and printed", func() bool { return stderr.String() != "" && stdout.String() == both })
	if code := interrupt(); code != 0 || stdout.String() != both || stderr.String() != "subscribed to 2 destinations\n2 messages\n" {
		t.Errorf("exit code %d, %q, %s", code, stdout, stderr)
	}
	for _, destination := range []string{"/topic/b", "/session/queue/request-error"} { // the second is subscribed to already
		code, stdout, stderr := run(t, "subscribe", destination, "--url", url, "--for", "1ms")
		if clitest.WantLine(t, stderr, "subscribed to "+destination+"\n0 messages"); code != 0 || stdout != "" {
			t.Errorf("exit code %d, %q", code, stdout)
		}
	}
	code, _, said := run(t, "subscribe", "/topic/b", "--url", url, "--for", "1ms", "--count", "2")
	if clitest.WantLine(t, said, "subscribed to /topic/b\n0 messages\nstompgw: 0 of 2 messages came within 1ms"); code != int(cli.TimedOut) {
		t.Errorf("exit code %d", code)
	}
}

// TestToken: the token may come in several ways, is on each frame that needs it, and is shown in none. What the gateway
// makes of it is told.
func TestToken(t *testing.T) {
	t.Chdir(t.TempDir())
	clitest.WriteFile(t, "token", "Bearer t.o.k\n")
	for _, tt := range []struct{ name, args, stdin, variable, say, note string }{
		{"a flag", "--token t.o.k", "", "other", "", ""},
		{"a file", "--token-file token", "", "other", "token:yes\n", ""},
		{"standard input", "--token -", "t.o.k\n", "other", "", ""},
		{"a variable", "", "", "t.o.k", "", ""},
		{"expired", "--token t.o.k", "", "", "token:expired\n", "warning: the token has expired: the gateway takes this client for nobody\n"},
		{"no word of a gateway", "--token t.o.k", "", "", "token:\x1b[2J\n", ""},
		{"refused", "--token t.o.k", "", "", "token:refused\n", "warning: the gateway refuses the token, and takes this client for nobody; `stompgw token check` tells why\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("STOMPGW_TOKEN", tt.variable)
			url := scripted(t, func(frame string) string {
				switch {
				case !strings.Contains(frame, "\nAuthorization:Bearer t.o.k\n") && !strings.HasPrefix(frame, "DISCONNECT\n"):
					return "ERROR\nmessage:whose?\n\n^@"
				case strings.HasPrefix(frame, "CONNECT\n"):
					return "CONNECTED\nversion:1.2\n" + tt.say + "\n^@"
				}
				return obliging(frame)
			})
			for _, command := range []struct{ args, want string }{
				{"subscribe /topic/a --for 1ms", "subscribed to /topic/a\n0 messages"}, {"publish /topic/a b --via stomp", "published 1 byte to /topic/a"},
			} {
				args := strings.Fields(command.args + " --url " + url + " " + tt.args)
				if code, _, stderr := over(nil).Run(t, strings.NewReader(tt.stdin), args...); code != 0 || stderr != tt.note+command.want+"\n" {
					t.Errorf("exit code %d, %s", code, stderr)
				}
			}
		})
	}
}

// TestSubscribeServers: what servers may do to a subscribe. None of it shows the token.
func TestSubscribeServers(t *testing.T) {
	const token = "s3cret-token"
	for _, tt := range []struct {
		name, to, say string
		code          cli.ExitCode
		want          string // of stderr, less what subscribe says of itself; URL stands for the server's
	}{
		{"no CONNECTED", "CONNECT\n", "", cli.TimedOut,
			"stompgw: the gateway at URL (--url) took the connection, but did not answer within 3s; give it more time with --timeout\n"},
		{"turned away", "CONNECT\n", "ERROR\nmessage:no " + token + "\nerror-code:16\n\n^@", cli.NotAllowed,
			"stompgw: the gateway at URL (--url): the server ended the session with code 16: no REDACTED\n"},
		{"no server", "CONNECT\n", "hang up", cli.Failed,
			"stompgw: the gateway at URL (--url): the server closed the connection; if it speaks TLS there, try tcps://\n"},
		{"no RECEIPT", ofSubscribe, "", cli.TimedOut, "0 messages\nstompgw: /topic/a: the gateway did not confirm the subscription within 3s\n"},
		{"refused", ofSubscribe, "MESSAGE\nsubscription:errors\n\n{\"clientRequestCode\":\"CODE\",\"errorCode\":3,\"errorMessage\":\"No rule\"}^@", cli.NotAllowed,
			"0 messages\nstompgw: /topic/a: refused with code 3: No rule; `stompgw explain 3` tells what to do\n"},
		{"kicked", ofSubscribe, "RECEIPT^MESSAGE\nsubscription:2\n\nhello^@ERROR\nmessage:bye \x1b[2J" + token + "\nerror-code:15\n\n^@", cli.NotAllowed,
			"1 message\nstompgw: the server ended the session with code 15: bye �[2JREDACTED; `stompgw explain 15` tells more\n"},
		{"ended", ofSubscribe, "RECEIPT^ERROR\nmessage:bye\n\n^@", cli.Failed, "0 messages\nstompgw: the server ended the session: bye\n"},
		{"token expired", ofSubscribe, "RECEIPT^MESSAGE\nsubscription:errors\n\n{\"clientRequestCode\":null,\"errorCode\":1,\"errorMessage\":\"Need Login\"}^@", cli.NotAllowed,
			"0 messages\nstompgw: the gateway says: refused with code 1: Need Login; `stompgw explain 1` tells what to do\n"},
		{"cut", ofSubscribe, "hang up", cli.Unreachable, "0 messages\nstompgw: lost the gateway: the server closed the connection\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			url := answering(t, tt.to, tt.say)
			code, stdout, stderr := run(t, "subscribe", "/topic/a", "--url", url, "--token", token, "--timeout", waits(tt.code))
			if code != int(tt.code) {
				t.Errorf("exit code %d, want %d", code, tt.code)
			}
			got := strings.TrimPrefix(stderr, "subscribed to /topic/a\n")
			if want := strings.ReplaceAll(tt.want, "URL", url); got != want {
				t.Errorf("\n got %s\nwant %s", got, want)
			}
			if strings.Contains(stdout+got, token) {
				t.Error("the token is shown")
			}
		})
	}
}

// TestSubscribeTLS: only whom --ca names, or the system trusts, is spoken to.
func TestSubscribeTLS(t *testing.T) {
	s := httptest.NewTLSServer(http.NotFoundHandler())
	config := &tls.Config{Certificates: s.TLS.Certificates}
	s.Close()
	ln, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	scriptedOn(t, ln, obliging)
	url := "tcps://" + ln.Addr().String()
	t.Chdir(t.TempDir())
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: config.Certificates[0].Certificate[0]})
	clitest.WriteFile(t, "ca.pem", string(ca))
	listen := []string{"subscribe", "/topic/a", "--for", "1ms", "--url"}
	code, _, stderr := run(t, append(listen, url, "--ca", "ca.pem")...)
	if clitest.WantLine(t, stderr, "subscribed to /topic/a\n0 messages"); code != 0 {
		t.Errorf("exit code %d", code)
	}
	code, _, stderr = run(t, append(listen, url)...)
	if code != int(cli.Unreachable) {
		t.Errorf("exit code %d", code)
	}
	clitest.Contains(t, stderr, "stompgw: the gateway at "+url+" (--url) is not trusted: TLS: ", "; name the certificate to trust with --ca, and in --url the host that it is for\n")
	code, _, stderr = run(t, append(listen, strings.Replace(url, "tcps", "https", 1), "--ca", "ca.pem", "--timeout", "300ms")...)
	if code != int(cli.TimedOut) {
		t.Errorf("exit code %d, %s", code, stderr)
	}
	plain := scripted(t, func(string) string { return "hang up" })
	for _, tt := range []struct{ url, want string }{
		{strings.Replace(url, "tcps", "tcp", 1), "; if it speaks TLS there, try tcps://\n"},
		{strings.Replace(url, "tcps", "ws", 1), "; if it speaks TLS there, try wss://, or name another with --url\n"},
		{strings.Replace(url, "tcps", "http", 1), "; if it speaks TLS there, try https://, or name another with --url\n"},
		{strings.Replace(plain, "tcp", "wss", 1), "; if it speaks no TLS there, try ws://, or name another with --url\n"},
	} {
		if _, _, stderr := run(t, append(listen, tt.url)...); !strings.HasSuffix(stderr, tt.want) {
			t.Errorf("%s: %s, want …%s", tt.url, stderr, tt.want)
		}
	}
}

// TestMistakes: each has one line, and nothing is dialled or published.
func TestMistakes(t *testing.T) {
	t.Chdir(t.TempDir())
	closed := clitest.ClosedAddr(t)
	clitest.WriteFile(t, "two", "a b\n")
	clitest.WriteFile(t, "empty", " \n")
	clitest.WriteFile(t, "long", strings.Repeat("x", cli.MaxToken+1))
	clitest.WriteFile(t, "port.yaml", "listen: 127.0.0.1:0\n")
	clitest.WriteFile(t, "closed.yaml", "listen: '"+closed+"'\n")
	const see = "; see stompgw COMMAND --help"
	for _, tt := range []struct {
		args string
		code cli.ExitCode
		want string
	}{
		{"subscribe", cli.Usage, "DEST is missing" + see},
		{"subscribe /a /a", cli.Usage, "DEST /a is given twice" + see},
		{"subscribe /a --count 0", cli.Usage, "--count 0: want 1 or more" + see},
		{"subscribe /a --for -1s", cli.Usage, "--for: -1s is negative: write it like 10s" + see},
		{"subscribe /a --for 0", cli.Usage, "--for: 0 is too short: want 1ms or more" + see},
		{"subscribe topic/a", cli.Usage, `DEST "topic/a" does not begin with a slash: write it like /topic/chat`},
		{"subscribe /elsewhere -c closed.yaml", cli.Usage, "DEST /elsewhere is below none of the prefixes /topic, /queue, /session, /member, /presence (default), and no channel names it"},
		{"subscribe /a -o json", cli.Usage, "-o json: the formats are text, jsonl" + see},
		{"subscribe /a --timeout 0s", cli.Usage, "--timeout: 0s is too short: want 1ms or more" + see},
		{"subscribe /a --token x --token-file two", cli.Usage, "--token and --token-file: a client has one token" + see},
		{"subscribe /a --token=", cli.Usage, "--token is empty: leave it out to be nobody" + see},
		{"subscribe /a --url=", cli.Usage, "--url is empty: want one like ws://127.0.0.1:13001/stomp" + see},
		{"subscribe /a --token-file=", cli.Usage, "--token-file is empty: leave it out to be nobody" + see},
		{"subscribe /a --ca=", cli.Usage, "--ca is empty: leave it out to trust whom the system trusts" + see},
		{"subscribe /a --token-file two", cli.Usage, "--token-file two: this is not a token: want it alone, on one line"},
		{"subscribe /a --token-file empty", cli.Usage, "--token-file empty: there is no token in it"},
		{"subscribe /a --token-file long", cli.Usage, fmt.Sprintf("--token-file long can't be read: it is longer than %d bytes", cli.MaxToken)},
		{"subscribe /a --token-file none", cli.Usage, "--token-file none can't be read: no such file or directory"},
		{"subscribe /a --ca none", cli.Usage, "--ca: none can't be read: no such file or directory"},
		{"subscribe /a --ca two", cli.Usage, "--ca: two holds no certificate in PEM"},
		{"subscribe /a --url ftp://x", cli.Usage, "--url: want a URL that begins with ws://, wss:// (WebSocket), http://, https:// (SockJS), tcp:// or tcps:// (STOMP alone)"},
		{"subscribe /a --url ws://bob:s3cret@x", cli.Usage, "--url: a URL with a name or password is not taken: log in with a token"},
		{"subscribe /topic/a -c port.yaml", cli.Usage, "listen 127.0.0.1:0 (port.yaml:1) does not say where the gateway is: name it with --url"},
		{"subscribe /a --url ws://" + closed + "/x?token=s3cret", cli.Unreachable,
			"the gateway at ws://" + closed + "/x (--url) does not answer: connection refused; start it, or name another with --url"},
		{"subscribe /topic/a -c closed.yaml", cli.Unreachable,
			"the gateway at ws://" + closed + "/stomp (listen, closed.yaml:1) does not answer: connection refused; start it, or name another with --url URL"},

		{"publish", cli.Usage, "DEST is missing" + see},
		{"publish /a b c", cli.Usage, `there is no argument for "c" here` + see},
		{"publish /a b --via kafka", cli.Usage, "--via kafka: want bus or stomp" + see},
		{"publish /a b --count 0", cli.Usage, "--count 0: want 1 to 1000000000" + see},
		{"publish /a b --rate fast", cli.Usage, `--rate: "fast" is not a rate: write it like 100/s, 30/m or 10/h` + see},
		{"publish /a b --session x --member 1", cli.Usage, "--session and --member: it goes to one session, or to each of a member's" + see},
		{"publish /a b --member=", cli.Usage, "--member is empty: it needs the id of a member" + see},
		{"publish /a b --url ws://x", cli.Usage, "--url is for --via stomp" + see},
		{"publish /a b --token s3cret", cli.Usage, "--token is for --via stomp" + see},
		{"publish /a b --token-file x", cli.Usage, "--token-file is for --via stomp" + see},
		{"publish /a b --ca x", cli.Usage, "--ca is for --via stomp" + see},
		{"publish /a b --via stomp --session x", cli.Usage, "--session is for --via bus" + see},
		{"publish /a b --via stomp --member x", cli.Usage, "--member is for --via bus" + see},
		{"publish /a b --via stomp --nats nats://x", cli.Usage, "--nats is for --via bus" + see},
		{"publish /a b --via stomp --receipt=false", cli.Usage, "--receipt=false: without a RECEIPT nobody knows whether a message was published" + see},
		{"publish /a --via stomp --token -", cli.Usage, "--token - and the body: standard input is one of them; --token-file names a file" + see},
		{"publish /a -f - --via stomp --token -", cli.Usage, "--token - and the body: standard input is one of them; --token-file names a file" + see},
		{"publish /a b --via stomp -H receipt:1", cli.Usage, "-H receipt: the client or the gateway writes this header itself"},
		{"publish /a b --via stomp -H Stomp-Member:1", cli.Usage, "-H Stomp-Member: the client or the gateway writes this header itself"},
		{"publish /a b --via stomp -H Client-Request-Code:1", cli.Usage, "-H Client-Request-Code: the client or the gateway writes this header itself"},
		{"publish /a b --via stomp -H Authorization:s3cret", cli.Usage, "-H Authorization: log in with --token-file or --token"},
		{"publish /a b --via stomp -H :x", cli.Usage, "-H :x: the header has no name"},
		{"publish /a b --via stomp -H a:\xff", cli.Usage, `the header "a" is not UTF-8, as STOMP asks for`},
		{"publish /a\xff b --via stomp", cli.Usage, `DEST "/a\xff" can't be sent to: want UTF-8 text, such as /app/chat`},
	} {
		args := strings.Fields(tt.args)
		code, stdout, stderr := run(t, args...)
		if code != int(tt.code) || stdout != "" {
			t.Errorf("%s: exit code %d, want %d; stdout %q", tt.args, code, tt.code, stdout)
		}
		clitest.WantLine(t, stderr, "stompgw: "+strings.ReplaceAll(tt.want, "COMMAND", args[0]))
		if strings.Contains(stderr, "s3cret") {
			t.Error("a secret is shown")
		}
	}
	t.Run("variable", func(t *testing.T) {
		t.Setenv("STOMPGW_TOKEN", "s3cret 2")
		code, _, stderr := run(t, "subscribe", "/a")
		if clitest.WantLine(t, stderr, "stompgw: STOMPGW_TOKEN: this is not a token: want it alone, on one line"); code != int(cli.Usage) {
			t.Errorf("exit code %d", code)
		}
	})
}

// TestSubscribeLosesOutput: nobody reads any more, so there is nothing to listen for.
func TestSubscribeLosesOutput(t *testing.T) {
	url := answering(t, ofSubscribe, "RECEIPT^MESSAGE\nsubscription:2\n\nhello^@")
	var stderr bytes.Buffer
	if code := over(nil).Main(t.Context(), nil, clitest.FullDisk{}, &stderr, "subscribe", "/topic/a", "--url", url); code != int(cli.Failed) {
		t.Errorf("exit code %d", code)
	}
	clitest.Contains(t, stderr.String(), "stompgw: can't write the output: no space left on device\n")
}

// TestSubscribeUnread: whoever reads may have enough before the next message comes.
func TestSubscribeUnread(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	url := scripted(t, obliging)
	var stderr bytes.Buffer
	ended := make(chan int, 1)
	go func() { ended <- over(nil).Main(t.Context(), nil, w, &stderr, "subscribe", "/topic/a", "--url", url) }()
	r.Close()
	select {
	case code := <-ended:
		if code != 0 || strings.Contains(stderr.String(), "stompgw:") {
			t.Errorf("exit code %d, %s", code, &stderr)
		}
	case <-time.After(clitest.Patience):
		t.Fatal("it still listens")
	}
}

// TestPrinter holds what messages look like.
func TestPrinter(t *testing.T) {
	entry := func(name, value string) stompclient.Entry { return stompclient.Entry{Name: name, Value: []byte(value)} }
	at := time.Date(2025, 2, 3, 14, 5, 6, 7_000_000, time.FixedZone("KST", 9*3600))
	messages := []stompclient.Message{
		{
			Destination: "/topic/chat", Subscription: "2", Received: at, Body: []byte(`{"content": "<b>ü😀"}`),
			Header: stompclient.Header{entry("destination", "/topic/chat"), entry("subscription", "2"), entry("message-id", "n-7"),
				entry("content-type", "application/json"), entry("x", "first"), entry("x", "second\nline")},
		},
		{Destination: "/topic/b", Subscription: "3", Received: at, Body: []byte("two\r\nlines\t\x1b[2J\u009b\u2028\u202e\U000e0001")},
		{Destination: "/topic/b", Subscription: "3", Received: at},
		{Destination: "/topic/b", Subscription: "3", Received: at, Body: []byte("\xff\x00")},
	}
	for _, tt := range []struct {
		golden string
		p      printer
	}{
		{"subscribe.text.golden", printer{}},
		{"subscribe.terminal.golden", printer{terminal: true}},
		{"subscribe.headers.golden", printer{headers: true}},
		{"subscribe.jsonl.golden", printer{json: true}},
		{"subscribe.jsonl.terminal.golden", printer{json: true, terminal: true}},
	} {
		var out bytes.Buffer
		tt.p.out = &out
		for _, m := range messages {
			if err := tt.p.print(m); err != nil {
				t.Fatal(err)
			}
		}
		clitest.Golden(t, tt.golden, out.String())
		if !tt.p.json {
			continue
		}
		for line := range strings.Lines(out.String()) {
			var m message
			if err := json.Unmarshal([]byte(line), &m); err != nil {
				t.Errorf("%s: %v in %s", tt.golden, err, line)
			}
			if m.Body != nil && strings.HasPrefix(*m.Body, "two") && *m.Body != string(messages[1].Body) {
				t.Errorf("%s: the body is %q", tt.golden, *m.Body)
			}
		}
	}
}
