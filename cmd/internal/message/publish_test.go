package message

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/cmd/internal/cli"
	"github.com/stompgw/stompgw/cmd/internal/cli/clitest"
	stompclient "github.com/stompgw/stompgw/cmd/internal/client"
)

// ledger is a bus that does with each message what a test says, by its number from 0.
type ledger struct {
	publish func(n int, done func(error)) error
	health  error

	mu    sync.Mutex
	n     int
	taken []bus.Envelope
	open  []func(error) // not answered
}

func (l *ledger) Publish(e bus.Envelope, done func(error)) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := l.n
	l.n++
	held := done
	if l.publish != nil {
		if err := l.publish(n, func(err error) { held = nil; done(err) }); err != nil {
			return err
		}
	} else {
		held = nil
		done(nil)
	}
	l.taken = append(l.taken, e)
	if held != nil {
		l.open = append(l.open, held)
	}
	return nil
}

func (l *ledger) Receive(context.Context, func(), func(bus.Envelope)) error { return nil }
func (l *ledger) Healthy() error                                            { return l.health }

func (l *ledger) Close(context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, done := range l.open {
		done(bus.ErrUnknown)
	}
	return nil
}

// publishOver runs publish with a bus of the test's.
func publishOver(t *testing.T, l *ledger, args ...string) (code int, stderr string) {
	t.Helper()
	code, stdout, stderr := over(l).Run(t, nil, append([]string{"publish", "--nats", "nats://127.0.0.1:1"}, args...)...)
	if stdout != "" {
		t.Errorf("stdout is not empty: %q", stdout)
	}
	return code, stderr
}

// TestPublishMany holds what is told of several messages, of which some may fail.
func TestPublishMany(t *testing.T) {
	lost := errors.New("disk full")
	answers := func(errs map[int]error) func(int, func(error)) error {
		return func(n int, done func(error)) error {
			done(errs[n])
			return nil
		}
	}
	for _, tt := range []struct {
		name    string
		publish func(n int, done func(error)) error
		health  error
		code    cli.ExitCode
		want    string
		calls   int // of Publish
	}{
		{"all", nil, nil, cli.Done, "published 5 messages (15 bytes) to /topic/a", 5},
		{"the first refused", answers(map[int]error{0: lost}), nil, cli.Failed, "stompgw: publish /topic/a: disk full", 1},
		{"one refused", answers(map[int]error{2: lost}), nil, cli.Partial, "stompgw: published 2 of 5 messages to /topic/a, 1 refused, 2 not sent: publish /topic/a: disk full", 3},
		{"one unknown", answers(map[int]error{3: fmt.Errorf("x: %w", bus.ErrUnknown)}), nil, cli.Partial,
			"stompgw: published 3 of 5 messages to /topic/a, 1 may have been published or not, 1 not sent: the broker did not answer within 300ms; it may have the message or not", 4},
		{"the first unknown", answers(map[int]error{0: bus.ErrUnknown}), nil, cli.TimedOut,
			"stompgw: published 0 of 5 messages to /topic/a, 1 may have been published or not, 4 not sent: the broker did not answer within 300ms; it may have the message or not", 1},
		{"down", answers(map[int]error{0: bus.ErrDown}), nil, cli.TimedOut, "stompgw: the broker does not answer: the message was not published", 1},
		{"down, and known why", answers(map[int]error{0: bus.ErrDown}), lost, cli.Unreachable, "stompgw: NATS at nats://127.0.0.1:1 (bus.nats.url, --nats) can't be used: disk full", 1},
		{"not taken", func(n int, done func(error)) error {
			if n == 1 {
				return bus.ErrTooLarge
			}
			done(nil)
			return nil
		}, nil, cli.Partial, "stompgw: published 1 of 5 messages to /topic/a, 4 not sent: publish /topic/a: bus: larger than the broker takes", 2},
		{"no answer", func(n int, done func(error)) error {
			if n == 0 {
				done(nil)
			}
			return nil
		}, nil, cli.Partial, "stompgw: published 1 of 5 messages to /topic/a, 4 may have been published or not: the broker did not answer within 300ms; it may have the message or not", 5},
		{"no text", answers(map[int]error{0: bus.ErrContent}), nil, cli.Usage,
			"stompgw: publish /topic/a: bus: not UTF-8 text, but that is all this bus carries with bus.kafka.envelope: json", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := &ledger{publish: tt.publish, health: tt.health}
			code, stderr := publishOver(t, l, "/topic/a", "abc", "--count", "5", "--timeout", "300ms", "-H", "x:y", "-H", "x: z ")
			if clitest.WantLine(t, stderr, tt.want); code != int(tt.code) {
				t.Errorf("exit code %d, want %d", code, tt.code)
			}
			if l.n != tt.calls {
				t.Errorf("%d calls, want %d", l.n, tt.calls)
			}
			for _, e := range l.taken {
				if got := fmt.Sprint(e); got != "{/topic/a   [{content-type text/plain;charset=UTF-8} {x y} {x z}] [97 98 99]  no mark}" {
					t.Errorf("got %s", got)
				}
			}
		})
	}
}

// TestPublishFull: a bus that has no room for a message gets it again when another was answered, in
// order.
func TestPublishFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var order []int
		var waiting func(error)
		r := &batch{publication: &publication{gateway: clientFlags{timeout: time.Second}}}
		tally := r.publish(t.Context(), 6, func(_ context.Context, n int, done func(error)) error {
			if waiting != nil {
				go func(answer func(error)) {
					time.Sleep(time.Millisecond)
					answer(nil)
				}(waiting)
				waiting = nil
				return bus.ErrFull
			}
			order = append(order, n)
			if n == 0 {
				done(nil)
			} else {
				waiting = done
				if n == 5 {
					go done(nil)
				}
			}
			return nil
		})
		if tally.confirmed != 6 || tally.err != nil || fmt.Sprint(order) != "[0 1 2 3 4 5]" {
			t.Errorf("got %+v, order %v", tally, order)
		}
		tally = (&batch{publication: r.publication}).publish(t.Context(), 2, func(context.Context, int, func(error)) error { return bus.ErrFull })
		if tally.confirmed != 0 || !errors.Is(tally.err, bus.ErrFull) {
			t.Errorf("with room for none: %+v", tally)
		}
	})
}

// TestPublishWindow: no more than the window are on their way, and less of large ones.
func TestPublishWindow(t *testing.T) {
	for _, tt := range []struct{ body, want int }{{10, maxWindow}, {4 << 20, 4}, {64 << 20, 1}} {
		synctest.Test(t, func(t *testing.T) {
			r := &batch{publication: &publication{gateway: clientFlags{timeout: time.Minute}, body: make([]byte, tt.body)}}
			on, most := 0, 0
			var mu sync.Mutex
			tally := r.publish(t.Context(), 1000, func(_ context.Context, _ int, done func(error)) error {
				mu.Lock()
				defer mu.Unlock()
				on++
				most = max(most, on)
				go func() {
					time.Sleep(time.Second)
					mu.Lock()
					on--
					mu.Unlock()
					done(nil)
				}()
				return nil
			})
			if most != tt.want || tally.confirmed != 1000 {
				t.Errorf("%d on their way, want %d; %+v", most, tt.want, tally)
			}
		})
	}
}

// TestPublishFirst: the first goes alone, and an answer that does not come is waited for once.
func TestPublishFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		r := &batch{publication: &publication{gateway: clientFlags{timeout: 10 * time.Second}}}
		tally := r.publish(t.Context(), 3, func(_ context.Context, n int, done func(error)) error {
			if n == 0 {
				go func() {
					time.Sleep(time.Second)
					done(nil)
				}()
			} else if time.Since(began) != time.Second {
				t.Errorf("message %d left after %s, want 1s", n, time.Since(began))
			}
			return nil
		})
		if tally.confirmed != 1 || tally.unknown != 2 || !errors.Is(tally.err, errLate) || time.Since(began) != 11*time.Second {
			t.Errorf("%+v after %s", tally, time.Since(began))
		}
	})
}

// TestPublishInterrupted: what was published until then is told.
func TestPublishInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	l := &ledger{publish: func(n int, done func(error)) error {
		if n < 2 {
			done(nil)
		} else {
			cancel()
		}
		return nil
	}}
	var errs bytes.Buffer
	if code := over(l).Main(ctx, nil, io.Discard, &errs, "publish", "--nats", "nats://127.0.0.1:1", "/topic/a", "x", "--count", "9"); code != int(cli.Partial) {
		t.Errorf("exit code %d", code)
	}
	clitest.WantLine(t, errs.String(), "interrupted: published 2 of 9 messages to /topic/a, 1 may have been published or not, 6 not sent")
}

func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace(10)
		began := time.Now()
		for range 11 {
			if err := p.wait(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(began); took != time.Second {
			t.Errorf("11 messages in %s, want 1s", took)
		}
		time.Sleep(time.Minute) // late: that is not caught up
		began = time.Now()
		for range 11 {
			p.wait(t.Context())
		}
		if took := time.Since(began); took != time.Second {
			t.Errorf("11 late messages in %s, want 1s", took)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := p.wait(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}

// TestPublishBody: where it may come from, and how much of it.
func TestPublishBody(t *testing.T) {
	t.Chdir(t.TempDir())
	clitest.WriteFile(t, "hello", "hello\n")
	clitest.WriteFile(t, "binary", "\xff\x00")
	clitest.WriteFile(t, "empty", "")
	clitest.WriteFile(t, "full", strings.Repeat("x", 64<<10))
	clitest.WriteFile(t, "long", strings.Repeat("x", 64<<10+1))
	const text, see = "text/plain;charset=UTF-8", "; see stompgw publish --help"
	tooLong := "stompgw: the body is longer than limits.message, 64KiB (default): clients may not send such; --force publishes it, and nodes deliver up to limits.outbound, 1MiB"
	tooLongForNodes := "stompgw: the body is longer than limits.outbound, 1MiB (default): nodes leave such out, since it would end every client that it is for as a slow one"
	clitest.WriteFile(t, "windows", "hello\r\n")
	clitest.WriteFile(t, "fullline", strings.Repeat("x", 64<<10)+"\r\n")
	for _, tt := range []struct {
		name, args, stdin, body, contentType, want string
	}{
		{"argument", "b", "s", "b", text, ""},
		{"empty argument", "''", "s", "", text, ""},
		{"standard input", "", "s\n", "s\n", text, ""},
		{"- is standard input", "-f -", "", "", text, ""},
		{"file", "-f hello", "s", "hello\n", text, ""},
		{"empty file", "-f empty", "s", "", text, ""},
		{"binary file", "-f binary", "", "\xff\x00", "application/octet-stream", ""},
		{"binary file with a type", "-f binary --content-type image/x", "", "\xff\x00", "image/x", ""},
		{"as long as may be", "-f full", "", strings.Repeat("x", 64<<10), text, ""},

		{"nothing on standard input", "", "", "", "", "stompgw: BODY is missing, and standard input is empty: '' as BODY is an empty body" + see},
		{"long file", "-f long", "", "", "", tooLong},
		{"long file by force", "-f long --force", "", strings.Repeat("x", 64<<10+1), text, ""},
		{"too long for nodes", "--force", strings.Repeat("x", 1<<20+1), "", "", tooLongForNodes},
		{"less its line end", "-f hello --chomp", "", "hello", text, ""},
		{"less one of Windows", "-f windows --chomp", "", "hello", text, ""},
		{"less one of two", "--chomp", "s\n\n", "s\n", text, ""},
		{"less none", "--chomp", "s", "s", text, ""},
		{"long less its line end", "-f fullline --chomp", "", strings.Repeat("x", 64<<10), text, ""},
		{"argument less its line end", "b --chomp", "", "", "", "stompgw: BODY and --chomp: that is for --file and standard input" + see},
		{"long standard input", "", strings.Repeat("x", 1<<20), "", "", tooLong},
		{"long argument", strings.Repeat("x", 64<<10+1), "", "", "", tooLong},
		{"no file", "-f none", "", "", "", "stompgw: --file: none can't be read: no such file or directory"},
		{"folder", "-f .", "", "", "", "stompgw: --file: . can't be read: is a directory"},
		{"two", "b -f hello", "", "", "", "stompgw: BODY and --file: a message has one body" + see},
		{"no name", "--file=", "", "", "", "stompgw: --file is empty: it needs the name of a file, or - for standard input" + see},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := &ledger{}
			args := strings.Fields(tt.args)
			for i := range args {
				args[i] = strings.Trim(args[i], "'")
			}
			args = append([]string{"publish", "--nats", "nats://127.0.0.1:1", "/topic/a"}, args...)
			code, _, stderr := over(l).Run(t, strings.NewReader(tt.stdin), args...)
			if tt.want != "" {
				if clitest.WantLine(t, stderr, tt.want); code != int(cli.Usage) || len(l.taken) > 0 {
					t.Errorf("exit code %d, %d published", code, len(l.taken))
				}
				return
			}
			if code != 0 || len(l.taken) != 1 || string(l.taken[0].Body) != tt.body || l.taken[0].Headers[0].Value != tt.contentType {
				t.Errorf("exit code %d, %s, %+v", code, stderr, l.taken)
			}
		})
	}
}

// TestPiped: a pipe or a file is read unasked, a terminal or the nothing of daemons is not.
func TestPiped(t *testing.T) {
	nothing, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer nothing.Close()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	defer write.Close()
	if isPiped(nothing) || !isPiped(read) || isPiped(nil) || !isPiped(strings.NewReader("")) {
		t.Error("mistaken")
	}
}

// TestPublishWaitsForBody: Ctrl-C ends also what waits for a person.
func TestPublishWaitsForBody(t *testing.T) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	defer write.Close() // which ends the read that was left alone
	ctx, cancel := context.WithCancel(t.Context())
	var errs bytes.Buffer
	cancel()
	if code := over(nil).Main(ctx, read, io.Discard, &errs, "publish", "/topic/a"); code != int(cli.Failed) {
		t.Errorf("exit code %d", code)
	}
	clitest.WantLine(t, errs.String(), "stompgw: interrupted")
}

// TestPublishChannels: what no channel names reaches nobody, so it is refused unless it is meant.
func TestPublishChannels(t *testing.T) {
	t.Chdir(t.TempDir())
	clitest.WriteFile(t, "c.yaml", `bus: {driver: nats}
channels:
  - {match: /topic/chat, subscribe: "true"}
  - {match: "/topic/orders/{id}", subscribe: "true"}
  - {match: "/session/queue/{name}", subscribe: "true"}
  - {match: "/member/{member}/queue/{name}", subscribe: "string(claims.mu) == vars.member"}
auth: {jwt: {secret_file: secret}}
`)
	clitest.WriteFile(t, "secret", "a secret of thirty-two characters\n")
	clitest.WriteFile(t, "none.yaml", "bus: {driver: nats}\n")
	refused := func(dest, name, nearest string) string {
		return fmt.Sprintf("stompgw: DEST %s: no channel names %s, so nobody may subscribe to it; the nearest of 4 channels (c.yaml:3) is %s. --force publishes all the same", dest, name, nearest)
	}
	for _, tt := range []struct{ args, want string }{
		{"/topic/chat b -c c.yaml", ""},
		{"/topic/orders/7 b -c c.yaml", ""},
		{"/member/7/queue/inbox b -c c.yaml", ""},
		{"/member/x:%342/queue/inbox b -c c.yaml", ""},
		{"/member/7/inbox b -c c.yaml", refused("/member/7/inbox", "/member/7/inbox", "/member/{member}/queue/{name}")},
		{"/member/7/queue/inbox b -c none.yaml", ""},
		{"/topic/chta b -c none.yaml", ""},
		{"/topic/chta b", ""},
		{"/topic/chta b -c c.yaml --force", ""},
		{"/topic/chta b -c c.yaml", refused("/topic/chta", "/topic/chta", "/topic/chat")},
		{"/topic/orders/7/x b -c c.yaml", refused("/topic/orders/7/x", "/topic/orders/7/x", "/topic/orders/{id}")},
		{"/queue/a b -c c.yaml", refused("/queue/a", "/queue/a", "/topic/chat")},
		{"/queue/a/b b -c c.yaml --member 42", refused("/queue/a/b", "/session/queue/a/b", "/session/queue/{name}")},
	} {
		t.Run(tt.args, func(t *testing.T) {
			l := &ledger{}
			code, stderr := publishOver(t, l, strings.Fields(tt.args)...)
			switch {
			case tt.want == "" && (code != 0 || len(l.taken) != 1):
				t.Errorf("exit code %d, %s", code, stderr)
			case tt.want != "":
				if clitest.WantLine(t, stderr, tt.want); code != int(cli.Usage) || len(l.taken) > 0 {
					t.Errorf("exit code %d, %d published", code, len(l.taken))
				}
			}
		})
	}
}

// TestPublishServers: what servers may do to a SEND. Only its own RECEIPT is a yes.
func TestPublishServers(t *testing.T) {
	const token = "s3cret-token"
	for _, tt := range []struct {
		name, say string
		code      cli.ExitCode
		want      string
	}{
		{"RECEIPT", "RECEIPT^", cli.Done, "published 1 byte to /a"},
		{"nothing", "", cli.TimedOut, "stompgw: the gateway sent no RECEIPT within 3s; it may have published the message or not"},
		{"refusal", "MESSAGE\nsubscription:errors\n\n{\"clientRequestCode\":\"CODE\",\"errorCode\":2,\"errorMessage\":\"Not for " + token + "\"}^@", cli.NotAllowed,
			"stompgw: /a: refused with code 2: Not for REDACTED; `stompgw explain 2` tells what to do"},
		{"ERROR", "ERROR\nmessage:bad frame\n\nAuthorization:Bearer " + token + "^@", cli.Failed, "stompgw: the server ended the session: bad frame"},
		{"end", "hang up", cli.Unreachable, "stompgw: lost the gateway: the server closed the connection"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			url := answering(t, "SEND\n", tt.say)
			code, _, stderr := run(t, "publish", "/a", "x", "--via", "stomp", "--url", url, "--token", token, "--timeout", waits(tt.code))
			if clitest.WantLine(t, stderr, tt.want); code != int(tt.code) {
				t.Errorf("exit code %d, want %d", code, tt.code)
			}
			if strings.Contains(stderr, token) {
				t.Error("the token is shown")
			}
		})
	}
	t.Run("some", func(t *testing.T) {
		url := answering(t, "\nreceipt:4\n", "MESSAGE\nsubscription:errors\n\n{\"clientRequestCode\":\"CODE\",\"errorCode\":6,\"errorMessage\":\"May or may not\"}^@")
		code, _, stderr := run(t, "publish", "/a", "x", "--via", "stomp", "--url", url, "--count", "3")
		if clitest.WantLine(t, stderr, "stompgw: published 2 of 3 messages to /a, 1 may have been published or not: /a: refused with code 6: May or may not; `stompgw explain 6` tells what to do"); code != int(cli.Partial) {
			t.Errorf("exit code %d", code)
		}
	})
	if err := new(publication).gatewayError(stompclient.ErrText); cli.CodeOf(err) != cli.Usage {
		t.Errorf("what SockJS can't carry ends with %d", cli.CodeOf(err))
	}
}
