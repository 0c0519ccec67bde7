package message

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/membus"
	"github.com/stompgw/stompgw/cmd/internal/cli"
	"github.com/stompgw/stompgw/cmd/internal/cli/clitest"
)

// archive is a broker in which a test has published to what has history.
type archive struct {
	*membus.Cluster
	bus  *membus.Bus
	file string // a configuration
}

const keptRoom = "/topic/kept"

func newArchive(t *testing.T) *archive {
	t.Helper()
	a := &archive{Cluster: membus.NewCluster()}
	a.bus = a.Bus("publisher")
	a.bus.Remember(bus.Keep{Has: func(string) bool { return true }, Age: time.Hour})
	t.Cleanup(func() { a.bus.Close(context.Background()) })
	t.Chdir(t.TempDir())
	a.file = clitest.WriteFile(t, "c.yaml", "channels:\n  - {match: /topic/kept, subscribe: true, history: {size: 100, ttl: 10m}}\n"+
		"  - {match: '/member/{member}/queue/{name}', subscribe: true, history: {size: 100, ttl: 10m}}\n  - {match: '/topic/**', subscribe: true}\n")
	return a
}

func (a *archive) publish(t *testing.T, destination string, headers []bus.Header, bodies ...string) {
	t.Helper()
	for _, body := range bodies {
		published := make(chan error, 1)
		e := bus.Envelope{Destination: destination, Headers: headers, Body: []byte(body)}
		if err := a.bus.Publish(e, func(err error) { published <- err }); err != nil || <-published != nil {
			t.Fatal("it was not published")
		}
	}
}

// history runs the command over a bus of its own.
func (a *archive) history(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	b := a.Bus("reader")
	defer b.Close(context.Background())
	return over(b).Run(t, nil, append([]string{"history", "--nats", "nats://127.0.0.1:1", "-c", a.file}, args...)...)
}

// line is what -o jsonl prints of a message.
type line struct {
	Position    string
	ContentType string `json:"content_type"`
	Headers     map[string]string
	Body        *string
	Base64      []byte `json:"body_base64"`
}

func (a *archive) lines(t *testing.T, args ...string) (list []line, stderr string) {
	t.Helper()
	code, stdout, stderr := a.history(t, append(args, "-o", "jsonl")...)
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	for text := range strings.Lines(stdout) {
		var l line
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		list = append(list, l)
	}
	return list, stderr
}

func bodies(list []line) (all []string) {
	for _, l := range list {
		all = append(all, *l.Body)
	}
	return all
}

// TestHistory: without a node, what is kept is read from the broker, and gone on with behind any of its positions.
func TestHistory(t *testing.T) {
	a := newArchive(t)
	none, stderr := a.lines(t, keptRoom)
	position, ok := strings.CutPrefix(stderr, "0 messages; what comes next: --after ")
	if len(none) != 0 || !ok {
		t.Errorf("of an empty room: %v, %s", none, stderr)
	}
	a.publish(t, keptRoom, []bus.Header{{Name: "content-type", Value: "text/plain"}, {Name: "x", Value: "1"}, {Name: "x", Value: "2"}}, "1", "2", "3", "4")
	a.publish(t, "/member/7/queue/inbox", nil, "mine")
	last, _ := a.lines(t, keptRoom, "--limit", "2")
	if got := fmt.Sprint(bodies(last)); got != "[3 4]" {
		t.Errorf("the last ones: %s", got)
	}
	first, stderr := a.lines(t, keptRoom, "--after", strings.TrimSpace(position), "--limit", "3")
	if got := fmt.Sprint(bodies(first)); got != "[1 2 3]" || stderr != "3 messages, and more: --after "+first[2].Position+"\n" {
		t.Errorf("the first ones: %s, %s", got, stderr)
	}
	if m := first[0]; m.ContentType != "text/plain" || fmt.Sprint(m.Headers) != "map[x:1]" {
		t.Errorf("got %+v", m)
	}
	rest, _ := a.lines(t, keptRoom, "--after", first[0].Position)
	if got := fmt.Sprint(bodies(rest)); got != "[2 3 4]" {
		t.Errorf("behind the first: %s", got)
	}
	inbox, _ := a.lines(t, "/member/7/queue/inbox")
	if got := fmt.Sprint(bodies(inbox)); got != "[mine]" {
		t.Errorf("the inbox: %s", got)
	}
	a.publish(t, keptRoom, nil, "\xff\x00")
	if binary, _ := a.lines(t, keptRoom, "--limit", "1"); binary[0].Body != nil || string(binary[0].Base64) != "\xff\x00" {
		t.Errorf("what is no text: %+v", binary)
	}
}

// TestHistoryPages: more than the gateway reads at a time comes too.
func TestHistoryPages(t *testing.T) {
	a := newArchive(t)
	for n := range 20 {
		a.publish(t, keptRoom, nil, fmt.Sprint(n, strings.Repeat("x", 1<<20)))
	}
	clitest.WriteFile(t, a.file, "limits: {message: 2MiB, outbound: 4MiB}\nchannels: [{match: /topic/kept, subscribe: true, history: {size: 100, ttl: 10m}}]\n")
	all, _ := a.lines(t, keptRoom, "--limit", "19")
	for i, l := range all {
		if !strings.HasPrefix(*l.Body, fmt.Sprint(i+1, "x")) {
			t.Errorf("message %d: %.10s", i, *l.Body)
		}
	}
	if len(all) != 19 {
		t.Errorf("%d messages", len(all))
	}
}

// TestHistoryTable: other forms, of which a table keeps what others wrote in its line.
func TestHistoryTable(t *testing.T) {
	a := newArchive(t)
	a.publish(t, keptRoom, []bus.Header{{Name: "content-type", Value: "a/b"}}, "one\nline\x1b[2J")
	position := regexp.MustCompile(`[\w-]{26}`) // it says when it was told
	for format, want := range map[string]string{
		"table": "POSITION\tTYPE\tBYTES\tBODY\nP\ta/b\t12\tone line\ufffd[2J\n",
		"name":  "P\n",
		"json":  "[\n" + `{"position":"P","content_type":"a/b","headers":{},"body":"one\nline\u001b[2J"}` + "\n]\n",
		"yaml":  "- position: \"P\"\n  content_type: \"a/b\"\n  headers: {}\n  body: \"one\\nline\\e[2J\"\n",
	} {
		code, stdout, stderr := a.history(t, keptRoom, "-o", format)
		if stdout = position.ReplaceAllString(stdout, "P"); code != 0 || stdout != want {
			t.Errorf("%s: exit code %d, %s\n got %q\nwant %q", format, code, stderr, stdout, want)
		}
	}
}

// TestHistoryMistakes: what can't be had is told in a line, with an exit code for its kind.
func TestHistoryMistakes(t *testing.T) {
	a, other := newArchive(t), newArchive(t)
	a.publish(t, keptRoom, nil, "1") // or nodes would wait until they have come as far
	other.publish(t, keptRoom, nil, "1")
	list, _ := other.lines(t, keptRoom)
	foreign := list[0].Position
	for _, tt := range []struct {
		args  string
		code  cli.ExitCode
		words string
	}{
		{"", cli.Usage, "DEST is missing"},
		{"topic", cli.Usage, "does not begin with a slash"},
		{"/topic/plain", cli.Usage, "DEST /topic/plain has no history: channels[2], which is about it (c.yaml:4), would need history: {size: 100, ttl: 10m}"},
		{"/member/queue/inbox", cli.Usage, "has no history: by its name on the bus; what a client of member 42 calls so is /member/42/queue/inbox there"},
		{"/member//x", cli.Usage, "DEST /member//x has no history: \"/member//x\" names no member: write it like /member/42/queue/x"},
		{"/topic/kep*", cli.Usage, "DEST /topic/kep* has no history: it is a pattern"},
		{"/queue/a", cli.Usage, "DEST /queue/a has no history: no channel names it"},
		{"/session/queue/a", cli.Usage, "DEST /session/queue/a has no history: what is one session's own is not kept"},
		{"/app/a", cli.Usage, "DEST /app/a has no history: it is for clients to send to"},
		{"/presence/topic/kept", cli.Usage, "DEST /presence/topic/kept has no history: it tells who is subscribed"},
		{keptRoom + " --limit 0", cli.Usage, "--limit 0: want 1 to 10000"},
		{keptRoom + " --limit 10001", cli.Usage, "want 1 to 10000"},
		{keptRoom + " --after=", cli.Usage, "--after is empty: leave it out"},
		{keptRoom + " --after AAAA", cli.Usage, "--after AAAA is no position"},
		{keptRoom + " --after " + foreign, cli.NoMatch, "leave it out for the last messages"},
		{keptRoom + " -o wide", cli.Usage, "the formats are table, json, jsonl, yaml, name"},
		{keptRoom + " --kafka 127.0.0.1:1", cli.Usage, "a gateway has one bus"},
	} {
		code, stdout, stderr := a.history(t, strings.Fields(tt.args)...)
		if code != int(tt.code) || !strings.Contains(stderr, tt.words) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%s: exit code %d, want %d; %s, want %q", tt.args, code, tt.code, stderr, tt.words)
		}
		if stdout != "" && !strings.HasPrefix(stdout, "POSITION") {
			t.Errorf("%s prints %s", tt.args, stdout)
		}
	}
}

// mute is a bus that does not deliver, and may say why.
type mute struct {
	*membus.Bus
	health error
}

func (m *mute) Receive(ctx context.Context, _ func(), _ func(bus.Envelope)) error {
	<-ctx.Done()
	return nil
}

func (m *mute) Healthy() error { return m.health }

// TestHistoryOfMuteBroker: a broker that does not answer is told from one that takes long.
func TestHistoryOfMuteBroker(t *testing.T) {
	a := newArchive(t)
	for _, tt := range []struct {
		health error
		code   cli.ExitCode
		words  string
	}{
		{nil, cli.TimedOut, "did not bring all that is kept of /topic/kept in 50ms; give it more time with --timeout"},
		{errors.New("no stream"), cli.TimedOut, "in 50ms: no stream; give it more time with --timeout"},
		{&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, cli.Unreachable, "NATS at nats://127.0.0.1:1 (bus.nats.url, --nats) does not answer: connection refused"},
	} {
		m := &mute{a.Bus("reader"), tt.health}
		code, _, stderr := over(m).Run(t, nil, "history", "--nats", "nats://127.0.0.1:1", "-c", a.file, keptRoom, "--timeout", "50ms")
		if code != int(tt.code) || !strings.Contains(stderr, tt.words) {
			t.Errorf("exit code %d, %s, want %d, %s", code, stderr, tt.code, tt.words)
		}
	}
}
