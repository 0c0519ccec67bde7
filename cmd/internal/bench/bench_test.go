package bench

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"

	"github.com/gobwas/ws"

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
		for _, args := range [][]string{
			{"fanout", "--window", "3", "--publishers", "2"},
			{"fanout", "--rate", "100/s", "--size", "5000", "--ramp", "50ms"},
			{"rooms", "--rooms", "3", "--publishers", "4", "--window", "5"},
			{"rooms", "--rooms", "2", "--rate", "200", "--destination", "/topic/{room}/x"},
			{"rooms", "--rooms", "9", "--subscriptions", "6", "--publishers", "2", "--window", "5"},
		} {
			t.Run(scheme+" "+strings.Join(args, " "), func(t *testing.T) {
				s := &server{t: t}
				url := s.url(scheme)
				code, stdout, stderr := run(t, append(brief(args...), "--url", url, "--assert", "lost=0,doubled=0,out_of_order=0,strange=0,disconnected=0,delivered>0,p99>0s,p99.9<1h")...)
				if code != 0 {
					t.Fatalf("exit code %d: %s", code, stderr)
				}
				r := reportOf(t, stdout)
				if r.Sent == 0 || r.Delivered == 0 || r.Clients != 6 || r.Command != args[0] {
					t.Errorf("sent %d: %s", r.Sent, stdout)
				}
				perMessage := int64(6 * r.Subscriptions / r.Rooms)
				onTheirWay := int64(r.Window+1) * perMessage // at most, at either end of what is measured; with a rate nothing bounds them
				if r.Window > 0 && (r.Delivered < r.Sent*perMessage-onTheirWay || r.Delivered > r.Sent*perMessage+onTheirWay) {
					t.Errorf("sent %d, delivered %d: %s", r.Sent, r.Delivered, stdout)
				}
			})
		}
		t.Run(scheme+" churn", func(t *testing.T) {
			s := &server{t: t}
			code, stdout, stderr := run(t, append(brief("churn"), "--url", s.url(scheme), "--assert", "connections>0,disconnected=0")...)
			if r := reportOf(t, stdout); code != 0 || *r.P50 <= 0 || r.Clients != 6 {
				t.Errorf("exit code %d: %s%s", code, stdout, stderr)
			}
		})
	}
}

// A server may answer DISCONNECT with the end of the connection alone.
func TestChurnWithoutReceipts(t *testing.T) {
	for _, scheme := range []string{"ws", "tcp"} {
		s := &server{t: t, answer: func(p *peer, f *stomp.Frame) bool {
			if f.Command != "DISCONNECT" {
				return false
			}
			if scheme == "ws" {
				ws.WriteFrame(p.nc, ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusNormalClosure, "")))
			}
			p.nc.Close()
			return true
		}}
		code, stdout, stderr := run(t, append(brief("churn"), "--url", s.url(scheme), "--assert", "connections>0,disconnected=0")...)
		if code != 0 {
			t.Errorf("%s: exit code %d: %s%s", scheme, code, stdout, stderr)
		}
	}
}

// What a server does wrong is counted, each fault as what it is.
func TestFaultsAreCounted(t *testing.T) {
	later, behind := map[uint32][]byte{}, map[uint32][]byte{}
	for _, tt := range []struct {
		name  string
		relay func(s stamp, body []byte, deliver func([]byte))
		want  string
	}{
		{"lost", func(s stamp, body []byte, deliver func([]byte)) {
			if s.seq != 7 {
				deliver(body)
			}
		}, "lost=1,doubled=0,out_of_order=0"},
		{"doubled", func(s stamp, body []byte, deliver func([]byte)) {
			if deliver(body); s.seq == 7 || s.seq == 9 {
				deliver(body)
			}
		}, "lost=0,doubled=2,out_of_order=0"},
		{"doubled later", func(s stamp, body []byte, deliver func([]byte)) {
			later[s.seq] = body
			if deliver(body); s.seq == 20 {
				deliver(later[7])
			}
		}, "lost=0,doubled=1,out_of_order=0"},
		{"out of order", func(s stamp, body []byte, deliver func([]byte)) {
			if behind[s.seq] = body; s.seq != 7 {
				deliver(body)
			}
			if s.seq == 8 {
				deliver(behind[7])
			}
		}, "lost=0,doubled=0,out_of_order=1"},
		{"strange", func(s stamp, body []byte, deliver func([]byte)) {
			if deliver(body); s.seq == 7 {
				deliver([]byte("hello"))
				s.run++
				s.put(body)
				deliver(body)
			}
		}, "lost=0,doubled=0,strange=2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := &server{t: t, relay: tt.relay}
			code, stdout, stderr := run(t, append(brief("fanout"), "--clients", "1", "--rate", "100", "--url", s.url("tcp"), "--assert", tt.want)...)
			if code != 0 {
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
		{"no messages", func(_ *peer, f *stomp.Frame) bool { return f.Command == "SEND" }, cli.Failed,
			"6 of 6 subscriptions brought nothing that was sent to /topic/bench within 3s: may clients subscribe to /topic/bench, and may publishers SEND to /topic/bench?"},
		{"ERROR to SEND", func(p *peer, f *stomp.Frame) bool {
			if f.Command == "SEND" {
				p.say("ERROR", "message:no\n", nil)
			}
			return f.Command == "SEND"
		}, cli.Failed, `the server sent an ERROR: "no"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := &server{t: t, answer: tt.answer}
			code, stdout, stderr := run(t, append(brief("fanout"), "--timeout", "3s", "--url", s.url("tcp"))...)
			if code != int(tt.code) || stdout != "" || !strings.Contains(stderr, tt.want) {
				t.Errorf("exit code %d, want %d: %s%s", code, tt.code, stdout, stderr)
			}
		})
	}
	code, _, stderr := run(t, append(brief("fanout"), "--url", notFound(t))...)
	if code != int(cli.Failed) || !strings.Contains(stderr, "404") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	code, _, stderr = run(t, append(brief("churn"), "--url", "tcp://"+clitest.ClosedAddr(t))...)
	if code != int(cli.Unreachable) || !strings.Contains(stderr, "refused") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}

// TestLogin: what CONNECT, SUBSCRIBE and SEND say of who comes.
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
	code, _, stderr := run(t, append(brief("fanout"), "--url", s.url("tcp"), "--login", "guest", "--passcode-file", "pass", "--token-file", "token", "--host", "/", "--send-to", "/topic/bench")...)
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	mu.Lock()
	defer mu.Unlock()
	clitest.Contains(t, said["CONNECT"], "login:guest\n", "passcode:secret\n", "host:/\n", "Authorization:Bearer abc\n", "accept-version:1.2,1.1\n", "heart-beat:0,0\n")
	clitest.Contains(t, said["SUBSCRIBE"], "Authorization:Bearer abc\n")
	clitest.Contains(t, said["SEND"], "Authorization:Bearer abc\n")
}

func TestMisuse(t *testing.T) {
	for _, tt := range []struct{ args, want string }{
		{"fanout --clients 0", "--clients 0: want 1 to 1000000"},
		{"fanout --rate 0", "--rate: 0 is not possible"},
		{"fanout --rate 5 --window 3", "--rate and --window: it sends at a rate, or when messages have arrived"},
		{"fanout --window 0", "--window 0: want 1 to 1000000"},
		{"fanout --size 10", "--size 10: want 45 to 16777216"},
		{"fanout --passcode-file x", "--passcode-file without --login: whose is it?"},
		{"fanout --publishers 0", "--publishers 0: want 1 to 1000000"},
		{"rooms --rooms 7 --clients 3 --subscriptions 2", "--rooms 7: 3 clients with --subscriptions 2 don't reach them all"},
		{"rooms --rooms 7 --subscriptions 8", "--subscriptions 8: want 1 to 7, as many as there are --rooms"},
		{"rooms --rooms 0", "--rooms 0: want 1 to 1000000"},
		{"churn --url http://a", "--url: want a URL that begins with ws://, wss://, tcp:// or tcps://: SockJS is not measured here"},
		{"churn --url a", "--url: want a URL that begins with"},
		{"churn --assert p99", `--assert "p99": want a number of the report, one of < <= = >= >, and a value`},
		{"churn --assert p99<5", "5"},
		{"churn --assert p98<5ms", `the report has no number "p98": it has behind_p99, clients, connections, delivered,`},
		{"churn --assert disconnected=x", "want a number after ="},
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
