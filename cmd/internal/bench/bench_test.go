package bench

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"

	"github.com/stompgw/stompgw/cmd/internal/cli"
	"github.com/stompgw/stompgw/cmd/internal/cli/clitest"
	"github.com/stompgw/stompgw/gateway/stomp"
)

// brief is as much load as shows something.
func brief(args ...string) []string {
	return append([]string{"bench", args[0], "--clients", "6", "--duration", "200ms", "-o", "json"}, args[1:]...)
}

func reportOf(t *testing.T, stdout string) (r report) {
	t.Helper()
	if err := json.Unmarshal([]byte(stdout), &r); err != nil {
		t.Fatalf("%v in %q", err, stdout)
	}
	return r
}

func TestBenchmarks(t *testing.T) {
	for _, scheme := range []string{"ws", "tcp"} {
		t.Run(scheme+" churn", func(t *testing.T) {
			s := &server{t: t}
			code, stdout, stderr := run(t, append(brief("churn"), "--url", s.url(scheme), "--assert", "connections>0,disconnected=0")...)
			if r := reportOf(t, stdout); code != 0 || *r.P50 <= 0 || r.Clients != 6 {
				t.Errorf("exit code %d: %s%s", code, stdout, stderr)
			}
		})
	}
}

// TestServerSays: what a server answers is told, with the exit code of its kind.
func TestServerSays(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer func(p *peer, f *stomp.Frame) bool
		code   cli.ExitCode
		want   string
	}{
		{"ERROR to CONNECT", func(p *peer, f *stomp.Frame) bool {
			p.say("ERROR", "message:bad\\x1b password\n", nil)
			return true
		}, cli.Failed, `the server sent an ERROR: "bad`},
		{"nothing", func(*peer, *stomp.Frame) bool { return true }, cli.TimedOut, "the server did not answer within 3s; give it more time with --timeout"},
		{"the end", func(p *peer, _ *stomp.Frame) bool { p.nc.Close(); return true }, cli.Unreachable, "the server closed the connection"},
		{"CONNECTED twice", func(p *peer, _ *stomp.Frame) bool {
			p.say("CONNECTED", "version:1.1\n", nil)
			p.say("CONNECTED", "version:1.1\n", nil)
			return true
		}, cli.Failed, "the server sent CONNECTED twice"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := &server{t: t, answer: tt.answer}
			code, stdout, stderr := run(t, append(brief("churn"), "--timeout", "3s", "--url", s.url("tcp"))...)
			if code != int(tt.code) || stdout != "" || !strings.Contains(stderr, tt.want) {
				t.Errorf("exit code %d, want %d: %s%s", code, tt.code, stdout, stderr)
			}
		})
	}
	code, _, stderr := run(t, append(brief("churn"), "--url", notFound(t))...)
	if code != int(cli.Failed) || !strings.Contains(stderr, "404") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	code, _, stderr = run(t, append(brief("churn"), "--url", "tcp://"+clitest.ClosedAddr(t))...)
	if code != int(cli.Unreachable) || !strings.Contains(stderr, "refused") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}

// TestLogin: what CONNECT and SUBSCRIBE say of who comes.
func TestLogin(t *testing.T) {
	t.Chdir(t.TempDir())
	clitest.WriteFile(t, "pass", "secret\n")
	clitest.WriteFile(t, "token", "abc\n")
	var mu sync.Mutex
	said := map[string]string{}
	s := &server{t: t, answer: func(_ *peer, f *stomp.Frame) bool {
		mu.Lock()
		defer mu.Unlock()
		said[f.Command] = ""
		for _, e := range f.Header {
			said[f.Command] += e.Name + ":" + string(e.Value) + "\n"
		}
		return false
	}}
	code, _, stderr := run(t, append(brief("churn"), "--url", s.url("tcp"), "--login", "guest", "--passcode-file", "pass", "--token-file", "token", "--host", "/")...)
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	mu.Lock()
	defer mu.Unlock()
	clitest.Contains(t, said["CONNECT"], "login:guest\n", "passcode:secret\n", "host:/\n", "Authorization:Bearer abc\n", "accept-version:1.2,1.1\n", "heart-beat:0,0\n")
	clitest.Contains(t, said["SUBSCRIBE"], "Authorization:Bearer abc\n")
}

func TestMisuse(t *testing.T) {
	for _, tt := range []struct{ args, want string }{
		{"churn --clients 0", "--clients 0: want 1 to 1000000"},
		{"churn --passcode-file x", "--passcode-file without --login: whose is it?"},
		{"churn --url http://a", "--url: want a URL that begins with ws://, wss://, tcp:// or tcps://: SockJS is not measured here"},
		{"churn --url a", "--url: want a URL that begins with"},
		{"churn --assert p99", `--assert "p99": want a number of the report, one of < <= = >= >, and a value`},
		{"churn --assert p99<5", "5"},
		{"churn --assert p98<5ms", `the report has no number "p98": it has `},
		{"churn --assert disconnected=x", "want a number behind ="},
		{"churn --assert=", "--assert is empty"},
		{"churn --pid 999999999", "--pid: there is no process 999999999"},
		{"churn --clients 900000", "this process may have"},
		{"churn --token-file nothing", "--token-file nothing can't be read"},
	} {
		code, stdout, stderr := run(t, append([]string{"bench"}, strings.Fields(tt.args)...)...)
		if code != int(cli.Usage) || stdout != "" || !strings.Contains(stderr, tt.want) {
			t.Errorf("%s: exit code %d: %s%s", tt.args, code, stdout, stderr)
		}
	}
}

func TestAssertions(t *testing.T) {
	r := &report{Disconnected: 2, P99: new(12.5)}
	for text, want := range map[string]string{
		"disconnected=2": "", "disconnected<3": "", "disconnected<=2": "", "disconnected>=2": "", "disconnected>1": "", "p99<13ms": "", "p99 >= 12ms": "", "p99<1s": "",
		"disconnected=0": "disconnected=0 does not hold: it is 2",
		"disconnected<2": "disconnected<2 does not hold: it is 2",
		"p99<=12ms":      "p99<=12ms does not hold: it is 12.5 ms",
		"p50<1s":         "p50<1s: not known; nothing was delivered, or the number needs --pid or --rate",
	} {
		list, err := parseAssertions(text)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if err := list[0].holds(r); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
	s := &server{t: t}
	code, _, stderr := run(t, append(brief("churn"), "--url", s.url("tcp"), "--assert", "connections<1, disconnected=0,p99>1h")...)
	if code != int(cli.Missed) || strings.Count(stderr, "does not hold") != 2 {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}

func TestInMillis(t *testing.T) {
	for ms, want := range map[float64]string{0: "0.00 ms", 1.234: "1.23 ms", 9.999: "10.00 ms", 12.34: "12.3 ms", 123.4: "123 ms", 1234: "1234 ms"} {
		if got := inMillis(ms); got != want {
			t.Errorf("%v: %s, want %s", ms, got, want)
		}
	}
}
