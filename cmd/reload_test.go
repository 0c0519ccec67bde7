package cmd

import (
	"bytes"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/stompgw/stompgw/cmd/internal/config"
	"github.com/stompgw/stompgw/gateway/policy"
)

const (
	oneRoom  = "channels:\n  - {match: /topic/a, subscribe: 'true'}\n"
	twoRooms = "channels:\n  - {match: /topic/a, subscribe: 'true'}\n  - {match: /topic/b, subscribe: 'true'}\n"
)

// TestReload holds what a reload takes over, and what it logs, with the old file and the new one.
func TestReload(t *testing.T) {
	const token, issuer = "auth: {jwt: {secret_file: secret}}\n", "auth: {issuers: [{issuer: a, public_key_file: ed.pub}]}\n"
	const changed = `level=WARN msg="settings changed that need a restart" keys=`
	const old = `level=ERROR msg="rules not reloaded, the old ones stay`
	for _, tt := range []struct {
		name, before, after string
		set                 bool // the new rules count
		want                []string
	}{
		{"an empty file", oneRoom, "", false, []string{old + `" err="t.yaml is empty: somebody may be writing it"`}},
		{"no rules", oneRoom, "log: {level: info}\n", false, []string{old + `: the file has none" file=t.yaml`}},
		{"the same", oneRoom, oneRoom, true, []string{`level=INFO msg="rules reloaded" channels=1 routes=0`}},
		{"a rule more", oneRoom, twoRooms, true, []string{`level=INFO msg="rules reloaded" channels=2 routes=0`}},
		{"other settings", oneRoom, "listen: :1\nlimits: {message: 1KiB}\n" + twoRooms, true,
			[]string{`level=INFO msg="rules reloaded" channels=2 routes=0`, changed + `"listen, limits.message"`}},
		{"a setting of the lists", oneRoom, issuer + twoRooms, true,
			[]string{`level=INFO msg="rules reloaded" channels=2 routes=0`, changed + "auth.issuers"}},
		{"a secret", token + oneRoom, "auth: {jwt: {secret_file: other}}\n" + oneRoom, true,
			[]string{`level=INFO msg="rules reloaded" channels=1 routes=0`, changed + "auth.jwt.secret_file"}},
		{"a secret in the same file", token + oneRoom, "# written anew\n" + token + oneRoom, true,
			[]string{`level=INFO msg="rules reloaded" channels=1 routes=0`, changed + "auth.jwt.secret_file"}},
		{"no such key", oneRoom, "listn: x\n" + twoRooms, false, []string{old + `" err="t.yaml:1: listn: there is no such key; did you mean listen?"`}},
		{"two mistakes", oneRoom, "log: {level: loud}\nerrors: {fallback: shout}\n" + twoRooms, false,
			[]string{old + `" err="t.yaml:2: errors.fallback: \"shout\" is none of drop, error"`, old + `" err="t.yaml:1: log.level: \"loud\" is none of debug, info, warn, error"`}},
		{"a rule that is wrong", oneRoom, twoRooms + "routes:\n  - {match: /app/a, allow: 'true', publish: /topic/a, body: chat}\n", false,
			[]string{old + `" err="t.yaml:5: routes[0].body: undeclared reference to 'chat'\n    chat\n    ^"`}},
		{"other prefixes", oneRoom, "prefixes: {app: /to}\n" + twoRooms, false,
			[]string{old + `: they go with a setting that needs a restart" key=prefixes.app at=t.yaml:1`}},
		{"another error destination", oneRoom, twoRooms + "errors: {destination: /session/e}\n", false,
			[]string{old + `: they go with a setting that needs a restart" key=errors.destination at=t.yaml:4`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tokenFiles(t)
			load := func() (*config.Config, error) { return config.Load(config.Source{File: "t.yaml"}) }
			writeFile(t, "t.yaml", tt.before)
			running, err := load()
			if err != nil {
				t.Fatal(err)
			}
			var log bytes.Buffer
			var rules *policy.Catalogue
			r := reloader{"t.yaml", load, running, func(c *policy.Catalogue) error { rules = c; return nil }, slog.New(slog.NewTextHandler(&log, untimed()))}
			writeFile(t, "t.yaml", tt.after)
			if strings.HasPrefix(tt.after, "# written anew") {
				writeFile(t, "secret", "quite another secret of some characters")
			}
			r.reload()
			if got, want := log.String(), strings.Join(tt.want, "\n")+"\n"; got != want {
				t.Errorf("it logs\n%swant\n%s", got, want)
			}
			if (rules != nil) != tt.set {
				t.Errorf("rules were set: %t, want %t", rules != nil, tt.set)
			}
		})
	}
}

// untimed leaves the time out of log lines.
func untimed() *slog.HandlerOptions {
	return &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}
}

// TestServeReload: SIGHUP makes a running node take the rules that the file now has; those that it
// can't take change nothing.
func TestServeReload(t *testing.T) {
	t.Chdir(t.TempDir())
	s := serveStandalone(t, "--config", writeFile(t, "t.yaml", oneRoom))
	awaitReady(t, s.find(t, `admin +(http://\S+)`))
	c := connect(t, s.find(t, `STOMP +(ws://\S+)`))
	c.send(t, "SUBSCRIBE\nid:e\ndestination:/session/queue/request-error\n\n\x00")
	subscribe := func(id string, want ...string) {
		t.Helper()
		c.send(t, "SUBSCRIBE\nid:"+id+"\ndestination:/topic/b\nreceipt:"+id+"\n\n\x00")
		contains(t, c.receive(t), want...)
	}
	subscribe("1", "MESSAGE\n", `"error":"no_rule"`)

	writeFile(t, "t.yaml", "chanels: []\n")
	s.hangups <- nil
	eventually(t, "the log tells the mistake", func() bool { return strings.Contains(s.stderr.String(), "t.yaml:1: chanels: there is no such key") })
	subscribe("2", "MESSAGE\n", `"error":"no_rule"`)

	writeFile(t, "t.yaml", twoRooms)
	s.hangups <- nil
	eventually(t, "the rules are reloaded", func() bool { return strings.Contains(s.stderr.String(), "rules reloaded") })
	subscribe("3", "RECEIPT\n", "receipt-id:3\n")
}

// TestHangups: only a node that has a file to read again catches the signal.
func TestHangups(t *testing.T) {
	p := process()
	if catchHangups(p, "t.yaml") != nil {
		t.Error("a process without signals has a channel of them")
	}
	caught := 0
	p.Hangups = func() <-chan os.Signal { caught++; return make(chan os.Signal) }
	if catchHangups(p, "") != nil || caught != 0 {
		t.Error("a node without a file catches hangups")
	}
	if catchHangups(p, "t.yaml") == nil || caught != 1 {
		t.Error("a node with a file does not catch hangups")
	}
}
