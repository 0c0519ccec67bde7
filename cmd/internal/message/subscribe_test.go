package message

import (
	"bufio"
	"bytes"
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

// TestSubscribeServers: what servers may do to a subscribe. None of it shows the token.
func TestSubscribeServers(t *testing.T) {
	const token = "s3cret-token"
	isSubscribe := func(frame string) bool { return strings.Contains(frame, "\ndestination:/topic/a\n") }
	for _, tt := range []struct {
		name   string
		answer func(frame string) string
		code   cli.ExitCode
		want   string // of stderr, less what subscribe says of itself; URL stands for the server's
	}{
		{"no CONNECTED", func(string) string { return "" }, cli.TimedOut,
			"stompgw: the gateway at URL (--url) took the connection, but did not answer within 300ms; give it more time with --timeout\n"},
		{"half a frame", func(string) string { return "CONNECTED\n" }, cli.TimedOut,
			"stompgw: the gateway at URL (--url) took the connection, but did not answer within 300ms; give it more time with --timeout\n"},
		{"turned away", func(string) string { return "ERROR\nmessage:no " + token + "\nerror-code:16\n\n^@" }, cli.NotAllowed,
			"stompgw: the gateway at URL (--url): the server ended the session with code 16: no REDACTED\n"},
		{"no server", func(string) string { return "hang up" }, cli.Failed,
			"stompgw: the gateway at URL (--url): the server closed the connection; if it speaks TLS there, try tcps://\n"},
		{"HTTP", func(string) string { return "HTTP/1.1 400 Bad Request\r\n\r\n" }, cli.Failed,
			"stompgw: the gateway at URL (--url): the server does not speak STOMP as it should: stomp: a frame must start with a command such as SEND and a line feed; is the peer speaking TLS, HTTP or another protocol? (STOMP Frames, at octet 8); if it speaks TLS there, try tcps://\n"},
		{"no RECEIPT", func(frame string) string {
			if isSubscribe(frame) {
				return ""
			}
			return obliging(frame)
		}, cli.TimedOut, "0 messages\nstompgw: /topic/a: the gateway did not confirm the subscription within 300ms\n"},
		{"RECEIPT for another", func(frame string) string {
			if isSubscribe(frame) {
				return "RECEIPT\nreceipt-id:77\n\n^@"
			}
			return obliging(frame)
		}, cli.TimedOut, "0 messages\nstompgw: /topic/a: the gateway did not confirm the subscription within 300ms\n"},
		{"kicked", func(frame string) string {
			if isSubscribe(frame) {
				return obliging(frame) + "MESSAGE\nsubscription:2\n\nhello^@ERROR\nmessage:bye \x1b[2J" + token + "\nerror-code:15\n\n^@"
			}
			return obliging(frame)
		}, cli.NotAllowed, "1 message\nstompgw: the server ended the session with code 15: bye �[2JREDACTED; `stompgw explain 15` tells more\n"},
		{"ended", func(frame string) string {
			if isSubscribe(frame) {
				return obliging(frame) + "ERROR\nmessage:bye\n\n^@"
			}
			return obliging(frame)
		}, cli.Failed, "0 messages\nstompgw: the server ended the session: bye\n"},
		{"token expired", func(frame string) string {
			if isSubscribe(frame) {
				return obliging(frame) + `MESSAGE
subscription:errors

{"clientRequestCode":null,"errorCode":1,"errorMessage":"Need Login"}^@`
			}
			return obliging(frame)
		}, cli.NotAllowed, "0 messages\nstompgw: the gateway says: refused with code 1: Need Login; `stompgw explain 1` tells what to do\n"},
		{"cut", func(frame string) string {
			if isSubscribe(frame) {
				return "hang up"
			}
			return obliging(frame)
		}, cli.Unreachable, "0 messages\nstompgw: lost the gateway: the server closed the connection\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			url := scripted(t, tt.answer)
			b := runBeside(t, "subscribe", "/topic/a", "--url", url, "--token", token, "--timeout", "300ms")
			if code := b.Wait(); code != int(tt.code) {
				t.Errorf("exit code %d, want %d", code, tt.code)
			}
			got := strings.TrimPrefix(b.Stderr.String(), "subscribed to /topic/a\n")
			if want := strings.ReplaceAll(tt.want, "URL", url); got != want {
				t.Errorf("\n got %s\nwant %s", got, want)
			}
			if strings.Contains(b.Stdout.String()+got, token) {
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
	runBeside(t, append(listen, url, "--ca", "ca.pem")...).WantEnd(t, cli.Done, "", "subscribed to /topic/a\n0 messages\n")
	code, _, stderr := run(t, append(listen, url)...)
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

// TestSubscribeMistakes: each has one line, and nothing is dialled.
func TestSubscribeMistakes(t *testing.T) {
	t.Chdir(t.TempDir())
	closed := clitest.ClosedAddr(t)
	clitest.WriteFile(t, "two", "a b\n")
	clitest.WriteFile(t, "empty", " \n")
	clitest.WriteFile(t, "long", strings.Repeat("x", cli.MaxToken+1))
	clitest.WriteFile(t, "port.yaml", "listen: 127.0.0.1:0\n")
	clitest.WriteFile(t, "closed.yaml", "listen: '"+closed+"'\n")
	const see = "; see stompgw subscribe --help"
	for _, tt := range []struct {
		name string
		args string
		code cli.ExitCode
		want string
	}{
		{"no destination", "", cli.Usage, "DEST is missing" + see},
		{"twice", "/a /a", cli.Usage, "DEST /a stands there twice" + see},
		{"count", "/a --count 0", cli.Usage, "--count 0: want 1 or more" + see},
		{"for", "/a --for -1s", cli.Usage, "--for: -1s is negative: write it like 10s" + see},
		{"for nothing", "/a --for 0", cli.Usage, "--for: 0 is too short: want 1ms or more" + see},
		{"no slash", "topic/a", cli.Usage, `DEST "topic/a" does not begin with a slash: write it like /topic/chat`},
		{"no prefix", "/elsewhere -c closed.yaml", cli.Usage, "DEST /elsewhere is below none of the prefixes /topic, /queue, /session (default), and no channel names it"},
		{"format", "/a -o json", cli.Usage, "-o json: the formats are text, jsonl" + see},
		{"time-out", "/a --timeout 0s", cli.Usage, "--timeout: 0s is too short: want 1ms or more" + see},
		{"two tokens", "/a --token x --token-file two", cli.Usage, "--token and --token-file: a client has one token" + see},
		{"no token", "/a --token=", cli.Usage, "--token is empty: leave it out to be nobody" + see},
		{"no URL", "/a --url=", cli.Usage, "--url is empty: want one like ws://127.0.0.1:13001/stomp" + see},
		{"no name of a token file", "/a --token-file=", cli.Usage, "--token-file is empty: leave it out to be nobody" + see},
		{"no name of certificates", "/a --ca=", cli.Usage, "--ca is empty: leave it out to trust whom the system trusts" + see},
		{"token file with more", "/a --token-file two", cli.Usage, "--token-file two: this is no token: want it alone, on one line"},
		{"empty token file", "/a --token-file empty", cli.Usage, "--token-file empty: there is no token in it"},
		{"long token file", "/a --token-file long", cli.Usage, fmt.Sprintf("--token-file long can't be read: it is longer than %d bytes", cli.MaxToken)},
		{"no token file", "/a --token-file none", cli.Usage, "--token-file none can't be read: no such file or directory"},
		{"no CA file", "/a --ca none", cli.Usage, "--ca: none can't be read: no such file or directory"},
		{"no certificate", "/a --ca two", cli.Usage, "--ca: two holds no certificate in PEM"},
		{"scheme", "/a --url ftp://x", cli.Usage, "--url: want a URL that begins with ws://, wss:// (WebSocket), http://, https:// (SockJS), tcp:// or tcps:// (STOMP alone)"},
		{"password", "/a --url ws://bob:s3cret@x", cli.Usage, "--url: a URL with a name or password is not taken: log in with a token"},
		{"no port", "/topic/a -c port.yaml", cli.Usage, "listen 127.0.0.1:0 (port.yaml:1) does not say where the gateway is: name it with --url"},
		{"nobody there", "/a --url ws://" + closed + "/x?token=s3cret", cli.Unreachable,
			"the gateway at ws://" + closed + "/x (--url) does not answer: connection refused; start it, or name another with --url"},
		{"nobody where the file says", "/topic/a -c closed.yaml", cli.Unreachable,
			"the gateway at ws://" + closed + "/stomp (listen, closed.yaml:1) does not answer: connection refused; start it, or name another with --url URL"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code, stdout, stderr := run(t, append([]string{"subscribe"}, strings.Fields(tt.args)...)...)
			if code != int(tt.code) || stdout != "" {
				t.Errorf("exit code %d, want %d; stdout %q", code, tt.code, stdout)
			}
			clitest.WantLine(t, stderr, "stompgw: "+tt.want)
			if strings.Contains(stderr, "s3cret") {
				t.Error("a secret is shown")
			}
		})
	}
	t.Run("variable", func(t *testing.T) {
		t.Setenv("STOMPGW_TOKEN", "s3cret 2")
		code, _, stderr := run(t, "subscribe", "/a")
		if clitest.WantLine(t, stderr, "stompgw: STOMPGW_TOKEN: this is no token: want it alone, on one line"); code != int(cli.Usage) {
			t.Errorf("exit code %d", code)
		}
	})
}

// TestSubscribeLosesOutput: nobody reads any more, so there is nothing to listen for.
func TestSubscribeLosesOutput(t *testing.T) {
	url := scripted(t, func(frame string) string {
		if strings.Contains(frame, "\ndestination:/topic/a\n") {
			return obliging(frame) + "MESSAGE\nsubscription:2\n\nhello^@"
		}
		return obliging(frame)
	})
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
