package cmd

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

	stompclient "github.com/stompgw/stompgw/cmd/internal/client"
	"github.com/stompgw/stompgw/cmd/internal/config"
)

// background is a command that runs beside the test.
type background struct {
	stdout, stderr *syncBuffer
	interrupt      func()
	wait           func() int // for its exit code
}

func runBeside(t *testing.T, args ...string) *background {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	b := &background{stdout: &syncBuffer{}, stderr: &syncBuffer{}, interrupt: cancel}
	p := process(args...)
	p.Stdout, p.Stderr = b.stdout, b.stderr
	ended := make(chan int, 1)
	go func() { ended <- Main(ctx, p) }()
	b.wait = sync.OnceValue(func() int { return <-ended })
	t.Cleanup(func() {
		cancel()
		b.wait()
	})
	return b
}

// subscribed waits until a subscribe listens.
func (b *background) subscribed(t *testing.T) *background {
	t.Helper()
	eventually(t, "subscribed", func() bool {
		return strings.HasPrefix(b.stderr.String(), "subscribed to ")
	})
	return b
}

// wantEnd waits for the end of the command.
func (b *background) wantEnd(t *testing.T, code exitCode, stdout, stderr string) {
	t.Helper()
	if got := b.wait(); got != int(code) {
		t.Errorf("exit code %d, want %d", got, code)
	}
	if got := b.stdout.String(); got != stdout {
		t.Errorf("stdout:\n got %q\nwant %q", got, stdout)
	}
	if got := b.stderr.String(); got != stderr {
		t.Errorf("stderr:\n got %q\nwant %q", got, stderr)
	}
}

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
			b := runBeside(t, "subscribe", "/topic/a", "/topic/b", "--url", url, "--count", "3").subscribed(t)
			send(t, "/topic/a", "one")
			send(t, "/topic/b", "two\nlines")
			send(t, "/topic/c", "for nobody")
			send(t, "/topic/a", "\x1b[2Jraw")
			b.wantEnd(t, done, "one\ntwo\nlines\n\x1b[2Jraw\n", "subscribed to 2 destinations\n3 messages\n")
		})
	}
	t.Run("jsonl", func(t *testing.T) {
		b := runBeside(t, "subscribe", "/topic/a", "--url", url, "--count", "1", "-o", "jsonl").subscribed(t)
		send(t, "/topic/a", "one", "-H", "x:y")
		if b.wait() != 0 {
			t.Errorf("stderr %s", b.stderr)
		}
		var m struct {
			Destination, Subscription, Body string
			Headers                         map[string]string
			ReceivedAt                      time.Time `json:"received_at"`
		}
		if err := json.Unmarshal([]byte(b.stdout.String()), &m); err != nil || strings.Count(b.stdout.String(), "\n") != 1 {
			t.Fatalf("%v in %q", err, b.stdout)
		}
		if m.Destination != "/topic/a" || m.Subscription == "" || m.Body != "one" || m.Headers["x"] != "y" || time.Since(m.ReceivedAt) > patience {
			t.Errorf("got %+v", m)
		}
	})
	t.Run("Ctrl-C", func(t *testing.T) {
		b := runBeside(t, "subscribe", "/topic/a", "--url", url).subscribed(t)
		send(t, "/topic/a", "one")
		eventually(t, "printed", func() bool { return b.stdout.String() == "one\n" })
		b.interrupt()
		b.wantEnd(t, done, "one\n", "subscribed to /topic/a\n1 message\n")
	})
	t.Run("time", func(t *testing.T) {
		b := runBeside(t, "subscribe", "/topic/a", "--url", url, "--for", "1ms")
		b.wantEnd(t, done, "", "subscribed to /topic/a\n0 messages\n")
		b = runBeside(t, "subscribe", "/topic/a", "--url", url, "--for", "1ms", "--count", "2")
		b.wantEnd(t, timedOut, "", "subscribed to /topic/a\n0 messages\nstompgw: 0 of 2 messages came within 1ms\n")
	})
	t.Run("refused", func(t *testing.T) {
		b := runBeside(t, "subscribe", "/topic/a", "/elsewhere", "--url", url)
		b.wantEnd(t, notAllowed, "", "0 messages\nstompgw: /elsewhere: refused with code 3: No channel or route has this destination; `stompgw explain 3` tells what to do\n")
	})
	t.Run("refusals", func(t *testing.T) {
		b := runBeside(t, "subscribe", "/session/queue/request-error", "--url", url, "--for", "1ms")
		b.wantEnd(t, done, "", "subscribed to /session/queue/request-error\n0 messages\n")
	})
	t.Run("the node goes", func(t *testing.T) {
		b := runBeside(t, "subscribe", "/topic/a", "--url", url).subscribed(t)
		s.stop()
		if code := b.wait(); code != int(unreachable) {
			t.Errorf("exit code %d", code)
		}
		contains(t, b.stderr.String(), "0 messages\nstompgw: lost the gateway: ")
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
	runBeside(t, "subscribe", "/topic/a", "--standalone", "--for", "1ms").wantEnd(t, done, "", "subscribed to /topic/a\n0 messages\n")
}

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

// tokenWorld runs a node where member 42 may listen in /topic/members, and returns the URL, and a
// token that is good.
func tokenWorld(t *testing.T) (s standalone, url, token string) {
	t.Helper()
	t.Chdir(t.TempDir())
	writeFile(t, "secret", strings.Repeat("s", 32))
	file := writeFile(t, "members.yaml", `auth: {jwt: {secret_file: secret}, revocation: {enabled: false}}
channels:
  - {match: /topic/members, subscribe: 'claims.mu == 42', send: 'claims.mu == 42'}
  - {match: '/session/queue/{name}', subscribe: 'true'}
`)
	s = serveStandalone(t, "--config", file)
	awaitReady(t, s.find(t, `admin +(http://\S+)`))
	return s, s.find(t, `STOMP +(ws://\S+)`), gen(t, "--member", "42", "--secret-file", "secret")
}

// TestSubscribeToken: the token may come in several ways, and is shown in none.
func TestSubscribeToken(t *testing.T) {
	_, url, token := tokenWorld(t)
	listen := []string{"subscribe", "/topic/members", "--url", url, "--for", "1ms"}
	const subscribed = "subscribed to /topic/members\n0 messages\n"
	runBeside(t, append(listen, "--token", token)...).wantEnd(t, done, "", subscribed)
	runBeside(t, append(listen, "--token-file", writeFile(t, "token", "Bearer "+token+"\n"))...).wantEnd(t, done, "", subscribed)
	if code, _, stderr := runOn(t, token+"\n", append(listen, "--token", "-")...); code != 0 || stderr != subscribed {
		t.Errorf("exit code %d, %s", code, stderr)
	}
	runBeside(t, listen...).wantEnd(t, notAllowed, "", "0 messages\nstompgw: /topic/members: refused with code 1: Need Login; `stompgw explain 1` tells what to do\n")
	t.Setenv("STOMPGW_TOKEN", token)
	runBeside(t, listen...).wantEnd(t, done, "", subscribed)
	const warning = "warning: the gateway refuses the token, and takes this client for nobody; `stompgw token check` tells why\n"
	runBeside(t, append(listen, "--token", "x.y.z")...).wantEnd(t, notAllowed, "", warning+"0 messages\nstompgw: /topic/members: refused with code 1: Need Login; `stompgw explain 1` tells what to do\n")
	t.Setenv("STOMPGW_TOKEN", "")
	runBeside(t, listen...).wantEnd(t, usage, "", "stompgw: STOMPGW_TOKEN: there is no token in it\n")
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
		code   exitCode
		want   string // of stderr, less what subscribe says of itself; URL stands for the server's
	}{
		{"no CONNECTED", func(string) string { return "" }, timedOut,
			"stompgw: the gateway at URL (--url) took the connection, but did not answer within 300ms; give it more time with --timeout\n"},
		{"half a frame", func(string) string { return "CONNECTED\n" }, timedOut,
			"stompgw: the gateway at URL (--url) took the connection, but did not answer within 300ms; give it more time with --timeout\n"},
		{"turned away", func(string) string { return "ERROR\nmessage:no " + token + "\nerror-code:16\n\n^@" }, notAllowed,
			"stompgw: the gateway at URL (--url): the server ended the session with code 16: no REDACTED\n"},
		{"no server", func(string) string { return "hang up" }, failed,
			"stompgw: the gateway at URL (--url): the server closed the connection; if it speaks TLS there, try tcps://\n"},
		{"HTTP", func(string) string { return "HTTP/1.1 400 Bad Request\r\n\r\n" }, failed,
			"stompgw: the gateway at URL (--url): the server does not speak STOMP as it should: stomp: a frame must start with a command such as SEND and a line feed; is the peer speaking TLS, HTTP or another protocol? (STOMP Frames, at octet 8); if it speaks TLS there, try tcps://\n"},
		{"no RECEIPT", func(frame string) string {
			if isSubscribe(frame) {
				return ""
			}
			return obliging(frame)
		}, timedOut, "0 messages\nstompgw: /topic/a: the gateway did not confirm the subscription within 300ms\n"},
		{"RECEIPT for another", func(frame string) string {
			if isSubscribe(frame) {
				return "RECEIPT\nreceipt-id:77\n\n^@"
			}
			return obliging(frame)
		}, timedOut, "0 messages\nstompgw: /topic/a: the gateway did not confirm the subscription within 300ms\n"},
		{"kicked", func(frame string) string {
			if isSubscribe(frame) {
				return obliging(frame) + "MESSAGE\nsubscription:2\n\nhello^@ERROR\nmessage:bye \x1b[2J" + token + "\nerror-code:15\n\n^@"
			}
			return obliging(frame)
		}, notAllowed, "1 message\nstompgw: the server ended the session with code 15: bye �[2JREDACTED; `stompgw explain 15` tells more\n"},
		{"ended", func(frame string) string {
			if isSubscribe(frame) {
				return obliging(frame) + "ERROR\nmessage:bye\n\n^@"
			}
			return obliging(frame)
		}, failed, "0 messages\nstompgw: the server ended the session: bye\n"},
		{"token expired", func(frame string) string {
			if isSubscribe(frame) {
				return obliging(frame) + `MESSAGE
subscription:errors

{"clientRequestCode":null,"errorCode":1,"errorMessage":"Need Login"}^@`
			}
			return obliging(frame)
		}, notAllowed, "0 messages\nstompgw: the gateway says: refused with code 1: Need Login; `stompgw explain 1` tells what to do\n"},
		{"cut", func(frame string) string {
			if isSubscribe(frame) {
				return "hang up"
			}
			return obliging(frame)
		}, unreachable, "0 messages\nstompgw: lost the gateway: the server closed the connection\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			url := scripted(t, tt.answer)
			b := runBeside(t, "subscribe", "/topic/a", "--url", url, "--token", token, "--timeout", "300ms")
			if code := b.wait(); code != int(tt.code) {
				t.Errorf("exit code %d, want %d", code, tt.code)
			}
			got := strings.TrimPrefix(b.stderr.String(), "subscribed to /topic/a\n")
			if want := strings.ReplaceAll(tt.want, "URL", url); got != want {
				t.Errorf("\n got %s\nwant %s", got, want)
			}
			if strings.Contains(b.stdout.String()+got, token) {
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
	writeFile(t, "ca.pem", string(ca))
	listen := []string{"subscribe", "/topic/a", "--for", "1ms", "--url"}
	runBeside(t, append(listen, url, "--ca", "ca.pem")...).wantEnd(t, done, "", "subscribed to /topic/a\n0 messages\n")
	code, _, stderr := run(t, append(listen, url)...)
	if code != int(unreachable) {
		t.Errorf("exit code %d", code)
	}
	contains(t, stderr, "stompgw: the gateway at "+url+" (--url) is not trusted: TLS: ", "; name the certificate to trust with --ca, and in --url the host that it is for\n")
	code, _, stderr = run(t, append(listen, strings.Replace(url, "tcps", "https", 1), "--ca", "ca.pem", "--timeout", "300ms")...)
	if code != int(timedOut) {
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
	closed := closedAddr(t)
	writeFile(t, "two", "a b\n")
	writeFile(t, "empty", " \n")
	writeFile(t, "long", strings.Repeat("x", maxToken+1))
	writeFile(t, "port.yaml", "listen: 127.0.0.1:0\n")
	writeFile(t, "closed.yaml", "listen: '"+closed+"'\n")
	const see = "; see stompgw subscribe --help"
	for _, tt := range []struct {
		name string
		args string
		code exitCode
		want string
	}{
		{"no destination", "", usage, "DEST is missing" + see},
		{"twice", "/a /a", usage, "DEST /a stands there twice" + see},
		{"count", "/a --count 0", usage, "--count 0: want 1 or more" + see},
		{"for", "/a --for -1s", usage, "--for: -1s is negative: write it like 10s" + see},
		{"for nothing", "/a --for 0", usage, "--for: 0 is too short: want 1ms or more" + see},
		{"no slash", "topic/a", usage, `DEST "topic/a" does not begin with a slash: write it like /topic/chat`},
		{"no prefix", "/elsewhere -c closed.yaml", usage, "DEST /elsewhere is below none of the prefixes /topic, /queue, /session (default), and no channel names it"},
		{"format", "/a -o json", usage, "-o json: the formats are text, jsonl" + see},
		{"time-out", "/a --timeout 0s", usage, "--timeout: 0s is too short: want 1ms or more" + see},
		{"two tokens", "/a --token x --token-file two", usage, "--token and --token-file: a client has one token" + see},
		{"no token", "/a --token=", usage, "--token is empty: leave it out to be nobody" + see},
		{"no URL", "/a --url=", usage, "--url is empty: want one like ws://127.0.0.1:13001/stomp" + see},
		{"no name of a token file", "/a --token-file=", usage, "--token-file is empty: leave it out to be nobody" + see},
		{"no name of certificates", "/a --ca=", usage, "--ca is empty: leave it out to trust whom the system trusts" + see},
		{"token file with more", "/a --token-file two", usage, "--token-file two: this is no token: want it alone, on one line"},
		{"empty token file", "/a --token-file empty", usage, "--token-file empty: there is no token in it"},
		{"long token file", "/a --token-file long", usage, fmt.Sprintf("--token-file long can't be read: it is longer than %d bytes", maxToken)},
		{"no token file", "/a --token-file none", usage, "--token-file none can't be read: no such file or directory"},
		{"no CA file", "/a --ca none", usage, "--ca: none can't be read: no such file or directory"},
		{"no certificate", "/a --ca two", usage, "--ca: two holds no certificate in PEM"},
		{"scheme", "/a --url ftp://x", usage, "--url: want a URL that begins with ws://, wss:// (WebSocket), http://, https:// (SockJS), tcp:// or tcps:// (STOMP alone)"},
		{"password", "/a --url ws://bob:s3cret@x", usage, "--url: a URL with a name or password is not taken: log in with a token"},
		{"no port", "/topic/a -c port.yaml", usage, "listen 127.0.0.1:0 (port.yaml:1) does not say where the gateway is: name it with --url"},
		{"nobody there", "/a --url ws://" + closed + "/x?token=s3cret", unreachable,
			"the gateway at ws://" + closed + "/x (--url) does not answer: connection refused; start it, or name another with --url"},
		{"nobody where the file says", "/topic/a -c closed.yaml", unreachable,
			"the gateway at ws://" + closed + "/stomp (listen, closed.yaml:1) does not answer: connection refused; start it, or name another with --url URL"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code, stdout, stderr := run(t, append([]string{"subscribe"}, strings.Fields(tt.args)...)...)
			if code != int(tt.code) || stdout != "" {
				t.Errorf("exit code %d, want %d; stdout %q", code, tt.code, stdout)
			}
			wantLine(t, stderr, "stompgw: "+tt.want)
			if strings.Contains(stderr, "s3cret") {
				t.Error("a secret is shown")
			}
		})
	}
	t.Run("variable", func(t *testing.T) {
		t.Setenv("STOMPGW_TOKEN", "s3cret 2")
		code, _, stderr := run(t, "subscribe", "/a")
		if wantLine(t, stderr, "stompgw: STOMPGW_TOKEN: this is no token: want it alone, on one line"); code != int(usage) {
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
	p := process("subscribe", "/topic/a", "--url", url)
	var stderr bytes.Buffer
	p.Stdout, p.Stderr = fullDisk{}, &stderr
	if code := Main(t.Context(), p); code != int(failed) {
		t.Errorf("exit code %d", code)
	}
	contains(t, stderr.String(), "stompgw: can't write the output: no space left on device\n")
}

// TestSubscribeUnread: whoever reads may have enough before the next message comes.
func TestSubscribeUnread(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	p := process("subscribe", "/topic/a", "--url", scripted(t, obliging))
	var stderr bytes.Buffer
	p.Stdout, p.Stderr = w, &stderr
	ended := make(chan int, 1)
	go func() { ended <- Main(t.Context(), p) }()
	r.Close()
	select {
	case code := <-ended:
		if code != 0 || strings.Contains(stderr.String(), "stompgw:") {
			t.Errorf("exit code %d, %s", code, &stderr)
		}
	case <-time.After(patience):
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
		golden(t, tt.golden, out.String())
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
